"""Killed, interrupted or failing at every single step, with many writers: nothing is lost or half.

A step is a change to the file system; see `faults`. Each test goes through all of them.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from faults import STEPS, TAKING_SPACE, in_child, kill, objects, state, write

from gitbatch_core.archive import freeze, layout, links, verify
from gitbatch_core.archive.store import Archive, Take
from gitbatch_core.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONTENTS = {"a.csv": "a", "b.csv": "b", "same as a.csv": "a"}


def assert_sound(archive: Archive) -> None:
    """Whatever is visible is whole. A source that was to be replaced may still be the object."""
    findings = list(verify.check(archive, verify.plan(archive)))
    assert [one for one in findings if one.problem is not verify.Problem.SHARED] == []


class Case:
    """An archive and a work tree with three files, two of them with the same bytes."""

    def __init__(self, folder: Path) -> None:
        self.archive = Archive.create(folder / "archive")
        self.top = folder / "work tree"
        (self.top / ".gitbatch").mkdir(parents=True)
        (self.top / layout.LINK_PATH).symlink_to(self.archive.root)
        self.files = [
            write(self.top / "out" / name, content, mtime=1000)
            for name, content in CONTENTS.items()
        ]
        self.before = [state(path) for path in self.files]

    def freeze(self) -> None:
        freeze.freeze(self.archive, self.top, self.files)


def every_case(folder: Path) -> Iterator[tuple[int, Case]]:
    for step in range(1, 500):
        yield step, Case(folder / f"{step}")
    raise AssertionError("it never ends by itself")


@pytest.mark.parametrize("take", Take)
def test_killed_while_publishing(tmp_path: Path, take: Take) -> None:
    for step, case in every_case(tmp_path):
        code = in_child(lambda c=case: c.archive.put(c.files, take=take), step=step, event=kill)  # type: ignore[misc]
        assert_sound(case.archive)
        present = {path.read_bytes() for path in objects(case.archive)}
        for path in case.files:
            content = CONTENTS[path.name].encode()
            assert (path.read_bytes() if path.exists() else content) == content
            assert path.exists() or content in present
        # Doing it again works, whatever lies about.
        case.archive.put([path for path in case.files if path.exists()], take=take)
        present = {path.read_bytes() for path in objects(case.archive)}
        assert present == {content.encode() for content in CONTENTS.values()}
        if code is None:
            assert step > 15
            return
        assert code == 9


def test_killed_while_putting_a_tree(tmp_path: Path) -> None:
    for step, case in every_case(tmp_path):
        out = case.top / "out"
        code = in_child(lambda c=case, o=out: c.archive.put_tree(o), step=step, event=kill)  # type: ignore[misc]
        assert_sound(case.archive)  # a manifest is there only with all its members
        if code is None:
            return
        assert code == 9


def test_killed_while_freezing(tmp_path: Path) -> None:
    for step, case in every_case(tmp_path):
        code = in_child(case.freeze, step=step, event=kill)
        assert_sound(case.archive)
        for path in case.files:  # nothing is ever missing from its place
            assert path.read_text() == CONTENTS[path.name]
        case.freeze()
        assert all(path.is_symlink() for path in case.files)
        assert_sound(case.archive)
        if code is None:
            assert step > 15
            return
        assert code == 9


def test_killed_while_thawing(tmp_path: Path) -> None:
    for step, case in every_case(tmp_path):
        case.freeze()
        code = in_child(
            lambda c=case: freeze.thaw(c.archive, c.top, c.files),  # type: ignore[misc]
            step=step,
            event=kill,
        )
        for path in case.files:
            assert path.read_text() == CONTENTS[path.name]
        assert_sound(case.archive)
        if code is None:
            return
        assert code == 9


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def ctrl_c() -> None:
    raise KeyboardInterrupt


EVENTS = pytest.mark.parametrize(
    ("event", "steps"), [(full_disk, TAKING_SPACE), (ctrl_c, STEPS)], ids=["full disk", "Ctrl-C"]
)


@EVENTS
@pytest.mark.parametrize("take", Take)
def test_a_failure_puts_everything_back(
    tmp_path: Path, take: Take, event: Callable[[], None], steps: frozenset[str]
) -> None:
    for step, case in every_case(tmp_path):

        def check(error: BaseException | None, case: Case = case) -> None:
            if error is None:
                return
            assert isinstance(error, ArchiveError | KeyboardInterrupt)
            assert [state(path) for path in case.files] == case.before
            assert all(path.lstat().st_nlink == 1 for path in case.files)

        code = in_child(
            lambda c=case: c.archive.put(c.files, take=take),  # type: ignore[misc]
            step=step,
            event=event,
            steps=steps,
            check=check,
        )
        assert_sound(case.archive)
        if code is None:
            return
        assert code == 0


@EVENTS
def test_a_failing_freeze_leaves_files_or_links(
    tmp_path: Path, event: Callable[[], None], steps: frozenset[str]
) -> None:
    for step, case in every_case(tmp_path):

        def check(error: BaseException | None, case: Case = case) -> None:
            assert error is None or isinstance(error, ArchiveError | KeyboardInterrupt)
            for path, before in zip(case.files, case.before, strict=True):
                assert path.read_bytes() == before[0]
                assert path.lstat().st_mtime_ns == before[2]
                assert path.is_symlink() or state(path) == before
            assert not list(case.top.rglob(".gitbatch-*"))

        code = in_child(case.freeze, step=step, event=event, steps=steps, check=check)
        assert list(verify.check(case.archive, verify.plan(case.archive))) == []
        if code is None:
            return
        assert code == 0


def test_a_freeze_that_cannot_rename_any_more(tmp_path: Path) -> None:
    """Nothing can be put back by a copy then: no byte and no mtime is lost, what is said is true,
    and the same command completes it."""
    for step, case in every_case(tmp_path):

        def check(error: BaseException | None, case: Case = case) -> None:
            if error is None:
                return
            assert isinstance(error, ArchiveError)
            frozen = read_only = 0
            for path, before in zip(case.files, case.before, strict=True):
                assert path.read_bytes() == before[0]
                assert path.lstat().st_mtime_ns == before[2]
                frozen += path.is_symlink()
                read_only += not path.is_symlink() and state(path) != before
            assert f"{frozen} of {len(case.files)} files were frozen" in str(error.hint)
            said = f"{read_only} are read-only for now"
            assert (said in str(error.hint)) if read_only else "read-only" not in str(error.hint)

        code = in_child(
            case.freeze,
            step=step,
            event=full_disk,
            steps=frozenset({"os.rename"}),
            check=check,
            lasting=True,
        )
        assert code in (0, None)
        case.freeze()
        for path, before in zip(case.files, case.before, strict=True):
            assert path.is_symlink() and path.read_bytes() == before[0]
            assert path.lstat().st_mtime_ns == before[2]
        assert list(verify.check(case.archive, verify.plan(case.archive))) == []
        if code is None:
            return


# ---------------------------------------------------------------- many writers


def in_parallel(processes: int, action: Callable[[int], None]) -> None:
    pids = []
    for number in range(processes):
        pid = os.fork()
        if pid == 0:
            try:
                action(number)
            except BaseException:
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * processes


@pytest.mark.parametrize("processes", [2, 8])
@pytest.mark.parametrize("take", Take)
def test_many_writers(archive: Archive, tmp_path: Path, processes: int, take: Take) -> None:
    for number in range(processes):
        for n in range(40):
            write(tmp_path / f"{number}" / f"same {n}.csv", f"same {n}")
            write(tmp_path / f"{number}" / f"own {n}.csv", f"own {number} {n}")

    def action(number: int) -> None:
        folder = tmp_path / f"{number}"
        for part in ("same 1*", "same*", "own*"):
            archive.put(sorted(folder.glob(part)), take=take)
        archive.put_bytes(b"the same manifest")
        archive.put_tree(folder, take=Take.COPY)

    in_parallel(processes, action)
    assert_sound(archive)
    extra = 1
    assert len(objects(archive)) == 40 + 40 * processes + extra
    assert not list((archive.root / layout.STAGING).iterdir())
    assert not list((archive.root / layout.DAMAGED).iterdir())


def test_many_writers_over_a_damaged_object(archive: Archive, tmp_path: Path) -> None:
    stored = archive.put_bytes(b"good" * 1000, name="a.csv")
    path = archive.path(stored.name)
    path.chmod(0o644)
    path.write_bytes(b"evil" * 1000)
    files = [write(tmp_path / f"{n}" / "a.csv", b"good" * 1000) for n in range(8)]
    in_parallel(8, lambda number: archive.put([files[number]]) and None)
    assert path.read_bytes() == b"good" * 1000
    assert_sound(archive)
    aside = [one.read_bytes() for one in (archive.root / layout.DAMAGED).iterdir()]
    assert b"evil" * 1000 in aside


def test_one_of_many_writes_a_record(archive: Archive) -> None:
    def action(number: int) -> None:
        document = {"format": "gitbatch-record", "version": 1, "rule": f"{number}"}
        try:
            archive.write_record("ab" * 16, "run", 1, document)
        except ArchiveError:
            return
        (archive.root / layout.NAMES / f"winner {number}").touch()

    in_parallel(8, action)
    assert len(list((archive.root / layout.NAMES).iterdir())) == 1
    assert len(list(archive.record_paths())) == 1


@pytest.mark.parametrize("copy", [False, True])
def test_many_freeze_the_same_files(archive: Archive, top: Path, copy: bool) -> None:
    """Whoever comes second waits, and finds them frozen."""
    files = [write(top / f"{n}.csv", f"{n}", mtime=5) for n in range(20)]

    def action(number: int) -> None:
        mine = files if number % 2 else files[::-1]
        frozen = freeze.freeze(archive, top, mine, copy=copy and number > 3)
        assert [one.path for one in frozen] == mine

    in_parallel(6, action)
    for number, path in enumerate(files):
        assert path.read_text() == f"{number}"
        assert links.address_of(path)
        assert path.lstat().st_mtime_ns == 5 * 10**9
    assert list(verify.check(archive, verify.plan(archive))) == []
