"""What must be true before a run starts: a clean tree, and every input in the commit or archive."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from gitbatch_core.archive.layout import linked_object
from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import (
    DirtyTreeError,
    GitError,
    RunError,
    UsageError,
    readable,
)
from gitbatch_core.git import commits, refs, work_tree_status, worktree_comparison
from gitbatch_core.git.repository import Repository
from gitbatch_core.git.work_tree_status import Changes
from gitbatch_core.log import suppressed
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import origin_index, run_commit
from gitbatch_core.run.mirror import parse_time
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from gitbatch_core.run.run import Run
from gitbatch_core.wording import listed, typed, typed_files
from snakemake_executor_plugin_gitbatch.job import workflow_view
from snakemake_executor_plugin_gitbatch.reuse import run_documents
from snakemake_executor_plugin_gitbatch.run import parse_writes

_MOST_NAMED = 20
"""Files that an error lists."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is run."""

    commit: str
    snapshot: bool
    """Whether the commit was made for this run, of uncommitted changes."""
    changed_outputs: tuple[str, ...]
    """Outputs that git tracks, where the user's folder has something else than the commit."""
    is_output: Callable[[str], bool]
    """Whether a path, relative to the top, is an output, log or benchmark, or in one; or what jobs
    have left beside these."""
    untracked: tuple[str, ...] = ()
    """Files that say what is run and that git does not track: refused, unless reading the commit's
    workflow makes them."""


def clean_source(
    workflow: Any, repository: Repository, head: str, run_id: str | None, dirty: str
) -> Source:
    """The commit to run. Without an id for a look only.

    Raises DirtyTreeError where the user's folder differs from HEAD in what the run depends on.
    """
    changes, is_output = changes_of(workflow, repository, head)
    untracked: tuple[str, ...] = ()
    if changes and dirty == "snapshot":
        commit = work_tree_status.snapshot(repository, head=head, changes=changes, name=run_id)
    elif changes.modified:
        written = parse_time.inside(repository.top, parse_writes.paths())
        raise unlike_commit(repository, changes, written)
    else:
        commit, untracked = run_commit.source_of(repository, head), changes.untracked
    return Source(
        commit=commit,
        snapshot=bool(changes) and dirty == "snapshot",
        changed_outputs=changes.ignored,
        is_output=is_output,
        untracked=untracked,
    )


def changes_of(
    workflow: Any, repository: Repository, head: str
) -> tuple[Changes, Callable[[str], bool]]:
    """What of the user's folder differs from HEAD, but for what the workflow writes while it is
    read; and what of it is an output: `Source.is_output`. Raises UsageError where the Snakefile is
    not in the repository."""
    written = parse_time.inside(repository.top, parse_writes.paths())
    names = [repository.relative(Path(path)) for path in workflow_view.sources(workflow)]
    if names and names[0] is None:
        raise UsageError(
            f"The Snakefile {workflow.main_snakefile} is not in the git repository "
            f"{repository.top}.",
            hint="Run Snakemake in the repository that the workflow is part of.",
        )
    ignore = outputs_in(workflow, repository, head, [name for name in names if name])
    asked = {name for name in names if name is not None}.difference(written)
    return work_tree_status.changes(repository, asked, ignore), ignore


def unlike_commit(
    repository: Repository,
    changes: Changes,
    written: Container[str] = (),
    otherwise: Container[str] = (),
) -> DirtyTreeError:
    """The error for these; `written`: what the workflow has written while it was read; `otherwise`:
    what it would write otherwise if it was missing."""
    lines = [
        f"modified:    {path}"
        + (f"  (hidden from git status: {flag})" if flag else "")
        + ("  (the workflow writes it while it is read)" if path in written else "")
        for path, flag in ((path, changes.hidden.get(path)) for path in changes.modified)
    ]
    lines += [
        f"not tracked: {path}"
        + ("  (without it, the workflow would write another)" if path in otherwise else "")
        for path in changes.untracked
    ]
    hint = f"Commit them:\n{listed(_commands(repository, changes), _MOST_NAMED)}\nOr run their "
    hint += "present state with --gitbatch-dirty snapshot."
    if rewritten := [repository.top / path for path in changes.modified if path in written]:
        hint += "\nWhat the workflow writes while it is read need not be in the commit: name it in "
        hint += f".gitignore, and git rm --cached -- {typed_files(rewritten)}"
    return DirtyTreeError(
        "These files differ from the commit, which is what jobs would run:\n" + _list(lines),
        hint=hint,
    )


