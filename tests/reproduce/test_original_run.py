"""What is needed to make a run's results again, and what is missing for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from repositories import git, new_repository

from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import NotInArchiveError, UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce.original_run import OriginalRun

A = f"xxh3:{'a' * 32}"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "work")


def job(rule: str, inputs: list[str], outputs: list[str], **more: Any) -> dict[str, Any]:
    member = {"rule": rule, "inputs": [{"path": p, "address": A} for p in inputs]}
    return {"folder": "sub", "members": [member | {"outputs": outputs, "logs": []}], **more}


def original(repository: Repository, **document: Any) -> OriginalRun:
    """`first` makes two files of raw data, `second` one of these; Snakemake worked in sub/."""
    outputs = [("sub/a1", "first"), ("sub/a2", "first"), ("sub/b", "second")]
    return OriginalRun(
        repository=repository,
        commit="HEAD",
        document=RunDocument.from_dict(
            {
                "run": "R",
                "folder": "sub",
                "repository": "/where/it/was",
                "source_commit": repository.commit_of("HEAD"),
                "outputs": [
                    {"path": path, "kind": "file", "address": A, "rule": rule}
                    for path, rule in outputs
                ],
                "jobs": {
                    "R-1": job("first", ["../raw"], ["a1", "a2"]),
                    "R-2": job("second", ["a1", "/outside"], ["b"], updated={"b": A}),
                },
            }
            | document
        ),
    )


def test_targets_are_paths_and_rules(repository: Repository) -> None:
    run = original(repository)
    assert run.paths(["a1"]) == run.paths(["/where/it/was/sub/a1"]) == {"sub/a1"}
    assert run.paths(["first", "../sub/b"]) == {"sub/a1", "sub/a2", "sub/b"}
    assert run.paths(["no/such.txt"]) == {"sub/no/such.txt"}
    assert run.paths(["all"]) is None  # a rule that makes nothing: whatever it collects
    assert run.paths([]) is None


def test_inputs_are_followed_upwards(repository: Repository) -> None:
    run = original(repository)
    assert run.inputs(["a2"]) == {"sub/a2", "raw"}
    assert run.inputs(["b"]) == {"sub/b", "sub/a1", "raw", "/outside"}
    assert run.inputs([]) == {"raw", "sub/a1", "/outside"}
    assert run.before_updates() == {"sub/b": A}


def test_another_algorithm_and_other_storage(repository: Repository, archive: Archive) -> None:
    run = original(repository)
    run.check(archive, [])
    blake3 = {"path": "x", "kind": "file", "address": f"blake3:{'a' * 64}"}
    with pytest.raises(UsageError, match="another algorithm"):
        original(repository, outputs=[blake3]).check(archive, [])
    stored = [
        {"path": "sub/a1", "kind": "file", "address": A, "rule": "first", "storage": "s3://x/a1"},
        {"path": "sub/c", "kind": "file", "address": A, "rule": "third"},
    ]
    with pytest.raises(UsageError, match="s3://x/a1"):
        original(repository, outputs=stored).check(archive, [])
    original(repository, outputs=stored).check(archive, ["third"])


def test_frozen_inputs_have_to_be_there(repository: Repository, archive: Archive) -> None:
    name = archive.put_bytes(b"raw", name="raw").name
    (repository.top / "raw").symlink_to(f".gitbatch/archive/{name.path}")
    git(repository.top, "add", "raw")
    git(repository.top, "commit", "--quiet", "--message", "frozen")
    original(repository).check(archive, [])
    archive.path(name).unlink()
    for targets in ([], ["b"], ["first"]):
        with pytest.raises(NotInArchiveError, match=r"frozen inputs of run R:\n  raw"):
            original(repository).check(archive, targets)
    original(repository).check(archive, ["no/such.txt"])
