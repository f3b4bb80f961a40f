"""Freeze and thaw: links in the places of files and back, and nothing else changes."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from faults import objects, state, write
from samples import ODD_NAMES, make_folder, open_elsewhere

from gitbatch_core.archive import links, verify
from gitbatch_core.archive.freeze import freeze, thaw
from gitbatch_core.archive.store import Archive, Take
from gitbatch_core.errors import (
    ArchiveError,
    DamageError,
    InUseError,
    NotInArchiveError,
    UsageError,
)

if TYPE_CHECKING:
    from pathlib import Path


def content(folder: Path) -> dict[str, tuple[bytes | None, int]]:
    """All below a folder: bytes (None for folders) and mtime, as one sees it who follows links."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else None,
            path.lstat().st_mtime_ns,
        )
        for path in folder.rglob("*")
    }


def test_freeze_a_file(archive: Archive, top: Path) -> None:
    path = write(top / "a.csv", mtime=1000)
    (frozen,) = freeze(archive, top, [path])
    assert path.is_symlink()
    assert path.read_bytes() == b"data"
    assert path.lstat().st_mtime_ns == 1000 * 10**9
    assert (frozen.path, frozen.size, frozen.folder, frozen.files) == (path, 4, False, 1)
    assert links.address_of(path) == frozen.address
    (again,) = freeze(archive, top, [path])
    assert (again.address, again.files) == (frozen.address, 0)
    assert verify_findings(archive) == []