def _commands(repository: Repository, changes: Changes) -> Iterator[str]:
    """What commits them, for a shell."""

    def with_names(command: str, paths: Iterable[str]) -> Iterator[str]:
        if names := typed_files(repository.top / path for path in paths):
            yield f"{command} {names}"

    for path in changes.modified:
        inner = repository.top / path
        if (inner / ".git").exists() and work_tree_status.modified(Repository.find(inner)):
            yield f"git -C {typed(inner)} commit -a"
    for flag in ("--skip-worktree", "--assume-unchanged"):
        hidden = [path for path, its in changes.hidden.items() if its == flag]
        yield from with_names(f"git update-index {flag.replace('--', '--no-')} --", hidden)
    paths = (*changes.modified, *changes.untracked)
    ignored = work_tree_status.ignored(repository.top, changes.untracked)
    yield from with_names("git add --", (path for path in paths if path not in ignored))
    yield from with_names("git add -f --", sorted(ignored))
    yield "git commit"


def outputs_in(
    workflow: Any, repository: Repository, head: str = "HEAD", sources: Iterable[str] = ()
) -> Callable[[str], bool]:
    """Tells whether a path, relative to the top, is an output, log or benchmark, or in one, or what
    jobs have left beside these; what was one in an earlier run alone must be no input and none of
    these `sources`."""
    declared = {repository.relative(Path(path)) for path in workflow_view.declared(workflow)}
    results = run_commit.results_in(repository, head)
    is_declared = inside([*results, *(path for path in declared if path is not None)])
    left = _Left(workflow=workflow, repository=repository, sources=sources)
    is_left = run_documents.undeclared_paths(repository, head)
    return lambda path: is_declared(path) or is_left(path) or left.is_one(path)


@dataclass(kw_only=True)
class _Left:
    """What earlier runs have left in the folder: outputs, also where nobody can say yet that a job
    of this run makes them, as a checkpoint comes before."""

    workflow: Any
    repository: Repository
    sources: Iterable[str]

    def is_one(self, path: str) -> bool:
        """Whether a path, relative to the top, was an output, and holds nothing else now."""
        if not self._was_made(path) or path in self._read:
            return False
        here = self.repository.top / path
        try:
            return linked_object(os.readlink(here)) is not None
        except OSError:  # no link, or not there
            return not os.path.lexists(here)

    @cached_property
    def _read(self) -> frozenset[str]:
        """What this run is known to read: that is edited, whatever has made it."""
        inputs = (Path(path) for path in workflow_view.inputs(self.workflow))
        return frozenset([*self.sources, *filter(None, map(self.repository.relative, inputs))])

    @cached_property
    def _was_made(self) -> Callable[[str], bool]:
        runs = origin_index.entries(self.repository)
        return inside(output.path for run in runs for output in run.outputs)


def unlike_outputs(
    workflow: Any, run: Run, source: Source, warn: Callable[[str], None]
) -> tuple[str, ...]:
    """See to it that the run's new worktree has the bytes, x-bits and links of all tracked files as
    the user's folder has them; outputs that it has otherwise.

    Raises DirtyTreeError for other files that are known to be read.
    """
    unlike = worktree_comparison.compare(run.worktree)
    outputs = tuple(filter(source.is_output, unlike.differing))
    others = {p: reason for p, reason in unlike.differing.items() if p not in outputs}
    if run.resumed or not (others or unlike.programs):
        return outputs
    if unlike.programs:
        warn(
            "These programs are executable here and not in the commit, which core.fileMode=false "
            "hides. Jobs get them as they are here; who checks the commit out does not. Mend it: "
            "git update-index --chmod=+x FILE, and commit.\n" + _list(unlike.programs)
        )
    is_later = inside(work_tree_status.modified(run.repository) if others else ())
    lines = {p: f"{p}  ({reason})" for p, reason in others.items() if not is_later(p)}
    read = [*workflow_view.sources(workflow)]
    read += [str(path) for job in workflow_view.jobs(workflow) for path in job.input]
    is_read = inside(filter(None, (run.repository.relative(Path(path)) for path in read)))
    refuse_unlike({path: others[path] for path in lines if is_read(path)})
    if lines:
        warn(
            "These files are not what a fresh checkout of the commit has, though git takes them "
            "for unchanged. Should jobs read them, they get the fresh checkout's:\n"
            + _list(lines.values())
        )
    return outputs


