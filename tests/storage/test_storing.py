"""A local copy becomes links, and the archive has what it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import xxhash

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import ArchiveError, UsageError
from snakemake_storage_plugin_gitbatch.place import Place
from snakemake_storage_plugin_gitbatch.storing import put

pytestmark = pytest.mark.fast

TIME = 1_700_000_000_123_456_789
ODD = "-o $(x) 'ü'\n.csv"


@pytest.fixture
def place(archive: Archive, tmp_path: Path) -> Place:
    top = tmp_path / "work tree"
    (top / ".gitbatch").mkdir(parents=True)
    (top / layout.LINK_PATH).symlink_to(archive.root)
    return Place(archive=archive, runs=None, top=top)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(TIME, TIME))
    return path


def address(text: str) -> str:
    return f"xxh3:{xxhash.xxh3_128_hexdigest(text.encode())}"


@pytest.mark.parametrize("text", ["bytes", ""])
def test_a_file_becomes_a_link_of_its_time(place: Place, text: str) -> None:
    path = write(place.top / "a folder" / ODD, text)
    stored = put(place, path)
    assert (str(stored.address), stored.size, stored.made_ns) == (address(text), len(text), TIME)
    assert path.is_symlink() and not os.path.isabs(os.readlink(path)) and path.read_text() == text
    assert path.lstat().st_mtime_ns == TIME
    assert place.archive.object_at(path) == stored.object


def test_what_is_a_link_already_stays_as_it_is(place: Place) -> None:
    first = put(place, write(place.top / "a", "bytes"))
    assert first.object is not None
    absolute = place.top / "b"
    absolute.symlink_to(place.archive.path(first.object))
    for path in (place.top / "a", absolute):
        before = os.readlink(path), path.lstat().st_ino
        stored = put(place, path)
        assert (stored.address, stored.object, stored.size) == (first.address, first.object, 5)
        assert (os.readlink(path), path.lstat().st_ino) == before


def test_a_folder_becomes_a_folder_of_links(place: Place) -> None:
    folder = place.top / "tree"
    write(folder / ODD, "four")
    write(folder / "deep" / "x", "")
    (folder / "none").mkdir()
    stored = put(place, folder)
    assert stored.object is None and stored.size == 4
    members = {each.path: each.kind for each in place.archive.manifest(stored.address)}
    assert members == {ODD: "f", "deep/x": "f", "none": "d"}
    assert not folder.is_symlink() and (folder / "none").is_dir()
    assert (folder / ODD).is_symlink() and (folder / ODD).read_text() == "four"


@pytest.mark.parametrize("is_dangling", [True, False])
def test_what_is_not_there_cannot_be_stored(place: Place, is_dangling: bool) -> None:
    path = place.top / "gone"
    if is_dangling:
        path.symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"gone cannot be stored: it does not exist\.$"):
        put(place, path)
    assert path.is_symlink() == is_dangling


def test_where_links_cannot_be_put_the_files_are_as_they_were(place: Place) -> None:
    folder = place.top / "tree"
    write(folder / "open" / "a", "a")
    write(folder / "shut" / "b", "b")
    (folder / "shut").chmod(0o555)
    try:
        with pytest.raises(ArchiveError, match="shut"):
            put(place, folder)
    finally:
        (folder / "shut").chmod(0o755)
    path = folder / "shut" / "b"
    assert path.read_text() == "b" and not path.is_symlink()
    assert path.stat().st_mtime_ns == TIME
    assert (folder / "open" / "a").read_text() == "a"
