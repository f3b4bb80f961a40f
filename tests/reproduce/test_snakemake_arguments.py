"""Reproductions without running anything: what is given again, and what is said of outputs."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.recorded_outputs import RecordedOutput
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.reproduction import Difference
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce import content_diff, snakemake_arguments
from gitbatch_core.reproduce.original_run import OriginalRun
from gitbatch_core.reproduce.verdicts import compare
from snakemake_executor_plugin_gitbatch.job import job_description

REPOSITORY = Repository(top=Path("/p"), git_dir=Path("/p/.git"), common_dir=Path("/p/.git"))


def original(**document: Any) -> OriginalRun:
    run = RunDocument.from_dict({"run": "R", **document})
    return OriginalRun(repository=REPOSITORY, commit="c", document=run)


def test_a_configuration_comes_back_as_it_was() -> None:
    config = {
        "samples": {1: "a", "b": [1, 2.5, None, True, "no", "1", "", "it's {x}\n\"ü\\"]},
        "mapping": {"mapping": 1},
        "day": datetime.date(2026, 11, 21),
        "time": datetime.datetime(2026, 11, 21, 4, 30),
        "none": {"nan": float("inf"), "empty": {}, "set": {1, 2}},
    }
    text = snakemake_arguments.config(
        original(given_config=job_description.plain_config(config)), ()
    )
    assert yaml.safe_load(text) == config
    assert snakemake_arguments.config(original(given_config={}), ()) == ""


def test_secrets_are_asked_for_by_their_names() -> None:
    masked = original(
        given_config={"open": 1, "token": "***", "deep": {"inner": ["x***"]}},
        settings=["--cores=2", "--set-resources", "a:key='***'", "b:mem_mb=3", "--until", "a"],
        targets=["all"],
    )
    with pytest.raises(UsageError, match=r"not kept: token, deep\."):
        snakemake_arguments.config(masked, ["--until", "token=1"])
    with pytest.raises(UsageError, match=r"not kept: deep\."):
        snakemake_arguments.config(masked, ["--config", "token=1", "-p", "deep=1"])
    assert "open: 1" in snakemake_arguments.config(masked, ["--config", "token=1", "deep={a: b}"])
    with pytest.raises(UsageError, match="The argument --set-resources of run R"):
        snakemake_arguments.arguments(masked, ["--config", "a=1"])
    kept = snakemake_arguments.arguments(masked, ["--set-resources", "a:key=1", "--until=b"])
    assert kept == ["--cores=2"]
    assert snakemake_arguments.targets(masked, ()) == ["all"]
    with pytest.raises(UsageError, match="Name the targets"):
        snakemake_arguments.targets(original(targets=["a-***"]), ())


def made(
    path: str, address: str, rule: str = "r", *, temporary: bool = False, **more: Any
) -> RecordedOutput:
    member = {"rule": rule, "wildcards": {}, "outputs": [path], "inputs": [], **more}
    job = JobRecord.from_dict({"run": "R", "commit": "c", "folder": "", "members": [member]})
    return RecordedOutput(
        path=path,
        kind="file",
        address=address,
        temporary=temporary,
        job=job,
        member=job.members[0],
    )


def by_path(*found: RecordedOutput) -> dict[str, RecordedOutput]:
    return {each.path: each for each in found}


def test_what_only_one_has() -> None:
    then = by_path(made("a", "1"), made("b", "1", "s"), made("t", "1", "t", temporary=True))
    now = by_path(made("a", "1"), made("c", "1"))
    good = RunDocument(run="R", outcome="succeeded")
    bad = RunDocument(run="R", outcome="failed", jobs_failed=["s"])

    def found(before: RunDocument, again: RunDocument, **more: Any) -> dict[str, str]:
        verdicts = compare(then, now, before=before, again=again, **{"asked": None} | more)
        return {each.path: each.verdict for each in verdicts}

    assert found(good, good) == {"a": "identical", "b": "differs", "c": "differs"}
    assert found(bad, good) == {"a": "identical", "b": "differs"}
    assert found(good, bad) == {"a": "identical", "b": "failed"}
    assert found(good, good, more=True) == {"a": "identical", "b": "not run"}
    # A rule that only collects: what it asks for is what the attempt has.
    assert found(good, good, targets=True) == {"a": "identical"}
    assert found(good, bad, targets=True) == {"a": "identical", "b": "failed"}
    asked = {"a", "t"}
    assert found(good, bad, targets=True, asked=asked) == {"a": "identical", "t": "not run"}


def test_why_an_output_differs() -> None:
    """It reads what differs already; its job has other threads; or nobody knows."""
    reads = {"inputs": [{"path": "a", "address": "1"}, {"path": "x", "address": "1"}]}
    reads_now = {"inputs": [{"path": "a", "address": "2"}, {"path": "x", "address": "3"}]}
    then = by_path(made("a", "1", threads=8), made("b", "1", **reads), made("c", "1"))
    now = by_path(made("a", "2", threads=2), made("b", "2", **reads_now), made("c", "2"))
    run = RunDocument(run="R", outcome="succeeded")
    a, b, c = compare(then, now, before=run, again=run, asked=None)
    assert a.changes == (Difference(what="threads", then=8, now=2),) and not a.after
    assert b.after == ("a", "x") and not b.changes
    assert not c.after and not c.changes


def test_where_bytes_differ(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "archive")

    def difference(then: bytes, now: bytes) -> content_diff.ContentDifference:
        addresses = [archive.put_bytes(data).name.address for data in (then, now)]
        return content_diff.compare(archive, *addresses, tree=False)

    found = difference(b"a\nb\nc\n", b"a\nB\nc\nd\n")
    assert (found.sizes, found.first, found.diff) == ((6, 8), 3, ("-b", "+B", "+d"))
    assert difference(b"abc", b"ab").first == 3
    large = b"\0" * (1 << 20) + b"12"
    found = difference(large, large[:-1] + b"3")
    assert (found.first, found.diff) == ((1 << 20) + 2, ())
    many = [f"{n}\n".encode() for n in range(20)]
    assert difference(b"".join(many), b"").diff[-1] == "… and 12 more lines"
    gone = archive.put_bytes(b"gone").name
    archive.path(gone).unlink()
    found = content_diff.compare(archive, gone.address, gone.address, tree=False)
    assert "has no object" in found.unknown
