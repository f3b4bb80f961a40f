"""Links in a work tree: relative, committed as they are, known by their text; folders of links."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from faults import write
from samples import ODD_NAMES, make_folder

from gitbatch_core.archive import layout, links, manifests
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive, Take
from gitbatch_core.errors import ArchiveError, NotInArchiveError

if TYPE_CHECKING:
    from pathlib import Path

MTIME_NS = 1234567890_123456789


@pytest.mark.parametrize("name", ["a.csv", "deep/er/a.csv", *ODD_NAMES, "odd \n $(x)/-f"])
def test_a_link_leads_to_its_object(archive: Archive, top: Path, name: str) -> None:
    stored = archive.put_bytes(b"data", name=name)
    path = top / name
    links.place_link(path, stored.name, top=top, mtime_ns=MTIME_NS)
    assert path.read_bytes() == b"data"
    text = str((path).readlink())
    assert text == "../" * name.count("/") + f".gitbatch/archive/{stored.name.path}"
    assert path.lstat().st_mtime_ns == MTIME_NS
    assert links.address_of(path) == links.address_of(path, archive) == stored.address
    archive.root.rename(archive.root.with_name("away"))
    assert links.address_of(path) == stored.address


def test_a_link_replaces_files_links_and_empty_folders(archive: Archive, top: Path) -> None:
    name = archive.put_bytes(b"data").name
    write(top / "file", b"old")
    (top / "link").symlink_to("nowhere")
    (top / "empty").mkdir()
    for path in (top / "file", top / "link", top / "empty"):
        links.place_link(path, name, top=top, mtime_ns=0)
        assert path.is_symlink()
        assert path.read_bytes() == b"data"
    kept = write(top / "folder" / "kept")
    with pytest.raises(ArchiveError, match="folder"):
        links.place_link(kept.parent, name, top=top, mtime_ns=0)
    assert kept.read_bytes() == b"data"
    assert not list(top.glob(".gitbatch-*"))


def test_a_link_that_is_there_already_gets_its_time_only(archive: Archive, top: Path) -> None:
    name = archive.put_bytes(b"data").name
    links.place_link(top / "a", name, top=top, mtime_ns=0)
    link, of_object = (top / "a").lstat(), (top / "a").stat()
    links.place_link(top / "a", name, top=top, mtime_ns=MTIME_NS)
    assert (top / "a").lstat().st_ino == link.st_ino
    assert (top / "a").lstat().st_mtime_ns == MTIME_NS
    assert (top / "a").stat() == of_object


def test_the_same_link_in_another_work_tree_gets_another_name(
    archive: Archive, top: Path, tmp_path: Path
) -> None:
    one, two = (archive.put_bytes(data, name="a.txt").name for data in (b"one", b"two"))
    other = tmp_path / "other"
    other.mkdir()
    links.place_link(other / "a.txt", one, top=other, mtime_ns=5)
    write(top / "a.txt", b"what was there")
    for name, mtime_ns, is_shared in ((one, 5, True), (two, 5, False), (one, 6, False)):
        links.place_link(top / "a.txt", name, top=top, mtime_ns=mtime_ns, like=other / "a.txt")
        assert os.readlink(top / "a.txt") == f"{links.layout.LINK_PATH}/{name.path}"
        assert (top / "a.txt").lstat().st_mtime_ns == mtime_ns
        assert os.path.samestat(os.lstat(top / "a.txt"), os.lstat(other / "a.txt")) is is_shared
    assert os.readlink(other / "a.txt") == f"{links.layout.LINK_PATH}/{one.path}"
    assert (other / "a.txt").lstat().st_mtime_ns == 5
    assert [path.name for path in top.iterdir() if path.is_symlink()] == ["a.txt"]


def test_links_behind_linked_folders(archive: Archive, top: Path, tmp_path: Path) -> None:
    name = archive.put_bytes(b"data").name
    (top / "real" / "deep").mkdir(parents=True)
    (top / "inside").symlink_to("real/deep")
    links.place_link(top / "inside" / "a", name, top=top, mtime_ns=0)
    assert (top / "real" / "deep" / "a").read_bytes() == b"data"
    (tmp_path / "scratch").mkdir()
    (top / "outside").symlink_to(tmp_path / "scratch")
    # From there, no relative path leads back.
    links.place_link(top / "outside" / "a", name, top=top, mtime_ns=0)
    text = str((tmp_path / "scratch" / "a").readlink())
    assert text == f"{top}/.gitbatch/archive/{name.path}" and layout.linked_object(text) == name
    stored = archive.put_tree(make_folder(tmp_path / "made"), take=Take.COPY)
    links.place_tree(archive, top / "outside" / "t", stored.entries, top=top, mtime_ns=0)
    assert links.address_of(tmp_path / "scratch" / "t", archive) == stored.address


def test_a_work_tree_that_is_named_through_a_link(
    archive: Archive, top: Path, tmp_path: Path
) -> None:
    (tmp_path / "alias").symlink_to(top)
    name = archive.put_bytes(b"data").name
    links.place_link(tmp_path / "alias" / "d" / "a", name, top=top, mtime_ns=0)
    links.place_link(top / "d" / "b", name, top=tmp_path / "alias", mtime_ns=0)
    assert str((top / "d" / "a").readlink()) == str((top / "d" / "b").readlink())


def test_what_is_not_in_an_archive_has_no_address(archive: Archive, top: Path) -> None:
    write(top / "folder" / "file")
    (top / "link").symlink_to("folder/file")
    for name in ("folder", "folder/file", "link", "missing"):
        assert links.address_of(top / name, archive) is None


# ---------------------------------------------------------------- folders


def test_a_tree_becomes_a_folder_of_links(archive: Archive, top: Path) -> None:
    stored = archive.put_tree(make_folder(top / "made"), take=Take.COPY)
    path = top / "results" / "out"
    links.place_tree(archive, path, stored.entries, top=top, mtime_ns=MTIME_NS)
    for entry in stored.entries:
        inner = path / entry.path
        assert inner.is_dir() if entry.kind == "d" else inner.is_symlink()
        if entry.kind != "d":
            assert inner.lstat().st_mtime_ns == MTIME_NS
            assert inner.read_bytes() == (top / "made" / entry.path).read_bytes()
            assert os.access(inner, os.X_OK) == entry.executable
    assert path.stat().st_mtime_ns == MTIME_NS
    assert not list(top.rglob(".gitbatch-*"))
    # The address comes from the links: no object is read.
    for one in (archive.root / "objects").rglob("*"):
        one.chmod(0 if one.is_file() else 0o755)
    assert links.address_of(path, archive) == stored.address
    assert links.entries_of(path, archive) == stored.entries
    write(path / manifests.IGNORED, b"")
    assert links.address_of(path, archive) == stored.address
    write(path / "new", b"")
    assert links.address_of(path, archive) is None


def test_a_folder_of_links_is_replaced_and_a_folder_of_files_is_not(
    archive: Archive, top: Path
) -> None:
    one = archive.put_tree(make_folder(top / "one"), take=Take.COPY)
    two = archive.put_tree(write(top / "two" / "x").parent, take=Take.COPY)
    path = top / "out"
    for stored in (one, two, one):
        links.place_tree(archive, path, stored.entries, top=top, mtime_ns=0)
        assert links.address_of(path, archive) == stored.address
        write(path / manifests.IGNORED, b"")
    write(path / "mine", b"mine")
    with pytest.raises(ArchiveError, match="out"):
        links.place_tree(archive, path, two.entries, top=top, mtime_ns=0)
    assert (path / "mine").read_bytes() == b"mine"
    assert not list(top.glob(".gitbatch-*"))


def test_a_tree_without_its_objects_changes_nothing(archive: Archive, top: Path) -> None:
    write(top / "out", b"what was there")
    missing = manifests.Entry(kind="f", path="a", size=1, digest="0" * 32)
    with pytest.raises(NotInArchiveError):
        links.place_tree(archive, top / "out", [missing], top=top, mtime_ns=0)
    assert (top / "out").read_bytes() == b"what was there"
    assert not list(top.glob(".gitbatch-*"))


def test_a_member_is_found_under_another_suffix(archive: Archive, top: Path) -> None:
    stored = archive.put_bytes(b"data", name="a.csv")
    entry = manifests.Entry(kind="f", path="b.txt", size=4, digest=stored.name.digest)
    links.place_tree(archive, top / "out", [entry], top=top, mtime_ns=0)
    assert links.entries_of(top / "out", archive) == (entry,)
    assert Address.of_digest(entry.digest) == stored.address
