"""What PATH, ADDRESS and RUN:PATH stand for, and what is known of that: no Snakemake."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from folders import Folder

from gitbatch_core.archive.layout import Address
from gitbatch_core.errors import NotInArchiveError, UsageError
from gitbatch_core.provenance.holders import holders
from gitbatch_core.provenance.object_report import ObjectReport, report_on
from gitbatch_core.provenance.resolve import ResolvedReference, Resolver

KEY = "0123456789abcdef" * 2
FIRST, SECOND = "20260101-000001-abcd", "20260101-000002-abcd"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two runs: the first made out/a and a tree, the second another out/a."""
    folder = Folder(tmp_path / "work")
    folder.commit({"Snakefile": "", "data.txt": "data", "sub/inner.txt": "inner"})
    folder.run({"out/a": "one", "out/tree": {"x": "1", "y/z": "2"}})
    folder.run({"out/a": "two"})
    return folder


def resolve(folder: Folder, what: str, inside: str = "") -> ResolvedReference:
    here = folder.top / inside
    resolver = Resolver(archive=folder.archive, repository=folder.repository, folder=here)
    return resolver.resolve(what)


def record(folder: Folder, run: str, path: str, text: str, **more: Any) -> str:
    """A job of a run that left no document; the address of its output."""
    name = folder.archive.put_bytes(text.encode(), name=path).name
    output = {"path": path, "kind": "file", "address": str(name.address), "size": len(text)}
    folder.archive.write_record(
        KEY,
        run,
        1,
        {
            "format": "gitbatch-record",
            "version": 1,
            "rule": "make",
            "commit": folder.git("rev-parse", "HEAD"),
            "ended": run,
            "members": [{"rule": "make", "wildcards": {}, "inputs": [], "outputs": [path]}],
            "outputs": [output],
        }
        | more,
    )
    return str(name.address)


def report(folder: Folder, reference: str) -> ObjectReport:
    return report_on(folder.archive, resolve(folder, reference).address, reference)


def test_paths_in_the_folder(folder: Folder) -> None:
    """Relative to the present folder, then to the top; files of the commit, too."""
    out = resolve(folder, "out/a")
    assert (out.path, out.in_folder, out.run) == ("out/a", True, "")
    assert resolve(folder, "a", "out").path == "out/a"
    assert resolve(folder, str(folder.top / "out" / "a")).path == "out/a"
    assert resolve(folder, "out/a", "sub").address == out.address
    assert resolve(folder, "inner.txt", "sub").path == "sub/inner.txt"
    assert resolve(folder, "out/tree/y/z").path == "out/tree/y/z"
    with pytest.raises(UsageError, match="no file, and no folder of links"):
        resolve(folder, "sub")


def test_addresses_and_their_beginnings(folder: Folder) -> None:
    address = str(resolve(folder, "out/a").address)
    digest = address.partition(":")[2]
    for text in (address, address[:12], digest, digest[:6]):
        reference = resolve(folder, text)
        assert (str(reference.address), reference.path) == (address, "")
    with pytest.raises(UsageError, match="too short"):
        resolve(folder, f"xxh3:{digest[:5]}")
    with pytest.raises(NotInArchiveError):
        resolve(folder, "xxh3:00000000")


def test_what_runs_had_at_a_path(folder: Folder) -> None:
    one, two = (resolve(folder, f"{run}:out/a") for run in (FIRST, SECOND))
    assert one.address != two.address == resolve(folder, "out/a").address
    assert (one.run, one.path, one.in_folder) == (FIRST, "out/a", False)
    for name in ("run/" + FIRST, "20260101-000001", "000001-abcd"):
        assert resolve(folder, f"{name}:out/a").address == one.address, name
    assert resolve(folder, "last:out/a").run == resolve(folder, "@:out/a").run == SECOND
    # Members of folders, and files of the commit.
    member = resolve(folder, f"{FIRST}:out/tree/y/z")
    assert member.address == resolve(folder, "out/tree/y/z").address
    data = resolve(folder, "data.txt").address
    assert resolve(folder, "last:data.txt").address == data
    assert resolve(folder, "HEAD:data.txt").address == data
    assert resolve(folder, "last:./inner.txt", "sub").path == "sub/inner.txt"
    with pytest.raises(UsageError, match="last has nothing at out/b") as raised:
        resolve(folder, "last:out/b")
    assert raised.value.hint == "It has: out/a"


