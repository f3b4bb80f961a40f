"""What a run leaves to others whose process has died: records, undeclared files, its folders."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from repositories import git, new_repository

from gitbatch_core.archive.hashing import hash_bytes
from gitbatch_core.archive.store import Archive
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.job_order import ORDER_NAME, DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import RESULT_NAME, JobResult
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import archive_location, lease, lost
from gitbatch_core.run.lease import Owner
from gitbatch_core.run.run import Run

RUN = "20260101-000000-abcd"
START, END = "2026-01-01T00:00:01.000Z", "2999-01-01T00:00:00.000Z"
"""While the tests write."""
NOTHING = RunDocument(run=RUN)
ODD = "-o $(x) 'ü'"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "work")


@pytest.fixture
def archive(repository: Repository) -> Archive:
    return archive_location.open_archive(repository)


@pytest.fixture
def run(repository: Repository, archive: Archive) -> Run:
    return start(repository, archive)


def start(repository: Repository, archive: Archive, **about: Any) -> Run:
    commit = repository.commit_of("HEAD")
    facts = {
        "top": str(repository.top),
        "commit": commit,
        "begun": START,
        "message": "why",
        "pinned_ns": 5,
        "caches": ["**/my_cache/**"],
        "undeclared": "keep",
    }
    run = Run.start(repository, archive, id=RUN, commit=commit, pool="local", about=facts | about)
    run.ready()
    return run


def job(run: Run, number: int, *outputs: str, succeeded: bool | None = True) -> None:
    """Have a job that was to make these; None: one that has not ended."""
    record = JobRecord(
        run=run.id,
        number=number,
        key=f"{number:032x}",
        key_without_code=f"{number + 100:032x}",
        reusable=True,
        rule=f"rule{number}",
        started=START,
        ended=END,
    )
    JobOrder(
        argv=("true",),
        folder=str(run.worktree.path),
        worktree=str(run.worktree.path),
        archive=str(run.archive.root),
        environment={},
        outputs=[DeclaredOutput(path=path) for path in outputs],
        record=record,
    ).write(run.job_folder(number) / ORDER_NAME)
    if succeeded is not None:
        result = JobResult(succeeded=succeeded, record=record)
        result.write(run.job_folder(number) / RESULT_NAME)


def die(run: Run) -> Owner:
    """Have the run's process be one that has ended."""
    owner = Owner.read(run.private)
    path = run.private / "owner.json"
    path.write_bytes(path.read_bytes().replace(b'"ticks": %d' % owner.ticks, b'"ticks": 1'))
    dead = Owner.read(run.private)
    assert dead.is_dead
    return dead


