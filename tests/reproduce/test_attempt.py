"""What Snakemake is started with to make a run's outputs again, and in which surroundings."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from repositories import git, new_repository

from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce import attempt
from gitbatch_core.reproduce.attempt import AttemptOptions
from gitbatch_core.reproduce.original_run import OriginalRun


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "work")


def original(repository: Repository, **document: Any) -> OriginalRun:
    head = repository.commit_of("HEAD")
    facts = {"run": "R", "source_commit": head, "folder": "sub", "snakefile": "Snakefile"}
    run = RunDocument.from_dict(facts | document)
    return OriginalRun(repository=repository, commit=head, document=run)


def test_the_arguments(repository: Repository, archive: Archive, tmp_path: Path) -> None:
    top, options = tmp_path / "attempt", AttemptOptions(pool="local")
    arguments = attempt._arguments(original(repository), archive, options, top, [])
    words = dict(pairwise(arguments))
    assert (words["--gitbatch-pool"], words["--gitbatch-reuse"]) == ("local", "off")
    assert (words["--gitbatch-tag"], words["--gitbatch-archive"]) == ("none", str(archive.root))
    assert words["--snakefile"] == str(top / "Snakefile")
    assert words["--directory"] == str(top / "sub") and (top / "sub").is_dir()
    assert "--forcerun" not in arguments


def test_what_changes_in_place_is_asked_for(
    repository: Repository, archive: Archive, tmp_path: Path
) -> None:
    outputs = [
        {"path": path, "kind": "file", "address": f"xxh3:{'a' * 32}"} | more
        for path, more in (("a", {"rule": "one"}), ("b", {"rule": "two"}), ("c", {}))
    ]
    run = original(repository, outputs=outputs)
    words = attempt._arguments(run, archive, AttemptOptions(), tmp_path, ["b", "c", "a"])
    at = words.index("--forcerun")
    assert words[at : at + 4] == ["--forcerun", "one", "two", "--gitbatch-archive"]


def test_environments_are_the_users_own(repository: Repository) -> None:
    run = original(repository)
    assert attempt._software(run, ["--cores=2"]) == ()
    own = repository.top / "sub" / ".snakemake"
    words = ("--conda-prefix", str(own / "conda"), "--apptainer-prefix", str(own / "singularity"))
    assert attempt._software(run, ["--deployment-method=conda"]) == words


def test_search_paths_lead_to_the_attempt(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "attempt"
    (top / "lib").mkdir(parents=True)
    mine = f"{repository.top}/lib:{repository.top}/gone:/usr/lib:lib:"
    monkeypatch.setenv("PYTHONPATH", mine)
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine")
    environment = attempt._environment(repository, top)
    # What the attempt does not have stays as it is: it may be an environment of the user's.
    assert environment["PYTHONPATH"] == mine.replace(f"{repository.top}/lib", f"{top}/lib")
    assert "SNAKEMAKE_PROFILE" not in environment and environment["HOME"] == os.environ["HOME"]


def test_outputs_of_the_run_are_taken_away(
    repository: Repository, archive: Archive, tmp_path: Path
) -> None:
    for path in ("out/a", "out/b", "kept", "changed"):
        (repository.top / path).parent.mkdir(exist_ok=True)
        (repository.top / path).write_text(path)
    git(repository.top, "add", "--all")
    git(repository.top, "commit", "--quiet", "--message", "results")
    contents = {"kept": b"kept", "changed": b"before"}
    before = {path: str(archive.put_bytes(data).name.address) for path, data in contents.items()}
    listed = [("out", "tree"), ("kept", "file"), ("changed", "file")]
    run = original(
        repository,
        folder="",
        outputs=[{"path": path, "kind": kind, "address": "x"} for path, kind in listed],
        jobs={"R-1": {"members": [], "updated": before}},
    )
    with attempt._worktree(run, AttemptOptions(), tmp_path / "attempt") as worktree:
        updates = attempt._prepare(run, archive, worktree.path)
        assert sorted(updates) == ["changed", "kept"]
        assert not (worktree.path / "out").exists()
        # What the job found then: of the commit, or else from the archive.
        assert (worktree.path / "kept").read_text() == "kept"
        assert (worktree.path / "changed").read_bytes() == b"before"
        assert git(worktree.path, "diff", "--name-only").split() == []
    assert not worktree.path.exists()


def test_a_folder_to_keep_it_in(repository: Repository, tmp_path: Path) -> None:
    run, options = original(repository), AttemptOptions(keep=tmp_path / "mine")
    with attempt._worktree(run, options, tmp_path / "unused") as worktree:
        assert worktree.path == tmp_path / "mine"
    assert (tmp_path / "mine" / "code.py").exists()
    with pytest.raises(UsageError, match="exists already"):
        attempt._worktree(run, options, tmp_path / "unused").__enter__()
