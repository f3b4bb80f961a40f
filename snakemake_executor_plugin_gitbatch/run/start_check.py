"""What a start would refuse, all of it together, found without starting or writing anything.

A start itself stops at the first thing that is wrong, and then asks here for what else is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gitbatch_core.archive import layout
from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import ArchiveError, GitbatchError, PoolError
from gitbatch_core.git import refs, work_tree_status, worktree_comparison
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.masking import redact
from gitbatch_core.pools import choose
from gitbatch_core.pools.base import Pool, PoolKind, Request
from gitbatch_core.reports import efficiency, notify
from gitbatch_core.run import archive_location, obstacles, permissions, run_commit
from gitbatch_core.run.code_digest import check_patterns
from gitbatch_core.run.mirror import parse_time
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.preview import Preview
from gitbatch_core.run.obstacles import Collection, Obstacle, ObstaclesError, in_error, refuse
from gitbatch_core.run.run import new_id
from snakemake_executor_plugin_gitbatch.errors import text_of
from snakemake_executor_plugin_gitbatch.job import (
    environment,
    job_description,
    resources,
    workflow_view,
)
from snakemake_executor_plugin_gitbatch.reuse import stale_outputs
from snakemake_executor_plugin_gitbatch.run import (
    job_preconditions,
    mirroring,
    parse_writes,
    pools,
    preconditions,
)
from snakemake_executor_plugin_gitbatch.run.parse_time import ReadOnce
from snakemake_executor_plugin_gitbatch.snakemake_internals import evaluation, local_rules, patches

_ABOUT_FOLDERS, _ABOUT_POOL = frozenset({"archive", "folders"}), frozenset({"pool"})


@dataclass(frozen=True, kw_only=True)
class _Admission:
    """What a pool says of a job before it is handed over."""

    kind: PoolKind
    check: Callable[[Request, str], None]
    """Raises PoolError where no machine takes a job that asks for this; with the job's name."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What was seen."""

    obstacles: tuple[Obstacle, ...]
    notes: tuple[str, ...]
    """What may go wrong, or cannot be told beforehand."""
    jobs: int
    """That are to run."""
    commit: str
    pool: str
    """For people."""


def warn(workflow: Any, logger: Any) -> None:
    """Say in a dry run what a start would refuse."""
    if not stale_outputs.anything_to_do(workflow):
        return
    try:
        looked = look(workflow, workflow.executor_settings)
    except Exception as error:  # a dry run goes on
        logger.warning(f"Cannot check whether a run would start: {text_of(error, logger)}")
        return
    if looked.obstacles:
        text = obstacles.as_list(obstacles.blocks(looked.obstacles))
        logger.warning(f"A start would be refused:\n{text}")
    for note in looked.notes:
        logger.warning(note)


def look(workflow: Any, settings: Any, *, is_locked: bool = False) -> Looked:
    """Look at everything. Without a workflow, as Snakemake could not read it, at what needs none.
    `is_locked`: whether another Snakemake holds the folder."""
    refusals, notes = Collection(), list[str]()
    repository, head = None, ""
    with refusals.of("repository"):
        if workflow is None:
            repository = Repository.find(Path.cwd())
        else:
            repository = preconditions.find_repository(workflow, Path.cwd())
        head = repository.commit_of("HEAD")
    if is_locked:
        refusals.obstacles.append(
            Obstacle(
                kind="folder",
                text="Another Snakemake is working in this folder, or was killed in it.",
                hint="Wait until it has ended. If none is running: snakemake --unlock",
            )
        )
    _look_at_settings(settings, refusals)
    pool, admission = _look_at_pool(settings, refusals, notes)
    if repository is not None and head:
        _look_at_repository(repository, settings, refusals)
        if workflow is None:
            _look_at_changes(repository, head, settings, refusals)
        else:
            with refusals.of("commit"), parse_writes.unheard():
                _look_at_workflow(workflow, repository, head, settings, admission, refusals, notes)
    return Looked(
        obstacles=tuple(dict.fromkeys(refusals.obstacles)),
        notes=tuple(dict.fromkeys(notes)),
        jobs=0 if workflow is None else sum(1 for _ in _jobs(workflow)),
        commit=head,
        pool=pool,
    )


