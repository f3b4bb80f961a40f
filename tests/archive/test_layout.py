"""Names are strict in both directions, and suffixes follow one rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.archive import layout
from gitbatch_core.archive.layout import (
    Address,
    ObjectName,
    linked_address,
    linked_object,
    suffix_of,
)
from gitbatch_core.archive.links import link_text
from gitbatch_core.errors import FormatError, UsageError

DIGEST = "ab" * 16
digests = st.integers(0, 2**128 - 1).map(lambda n: f"{n:032x}") | st.integers(0, 2**256 - 1).map(
    lambda n: f"{n:064x}"
)
components = st.text(min_size=1, max_size=30).filter(
    lambda text: text not in (".", "..") and "/" not in text and "\0" not in text
)


@given(digests)
def test_addresses_are_read_as_they_are_written(digest: str) -> None:
    address = Address.of_digest(digest)
    assert Address.parse(str(address)) == address
    assert str(address).startswith("xxh3:" if len(digest) == 32 else "blake3:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xxh3",
        "xxh3:",
        DIGEST,
        f"xxh3:{DIGEST.upper()}",
        f"xxh3:{DIGEST[:-1]}",
        f"xxh3:{DIGEST}\n",
        f"xxh3: {DIGEST}",
        f"xxh3:{DIGEST}{DIGEST}",
        f"blake3:{DIGEST}",
        f"md5:{DIGEST}",
        f"xxh3:{'٣' * 32}",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Address.parse(text)


@given(digests, st.booleans(), components)
def test_object_names_are_read_as_they_are_written(digest: str, x: bool, name: str) -> None:
    object_name = ObjectName(digest=digest, executable=x, suffix=suffix_of(name))
    assert ObjectName.parse(object_name.path) == object_name
    assert object_name.address.digest == digest


@pytest.mark.parametrize(
    "path",
    [
        f"objects/ab/{DIGEST[2:]}+X",
        f"objects/ab/{DIGEST[2:]}.gz+x",
        f"objects/ab/{DIGEST[2:]}.",
        f"objects/ab/{DIGEST[2:]}.a.b.c",
        f"objects/ab/{DIGEST[2:]}.1",
        f"objects/ab/{DIGEST[2:]}.gz\n",
        f"objects/ab/{DIGEST[2:]}.é",
        f"objects/ab/{DIGEST}",
        f"objects/AB/{DIGEST[2:]}",
        f"manifests/ab/{DIGEST[2:]}",
        f"./objects/ab/{DIGEST[2:]}",
    ],
)
def test_what_is_no_object_name_is_refused(path: str) -> None:
    with pytest.raises(FormatError):
        ObjectName.parse(path)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.csv", ".csv"),
        ("a.tar.gz", ".tar.gz"),
        ("a.fastq.gz", ".fastq.gz"),
        ("x.vcf.gz.tbi", ".gz.tbi"),
        ("sample.1.bam", ".bam"),
        ("sample.sorted.bam", ".sorted.bam"),
        ("v1.2.3", ""),
        ("man.1", ""),
        ("a.h5", ".h5"),
        ("a.7z", ".7z"),
        ("Makefile", ""),
        (".bashrc", ""),
        ("..hidden", ""),
        (".conf.json", ".json"),
        ("a.", ""),
        ("a..gz", ".gz"),
        ("a.csv~", ""),
        ("a.é", ""),
        ("é.gz", ".gz"),
        ("a.b c.gz", ".gz"),
        ("a.gz\n", ""),
        ("a.extension10", ""),
        ("a.extensio10", ".extensio10"),
        ("a.$(x)", ""),
        ("-rf.txt", ".txt"),
        ("a.-.txt", ".txt"),
        ("folder.d/file", ""),
        ("folder.d/file.R", ".R"),
        ("\udcff.tsv", ".tsv"),
        ("a.\udcff", ""),
        ("", ""),
    ],
)
def test_suffixes(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix


@given(digests, st.booleans(), st.lists(components, min_size=1, max_size=4))
def test_links_are_recognised_from_their_text(digest: str, x: bool, parts: list[str]) -> None:
    name = ObjectName(digest=digest, executable=x, suffix=suffix_of(parts[-1]))
    text = link_text(Path("/top", *parts), Path("/top"), name)
    assert linked_object(text) == name
    assert linked_address(text) == (str(name.address), name.path)
    assert linked_object(f"/elsewhere/{layout.LINK_PATH}/{name.path}") == name
    assert text.count("../") == len(parts) - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.csv",
        f"objects/ab/{DIGEST[2:]}",
        f".gitbatch/archive/objects/ab/{DIGEST[2:]}/x",
        f"x.gitbatch/archive/objects/ab/{DIGEST[2:]}",
        f".gitbatch/archive/manifests/ab/{DIGEST[2:]}.txt",
        ".gitbatch/archive/objects/ab/",
    ],
)
def test_other_links_are_not(text: str) -> None:
    assert linked_object(text) is None and linked_address(text) is None


def test_links_through_odd_folders_are_recognised() -> None:
    name = ObjectName(digest=DIGEST)
    assert linked_object(f"../a\nb/{layout.LINK_PATH}/{name.path}") == name


def test_records_and_manifests() -> None:
    path = layout.record_path(DIGEST, "20250101-120000-ab12", 3)
    assert path == f"records/ab/{DIGEST[2:]}/20250101-120000-ab12-3.json"
    assert layout.parse_record_path(path) == (DIGEST, "20250101-120000-ab12", 3)
    assert layout.parse_manifest_path(layout.manifest_path(DIGEST)) == DIGEST
    for run, number in (("../x", 1), ("", 1), ("a/b", 1), ("run", 0)):
        with pytest.raises(FormatError):
            layout.record_path(DIGEST, run, number)


@pytest.mark.parametrize("name", ["", "a", "/a/b", "a/../b", "a//b", "a/.", "a/b\0", "../a/b"])
def test_names_stay_in_their_folder(name: str) -> None:
    with pytest.raises(UsageError):
        layout.name_path(name)


def test_a_name() -> None:
    assert layout.name_path("results/plot 1.pdf") == "names/results/plot 1.pdf"
