"""From a Snakemake job to what the runner is told, the order, and what the pool is: the JobSpec."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.errors import RunError
from gitbatch_core.model.job_documents import ORDER_NAME, WITHOUT_CODE, Order, Output, redact
from gitbatch_core.pools.base import JobSpec
from gitbatch_core.run.code_difference import ALL, CHOSEN
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run
from snakemake_executor_plugin_gitbatch.job import (
    command,
    environment,
    job_description,
    programs,
    resources,
    workflow_view,
)
from snakemake_executor_plugin_gitbatch.job.key import JobKey
from snakemake_executor_plugin_gitbatch.snakemake_internals import shell_command


@dataclass(frozen=True, kw_only=True)
class DecidedJob:
    """A Snakemake job and what is decided of it."""

    job: Any
    number: int
    key: JobKey
    description: job_description.Description
    outputs: tuple[Output, ...]
    updated: dict[str, str]
    """Outputs that are changed in place -> their old addresses."""
    pool: str
    """The kind of pool that it goes to."""
    cores: int | None
    """That pool's limit."""


@dataclass(kw_only=True)
class Ordering:
    """Writes the orders of one run."""

    workflow: Any
    logger: Any
    run: Run
    mirror: Mirror
    folder: str
    """The working directory, relative to the top."""
    secrets: dict[str, str]
    _general: tuple[str, ...] = field(init=False)
    _said_ignored: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._general = command.general_arguments(self.workflow, self.run, self.mirror)

    def write(self, job: DecidedJob) -> tuple[Order, JobSpec]:
        """Write the job's order into its folder. Raises RunError, PoolError."""
        title = redact(job_description.title(job.job), self.secrets.values())
        variables = environment.of_jobs(self.mirror)
        secrets = {
            **self.secrets,
            **environment.brought(job.job, variables, title=title, mirror=self.mirror),
        }
        if job.pool != "htcondor":
            self._say_ignored(job.job)
        record = {
            **job_description.record_head(self.run, self.folder),
            "number": job.number,
            "key": job.key.key,
            WITHOUT_CODE: job.key.without_code,
            "reusable": job.description.exact,
            "rule": job_description.rule_name(job.job),
            "attempt": job.job.attempt,
            "members": resources.for_record(job.description.members),
            "updated": job.updated,
            "environment": job_description.environment_for_record(variables, secrets),
            "pool": {"kind": job.pool},
            **({"parse_time": written} if (written := self._written(job.job)) else {}),
            **({CHOSEN: job.key.choice.as_json()} if job.key.choice != ALL else {}),
        }
        folder = self.run.job_folder(job.number)
        logs = map(self.mirror.relative, job_description.log_paths(job.job))
        order = Order(
            argv=(
                *resources.wrapper(job.job, title=title, mirror=self.mirror),
                *command.command(
                    self.workflow,
                    job.job,
                    order=folder / ORDER_NAME,
                    general=self._general,
                    most_cores=job.cores,
                ),
            ),
            folder=str(self.mirror.there(".")),
            worktree=str(self.run.worktree.path),
            archive=str(self.run.archive.root),
            environment=variables,
            outputs=job.outputs,
            sign=str(self.run.sign(job.number)),
            logs=tuple(path for path in logs if path is not None),
            tools=programs.programs(
                job.description.members, variables, prefix=shell_command.prefix()
            ),
            record=redact(record, self.secrets.values()),
        )
        order.write(folder / ORDER_NAME)
        labels = {
            "run": self.run.id,
            "rule": job_description.rule_name(job.job),
            "wildcards": title,
            "commit": self.run.worktree.commit,
            "key": job.key.key,
        }
        spec = JobSpec(
            number=job.number,
            name=title,
            argv=(sys.executable, "-m", "gitbatch_core.runner", str(folder)),
            folder=folder,
            request=resources.request(
                job.job,
                title=title,
                htcondor=job.pool == "htcondor",
                secrets=secrets,
                mirror=self.mirror,
            ),
            private=secrets,
            sign=self.run.sign(job.number),
            labels=redact(labels, self.secrets.values()),
        )
        return order, spec

    def _written(self, job: Any) -> list[str]:
        """Those inputs that the workflow has written while it was read."""
        if not self.mirror.parse_time:
            return []
        paths = {
            self.mirror.relative(str(p))
            for each in job_description.members(job)
            for p in each.input
        }
        return sorted(path for path in self.mirror.parse_time if path in paths)

    def outputs(self, members: list[Any]) -> Iterator[Output]:
        """What single jobs are to make. Raises RunError for what cannot be kept."""
        for member in members:
            environment.check_names(member, list(self.secrets.values()))
            for path in member.output:
                relative = self.mirror.relative(str(path))
                if relative is None:  # one that a checkpoint has brought
                    raise RunError(
                        f"The output {path} of rule {member.rule.name} lies outside of the "
                        f"repository {self.run.repository.top}."
                    )
                if not workflow_view.is_stream(path):
                    yield Output(
                        path=relative,
                        folder=bool(path.is_directory),
                        temporary=workflow_view.is_temporary(path, self.workflow),
                    )

    def _say_ignored(self, job: Any) -> None:
        """Once: what only HTCondor understands."""
        ignored = sorted(filter(resources.is_htcondors, dict(job.resources.items())))
        if ignored and not self._said_ignored:
            self._said_ignored = True
            self.logger.info(
                f"Only HTCondor heeds resources such as {', '.join(ignored)}; rule "
                f"{job_description.rule_name(job)} runs on this machine."
            )
