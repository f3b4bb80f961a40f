"""What the jobs of a run have left beside their outputs: gathered at its end, and told once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import readable
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import UndeclaredFile
from gitbatch_core.run import executions
from gitbatch_core.run.lease import JOBS_NAME
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles, UndeclaredOfRun
from gitbatch_core.run.run import Run
from gitbatch_core.run.undeclared_paths import CACHES
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
        records: Collection[JobRecord],
        reused: Collection[JobRecord],
        restarted: set[int],
    ) -> UndeclaredOfRun:
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
        return self.files.end(
            self.run.id,
            paths,
            executions.all_of(records, jobs, restarted) if paths else (),
            {member.title for record in (*records, *reused) for member in record.members},
            is_declared,
            keep=self.keeps,
        )


def report(undeclared: UndeclaredOfRun, logger: Any) -> None:
    """Say what was left, in short."""
    linked = [file for file in undeclared.new if file.path in undeclared.links]
    foreign = [f for f in undeclared.new if f.is_kept and f.path not in undeclared.links]
    lost = [file for file in undeclared.new if not file.is_kept]
    if linked:
        size = human_size(sum(file.size or 0 for file in linked))
        logger.info(
            f"Jobs have left {count(len(linked), 'file')} ({size}) that no rule declares. They are "
            "in the archive, and later runs find them, but job keys and comparisons ignore them. "
            "Declare what matters:\n" + _list(linked)
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


def _list(files: Iterable[UndeclaredFile]) -> str:
    """The rule only where it was surely one of that."""
    lines = (file.path + (f"  (rule {file.rule})" if file.rule else "") for file in files)
    return readable(listed(lines, _MOST_NAMED))
