"""Versions of an output, from the documents of runs in a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gitbatch_core.archive import records
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import UsageError
from gitbatch_core.git import commits
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.run_names import Runs
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.provenance.resolve import Resolver
from gitbatch_core.provenance.versions import versions
from gitbatch_core.run import run_commit


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    subprocess.run(["git", "init", "--quiet", tmp_path / "work"], check=True)
    subprocess.run(
        ["git", "commit", "--quiet", "--allow-empty", "--message", "subject\n\nbody"],
        cwd=tmp_path / "work",
        check=True,
    )
    return Repository.find(tmp_path / "work")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.create(tmp_path / "archive")


def ended(repository: Repository, run: str, address: str, made_by: str, **facts: Any) -> None:
    """A run whose output has been made by the job of a run; by nobody knows whom without."""
    output = {"path": "out", "kind": "file", "address": address, "size": 1}
    jobs = {}
    if made_by:
        output |= {"job": f"{made_by}-1", "rule": "make", "wildcards": {}}
        jobs[f"{made_by}-1"] = {"run": made_by, "number": 1, "ended": f"{made_by}T01"}
    found = {
        "format": RunDocument.FORMAT,
        "version": 1,
        "run": run,
        "jobs": jobs,
        "ended": f"{run}T02",
    }
    found |= {"source_commit": repository.commit_of("HEAD"), "outputs": [output], **facts}
    commit = run_commit.write(
        repository, document=RunDocument.from_dict(found), results=[], inputs={}, message=run
    )
    if not facts.get("tainted"):
        commits.tag(repository, f"run/{run}", commit)


def test_the_last_run_is_no_reproduction(repository: Repository) -> None:
    first, by_trailer, by_message = (f"2026010{n}-000000-abcd" for n in (1, 2, 3))
    address = "xxh3:" + "0" * 32
    ended(repository, first, address, first)
    ended(repository, by_trailer, address, by_trailer, reproduces=first, tainted=["x"])
    # Earlier versions have said it by the message alone.
    said = f"reproduction of {first}"
    found = Runs.of(repository)
    assert found.reproductions == {by_trailer}
    head = repository.commit_of("HEAD")
    commits.write(
        repository,
        ref=run_commit.REFS + by_message,
        parent=head,
        overlay=commits.Additions(),
        message=f"{said}\n\ngitbatch run {by_message}: succeeded\n\nGitbatch-Run: {by_message}\n",
    )
    found = Runs.of(repository)
    assert found.reproductions == {by_trailer, by_message}
    assert found.by_id[by_message].reproduces == first
    assert found.one("last").run == found.one("@").run == first
    assert [known.run for known in found.some(["last.."])] == [first, by_trailer, by_message]
    assert found.one(by_message).run == by_message


def test_changes_are_versions(repository: Repository, archive: Archive) -> None:
    one, two = (str(archive.put_bytes(data, name="out").address) for data in (b"1", b"2"))
    ended(repository, "20260101", one, "20260101", message="first", outcome="succeeded")
    ended(repository, "20260102", one, "20260101")  # only took it over
    ended(repository, "20260103", two, "20260103", tainted=["Snakefile"], outcome="failed")
    ended(repository, "20260104", one, "20260101")  # took the old one over again
    ended(repository, "20260105", two, "")
    found = versions(archive, repository, "out")
    assert [(each.run, each.address, each.made_by) for each in found] == [
        ("20260105", two, ""),
        ("20260104", one, "20260101"),
        ("20260103", two, "20260103"),
        ("20260101", one, "20260101"),
    ]
    assert [each.tainted for each in found] == [False, False, True, False]
    assert (found[-1].message, found[-1].subject, found[2].outcome) == (
        "first",
        "subject",
        "failed",
    )


def test_runs_of_others_and_unreadable_records(repository: Repository, archive: Archive) -> None:
    address = str(archive.put_bytes(b"1", name="out").address)
    record = {"run": "other", "rule": "make", "commit": "0" * 40, "ended": "2026", "outputs": []}
    output = {"path": "out", "address": address, "kind": "file", "size": 1}
    archive.write_record("ab" * 16, "other", 1, record | {"outputs": [output, 5, {"path": "out"}]})
    for number, broken in enumerate(
        ({"outputs": 5}, {"members": ["out"]}, {"updated": 7}), start=2
    ):
        archive.write_record("ab" * 16, "other", number, record | {"x": "out"} | broken)
    records.write_run(archive.root, EndedRun(run="other", message="theirs"))
    (version,) = versions(archive, repository, "out")
    assert (version.subject, version.message, version.commit) == (None, "theirs", "0" * 40)
    resolver = Resolver(archive=archive, repository=repository, folder=repository.top)
    assert resolver.resolve("out").run == resolver.resolve("oth:out").run == "other"
    with pytest.raises(UsageError, match="has nothing at"):
        resolver.resolve("oth:nothing")
