"""Where Snakemake itself must act otherwise, so that what it remembers of an output is what the
job used.

Snakemake looks at the user's folder when a job has ended, and that may have been edited since the
run has begun.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from snakemake.io import IOFile
from snakemake.jobs import Job
from snakemake.settings.types import ConfigSettings, DeploymentMethod
from snakemake.sourcecache import LocalSourceFile

from gitbatch_core.errors import GitbatchError
from gitbatch_core.log import suppressed
from snakemake_executor_plugin_gitbatch.snakemake_internals import files, source_files

if TYPE_CHECKING:
    from gitbatch_core.history.earlier_sources import EarlierSources


class RunView(Protocol):
    """What Snakemake's own threads may ask of the run."""

    def there(self, path: str) -> Path:
        """Where the bytes of `path` are, as the record of a job that reads it has them."""

    def note_time(self, path: str, mtime_ns: int) -> None:
        """What jobs make of the output `path` must not look older than this."""

    def date_again(self, outputs: Iterable[str], inputs: Iterable[str]) -> None:
        """Outputs in the user's folder must not look older than what they were made from."""


def install() -> None:
    """What holds for each start of Snakemake, whatever executor it uses."""
    _note_beginnings()
    _compare_scripts()


def _note_beginnings() -> None:
    """Have each workflow note when Snakemake began with it; config files are what it reads
    first."""
    original = ConfigSettings.__post_init__

    def __post_init__(settings: Any) -> None:
        settings.gitbatch_began_ns = time.monotonic_ns()
        original(settings)

    ConfigSettings.__post_init__ = __post_init__


def began_ns(workflow: Any) -> int:
    """When Snakemake began with the workflow, of `time.monotonic_ns`."""
    began: int = workflow.config_settings.gitbatch_began_ns
    return began


def _compare_scripts() -> None:
    """Have Snakemake not take an output for older than its script where this was only written
    again, with what the job has seen."""
    original = Job.outputs_older_than_script_or_notebook

    async def outputs_older_than_script_or_notebook(job: Any) -> AsyncIterator[Any]:
        async for output in original(job):
            scripts = list(source_files.scripts_of(job))
            if not scripts or not all(_is_the_same(script, str(output)) for script in scripts):
                yield output

    Job.outputs_older_than_script_or_notebook = outputs_older_than_script_or_notebook


def _is_the_same(script: str, output: str) -> bool:
    earlier = _earlier_sources(Path.cwd())
    return earlier is not None and earlier.is_the_same(script, output)


@functools.cache
def _earlier_sources(folder: Path) -> EarlierSources | None:
    from gitbatch_core.history.earlier_sources import EarlierSources

    with suppressed(GitbatchError, OSError):
        return EarlierSources.of(folder)
    return None


def leave_times_alone(dag: Any) -> None:
    """Have Snakemake not touch the outputs of jobs that have ended, nor be surprised by older ones:
    they bear the run's time."""
    original = dag.check_and_touch_output

    async def check_output(job: Any, **kwargs: Any) -> None:
        await original(job, **kwargs | {"no_touch": True, "check_output_mtime": False})

    dag.check_and_touch_output = check_output


def tell_updates(dag: Any, call: Callable[[], Awaitable[None]]) -> None:
    """Have `call` called whenever Snakemake has put other jobs into the DAG: those that follow a
    checkpoint, or come from a queue."""
    original = dag.postprocess_after_update

    async def postprocess_after_update() -> None:
        await original()
        await call()

    dag.postprocess_after_update = postprocess_after_update


def take_over_end(job: Any, view: RunView) -> None:
    """Have Snakemake note of this job or group, when it has succeeded, what it used; and do nothing
    to its outputs when it fails.

    What a job writes appears only when it has succeeded. What is there after a failure is older:
    Snakemake would remove it, and note that the present code and params have made it.
    """
    for member in job.jobs if job.is_group() else [job]:

        async def postprocess(*args: Any, member: Any = member, **kwargs: Any) -> None:
            if not kwargs.get("error", False):
                _look_in_the_run(member, view)
                # Within a group, others may have dated what it reads only now.
                view.date_again(map(str, member.output), map(str, member.input))
                await type(member).postprocess(member, *args, **kwargs | {"handle_touch": False})
                for path in filter(files.storage, member.output):
                    await _take_time_of_storage(path, view)
            else:
                _take_off_marks(member)

        member.postprocess = postprocess


def _take_off_marks(job: Any) -> None:
    """No mark of an unfinished job may stick to files that come here later, nor to links: what they
    lead to is whole."""
    persistence = job.dag.workflow.persistence
    if not any(os.path.lexists(path) for path in job.output):
        persistence.cleanup(job)
        return
    for path in filter(os.path.islink, job.output):
        if hasattr(persistence, "_unmark_incomplete"):
            persistence._unmark_incomplete(persistence._get_key(path))
        else:  # of older ones
            persistence._delete_record(persistence._incomplete_path, path)


def may_lack(job: Any, outputs: Iterable[Any]) -> None:
    """Have Snakemake take the single job for done without these outputs."""
    before, lacked = job.postprocess, list(outputs)

    async def postprocess(*args: Any, **kwargs: Any) -> None:
        await before(*args, **kwargs | {"ignore_missing_output": lacked})

    job.postprocess = postprocess


def _look_in_the_run(job: Any, view: RunView) -> None:
    """Have the single job's inputs and environment file be those of the worktree where Snakemake
    reads them to remember them."""
    for path in job.input:
        there = IOFile(str(view.there(str(path))), rule=path.rule)
        path.checksum = partial(_checksum, there)
    environment = job.conda_env
    if environment is not None and isinstance(environment.file, LocalSourceFile):
        read_environment(environment, view, job.dag.workflow)


async def _checksum(there: Any, threshold: int | None = None, **options: Any) -> Any:
    return await there.checksum(threshold, **options)


def read_environment(environment: Any, view: RunView, workflow: Any) -> None:
    """Have Snakemake read the environment's files, which it does once."""
    here = environment.file
    there = view.there(str(here.get_path_or_uri(secret_free=True)))
    environment.file = LocalSourceFile(str(there))
    try:
        environment.content  # noqa: B018
        if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
            environment.hash  # noqa: B018
    finally:
        environment.file = here


async def _take_time_of_storage(path: Any, view: RunView) -> None:
    """What is made of something that another storage has dated must not look older."""
    storage: Any = files.storage(path)
    if hasattr(storage, "changed_ns"):
        changed_ns = storage.changed_ns()
    else:  # a float knows no nanoseconds
        changed_ns = int((await path.mtime_uncached()).storage() * 10**9) + 1000
    view.note_time(str(path), changed_ns)
