"""Whatever is done to an archive behind its back, `verify` finds it; repair loses nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from faults import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import KEY, RECORD, make_folder

from gitbatch_core.archive import layout, verify
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive, StoredTree, Take
from gitbatch_core.archive.verify import Finding, Problem
from gitbatch_core.errors import NotInArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def tree(archive: Archive, tmp_path: Path) -> StoredTree:
    """A full archive: the tree, and a record."""
    archive.write_record(KEY, "run", 1, RECORD)
    return archive.put_tree(make_folder(tmp_path / "out"), take=Take.COPY)


def check(archive: Archive, *addresses: Address, repair: bool = False) -> list[Finding]:
    return list(verify.check(archive, verify.plan(archive, addresses or None), repair=repair))


def object_of(archive: Archive, tree: StoredTree, path: str = "a.csv") -> Path:
    (entry,) = (entry for entry in tree.entries if entry.path == path)
    return archive.path(archive.find(Address.of_digest(entry.digest)))


def change(path: Path, data: bytes) -> None:
    """As somebody would who means it: the mode and mtime are right again afterwards."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def count_files(archive: Archive) -> int:
    return sum(path.is_symlink() or path.is_file() for path in archive.root.rglob("*"))


def test_all_is_well(archive: Archive, tree: StoredTree) -> None:
    plan = verify.plan(archive)
    done: list[int] = []
    assert list(verify.check(archive, plan, progress=done.append)) == []
    assert len(plan.objects) == 13
    assert (len(plan.manifests), len(plan.records)) == (1, 1)
    assert sum(done) == plan.size > 0


def test_an_empty_archive(archive: Archive) -> None:
    assert check(archive) == []


def stray(archive: Archive, tree: StoredTree) -> None:
    write(archive.root / "objects" / "ab" / "notes.txt")


def stray_beside_shards(archive: Archive, tree: StoredTree) -> None:
    write(archive.root / "objects" / "notes.txt")


def folder_as_object(archive: Archive, tree: StoredTree) -> None:
    (archive.root / "objects" / "ab" / ("0" * 30)).mkdir(parents=True)


def link_as_object(archive: Archive, tree: StoredTree) -> None:
    path = object_of(archive, tree)
    path.rename(archive.root / "names" / "x")
    path.symlink_to("../../names/x")


def stray_manifest(archive: Archive, tree: StoredTree) -> None:
    write(archive.root / "manifests" / "ab" / "x.txt")


def stray_record(archive: Archive, tree: StoredTree) -> None:
    write(archive.root / layout.record_folder(KEY) / "x.json")


def other_bytes(archive: Archive, tree: StoredTree) -> None:
    change(object_of(archive, tree), b"b")


def cut(archive: Archive, tree: StoredTree) -> None:
    change(object_of(archive, tree), b"")


def other_manifest(archive: Archive, tree: StoredTree) -> None:
    path = archive.root / layout.manifest_path(tree.address.digest)
    change(path, path.read_bytes().replace(b"a.csv", b"b.csv"))


def writable(archive: Archive, tree: StoredTree) -> None:
    object_of(archive, tree).chmod(0o644)


def not_executable(archive: Archive, tree: StoredTree) -> None:
    object_of(archive, tree, "run").chmod(0o444)


def writable_record(archive: Archive, tree: StoredTree) -> None:
    next(archive.record_paths()).chmod(0o644)


def touched(archive: Archive, tree: StoredTree) -> None:
    os.utime(object_of(archive, tree))


def linked(archive: Archive, tree: StoredTree) -> None:
    (archive.root.parent / "other").hardlink_to(object_of(archive, tree))


def removed(archive: Archive, tree: StoredTree) -> None:
    object_of(archive, tree).unlink()


def unreadable(archive: Archive, tree: StoredTree) -> None:
    object_of(archive, tree).chmod(0)


def no_record(archive: Archive, tree: StoredTree) -> None:
    change(next(archive.record_paths()), b"{}")


def record_of_other_types(archive: Archive, tree: StoredTree) -> None:
    record = b'{"format": "gitbatch-record", "version": 1, "outputs": "x"}'
    change(next(archive.record_paths()), record)


DAMAGE: list[tuple[Callable[[Archive, StoredTree], None], set[Problem]]] = [
    (stray, {Problem.STRAY}),
    (stray_beside_shards, {Problem.STRAY}),
    (folder_as_object, {Problem.STRAY}),
    (link_as_object, {Problem.STRAY}),
    (stray_manifest, {Problem.STRAY}),
    (stray_record, {Problem.STRAY}),
    (other_bytes, {Problem.BYTES}),
    (cut, {Problem.BYTES}),
    (other_manifest, {Problem.BYTES}),
    (writable, {Problem.MODE}),
    (not_executable, {Problem.MODE}),
    (writable_record, {Problem.MODE}),
    (touched, {Problem.TIME}),
    (linked, {Problem.SHARED}),
    (removed, {Problem.MEMBER}),
    (unreadable, {Problem.MODE, Problem.UNREADABLE}),
    (no_record, {Problem.UNREADABLE}),
    (record_of_other_types, {Problem.SCHEMA}),
]


@pytest.mark.parametrize(
    ("damage", "problems"), DAMAGE, ids=lambda one: getattr(one, "__name__", "")
)
def test_damage_is_found_and_repaired(
    archive: Archive,
    tree: StoredTree,
    damage: Callable[[Archive, StoredTree], None],
    problems: set[Problem],
) -> None:
    damage(archive, tree)
    count = count_files(archive)
    findings = check(archive)
    assert {one.problem for one in findings} == problems
    assert not any(one.repaired for one in findings)
    assert not list((archive.root / "damaged").iterdir())

    lasting = {Problem.MEMBER, Problem.UNREADABLE, Problem.SCHEMA}
    for one in check(archive, repair=True):
        assert one.repaired == (one.problem not in lasting)
    assert count_files(archive) == count  # nothing is deleted
    if problems <= {Problem.MODE, Problem.TIME, Problem.SHARED}:
        assert check(archive) == []
    if problems == {Problem.BYTES} and damage is not other_manifest:
        assert {one.problem for one in check(archive)} == {Problem.MEMBER}
        change_back = archive.put_bytes(b"a", name="a.csv")
        assert change_back.new
        assert check(archive) == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_found(archive: Archive, tree: StoredTree, data: st.DataObject) -> None:
    plan = verify.plan(archive)
    path = archive.root / data.draw(st.sampled_from(plan.objects + plan.manifests))
    whole = path.read_bytes()
    if not whole:
        return
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    change(path, bytes(flipped))
    (finding,) = check(archive)
    assert finding.problem is Problem.BYTES
    assert finding.path == str(path.relative_to(archive.root))
    change(path, whole)


def test_only_what_was_asked_for(archive: Archive, tree: StoredTree) -> None:
    other = archive.put_bytes(b"other", name="x.csv")
    change(archive.path(other.name), b"OTHER")
    assert check(archive, tree.address) == []
    assert [one.problem for one in check(archive, other.address)] == [Problem.BYTES]
    change(object_of(archive, tree), b"b")
    (finding,) = check(archive, tree.address)
    assert finding.address == Address.of_digest(next(iter(tree.entries)).digest)
    removed_path = object_of(archive, tree, "run")
    removed_path.unlink()
    assert {one.problem for one in check(archive, tree.address)} == {Problem.BYTES, Problem.MEMBER}
    with pytest.raises(NotInArchiveError):
        check(archive, Address(algorithm="xxh3", digest="0" * 32))