def with_others(error: GitbatchError, workflow: Any) -> GitbatchError:
    """A refusal, with all else that would be refused."""
    try:
        others = look(workflow, workflow.executor_settings).obstacles
    except Exception:  # what is known is told
        return error
    if isinstance(error, PoolError):
        own_kinds = _ABOUT_POOL
    elif isinstance(error, ArchiveError) or error.message.startswith("The run's folders"):
        own_kinds = _ABOUT_FOLDERS
    else:
        own_kinds = frozenset()
    own = in_error(error, kind="start")
    texts = {each.text for each in own}
    others = tuple(each for each in others if each.kind not in own_kinds and each.text not in texts)
    return ObstaclesError([*own, *others]) if others else error


def refuse_jobs(
    workflow: Any, mirror: Mirror, pool: Pool, secrets: dict[str, str], warn: Callable[[str], None]
) -> None:
    """Raise ObstaclesError for jobs that the run's pool will not take, before anything runs, as far
    as the first job of each rule shows it: to look at all takes its time.

    Where that is not the whole truth, as a job may be reused, or others are to go on all the same
    (--keep-going), a warning says it: the job is refused when its turn comes.
    """
    kind = choose.kind_named(pool.kind)
    admission = _Admission(kind=kind, check=pool.check) if kind.can_refuse else None
    refusals = list(_of_jobs(workflow, mirror, admission, secrets, every=False))
    is_certain = workflow.executor_settings.reuse != "on" or not any(
        (mirror.archive.root / layout.RECORDS).iterdir()
    )
    if is_certain and not workflow.execution_settings.keep_going:
        refuse(refusals)
    if refusals:
        warn(f"Jobs will be refused, unless they are reused:\n{ObstaclesError(refusals)}")


def _look_at_settings(settings: Any, refusals: Collection) -> None:
    with refusals.of("settings"):
        if settings.efficiency_report is not None:
            file = Path.cwd() / settings.efficiency_report.expanduser()
            efficiency.check_name(file)
            option = "--gitbatch-efficiency-report"
            permissions.check_file(file, of="The efficiency report", option=option)
    with refusals.of("settings"):
        if settings.notify is not None:
            notify.check(settings.notify)


def _look_at_pool(
    settings: Any, refusals: Collection, notes: list[str]
) -> tuple[str, _Admission | None]:
    """Which pool it would be, and what that will not take where there is one that says it."""
    with refusals.of("pool"):
        kind, availability = choose.find(settings.pool)
        gate = kind.gate(pools.options(settings, notes.append))
        for each in kind.checks(availability):
            if each.ok:
                continue
            if each.check in ("pool", "credentials"):
                text = f"{kind.label} takes no jobs: {each.text}"
                refusals.obstacles.append(Obstacle(kind="pool", text=text, hint=each.hint or ""))
            else:
                notes.append(f"{kind.label}: {each.text}. {each.hint or ''}".strip())
        admission = None if gate is None else _Admission(kind=kind, check=gate)
        return f"{kind.name} ({availability.text})", admission
    return settings.pool, None


def _look_at_repository(repository: Repository, settings: Any, refusals: Collection) -> None:
    with refusals.of("archive"):
        permissions.check_archive(archive_location.chosen_place(repository, settings.archive))
    with refusals.of("folders"):
        permissions.check_folders(repository, settings.worktrees)
    with refusals.of("tag"):
        if settings.tag not in (None, "none"):
            refs.check_new_tag(repository, settings.tag)
    with refusals.of("tag"):
        preconditions.check_run_ref(repository, new_id())
    with refusals.of("settings"):
        check_patterns(Path.cwd(), settings.code)


def _look_at_changes(
    repository: Repository, head: str, settings: Any, refusals: Collection
) -> None:
    """What differs from the commit, as far as is known without the workflow."""
    if settings.dirty != "snapshot":
        is_output = inside(run_commit.results_in(repository, head))
        changes = work_tree_status.changes(repository, [], is_output)
        with refusals.of("commit", *changes.modified):
            if changes:
                raise preconditions.unlike_commit(repository, changes)