def test_what_is_no_longer_in_the_folder(folder: Folder) -> None:
    """By the job records: the last that wrote it, or what a run that failed has written."""
    old = record(folder, "20260101-000003-abcd", "gone.txt", "old")
    new = record(folder, "20260101-000004-abcd", "gone.txt", "new")
    record(folder, "20260101-000005-abcd", "gone.txt", "elsewhere", commit="0" * 40)
    reference = resolve(folder, "gone.txt")
    assert (str(reference.address), reference.run) == (new, "20260101-000004-abcd")
    assert str(resolve(folder, "20260101-000003:gone.txt").address) == old
    with pytest.raises(
        NotInArchiveError, match=r"^Nothing is called .* no job has written or read it\."
    ):
        resolve(folder, "never.txt")


def test_runs_that_hold_it(folder: Folder) -> None:
    one, tree = (str(resolve(folder, f"{FIRST}:{path}").address) for path in ("out/a", "out/tree"))
    [run] = holders(folder.repository, [one])
    assert (run.run, run.paths, run.made_outside) == (FIRST, ("out/a",), False)
    assert run.tags == (f"run/{FIRST}",) and run.document.run == FIRST
    folder.git("tag", "paper", f"run/{FIRST}")
    [run] = holders(folder.repository, [tree, one])
    assert set(run.tags) == {f"run/{FIRST}", "paper"} and set(run.paths) == {"out/a", "out/tree"}
    folder.run({"found": "found"}, unknown=True)
    [run] = holders(folder.repository, [str(resolve(folder, "found").address)])
    assert run.made_outside


def test_a_report_says_where_it_comes_from(folder: Folder) -> None:
    address = record(folder, "20260101-000003-abcd", "made.txt", "made")
    made = report(folder, address)
    assert [job.run for job, _ in made.makers] == ["20260101-000003-abcd"]
    assert (made.kind, made.size, made.files, made.is_frozen) == ("file", 4, 1, False)
    # The archive has it, and no record says who made it.
    frozen = report(folder, f"{FIRST}:out/a")
    assert frozen.is_frozen and not frozen.makers and len(frozen.stored) == 1
    # A member of a tree.
    member = report(folder, "out/tree/x")
    assert [(each.path, str(each.address)) for each in member.holders] == [
        ("x", str(resolve(folder, "out/tree").address))
    ]
    assert report(folder, "out/tree").files == 2
    with pytest.raises(NotInArchiveError, match=r"^The archive .* no job has read or written it\."):
        report_on(folder.archive, Address.parse(f"xxh3:{'0' * 32}"), "nothing")


def test_temporary_outputs_and_what_a_workflow_writes(folder: Folder) -> None:
    address = f"xxh3:{'1' * 32}"
    output = {"path": "t.txt", "kind": "file", "address": address, "size": 3, "temporary": True}
    record(folder, "20260101-000003-abcd", "x", "x", outputs=[output])
    temporary = report(folder, "t.txt")
    assert temporary.is_temporary and (temporary.size, temporary.stored) == (3, ())
    name = folder.archive.put_bytes(b"config", name="c.yaml").name
    member = {"rule": "make", "inputs": [{"path": "c.yaml", "address": str(name.address)}]}
    run = "20260101-000004-abcd"
    record(folder, run, "y", "y", members=[member], parse_time=["c.yaml"])
    written = report(folder, str(name.address))
    assert written.is_of_parse_time and not written.is_frozen
    assert [job.run for job, _ in written.users] == [run]
    assert not os.path.lexists(folder.top / "c.yaml")
