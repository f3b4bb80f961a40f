"""Files that the workflow writes while it is read: which of them jobs get, and which not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mirrors import bare_mirror
from repositories import git

from gitbatch_core.errors import RunError
from gitbatch_core.git.repository import Repository
from gitbatch_core.run.mirror import parse_time as mirrored
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.run import parse_time, parse_writes
from snakemake_executor_plugin_gitbatch.run.parse_time import ParseTime, ReadOnce

SNAKEFILE = """
    import os
    os.makedirs("config", exist_ok=True)
    with open("config/rendered.yaml", "w") as file:
        file.write("a: 1")
    rule a:
        input: "config/rendered.yaml"
        output: "out/a"
        shell: "cp {input} {output}"
"""


class ReadHere(ParseTime):
    """Has a function do in the worktree what a Snakemake that reads the workflow would do there."""

    reading: Callable[[Path], object] = bool
    readings = 0

    def _read(self) -> int:
        self.readings += 1
        self.reading(self.mirror.worktree)
        return 0


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = bare_mirror(tmp_path)
    git(mirror.top, "init", "--quiet")
    (mirror.top / ".git" / "gitbatch").mkdir()  # as each start does
    mirror.tracked = frozenset({"Snakefile"})
    return mirror


@pytest.fixture
def read(make_workflow: Any, mirror: Mirror) -> Iterator[Callable[..., ReadHere]]:
    """Reads a workflow in the user's folder."""
    os.chdir(mirror.top)  # which `make_workflow` leaves again

    def read(snakefile: str = SNAKEFILE, **secrets: str) -> ReadHere:
        parse_writes.listen()
        run: Any = SimpleNamespace(repository=Repository.find(mirror.top))
        workflow = make_workflow(snakefile)
        return ReadHere(workflow=workflow, run=run, mirror=mirror, secrets=secrets)

    yield read
    parse_writes.stop()


def test_jobs_have_what_was_written_as_it_was_written(
    read: Callable[..., ReadHere], mirror: Mirror
) -> None:
    reading = read()
    assert reading.bring() and mirror.parse_time.keys() == {"config/rendered.yaml"}
    assert not reading.bring(), "nothing new"
    here, there = (top / "config/rendered.yaml" for top in (mirror.top, mirror.worktree))
    here.write_text("a: 2")  # the user goes on working
    reading.bring()
    reading.read_again(["config/rendered.yaml"])
    assert there.read_text() == "a: 1" and not os.access(there, os.W_OK)
    assert mirrored.original(mirror, "config/rendered.yaml").read_text() == "a: 1"
    assert reading.readings == 0