def refuse_unlike(files: Mapping[str, str]) -> None:
    """Raise DirtyTreeError where there are files that jobs would get otherwise; by what."""
    if files:
        raise DirtyTreeError(
            "These files are not what a fresh checkout of the commit has, which is what jobs "
            "would get, though git takes them for unchanged:\n"
            + _list(f"{path}  ({reason})" for path, reason in files.items()),
            hint="In brackets: what git converts. To take the fresh checkout's: move the file "
            "away, then git checkout -- FILE. Else change what git converts, and commit.",
        )


def tell_withheld(mirror: Mirror, warn: Callable[[str], None]) -> None:
    """Name the pointers that no job can read."""
    if mirror.withheld:
        warn(
            "The content of these files was not fetched; git has pointers in their place, which "
            "no job can read:\n"
            + _list([f"{p}  ({e.command})" for p, e in mirror.withheld.items()])
        )


def _list(lines: Iterable[str]) -> str:
    return readable(listed(lines, _MOST_NAMED))


def find_repository(workflow: Any, folder: Path) -> Repository:
    """The repository that `folder`, the working directory, lies in. Raises GitError, UsageError."""
    try:
        return Repository.find(folder)
    except GitError:
        if not (named := next(workflow_view.sources(workflow), None)):
            raise
        with suppressed(GitError):
            top = Repository.find(Path(named).resolve().parent).top
            raise UsageError(
                f"The working directory {folder} is not in the workflow's repository {top}.",
                hint="Jobs work in a worktree of it: choose a folder inside, with --directory or "
                "workdir:, or leave it out.",
            ) from None
        raise


def check_run_ref(repository: Repository, run: str) -> None:
    """Raise RunError where a run of this id could not have its ref."""
    if (other := refs.obstacle(repository, run_commit.REFS + run)) is not None:
        raise RunError(
            f"There can be no ref {run_commit.REFS}{run} beside {other}, and a run needs it.",
            hint="To git, one would be a folder of the other: rename that one.",
        )


def recognise_undeclared(
    workflow: Any,
    repository: Repository,
    head: str,
    undeclared: UndeclaredFiles,
    killed: Iterable[RunDocument],
) -> None:
    """Find out what of the worktree earlier jobs have left beside their outputs; those of `killed`
    runs, of which no document says it, too."""
    mirror = undeclared.mirror
    named = inside(filter(None, map(mirror.relative, workflow_view.named(workflow))))
    undeclared.recognise(chain(killed, run_documents.latest(repository, head)), named)


def greet(workflow: Any, logger: Any, run: Run, source: Source, why: str) -> None:
    """Say what is run, where, and what the user should know."""
    commit = commits.read(run.repository, run.worktree.commit)
    what = "uncommitted changes, as snapshot" if source.snapshot else "commit"
    resumed = " resumed" if run.resumed else ""
    logger.info(
        f"gitbatch run {run.id}{resumed}: {what} {commit.id[:10]} {commit.subject}\n"
        f"{why}\narchive: {run.archive.root}"
    )
    if os.getuid() == 0:
        logger.warning("Running as root, which is not bound by the archive's permissions.")
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    waiting = len(workflow.dag)
    if limit is not None and waiting > limit.max_jobs:
        logger.info(
            f"Snakemake hands out at most {limit.max_jobs} jobs in {limit.timespan} s; "
            "--max-jobs-per-timespan changes that."
        )
