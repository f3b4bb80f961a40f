"""A run's end can be broken off before every step: the next start does the rest."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import faults
import pytest

from gitbatch_core.archive import records
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError, UsageError
from gitbatch_core.git import refs
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import completion, lease, origin_index, run_commit
from gitbatch_core.run.run import Run, dead_runs

BEFORE = "20250101-000000-abcd"
STEPS = frozenset({"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "subprocess.Popen"})
"""All that an end changes by name, and each call of git."""


class Place:
    """A repository and an archive, for many runs."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "project"
        self.top.mkdir()
        self.git("init", "--quiet")
        (self.top / "code").write_text("code\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "code")
        self.repository = Repository.find(self.top)
        self.archive = Archive.create(folder / "archive", "xxh3")
        self.head = self.repository.commit_of("HEAD")

    def git(self, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.top, capture_output=True, text=True)
        return done.stdout.strip()

    def start(self, id: str) -> Run:
        """A run whose jobs are done."""
        about = {"begun": "2026-01-01", "message": "", "top": str(self.top), "jobs": 1}
        run = Run.start(
            self.repository,
            self.archive,
            id=id,
            commit=self.head,
            pool="local",
            about=about | {"commit": self.head},
        )
        run.ready()
        (run.job_folder(1) / "order.json").write_text("{}")
        return run

    def end(self, run: Run) -> None:
        """As a session does it."""
        again = {"run": BEFORE, "again": run.id, "outputs": []}
        facts = {
            "run": run.id,
            "source_commit": self.head,
            "repository": str(self.top),
            "outcome": "succeeded",
            "tainted": [],
            "tag": f"run/{run.id}",
            "comparisons": [{"format": "gitbatch-reproduction", "version": 1, **again}],
        }
        composed = run_commit.compose(facts, [], run_commit.Provenance())
        commit = run_commit.write(
            self.repository, document=composed, results=[], inputs={}, message="run"
        )
        completion.complete(self.repository, self.archive.root, commit, warn=print)
        run.close()

    def next_start(self) -> tuple[list[str], list[str]]:
        """The runs that have not ended, and what the user is told; those that have are ended."""
        said: list[str] = []
        return [dead.run for dead in dead_runs(self.repository, said.append)], said

    def check(self, run: Run) -> None:
        """It has ended, and nothing of it is left."""
        commit = self.git("rev-parse", run_commit.REFS + run.id)
        assert commit and self.git("rev-parse", f"refs/tags/run/{run.id}") == commit
        assert run.id in {each.run for each in origin_index.entries(self.repository)}
        kept = json.loads((self.archive.root / f"runs/{run.id}.json").read_bytes())
        known = (kept["commit"], kept["outcome"], kept["tainted"], kept["repository"])
        assert known == (commit, "succeeded", False, str(self.top))
        assert (self.archive.root / f"reproductions/{BEFORE}/{run.id}.json").is_file()
        assert len(self.git("worktree", "list").splitlines()) == 1
        assert list((self.top / ".git/gitbatch/runs").iterdir()) == []
        assert not run.staging.exists() and not run.worktree.path.exists()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def orphan(run: Run) -> None:
    """Have the run's process be one that has ended."""
    path = run.private / "owner.json"
    if path.exists():
        found = lease.Owner.read(run.private)
        path.write_bytes(path.read_bytes().replace(b'"ticks": %d' % found.ticks, b'"ticks": 1'))


def test_a_kill_before_any_step(place: Place) -> None:
    step, unwritten = 1, 0
    while True:
        run = place.start(f"20260101-000000-{step:04x}")
        code = faults.in_child(
            lambda run=run: place.end(run),  # type: ignore[misc]
            step=step,
            event=faults.kill,
            steps=STEPS,
        )
        orphan(run)
        if code is None:
            break
        assert code == 9
        if place.git("rev-parse", "--verify", "--quiet", run_commit.REFS + run.id):
            assert place.next_start() == ([], [])
        else:
            unwritten += 1
            assert place.next_start() == ([run.id], [])
            place.end(run)
        place.check(run)
        step += 1
    assert unwritten > 0 and step > unwritten + 20


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_an_archive_that_takes_nothing(place: Place, number: int) -> None:
    """How the run has ended is told once it can be; the worktree goes if it can."""
    run = place.start("20260101-000000-0001")

    def refuse() -> None:
        raise OSError(number, os.strerror(number))

    def end() -> None:
        with pytest.raises((GitbatchError, OSError)):
            place.end(run)

    # The reproduction's link is the first thing that the archive is asked for.
    assert faults.in_child(end, step=1, event=refuse, steps=frozenset({"os.link"})) == 0
    orphan(run)
    assert not (place.archive.root / f"runs/{run.id}.json").exists()
    assert place.next_start() == ([], [])
    place.check(run)


def test_names_that_a_tag_cannot_have(place: Place) -> None:
    place.git("tag", "run")
    place.git("tag", "v1/final")
    for packed in (False, True):
        if packed:
            place.git("pack-refs", "--all")
        for name, other in (
            ("run/20260101-000000-0001", "refs/tags/run"),
            ("run", "refs/tags/run"),
            ("v1", "refs/tags/v1/final"),
            ("v1/final/really", "refs/tags/v1/final"),
            ("v1/other", None),
        ):
            assert refs.obstacle(place.repository, f"refs/tags/{name}") == other
    for name, words in (
        ("v1", "git cannot have a tag v1 beside refs/tags/v1/final"),
        ("v1/final/really", "git cannot have a tag v1/final/really beside refs/tags/v1/final"),
        ("v1/final", "There is already a tag v1/final"),
    ):
        with pytest.raises(UsageError, match=f"^{words}"):
            refs.check_new_tag(place.repository, name)
    refs.check_new_tag(place.repository, "v1/other")
    # The run ends well without: somebody has made that tag since it began.
    run = place.start("20260101-000000-0001")
    orphan(run)
    composed = run_commit.compose(
        {
            "run": run.id,
            "source_commit": place.head,
            "repository": "",
            "tainted": [],
            "tag": f"run/{run.id}",
        },
        [],
        run_commit.Provenance(),
    )
    run_commit.write(place.repository, document=composed, results=[], inputs={}, message="run")
    assert place.next_start() == (
        [],
        [completion.without_tag(run.id, f"run/{run.id}", "refs/tags/run")],
    )
    assert place.next_start() == ([], [])
    assert (place.archive.root / f"runs/{run.id}.json").exists()


@pytest.mark.parametrize(
    ("facts", "tainted"), [({}, None), ({"tainted": ()}, False), ({"tainted": ("lib.py",)}, True)]
)
def test_a_run_is_sound_only_if_its_document_says_so(
    facts: dict[str, Any], tainted: bool | None, tmp_path: Path
) -> None:
    archive = Archive.create(tmp_path / "archive", "xxh3")
    document = RunDocument(run=BEFORE, **facts)
    completion.record_end(archive.root, document, repository=str(tmp_path))
    ended = records.read_run(archive.root, BEFORE)
    assert ended is not None and ended.tainted is tainted
