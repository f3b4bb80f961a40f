"""An archive that format version 1 wrote long ago stays readable, and clean."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gitbatch_core.archive import verify
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.manifests import Entry
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.verify import Problem
from gitbatch_core.provenance.object_report import report_on

GOLDEN = Path(__file__).parent / "golden" / "v1"
TREE = Address.parse("xxh3:86659189c538bb949016993399b6fd52")
SINGLE = Address.parse("xxh3:255684cbf64e6c4520c518d91cd1f7fe")


@pytest.fixture
def golden(tmp_path: Path) -> Archive:
    """As git gives it: without empty folders, with modes and mtimes of its own."""
    shutil.copytree(GOLDEN, tmp_path / "golden", copy_function=shutil.copyfile)
    archive = Archive.open(tmp_path / "golden")
    for path in archive.root.rglob("*.sh"):
        path.chmod(0o755)
    findings = list(verify.check(archive, verify.plan(archive), repair=True))
    assert {one.problem for one in findings} <= {Problem.MODE, Problem.TIME}
    assert all(one.repaired for one in findings)
    return archive


def test_it_is_clean(golden: Archive) -> None:
    plan = verify.plan(golden)
    assert (len(plan.objects), len(plan.manifests), len(plan.records)) == (7, 1, 1)
    assert list(verify.check(golden, plan)) == []


def test_it_says_what_it_always_said(golden: Archive) -> None:
    assert (golden.algorithm, golden.id) == ("xxh3", "97fe1380-4211-4980-8a4e-2cd58426db4a")
    entries = {entry.path: entry for entry in golden.manifest(TREE)}
    assert set(entries) == {
        "a.csv",
        "deep/b c.tar.gz",
        "deep/run.sh",
        "empty",
        "link",
        "nothing",
        "odd/new\nline\ttab\\.txt",
        os.fsdecode(b"odd/\xff.bin"),
    }
    assert entries["link"] == Entry(kind="l", path="link", target="deep/run.sh")
    assert entries["nothing"] == Entry(kind="d", path="nothing")
    assert entries["deep/run.sh"].executable
    script = Address.of_digest(entries["deep/run.sh"].digest)
    assert golden.open_object(script).read() == b"#!/bin/sh\necho hello\n"
    assert golden.find(script).path.endswith("+x.sh")
    assert golden.open_object(SINGLE).read() == b"single\n"
    assert [file.path for _, file in report_on(golden, TREE, "out").makers] == ["out"]


def test_todays_code_writes_the_same(golden: Archive, tmp_path: Path) -> None:
    fresh = Archive.create(tmp_path / "fresh")
    entries = golden.manifest(TREE)
    assert fresh.put_entries(entries) == (TREE, True)
    assert fresh.put_bytes(b"single\n", name="single.txt").name == golden.find(SINGLE)