def test_paths_relative_to_the_present_folder(
    archive: Archive, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path as RealPath

    write(top / "d" / "a.csv")
    write(top / "d" / "b.csv", "b")
    monkeypatch.chdir(top / "d")
    assert freeze(archive, top, [RealPath("a.csv")])[0].path == RealPath("a.csv")
    freeze(archive, top, [RealPath()])
    freeze(archive, top, [RealPath("../d/../d")])
    assert (top / "d" / "b.csv").is_symlink()


@pytest.mark.parametrize("name", [*ODD_NAMES, "deep/odd \n $(x)/-f"])
def test_odd_names(archive: Archive, top: Path, name: str) -> None:
    path = write(top / name)
    freeze(archive, top, [path])
    assert path.is_symlink()
    thaw(archive, top, [path])
    assert path.read_bytes() == b"data"
    assert not path.is_symlink()


def test_freeze_and_thaw_a_folder(archive: Archive, top: Path) -> None:
    folder = make_folder(top / "out")
    for number, path in enumerate([*sorted(folder.rglob("*")), folder]):
        os.utime(path, ns=(number, number * 10**9), follow_symlinks=False)
    before, modified = content(folder), folder.stat().st_mtime_ns
    described = archive.describe_tree(folder)
    (frozen,) = freeze(archive, top, [folder])
    assert frozen.folder
    assert content(folder) == before
    assert folder.stat().st_mtime_ns == modified
    assert (folder / "a.csv").is_symlink()
    assert (folder / "empty").is_dir()
    assert str((folder / "link").readlink()) == "deep/b c.txt"
    assert not (folder / ".snakemake_timestamp").is_symlink()
    assert archive.manifest(frozen.address) == described
    assert links.address_of(folder, archive) == frozen.address
    assert freeze(archive, top, [folder])[0].address == frozen.address
    assert verify_findings(archive) == []

    done = thaw(archive, top, [folder])
    assert len(done) == frozen.files
    assert content(folder) == before
    assert folder.stat().st_mtime_ns == modified
    assert str((folder / "link").readlink()) == "deep/b c.txt"
    assert archive.put_tree(folder, take=Take.COPY).address == frozen.address


def test_a_folder_with_frozen_files_in_it(archive: Archive, top: Path) -> None:
    folder = make_folder(top / "out")
    whole = archive.put_tree(folder, take=Take.COPY)
    freeze(archive, top, [folder / "a.csv"])
    assert freeze(archive, top, [folder])[0].address == whole.address


def test_copy_leaves_everything_alone(archive: Archive, top: Path) -> None:
    folder = make_folder(top / "out")
    file = write(top / "a.csv", "other", mtime=5)
    before = content(top / "out"), state(file)
    tree, one = freeze(archive, top, [folder, file], copy=True)
    assert (content(top / "out"), state(file)) == before
    assert not file.is_symlink()
    assert archive.open_object(one.address).read() == b"other"
    assert archive.manifest(tree.address) == archive.describe_tree(folder)


def test_a_link_to_a_file_elsewhere_is_replaced(
    archive: Archive, top: Path, tmp_path: Path
) -> None:
    target = write(tmp_path / "far.csv", mtime=1)
    link = top / "a.csv"
    link.symlink_to(target)
    os.utime(link, (77, 77), follow_symlinks=False)
    before = state(target)
    freeze(archive, top, [link])
    assert links.address_of(link)
    assert link.lstat().st_mtime == 77
    assert state(target) == before


def test_what_cannot_be_frozen(archive: Archive, top: Path, tmp_path: Path) -> None:
    good = write(top / "good")
    before = state(good)
    write(tmp_path / "outside")
    write(top / ".git" / "config")
    write(top / "sub" / "nested" / ".git" / "config")
    (top / "dangling").symlink_to("nowhere")
    (top / "gone").symlink_to(f".gitbatch/archive/objects/00/{'0' * 30}")
    (top / "folder link").symlink_to("sub")
    (top / "scratch").symlink_to(tmp_path)
    os.mkfifo(top / "fifo")
    socket.socket(socket.AF_UNIX).bind(str(top / "socket"))
    for path in (
        top,
        tmp_path / "outside",
        top / ".." / "outside",
        top / "scratch" / "archive" / "ARCHIVE",
        top / ".git" / "config",
        top / ".git",
        top / ".gitbatch",
        top / ".gitbatch" / "archive",
        top / ".gitbatch" / "archive" / "ARCHIVE",
        top / "sub",
        top / "sub" / "nested" / ".git",
        top / "dangling",
        top / "gone",
        top / "folder link",
        top / "fifo",
        top / "socket",
        top / "missing",
    ):
        with pytest.raises((UsageError, ArchiveError)) as caught:
            freeze(archive, top, [good, path])
        assert path.name.strip(".") in str(caught.value)
    assert state(good) == before
    assert not objects(archive)
    with pytest.raises(NotInArchiveError):
        freeze(archive, top, [top / "gone"])


def test_a_folder_with_a_fifo(archive: Archive, top: Path) -> None:
    folder = make_folder(top / "out")
    os.mkfifo(folder / "deep" / "pipe")
    with pytest.raises(ArchiveError, match="pipe is a fifo"):
        freeze(archive, top, [folder])
    assert not (folder / "a.csv").is_symlink()


@pytest.mark.parametrize("copy", [False, True])
def test_a_file_that_is_open_for_writing(archive: Archive, top: Path, copy: bool) -> None:
    files = [write(top / f"{n}.csv", f"{n}", mtime=n + 1) for n in range(3)]
    before = [state(path) for path in files]
    with open_elsewhere(files[1]), pytest.raises(InUseError, match=r"1\.csv is open") as caught:
        freeze(archive, top, files, copy=copy)
    assert "0 of 3" in str(caught.value)
    assert [state(path) for path in files] == before
    freeze(archive, top, files, copy=copy)


def test_a_read_only_folder_is_refused_before_anything_changes(archive: Archive, top: Path) -> None:
    good, locked = write(top / "good"), write(top / "locked" / "a.csv")
    locked.parent.chmod(0o555)
    before = state(good), state(locked)
    with pytest.raises(UsageError, match="locked is not writable"):
        freeze(archive, top, [good, locked])
    assert (state(good), state(locked)) == before
    freeze(archive, top, [good, locked], copy=True)


def test_an_archive_out_of_reach(archive: Archive, top: Path) -> None:
    files = [write(top / f"{n}.csv", f"{n}", mtime=n + 1) for n in range(3)]
    before = [state(path) for path in files]
    for folder in ("objects", "staging"):
        (archive.root / folder).chmod(0o555)
        with pytest.raises(ArchiveError, match="Cannot store"):
            freeze(archive, top, files)
        assert [state(path) for path in files] == before
        (archive.root / folder).chmod(0o755)


# ---------------------------------------------------------------- thaw


def test_thaw_gives_a_writable_copy(archive: Archive, top: Path) -> None:
    plain, script = write(top / "a.csv", mtime=9), write(top / "run.sh", mtime=8)
    script.chmod(0o700)
    freeze(archive, top, [plain, script])
    present = [state(path) for path in objects(archive)]
    assert thaw(archive, top, [plain, script]) == [plain, script]
    assert state(plain) == (b"data", 0o644, 9 * 10**9)
    assert state(script) == (b"data", 0o755, 8 * 10**9)
    plain.write_bytes(b"changed")
    assert [state(path) for path in objects(archive)] == present


def test_thaw_keeps_holes(archive: Archive, top: Path) -> None:
    path = write(top / "a.img", b"x")
    os.truncate(path, 64 << 20)
    freeze(archive, top, [path])
    assert path.stat().st_blocks * 512 < 1 << 20
    thaw(archive, top, [path])
    assert not path.is_symlink()
    assert path.stat().st_blocks * 512 < 1 << 20
    assert path.stat().st_size == 64 << 20


def test_a_link_to_a_frozen_file_beside_the_folder_stays(archive: Archive, top: Path) -> None:
    write(top / "data" / "a.csv")
    write(top / "data" / "sub" / "b.csv", "b")
    (top / "data" / "sub" / "a.csv").symlink_to("../a.csv")
    freeze(archive, top, [top / "data"])
    assert thaw(archive, top, [top / "data" / "sub"]) == [top / "data" / "sub" / "b.csv"]
    assert str((top / "data" / "sub" / "a.csv").readlink()) == "../a.csv"


def test_what_cannot_be_thawed(archive: Archive, top: Path) -> None:
    good = write(top / "good")
    freeze(archive, top, [good])
    write(top / "file")
    write(top / "folder" / "file")
    (top / "link").symlink_to("file")
    for name in ("file", "folder", "link", "missing"):
        with pytest.raises(UsageError, match=name):
            thaw(archive, top, [good, top / name])
    assert good.is_symlink()


def test_thaw_finds_damage(archive: Archive, top: Path) -> None:
    path = write(top / "a.csv")
    freeze(archive, top, [path])
    (one,) = objects(archive)
    one.chmod(0o644)
    one.write_bytes(b"DATA")
    with pytest.raises(DamageError, match=one.name):
        thaw(archive, top, [path])
    assert path.is_symlink()
    assert not list(top.glob(".gitbatch-*"))
    assert stat.S_ISLNK(path.lstat().st_mode)


def verify_findings(archive: Archive) -> list[verify.Finding]:
    return list(verify.check(archive, verify.plan(archive)))


def test_what_lies_behind_a_linked_folder(archive: Archive, top: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "disk" / "in" / "a.csv", b"data")
    before = path.stat().st_mtime_ns
    (top / "data").symlink_to(tmp_path / "disk")
    [frozen] = freeze(archive, top, [top / "data" / "in"])
    assert path.read_bytes() == b"data" and path.lstat().st_mtime_ns == before
    assert str(path.readlink()).startswith(f"{top}/.gitbatch/archive/objects/")
    assert frozen.address == links.address_of(top / "data" / "in", archive)
    assert thaw(archive, top, [top / "data" / "in" / "a.csv"]) == [path]
    assert not path.is_symlink() and path.stat().st_mtime_ns == before
