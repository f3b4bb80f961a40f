"""What the jobs of a run have left beside their outputs: gathered at its end, and told once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import readable
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run import executions
from gitbatch_core.run.lease import JOBS_NAME
from gitbatch_core.run.mirror.undeclared import Left, UndeclaredFiles
from gitbatch_core.run.run import Run
from gitbatch_core.run.undeclared_entries import CACHES
from gitbatch_core.wording import count, human_size, listed

_MOST_NAMED = 10


@dataclass(kw_only=True)
class Leaving:
    """Of one run. Not thread-safe: the session's lock is held."""

    run: Run
    files: UndeclaredFiles
    keeps: bool
    caches: tuple[str, ...]
    """What is of no interest to this user, as patterns of .gitignore."""
    passing: frozenset[str]
    """Where the workflow itself has files for a moment while it is read."""

    def gather(
        self,
        is_known: Callable[[str], bool],
        declared: Iterable[str],
        records: Iterable[Document],
        reused: Iterable[Document],
        restarted: set[int],
    ) -> Left:
        """Keep what the run's jobs have left. `is_known`: what is no news in the worktree;
        `declared`: as the workflow names it; `records`: of jobs that succeeded; `restarted`:
        numbers of those that may have been started more than once. Raises GitError."""
        is_declared = inside(filter(None, map(self.files.mirror.relative, declared)))
        new = worktrees.added(self.run.worktree, (*CACHES, *self.caches))
        paths = {path for path in new if path not in self.passing and not is_known(path)}
        paths.update(
            p for p in self.files.entries if self.files.is_rewritten(p) and not is_declared(p)
        )
        jobs = self.run.staging / JOBS_NAME
        own = [JobRecord.from_dict(record) for record in records]
        others = (JobRecord.from_dict(record) for record in reused)
        return self.files.end(
            self.run.id,
            paths,
            executions.all_of(own, jobs, restarted) if paths else (),
            {member.title for record in (*own, *others) for member in record.members},
            is_declared,
            keep=self.keeps,
        )


def report(left: Left, logger: Any) -> None:
    """Say what was left, in short."""
    kept = [each for each in left.new if each["path"] in left.links]
    foreign = [e for e in left.new if "address" in e and e["path"] not in left.links]
    lost = [each for each in left.new if "address" not in each]
    if kept:
        size = human_size(sum(each["size"] for each in kept))
        logger.info(
            f"Jobs have left {count(len(kept), 'file')} ({size}) that no rule declares. They are "
            "in the archive, and later runs find them, but job keys and comparisons ignore them. "
            "Declare what matters:\n" + _list(kept)
        )
    if foreign:
        logger.warning(
            "Jobs have written these files, which no rule declares. Your folder has other files "
            "with these names, which stay; the archive has the jobs' files:\n" + _list(foreign)
        )
    if lost:
        logger.warning(
            "These files were written but not declared as outputs. They are deleted with the "
            "worktree. Declare those that matter:\n" + _list(lost)
        )


def _list(entries: Collection[Document]) -> str:
    """The rule only where it was surely one of that."""
    lines = (e["path"] + (f"  (rule {e['rule']})" if "rule" in e else "") for e in entries)
    return readable(listed(lines, _MOST_NAMED))