def _look_at_workflow(
    workflow: Any,
    repository: Repository,
    head: str,
    settings: Any,
    admission: _Admission | None,
    refusals: Collection,
    notes: list[str],
) -> None:
    changes, is_output = preconditions.changes_of(workflow, repository, head)
    with tempfile.TemporaryDirectory(prefix="gitbatch-") as scratch:
        mirror = Preview.into(
            repository,
            Path.cwd(),
            archive=archive_location.chosen_place(repository, settings.archive),
            scratch=Path(scratch).resolve(),
            changed=changes.ignored,
            warn=lambda text: None,
        )
        mirror.outside.cache = Path(workflow.sourcecache.runtime_cache_path)
        reading = ReadOnce(
            repository=repository, mirror=mirror, began_ns=patches.began_ns(workflow)
        )
        reading.bring()
        reading.read_again(changes.untracked)
        left = tuple(path for path in changes.untracked if path not in mirror.parse_time)
        changes = replace(changes, untracked=left)
        with refusals.of("commit", *changes.modified, *changes.untracked):
            if changes and settings.dirty == "snapshot":
                work_tree_status.check_snapshot(repository, changes)
            elif changes:
                written = parse_time.inside(repository.top, parse_writes.paths())
                raise preconditions.unlike_commit(repository, changes, written)
        unlike = _unlike_fresh(workflow, repository, head, {*changes.modified}, is_output)
        with refusals.of("commit", *unlike):
            preconditions.refuse_unlike(unlike)
        with refusals.of("output"):
            job_preconditions.check(workflow, mirror, notes.append)
        with refusals.of("input"):
            mirroring.fill(workflow, mirror, [], is_new=True, untracked=(), reading=reading)
        with refusals.of("resources"):
            refusals.obstacles += _of_jobs(
                workflow, mirror, admission, environment.secrets(workflow), every=True
            )


def _unlike_fresh(
    workflow: Any,
    repository: Repository,
    head: str,
    modified: set[str],
    is_output: Callable[[str], bool],
) -> dict[str, str]:
    """Files that jobs read, but for `modified` ones, which a fresh checkout has otherwise."""
    read = {*workflow_view.sources(workflow), *workflow_view.inputs(workflow)}
    paths = {repository.relative(Path(path)) for path in read} & work_tree_status.tracked(
        repository.top
    )
    others = {path for path in paths - modified if path is not None and not is_output(path)}
    return worktree_comparison.unlike_fresh(repository, head, sorted(others))


def _jobs(workflow: Any) -> Iterator[Any]:
    return filter(job_description.has_outputs, workflow.dag.needrun_jobs())


def _of_jobs(
    workflow: Any,
    mirror: Mirror,
    admission: _Admission | None,
    secrets: Mapping[str, str],
    *,
    every: bool,
) -> Iterator[Obstacle]:
    """Jobs that will not be taken. Without `admission`, the pool takes all. Unless `every` job is
    to be looked at, the first of each rule is."""
    stated = environment.of_jobs(mirror)
    seen, taken = set[str](), set[str]()
    for job in _jobs(workflow):
        if admission is None and not resources.shape_the_process(job.rule):
            continue
        if job.rule.name in seen and not every:
            continue
        seen.add(job.rule.name)
        title = redact(job_description.title(job), secrets.values())
        with evaluation.undone(job):
            try:
                job.resources  # noqa: B018
            except Exception:  # Snakemake says it, if it is still so when the job's turn comes
                continue
            try:
                private = {
                    **secrets,
                    **environment.brought(job, dict(stated), title=title, mirror=mirror),
                }
                resources.wrapper(job, title=title, mirror=mirror)
                if admission is not None and not local_rules.is_local(job.rule):
                    request = resources.request(
                        job, admission.kind, title=title, secrets=private, mirror=mirror
                    )
                    if (asked := repr(request)) not in taken:
                        admission.check(request, title)
                        taken.add(asked)
            except GitbatchError as error:
                yield Obstacle.of(error, kind="resources", names=[title])
