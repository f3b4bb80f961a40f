"""What is put into an archive is there, exact and read-only; what cannot be put stays as it was."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults import objects, state, write
from samples import KEY, ODD_NAMES, RECORD, make_folder, open_elsewhere

from gitbatch_core.archive import ingest, layout, names, source_lock
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.archive.store import Archive, Take
from gitbatch_core.errors import (
    ArchiveError,
    DamageError,
    FormatError,
    InUseError,
    NotInArchiveError,
)

if TYPE_CHECKING:
    pass

EMPTY = "xxh3:99aa06d3014798d86001c324468d497f"


# ---------------------------------------------------------------- creating and opening


def test_create_and_open(tmp_path: Path) -> None:
    made = Archive.create(tmp_path / "a" / "b")
    opened = Archive.open(tmp_path / "a" / "b")
    assert made == opened
    assert opened.algorithm == "xxh3"
    assert uuid.UUID(opened.id)
    assert {path.name for path in opened.root.iterdir()} == {layout.ARCHIVE, *layout.FOLDERS}


def test_create_refuses_what_is_not_empty(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    with pytest.raises(ArchiveError, match="not empty"):
        Archive.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_create_twice(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="already"):
        Archive.create(archive.root)
    assert Archive.create(archive.root, "blake3", exist_ok=True) == archive


def test_many_create_the_same_archive(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gitbatch_core.archive.store import Archive\n"
        "print(Archive.create(Path(sys.argv[1]), exist_ok=True).id)"
    )
    command = [sys.executable, "-c", code, tmp_path / "new"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    ids = {process.communicate()[0] for process in processes}
    assert len(ids) == 1
    assert Archive.open(tmp_path / "new").id == ids.pop().strip()


@pytest.mark.parametrize("place", ["missing", "folder", "file"])
def test_open_names_what_is_no_archive(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    write(tmp_path / "file")
    with pytest.raises(ArchiveError, match=place):
        Archive.open(tmp_path / place)


def test_open_refuses_an_archive_out_of_reach(archive: Archive) -> None:
    archive.root.chmod(0)
    with pytest.raises(ArchiveError, match="Cannot access"):
        Archive.open(archive.root)


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"format": "x"}, {"hash": "sha3"}, {"version": None}]
)
def test_open_refuses_what_it_does_not_know(archive: Archive, change: dict[str, object]) -> None:
    path = archive.root / layout.ARCHIVE
    document = json.loads(path.read_bytes()) | change
    path.unlink()
    path.write_text(json.dumps(document))
    with pytest.raises(FormatError):
        Archive.open(archive.root)


def test_unknown_fields_do_not_matter(archive: Archive) -> None:
    path = archive.root / layout.ARCHIVE
    document = json.loads(path.read_bytes()) | {"new": 1}
    path.unlink()
    path.write_text(json.dumps(document))
    assert Archive.open(archive.root) == archive


# ---------------------------------------------------------------- putting files


@pytest.mark.parametrize("take", Take)
@pytest.mark.parametrize("count", [1, 3, ingest.FEW + 1, ingest.BATCH + 3])
def test_put(archive: Archive, tmp_path: Path, take: Take, count: int) -> None:
    files = [write(tmp_path / f"{n}.csv", f"data {n}", mtime=n + 1) for n in range(count)]
    stored = archive.put(files, take=take)
    assert [one.source for one in stored] == files
    for n, one in enumerate(stored):
        path = archive.path(one.name)
        assert path.read_text() == f"data {n}"
        assert one.name.suffix == ".csv"
        assert (one.size, one.new, one.executable) == (len(f"data {n}"), True, False)
        assert one.mtime_ns == (n + 1) * 10**9
        found = path.lstat()
        assert stat.S_IMODE(found.st_mode) == 0o444
        assert found.st_mtime_ns == layout.MTIME_NS
        assert found.st_nlink == (2 if take is Take.SHARE else 1)
        assert one.source.exists() == (take is not Take.MOVE)
        assert archive.find(one.address) == one.name
        assert archive.open_object(one.address).read() == path.read_bytes()
    assert not list((archive.root / layout.STAGING).iterdir())


def test_a_copied_source_is_left_alone(archive: Archive, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", mtime=5)
    path.chmod(0o640)
    before = state(path)
    archive.put([path], take=Take.COPY)
    assert state(path) == before


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(archive: Archive, tmp_path: Path, name: str) -> None:
    (stored,) = archive.put([write(tmp_path / name)])
    assert stored.name.suffix == ".csv"
    assert archive.path(stored.name).read_bytes() == b"data"


@pytest.mark.parametrize("take", Take)
def test_executables_and_empty_files(archive: Archive, tmp_path: Path, take: Take) -> None:
    script, empty = write(tmp_path / "run.sh"), write(tmp_path / "empty", b"")
    script.chmod(0o750)
    stored = archive.put([script, empty], take=take)
    assert stored[0].executable
    assert stored[0].name.path.endswith("+x.sh")
    assert stat.S_IMODE(archive.path(stored[0].name).stat().st_mode) == 0o555
    assert (str(stored[1].address), stored[1].size) == (EMPTY, 0)


def test_the_same_bytes_with_another_suffix_are_another_file(
    archive: Archive, tmp_path: Path
) -> None:
    script = write(tmp_path / "a.sh")
    script.chmod(0o755)
    stored = archive.put([write(tmp_path / "a.csv"), write(tmp_path / "a.txt"), script])
    assert len({one.address for one in stored}) == 1
    assert archive.variants(stored[0].address) == sorted(one.name for one in stored)
    assert len({archive.path(one.name).stat().st_ino for one in stored}) == 3


@pytest.mark.parametrize("take", Take)
def test_the_same_again(archive: Archive, tmp_path: Path, take: Take) -> None:
    first = write(tmp_path / "1" / "a.csv")
    mirrors = [write(tmp_path / f"{n}" / "a.csv", mtime=7) for n in (2, 3)]
    archive.put([first], take=Take.COPY)
    inode = objects(archive)[0].stat().st_ino
    before = state(mirrors[0])
    stored = archive.put(mirrors, take=take)
    assert not any(one.new for one in stored)
    assert [path.stat().st_ino for path in objects(archive)] == [inode]
    for mirror in mirrors:
        assert mirror.exists() == (take is not Take.MOVE)
        if take is not Take.MOVE:
            assert state(mirror) == before
    assert not list((archive.root / layout.DAMAGED).iterdir())


@pytest.mark.parametrize("data", [b"DATA", b"longer than data", b""])
@pytest.mark.parametrize("take", Take)
def test_a_damaged_object_is_replaced(
    archive: Archive, tmp_path: Path, take: Take, data: bytes
) -> None:
    (stored,) = archive.put([write(tmp_path / "a.csv")])
    path = archive.path(stored.name)
    path.chmod(0o644)
    path.write_bytes(data)
    (again,) = archive.put([write(tmp_path / "a.csv")], take=take)
    assert again.new
    assert path.read_bytes() == b"data"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    (aside,) = (archive.root / layout.DAMAGED).iterdir()
    assert aside.read_bytes() == data


@pytest.mark.parametrize("odd", ["folder", "link", "fifo"])
def test_what_is_no_file_at_an_objects_name_is_put_aside(
    archive: Archive, tmp_path: Path, odd: str
) -> None:
    (stored,) = archive.put([write(tmp_path / "a.csv")])
    path = archive.path(stored.name)
    path.unlink()
    if odd == "folder":
        write(path / "x")
    elif odd == "link":
        path.symlink_to("/etc/passwd")
    else:
        os.mkfifo(path)
    archive.put([write(tmp_path / "a.csv")])
    assert path.read_bytes() == b"data"
    assert len(list((archive.root / layout.DAMAGED).iterdir())) == 1


@pytest.mark.parametrize("take", [Take.MOVE, Take.SHARE])
def test_a_file_with_two_names_is_copied(archive: Archive, tmp_path: Path, take: Take) -> None:
    path = write(tmp_path / "a.csv", mtime=9)
    (tmp_path / "b.csv").hardlink_to(path)
    before = state(path)
    (stored,) = archive.put([path], take=take)
    assert state(path) == before
    assert not path.samefile(archive.path(stored.name))


@pytest.mark.parametrize("take", Take)
def test_two_names_of_one_file_at_once(archive: Archive, tmp_path: Path, take: Take) -> None:
    path = write(tmp_path / "out" / "a.csv", mtime=9)
    (tmp_path / "out" / "b.csv").hardlink_to(path)
    (tmp_path / "alias").symlink_to("out")
    files = [path, path, tmp_path / "out" / "b.csv", tmp_path / "alias" / "a.csv"]
    before = time.monotonic()
    assert len({one.name for one in archive.put(files, take=take)}) == 1
    archive.put_tree(tmp_path / "out", take=take)
    assert time.monotonic() - before < source_lock.PATIENCE / 3  # nobody waits for himself


@pytest.mark.parametrize("take", Take)
def test_a_file_that_is_open_for_writing_is_copied(
    archive: Archive, tmp_path: Path, take: Take
) -> None:
    path = write(tmp_path / "a.csv", mtime=9)
    before = state(path)
    with open_elsewhere(path):
        (stored,) = archive.put([path], take=take)
        assert state(path) == before
        assert not path.samefile(archive.path(stored.name))
        with pytest.raises(InUseError, match=r"a\.csv is open for writing"):
            archive.put([path], take=take, strict=True)
        assert state(path) == before
    assert archive.put([path], take=take, strict=True)


def test_a_file_that_is_mapped_for_writing_is_copied(archive: Archive, tmp_path: Path) -> None:
    import mmap

    path = write(tmp_path / "a.csv")
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4)
    (stored,) = archive.put([path])
    mapped[:] = b"DATA"
    assert archive.path(stored.name).read_bytes() == b"data"


def test_a_file_that_grows_while_it_is_copied_is_refused(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.csv", bytes(5 << 20))
    real = os.preadv

    def preadv(descriptor: int, *arguments: object) -> int:
        with path.open("ab") as file:
            file.write(b"x")
        return real(descriptor, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "preadv", preadv)
    for take in (Take.MOVE, Take.COPY):
        with path.open("ab"), pytest.raises(InUseError, match="changed"):
            archive.put([path], take=take)
    assert path.exists()
    assert not objects(archive)


def test_a_sparse_file_stays_sparse(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    with path.open("wb") as file:
        file.seek(3 << 20)
        file.write(b"middle")
        file.truncate(64 << 20)
    if path.stat().st_blocks * 512 > 4 << 20:
        pytest.fail("this file system has no sparse files: run the tests on another")
    (copied,) = archive.put([path], take=Take.COPY)
    assert archive.path(copied.name).stat().st_blocks * 512 < 4 << 20
    assert archive.path(copied.name).read_bytes() == path.read_bytes()
    (moved,) = archive.put([path], take=Take.MOVE)
    assert moved.address == copied.address
    assert not moved.new


def test_links(archive: Archive, top: Path, tmp_path: Path) -> None:
    (stored,) = archive.put([write(tmp_path / "a.csv")])
    frozen, absolute, chain, outside = (top / name for name in ("f.csv", "a", "c", "o.txt"))
    frozen.symlink_to(f".gitbatch/archive/{stored.name.path}")
    absolute.symlink_to(archive.path(stored.name))
    chain.symlink_to("f.csv")
    outside.symlink_to(write(tmp_path / "outside", b"other"))
    found = archive.put([frozen, absolute, chain, outside])
    assert [one.name for one in found[:3]] == [stored.name] * 3
    assert found[3].name.suffix == ".txt"
    assert all(path.is_symlink() for path in (frozen, absolute, chain, outside))
    assert (tmp_path / "outside").read_bytes() == b"other"


def test_what_cannot_be_put(archive: Archive, top: Path, tmp_path: Path) -> None:
    gone = top / "gone.csv"
    gone.symlink_to(f".gitbatch/archive/objects/ab/{'0' * 30}.csv")
    with pytest.raises(NotInArchiveError, match=r"gone\.csv"):
        archive.put([gone])
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    secret = write(tmp_path / "secret")
    secret.chmod(0)
    kept = write(tmp_path / "kept", mtime=3)
    before = state(kept)
    for name in ("dangling", "fifo", "secret", "missing", "archive"):
        with pytest.raises(ArchiveError, match=name):
            archive.put([kept, tmp_path / name])
        assert state(kept) == before
    assert not objects(archive)


def test_put_bytes(archive: Archive) -> None:
    stored = archive.put_bytes(b"hello", name="log.txt")
    assert archive.open_object(stored.address).read() == b"hello"
    assert stored.name.suffix == ".txt"
    assert (stored.new, archive.put_bytes(b"hello", name="log.txt").new) == (True, False)
    assert archive.put_bytes(b"", name="").size == 0


# ---------------------------------------------------------------- errors lose nothing


def test_no_permission(archive: Archive, tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.csv", f"{n}", mtime=n + 1) for n in range(3)]
    before = [state(path) for path in files]
    for folder in (layout.OBJECTS, layout.STAGING):
        (archive.root / folder).chmod(0o555)
        for take in Take:
            if folder == layout.STAGING and take is Take.MOVE:
                continue  # a move needs no staging
            with pytest.raises(ArchiveError, match="Cannot store") as caught:
                archive.put(files, take=take)
            assert str(archive.root) in caught.value.message
            assert "permission" in str(caught.value)
            assert [state(path) for path in files] == before
        (archive.root / folder).chmod(0o755)
    assert not objects(archive)
    assert not list((archive.root / layout.STAGING).iterdir())


def test_a_file_that_is_too_large_to_copy(archive: Archive, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", bytes(1 << 20), mtime=3)
    with path.open("r+b") as file:
        file.write(b"no hole")
    before = state(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(ArchiveError, match=r"Cannot store .*a\.csv"):
            archive.put([path], take=Take.COPY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state(path) == before
    assert not objects(archive)
    assert not list((archive.root / layout.STAGING).iterdir())


def test_descriptors_do_not_run_out(archive: Archive, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (ingest.BATCH + 100, hard))
    try:
        for take in (Take.COPY, Take.SHARE, Take.MOVE):
            files = [write(tmp_path / take.value / f"{n}", f"{take} {n}") for n in range(513)]
            assert len(archive.put(files, take=take)) == len(files)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_folders_are_open_to_the_group_that_the_archive_is_open_to(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    before = os.umask(0o077)
    try:
        archive = Archive.create(shared / "archive")
        (stored,) = archive.put([write(tmp_path / "a.csv")])
        names.write(archive, "team/a", stored.address, object=stored.name, size=stored.size)
    finally:
        os.umask(before)
    name = archive.root / layout.name_path("team/a")
    assert stat.S_IMODE(name.stat().st_mode) == layout.NAME_MODE
    assert stat.S_IMODE(name.parent.stat().st_mode) == 0o2775
    assert stat.S_IMODE(archive.path(stored.name).parent.stat().st_mode) == 0o2775
    assert stat.S_IMODE(archive.path(stored.name).stat().st_mode) == 0o444
    assert stat.S_IMODE((archive.root / layout.ARCHIVE).stat().st_mode) == 0o444
    for folder in (archive.root, *(archive.root / name for name in layout.FOLDERS)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2775
    # Everybody's folder is no group's: the umask decides there.
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch").chmod(0o1777)
    root = Archive.create(tmp_path / "scratch" / "archive").root
    assert stat.S_IMODE(root.stat().st_mode) & 0o1002 == 0


def test_an_archive_that_is_closed_to_us(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    with pytest.raises(ArchiveError, match=r"Cannot access the archive .*: Permission denied"):
        Archive.open(tmp_path / "closed")


# ---------------------------------------------------------------- finding


def test_find(archive: Archive, tmp_path: Path) -> None:
    script = write(tmp_path / "a.sh")
    script.chmod(0o755)
    plain, text, program = (
        one.name for one in archive.put([write(tmp_path / "a"), write(tmp_path / "a.txt"), script])
    )
    address = plain.address
    assert archive.find(address) == plain
    assert archive.find(address, suffix=".txt") == text
    assert archive.find(address, suffix=".csv") in (plain, text, program)
    assert archive.find(address, executable=True) == program
    assert not archive.find(address, executable=False, suffix=".sh").executable
    for other in (
        Address(algorithm="xxh3", digest="0" * 32),
        Address(algorithm="blake3", digest="0" * 64),
    ):
        assert archive.variants(other) == []
        assert not archive.has_tree(other)
        for ask in (archive.find, archive.open_object, archive.manifest):
            with pytest.raises(NotInArchiveError, match=str(other)):
                ask(other)


def test_paths_of_objects(archive: Archive, top: Path, tmp_path: Path) -> None:
    (stored,) = archive.put([write(tmp_path / "a.csv")])
    link = top / "a.csv"
    link.symlink_to(f".gitbatch/archive/{stored.name.path}")
    assert archive.is_object_path(archive.path(stored.name))
    assert archive.is_object_path(link)
    assert archive.object_at(link) == stored.name
    for other in (top, archive.root, archive.root / layout.ARCHIVE, write(top / "file")):
        assert not archive.is_object_path(other)
        assert archive.object_at(other) is None


def test_an_object_of_another_archive_is_content(archive: Archive, tmp_path: Path) -> None:
    other = Archive.create(tmp_path / "repo" / ".gitbatch" / "archive", "blake3")
    (there,) = other.put([write(tmp_path / "a.csv")])
    link = tmp_path / "repo" / "a.csv"
    link.symlink_to(f".gitbatch/archive/{there.name.path}")
    assert archive.object_at(link) is None
    (here,) = archive.put([link])
    assert here.address.algorithm == "xxh3"
    assert here.new
    assert other.find(there.address) == there.name


# ---------------------------------------------------------------- trees


@pytest.mark.parametrize("algorithm", layout.DIGEST_LENGTHS)
def test_put_tree(tmp_path: Path, algorithm: str) -> None:
    archive = Archive.create(tmp_path / "archive", algorithm)
    folder = make_folder(tmp_path / "out")
    described = archive.describe_tree(folder)
    copied = archive.put_tree(folder, take=Take.COPY)
    assert copied.entries == described == archive.manifest(copied.address)
    assert copied.size == sum(entry.size for entry in described)
    moved = archive.put_tree(folder)
    assert (copied.new, moved.new) == (True, False)
    assert moved.address == copied.address
    assert archive.has_tree(moved.address)
    kinds = {entry.path: entry.kind for entry in moved.entries}
    assert kinds["empty"] == "d"
    assert kinds["link"] == "l"
    assert ".snakemake_timestamp" not in kinds
    for entry in moved.entries:
        if entry.kind == "f":
            name = archive.find(Address.of_digest(entry.digest), executable=entry.executable)
            assert archive.size(name) == entry.size
    manifest = archive.root / layout.manifest_path(moved.address.digest)
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o444
    assert manifest.stat().st_mtime_ns == layout.MTIME_NS


def test_the_empty_folder_is_a_tree(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert archive.put_tree(tmp_path / "out").entries == ()


def test_links_into_the_archive_are_members(archive: Archive, top: Path, tmp_path: Path) -> None:
    (stored,) = archive.put([write(tmp_path / "a.csv")])
    plain = write(tmp_path / "plain" / "x.csv").parent
    (top / "out").mkdir()
    (top / "out" / "x.csv").symlink_to(f"../.gitbatch/archive/{stored.name.path}")
    assert archive.put_tree(top / "out").address == archive.put_tree(plain).address


def test_a_damaged_manifest_is_found(archive: Archive, tmp_path: Path) -> None:
    stored = archive.put_tree(make_folder(tmp_path / "out"))
    manifest = archive.root / layout.manifest_path(stored.address.digest)
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes().replace(b"a.csv", b"b.csv"))
    with pytest.raises(DamageError):
        archive.manifest(stored.address)
    assert archive.put_entries(stored.entries) == (stored.address, True)
    assert archive.manifest(stored.address) == stored.entries


# ---------------------------------------------------------------- records


def test_records(archive: Archive) -> None:
    assert list(archive.record_paths()) == list(archive.record_paths(KEY)) == []
    paths = [archive.write_record(KEY, "20250101-000000-ab12", n, RECORD) for n in (1, 2)]
    other = archive.write_record("f" * 64, "20250101-000000-ab12", 1, RECORD)
    assert list(archive.record_paths(KEY)) == paths
    assert list(archive.record_paths()) == [*paths, other]
    assert json.loads(paths[0].read_bytes()) == RECORD
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o444


def test_a_record_is_never_overwritten(archive: Archive) -> None:
    path = archive.write_record(KEY, "run", 1, RECORD)
    assert archive.write_record(KEY, "run", 1, RECORD) == path
    with pytest.raises(ArchiveError, match="another document"):
        archive.write_record(KEY, "run", 1, RECORD | {"rule": "b"})
    assert json.loads(path.read_bytes()) == RECORD
    assert not list((archive.root / layout.STAGING).iterdir())


def test_a_blake3_archive(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "archive", "blake3")
    (stored,) = archive.put([write(tmp_path / "a.csv")])
    assert stored.address.algorithm == "blake3"
    assert ObjectName.parse(stored.name.path) == stored.name
    assert Archive.open(archive.root).find(stored.address) == stored.name


def test_a_file_on_another_file_system_is_copied(archive: Archive) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        path = write(Path(name) / "a.csv", mtime=9)
        assert path.stat().st_dev != archive.root.stat().st_dev
        before = state(path)
        for take in Take:
            (stored,) = archive.put([path], take=take)
            assert state(path) == before
        assert archive.path(stored.name).read_bytes() == b"data"


@pytest.mark.parametrize("take", Take)
def test_where_nobody_can_tell_who_writes_files_are_copied(
    archive: Archive, tmp_path: Path, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS, which has no leases."""
    monkeypatch.setattr(fcntl, "F_SETLEASE", -1)
    path = write(tmp_path / "a.csv", mtime=9)
    before = state(path)
    (stored,) = archive.put([path], take=take, strict=True)
    assert state(path) == before
    assert not path.samefile(archive.path(stored.name))
