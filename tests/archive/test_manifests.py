"""Manifests: one canonical form, read back exactly; a folder gives the same one everywhere."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest
from faults import write
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.archive import manifests
from gitbatch_core.archive.manifests import Entry
from gitbatch_core.errors import ArchiveError, FormatError

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

DIGEST = b"ab" * 16
raw_names = st.binary(min_size=1, max_size=12).filter(
    lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b"..")
)
raw_paths = st.lists(raw_names, min_size=1, max_size=3).map(b"/".join)


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    entries: dict[bytes, Entry] = {}
    for raw in draw(st.lists(raw_paths, max_size=8)):
        path = os.fsdecode(raw)
        taken = any(
            a == raw or a.startswith(raw + b"/") or raw.startswith(a + b"/") for a in entries
        )
        if taken or manifests.IGNORED in path.split("/"):
            continue
        kind = draw(st.sampled_from("fld"))
        if kind == "f":
            entry = Entry(
                kind="f",
                path=path,
                executable=draw(st.booleans()),
                size=draw(st.integers(0, 2**60)),
                digest=draw(st.integers(0, 2**128 - 1).map(lambda n: f"{n:032x}")),
            )
        elif kind == "l":
            target = draw(st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw))
            entry = Entry(kind="l", path=path, target=os.fsdecode(target))
        else:
            entry = Entry(kind="d", path=path)
        entries[raw] = entry
    return list(entries.values())


@given(trees(), st.randoms())
def test_a_manifest_is_canonical(entries: list[Entry], random: Random) -> None:
    data = manifests.dump(entries)
    parsed = manifests.parse(data)
    assert {entry.path: entry for entry in parsed} == {entry.path: entry for entry in entries}
    paths = [os.fsencode(entry.path) for entry in parsed]
    assert paths == sorted(paths)
    random.shuffle(entries)
    assert manifests.dump(entries) == data == manifests.dump(parsed)


@given(st.binary())
def test_escapes(raw: bytes) -> None:
    text = manifests.escape(raw)
    assert manifests.unescape(text) == raw
    assert not set(text) & set(b"\n\t\r")


@given(st.binary())
def test_whatever_is_parsed_is_canonical(text: bytes) -> None:
    try:
        raw = manifests.unescape(text)
    except ValueError:
        return
    assert manifests.escape(raw) == text


def line(
    path: bytes, kind: bytes = b"f", x: bytes = b"-", size: bytes = b"1", digest: bytes = DIGEST
) -> bytes:
    return b"\t".join((kind, x, size, digest, path)) + b"\n"


@pytest.mark.parametrize(
    "lines",
    [
        line(b"b") + line(b"a"),
        line(b"a") + line(b"a"),
        line(b"/a"),
        line(b"a/"),
        line(b"a//b"),
        line(b"../a"),
        line(b"a/../b"),
        line(b"."),
        line(b"a/./b"),
        line(b""),
        line(b"a\0b"),
        line(b"a") + line(b"a-") + line(b"a/b"),
        line(b"a", b"l", size=b"0", digest=b"x") + line(b"a/b"),
        line(b"a", b"d", size=b"0", digest=b"-") + line(b"a/b"),
        line(rb"a\x"),
        line(b"a\\"),
        line(b"a\r"),
        line(b"a", b"z"),
        line(b"a", x=b"X"),
        line(b"a", size=b"01"),
        line(b"a", size=b"-1"),
        line(b"a", size=b"+1"),
        line(b"a", size=b"1_0"),
        line(b"a", size=b""),
        line(b"a", digest=DIGEST.upper()),
        line(b"a", digest=DIGEST[:-1]),
        line(b"a", digest=b"-"),
        line(b"a", b"d", x=b"x", size=b"0", digest=b"-"),
        line(b"a", b"d", size=b"1", digest=b"-"),
        line(b"a", b"l", size=b"0", digest=b""),
        line(b"a", b"l", size=b"0", digest=b"a\0"),
        line(b".snakemake_timestamp"),
        line(b"a/.snakemake_timestamp"),
        line(b"a")[:-1],
        b"\n",
        b"f\t-\t1\ta\n",
        line(b"a\tb"),
    ],
)
def test_what_is_not_canonical_is_refused(lines: bytes) -> None:
    with pytest.raises(FormatError):
        manifests.parse(manifests.HEADER + lines)


@pytest.mark.parametrize("data", [b"", b"gitbatch-manifest 2\n", b"gitbatch-manifest 1", b"x\n"])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        manifests.parse(data)


def test_the_empty_folder_has_a_manifest() -> None:
    assert manifests.dump([]) == manifests.HEADER
    assert manifests.parse(manifests.HEADER) == ()


def scan(folder: Path) -> dict[str, manifests.Scanned]:
    return {found.path: found for found in manifests.scan(str(folder), lambda path: None)}


def test_links_inside_are_kept_and_others_are_content(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.txt")
    folder = tmp_path / "folder"
    write(folder / "a" / "file")
    (folder / "empty" / "deep").mkdir(parents=True)
    for name, target in {
        "a/up": "../a/file",
        "a/beside": "./file",
        "folder": "a",
        "dot": ".",
        "dangling": "nowhere",
        "far dangling": "/nonexistent/x",
        "circle": "circle",
        "out": "../outside.txt",
        "absolute": str(outside),
        "itself": str(folder / "a" / "file"),
    }.items():
        (folder / name).symlink_to(target)
    found = scan(folder)
    kept = {path: one.target for path, one in found.items() if one.target is not None}
    assert kept == {
        "a/up": "../a/file",
        "a/beside": "./file",
        "folder": "a",
        "dot": ".",
        "dangling": "nowhere",
        "far dangling": "/nonexistent/x",
        "circle": "circle",
    }
    assert {path for path, one in found.items() if one.file} == {
        "a/file",
        "out",
        "absolute",
        "itself",
    }
    assert found["empty/deep"] == manifests.Scanned(path="empty/deep")
    assert "empty" not in found


def test_a_relative_link_that_leaves_by_a_linked_folder_is_content(tmp_path: Path) -> None:
    write(tmp_path / "x", b"outside")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "here").symlink_to(".")
    (folder / "sly").symlink_to("here/../x")
    assert scan(folder)["sly"].file


def test_what_a_tree_cannot_hold_is_an_error(tmp_path: Path) -> None:
    for number, make in enumerate(
        (
            os.mkfifo,
            lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
            lambda path: path.symlink_to("/usr"),
            lambda path: path.symlink_to("/dev/null"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / "odd")
        with pytest.raises(ArchiveError, match="odd"):
            scan(folder)


def test_the_time_stamp_of_snakemake_is_no_part(tmp_path: Path) -> None:
    write(tmp_path / "only" / manifests.IGNORED)
    write(tmp_path / manifests.IGNORED)
    assert scan(tmp_path) == {"only": manifests.Scanned(path="only")}