def test_what_a_rule_makes_and_what_lies_among_caches_is_not_brought(
    read: Callable[..., ReadHere], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", f"{mirror.top}/cache")
    files = ("out/a", "out/b", "cache/x", ".snakemake/y", ".snakemake/read", "b.txt")
    snakefile = f"""
        import pathlib
        for name in {files}:
            pathlib.Path(name).parent.mkdir(exist_ok=True)
            pathlib.Path(name).write_text(name)
        rule a:
            input: ".snakemake/read"
            output: "out/a"
            shell: "touch {{output}}"
    """
    read(snakefile).bring()
    assert mirror.parse_time.keys() == {"out/b", ".snakemake/read", "b.txt"}


def test_what_comes_before_the_first_job_comes_too(
    read: Callable[..., ReadHere], mirror: Mirror
) -> None:
    reading = read()
    reading.bring()
    (mirror.top / "of_onstart").write_text("x")
    assert reading.bring_late() and "of_onstart" in mirror.parse_time
    (mirror.top / "of_a_job").write_text("x")
    assert not reading.bring_late() and "of_a_job" not in mirror.parse_time


def test_a_file_with_a_secret_goes_nowhere(read: Callable[..., ReadHere], mirror: Mirror) -> None:
    reading = read(SNAKEFILE.replace("a: 1", "password: s3cr'et"), TOKEN="s3cr'et")
    reading.bring()
    reading.read_again(["config/rendered.yaml"])
    assert mirror.parse_time == {} and reading.readings == 0
    assert not (mirror.worktree / "config/rendered.yaml").exists()
    objects = mirror.archive.root / "objects"
    assert [path for path in objects.rglob("*") if path.is_file()] == []
    error = reading.explain("config/rendered.yaml", RunError("It is not in the archive."))
    assert "envvars:" in error.message and "s3cr" not in f"{error.message}{error.hint}"


def written(mirror: Mirror, name: str, text: str = "x") -> str:
    """A file in the user's folder that this process has not heard of."""
    with parse_writes.unheard():
        (mirror.top / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.top / name).write_text(text)
    return name


def test_what_a_program_wrote_is_the_workflows_where_reading_makes_the_same(
    read: Callable[..., ReadHere], mirror: Mirror
) -> None:
    reading = read()
    same, edited, own = (written(mirror, name) for name in ("same", "it's edited", "own"))
    inner = written(mirror, "folder/inner")

    def write(worktree: Path) -> None:
        (worktree / "folder").mkdir(exist_ok=True)
        for name, text in {same: "x", inner: "x", edited: "y"}.items():
            if not (worktree / name).exists():
                (worktree / name).write_text(text)

    reading.reading = write
    reading.read_again([same, edited, own, "folder", None])
    assert mirror.parse_time.keys() == {same, inner}
    assert reading.otherwise == {edited}
    assert reading.readings == 2, "once more, to see whether it leaves alone what is there"
    first = RunError("It is neither in the commit nor in the archive.")
    assert reading.explain(edited, first).hint == (
        "Delete it, so that the workflow writes it again: rm -- 'it'\"'\"'s edited'"
    )
    assert reading.explain(own, first) is first


def test_nothing_is_read_again_for_what_is_known(
    read: Callable[..., ReadHere], mirror: Mirror
) -> None:
    reading = read()
    reading.bring()
    reading.read_again(["config/rendered.yaml", None])
    assert reading.readings == 0


def test_a_program_that_writes_each_time_is_refused(
    read: Callable[..., ReadHere], mirror: Mirror
) -> None:
    """Each job reads the workflow, and one would see what another has written half."""
    reading = read()
    name = written(mirror, "sheet.tsv")
    reading.reading = lambda worktree: (
        (worktree / name).unlink(missing_ok=True) or (worktree / name).write_text("x")
    )
    with pytest.raises(RunError, match=r"writes sheet\.tsv\. Each job reads"):
        reading.read_again([name])


def test_what_was_there_before_the_start_is_left_alone_when_it_is_there(
    read: Callable[..., ReadHere], mirror: Mirror
) -> None:
    reading = read()
    name = written(mirror, "old")
    mirror.pinned_ns = time.time_ns() + 10**9
    reading.reading = lambda worktree: (worktree / name).write_text("x")
    reading.read_again([name])
    assert reading.readings == 1 and name in mirror.parse_time


def test_a_later_start_knows_what_is_written_only_where_it_is_missing(
    read: Callable[..., ReadHere], mirror: Mirror
) -> None:
    reading = read()
    assert reading.known_before() == []
    reading.bring()
    for name in ("gone", "tracked"):
        mirror.note_parse_time(name, "")
    reading.remember()
    written(mirror, "tracked")
    mirror.tracked |= {"tracked"}
    assert reading.known_before() == ["config/rendered.yaml"]


def test_a_preview_takes_what_was_written_since_it_began(
    read: Callable[..., ReadHere], mirror: Mirror
) -> None:
    reading = read()
    mirrored.remember(reading.repository, [written(mirror, "remembered"), "gone"])
    written(mirror, "old")
    time.sleep(0.05)
    began_ns = time.monotonic_ns()
    time.sleep(0.05)
    written(mirror, "new")
    once = ReadOnce(repository=reading.repository, mirror=mirror, began_ns=began_ns)
    assert once.bring() and not once.bring()
    once.read_again(["old", "new", "gone", None])
    once.remember()
    assert mirror.parse_time.keys() == {"config", "config/rendered.yaml", "remembered", "new"}
    assert set(mirror.parse_time.values()) == {""} and not list(mirror.worktree.iterdir())
    assert mirrored.recall(reading.repository) == ["gone", "remembered"]


def test_names_that_are_taken_for_a_moment(read: Callable[..., ReadHere], mirror: Mirror) -> None:
    snakefile = """
        import os
        open("table.part", "w").close()
        os.rename("table.part", "table")
        open("stays", "w").close()
        rule a:
            input: "table"
            output: "a"
            shell: "touch {output}"
    """
    read(snakefile)
    assert parse_time.passing(mirror.top) == ["table.part"]
