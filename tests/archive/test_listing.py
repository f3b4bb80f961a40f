"""What is there, what it is called, where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faults import write
from samples import KEY, make_folder

from gitbatch_core.archive.store import Archive, Take
from gitbatch_core.errors import NotInArchiveError, UsageError
from gitbatch_core.provenance import listing
from gitbatch_core.provenance.object_report import report_on

if TYPE_CHECKING:
    from pathlib import Path


def record(path: str, address: object, **more: object) -> dict[str, object]:
    return {
        "format": "gitbatch-record",
        "version": 1,
        "run": "20250101-000000-ab12",
        "rule": "plot",
        "ended": "2025-01-01T00:00:00Z",
        "outputs": [{"path": path, "kind": "file", "address": str(address), "size": 4}],
        **more,
    }


def test_names_come_from_records(archive: Archive, tmp_path: Path) -> None:
    stored = archive.put_bytes(b"data", name="a.csv")
    unknown = archive.put_bytes(b"unknown")
    out = archive.put_tree(make_folder(tmp_path / "out"), take=Take.COPY)
    archive.write_record(KEY, "run", 1, record("results/a.csv", stored.address))
    archive.write_record(KEY, "run", 2, record("results/b.csv", stored.address))
    archive.write_record("f" * 32, "run", 1, record("out", out.address))
    items = {item.address: item for item in listing.items(archive)}
    assert items[stored.address].names == ("results/a.csv", "results/b.csv")
    assert items[unknown.address].names == ()
    assert (items[out.address].kind, items[out.address].size) == ("tree", out.size)
    assert items[out.files[0].address].names == ("out/a.csv",)
    assert [item.address for item in listing.items(archive, ("results/",))] == [stored.address]
    assert [item.address for item in listing.items(archive, (str(out.address)[:12],))] == [
        out.address
    ]
    known = report_on(archive, stored.address, "a.csv")
    assert [file.path for _, file in known.makers] == ["results/a.csv", "results/b.csv"]
    assert (known.makers[0][0].rule, known.makers[0][0].key) == ("plot", KEY)
    assert (known.kind, known.size, known.files) == ("file", 4, 1)
    assert report_on(archive, out.address, "out").files == len(out.files)


def test_records_are_read_leniently(archive: Archive) -> None:
    stored = archive.put_bytes(b"data", name="a.csv")
    archive.write_record(KEY, "run", 1, {"anything": 1})
    archive.write_record(KEY, "run", 2, record("a", "no address"))
    archive.write_record(KEY, "run", 3, record("a", stored.address) | {"outputs": "x"})
    archive.write_record(
        KEY, "run", 4, {"outputs": [{"address": str(stored.address)}, 5, {"path": 7}]}
    )
    write(archive.root / "records" / "ab" / ("0" * 30) / "run-1.json", b"\xff")
    (item,) = listing.items(archive)
    assert item.names == ("",)
    assert len(report_on(archive, stored.address, "a").makers) == 1


def test_abbreviated_addresses(archive: Archive) -> None:
    stored = archive.put_bytes(b"data", name="a.csv")
    archive.put_bytes(b"data", name="a.txt")
    digest = stored.name.digest
    for text in (digest[:6], digest, f"xxh3:{digest[:6]}", str(stored.address)):
        assert listing.resolve(archive, text) == stored.address
    for text in (digest[:5], "xyz", "md5:123456", f"{digest}0x", ""):
        with pytest.raises(UsageError):
            listing.resolve(archive, text)
    for text in (f"blake3:{digest[:6]}", "0123456789"):
        with pytest.raises(NotInArchiveError):
            listing.resolve(archive, text)
    (archive.path(stored.name).parent / f"{digest[2:6]}{'0' * 26}").touch()
    with pytest.raises(UsageError, match="fits 2"):
        listing.resolve(archive, digest[:6])