def write(run: Run, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = run.worktree.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def ended(archive: Archive) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((archive.root / f"runs/{RUN}.json").read_bytes())
    return document


def test_what_its_jobs_have_done_can_be_reused_and_the_rest_goes(
    repository: Repository, archive: Archive, run: Run
) -> None:
    job(run, 1, "out")
    job(run, 2, "failed", succeeded=False)
    job(run, 3, "half", succeeded=None)
    write(run, {"out": "made", "half": "ha"})
    lost.clear(repository, die(run), NOTHING)
    facts = ended(archive)
    assert (facts["outcome"], facts["tainted"]) == ("killed", False)
    assert (facts["source_commit"], facts["started"]) == (repository.commit_of("HEAD"), START)
    assert (facts["message"], facts["repository"]) == ("why", str(repository.top))
    assert facts["jobs_without_code"] == {f"{101:032x}": f"{1:032x}/{RUN}-1"}
    for path in (run.worktree.path, run.staging, run.private):
        assert not os.path.lexists(path)
    assert len(git(repository.top, "worktree", "list").splitlines()) == 1


def test_a_run_whose_jobs_have_changed_its_code_is_tainted(
    repository: Repository, archive: Archive, run: Run
) -> None:
    job(run, 1, "out")
    code = run.worktree.path / "code.py"
    code.chmod(0o644)
    code.write_text("another\n")
    lost.clear(repository, die(run), NOTHING)
    facts = ended(archive)
    assert facts["tainted"] is True and not facts.get("jobs_without_code")
    assert (repository.top / "code.py").read_text() == "code\n"


def test_outputs_that_git_tracks_do_not_taint(
    repository: Repository, archive: Archive, run: Run
) -> None:
    job(run, 1, "code.py", succeeded=None)
    (run.worktree.path / "code.py").unlink()
    write(run, {"code.py": "half of it"})
    lost.clear(repository, die(run), NOTHING)
    assert ended(archive)["tainted"] is False


def test_a_run_that_lives_is_left_alone(repository: Repository, archive: Archive, run: Run) -> None:
    lost.clear(repository, Owner.read(run.private), NOTHING)
    assert run.worktree.path.is_dir() and run.private.is_dir()
    assert not (archive.root / f"runs/{RUN}.json").exists()
    assert [each.run for each in lease.owners(repository)] == [RUN]


def test_where_the_worktree_is_not_complete_nobody_takes_what_jobs_have_made(
    repository: Repository, archive: Archive, run: Run
) -> None:
    job(run, 1, "out")
    (run.staging / "jobs").rename(run.staging / "over")
    dead = die(run)
    assert lost.archive_undeclared(repository, archive, dead, []) == NOTHING
    lost.clear(repository, dead, NOTHING)
    assert not (archive.root / f"runs/{RUN}.json").exists() and not run.private.exists()


def test_what_jobs_have_left_beside_their_outputs_comes_to_the_folder(
    repository: Repository, archive: Archive, run: Run
) -> None:
    job(run, 1, "a.bam")
    write(
        run,
        {
            "a.bam": "output",
            "a.bam.bai": "index",
            f"{ODD}/x": "odd",
            "my_cache/x": "cache",
            "empty": "",
        },
    )
    (run.worktree.path / "outside").symlink_to("/etc/hostname")
    left = lost.archive_undeclared(repository, archive, die(run), [])
    assert left.run == RUN and {tuple(each.jobs) for each in left.undeclared} == {(1,)}
    by_path = {each.path: each for each in left.undeclared}
    assert sorted(by_path) == sorted(["a.bam.bai", f"{ODD}/x", "empty"])
    for path, text in {"a.bam.bai": "index", f"{ODD}/x": "odd", "empty": ""}.items():
        assert by_path[path].address == str(hash_bytes(text.encode(), archive.algorithm))
        here = repository.top / path
        assert here.is_symlink() and here.read_text() == text
    for path in ("a.bam", "my_cache", "outside"):
        assert not os.path.lexists(repository.top / path)
    lost.clear(repository, Owner.read(run.private), left)
    assert {each["path"] for each in ended(archive)["undeclared"]} == set(by_path)


def test_what_the_user_has_at_such_a_path_stays(
    repository: Repository, archive: Archive, run: Run
) -> None:
    write(run, {"notes": "of a job", "same": "same"})
    (repository.top / "notes").write_text("of the user")
    (repository.top / "same").write_text("same")
    left = lost.archive_undeclared(repository, archive, die(run), [])
    assert [each.path for each in left.undeclared] == ["notes"]
    for path, text in {"notes": "of the user", "same": "same"}.items():
        here = repository.top / path
        assert not here.is_symlink() and here.read_text() == text


def test_without_keeping_they_are_only_named(repository: Repository, archive: Archive) -> None:
    run = start(repository, archive, undeclared="report")
    write(run, {"beside": "x"})
    left = lost.archive_undeclared(repository, archive, die(run), [])
    [beside] = left.undeclared
    assert beside.path == "beside" and not beside.is_kept
    assert not os.path.lexists(repository.top / "beside")


def test_a_run_of_another_work_tree_or_archive_brings_nothing_here(
    repository: Repository, archive: Archive, run: Run, tmp_path: Path
) -> None:
    write(run, {"beside": "x"})
    dead = die(run)
    other = new_repository(tmp_path / "other")
    assert lost.archive_undeclared(other, archive, dead, []) == NOTHING
    assert (
        lost.archive_undeclared(repository, Archive.create(tmp_path / "archive"), dead, [])
        == NOTHING
    )
    assert not os.path.lexists(repository.top / "beside")
