"""From a Snakemake job to the job order, for the runner, and the JobSpec, for the pool."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.errors import RunError
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_order import ORDER_NAME, DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.masking import redact
from gitbatch_core.pools import choose
from gitbatch_core.pools.base import JobSpec, Pool, PoolKind
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
class Draft:
    """A Snakemake job with all that determines its outputs."""

    job: Any
    members: list[Any]
    """Its single jobs."""
    description: job_description.Description
    key: JobKey
    updated: dict[str, str]
    """Outputs that are changed in place -> their old addresses."""
    rivals: tuple[int, ...] = ()
    """Numbers of jobs of an earlier process that would write what this one is about to write."""


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
    general: tuple[str, ...]
    """What the commands of all jobs have in common."""
    _said_ignored: bool = field(default=False, init=False)

    def write(
        self,
        draft: Draft,
        number: int,
        outputs: tuple[DeclaredOutput, ...],
        pool: Pool,
        cores: int | None,
    ) -> tuple[JobOrder, JobSpec]:
        """Write the order of job `number` into its folder. `outputs`: what it must make; `cores`:
        the most that `pool` has for it. Raises RunError, PoolError."""
        title = redact(job_description.title(draft.job), self.secrets.values())
        variables = environment.of_jobs(self.mirror)
        secrets = {
            **self.secrets,
            **environment.brought(draft.job, variables, title=title, mirror=self.mirror),
        }
        kind = choose.kind_named(pool.kind)
        record = self._record(draft, number, pool)
        record["environment"] = environment.for_record(variables, secrets)
        spec = self._spec(draft, number, kind, title, secrets)
        self._say_ignored(draft.job, kind)
        path = spec.folder / ORDER_NAME
        order = JobOrder(
            argv=(
                *resources.wrapper(draft.job, title=title, mirror=self.mirror),
                *command.command(
                    self.workflow,
                    draft.job,
                    order=path,
                    general=self.general,
                    most_cores=cores,
                ),
            ),
            folder=str(self.mirror.there(".")),
            worktree=str(self.run.worktree.path),
            archive=str(self.run.archive.root),
            environment=variables,
            outputs=outputs,
            sign=str(spec.sign),
            logs=self._logs(draft.job),
            tools=programs.programs(
                draft.description.members, variables, prefix=shell_command.prefix()
            ),
            record=JobRecord.from_dict(redact(record, self.secrets.values())),
        )
        order.write(path)
        return order, spec

    def _record(self, draft: Draft, number: int, pool: Pool) -> Document:
        """What is known of the job record before the job has run."""
        return {
            **job_description.record_head(self.run, self.folder),
            "number": number,
            "key": draft.key.key,
            "key_without_code": draft.key.without_code,
            "reusable": draft.description.exact,
            "rule": job_description.rule_name(draft.job),
            "attempt": draft.job.attempt,
            "members": resources.for_record(draft.description.members),
            "updated": draft.updated,
            "environment": {},
            "pool": {"kind": pool.kind},
            **({"parse_time": written} if (written := self._written(draft.members)) else {}),
            **({CHOSEN: draft.key.choice.as_json()} if draft.key.choice != ALL else {}),
        }

    def _logs(self, job: Any) -> tuple[str, ...]:
        """Logs and benchmarks, relative to the top."""
        paths = map(self.mirror.relative, job_description.log_paths(job))
        return tuple(path for path in paths if path is not None)

    def _spec(
        self, draft: Draft, number: int, kind: PoolKind, title: str, secrets: dict[str, str]
    ) -> JobSpec:
        folder = self.run.job_folder(number)
        labels = {
            "run": self.run.id,
            "rule": job_description.rule_name(draft.job),
            "wildcards": title,
            "commit": self.run.worktree.commit,
            "key": draft.key.key,
        }
        return JobSpec(
            number=number,
            name=title,
            argv=(sys.executable, "-m", "gitbatch_core.runner", str(folder)),
            folder=folder,
            request=resources.request(
                draft.job, kind, title=title, secrets=secrets, mirror=self.mirror
            ),
            private=secrets,
            sign=self.run.sign(number),
            labels=redact(labels, self.secrets.values()),
        )

    def _written(self, members: list[Any]) -> list[str]:
        """Those inputs that the workflow has written while it was read."""
        if not self.mirror.parse_time:
            return []
        paths = {self.mirror.relative(str(path)) for member in members for path in member.input}
        return sorted(path for path in self.mirror.parse_time if path in paths)

    def outputs(self, members: list[Any]) -> Iterator[DeclaredOutput]:
        """The outputs that single jobs must make. Raises RunError for outputs that cannot be
        kept."""
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
                    yield DeclaredOutput(
                        path=relative,
                        folder=bool(path.is_directory),
                        temporary=workflow_view.is_temporary(path, self.workflow),
                    )

    def _say_ignored(self, job: Any, kind: PoolKind) -> None:
        """Once: what only other kinds of pools understand."""
        if self._said_ignored:
            return
        for label, names in resources.ignored(job, kind).items():
            self._said_ignored = True
            self.logger.info(
                f"Only {label} uses resources such as {', '.join(names)}; rule "
                f"{job_description.rule_name(job)} runs on {kind.label}."
            )
