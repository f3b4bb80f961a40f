"""From a Snakemake job to the job order, for the runner, and the JobSpec, for the pool."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from snakemake import __version__ as snakemake_version

from gitbatch_core import __version__
from gitbatch_core.errors import RunError
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_order import ORDER_NAME, DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.masking import redact
from gitbatch_core.pools import choose
from gitbatch_core.pools.base import JobSpec, Pool, PoolKind, Request
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
    title: str
    """For people; may hold values of secrets."""
    description: job_description.Description
    key: JobKey
    updated: dict[str, str]
    """Outputs that are changed in place -> their old addresses."""
    rivals: tuple[int, ...] = ()
    """Numbers of jobs of an earlier process that would write what this one is about to write."""

    @property
    def rule(self) -> str:
        """A group's rules joined by `+`."""
        return "+".join(dict.fromkeys(member["rule"] for member in self.description.members))

    @property
    def logs(self) -> list[str]:
        """Logs and benchmarks, as the workflow names them."""
        return [path for member in self.description.members for path in member["logs"]]


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
        job, mirror = draft.job, self.mirror
        title = redact(draft.title, self.secrets.values())
        variables = environment.of_jobs(mirror)
        brought = environment.brought(job, variables, title=title, mirror=mirror)
        secrets = {**self.secrets, **brought}
        kind = choose.kind_named(pool.kind)
        request = resources.request(job, kind, title=title, secrets=secrets, mirror=mirror)
        if not self._said_ignored:
            self._say_ignored(resources.ignored(job, kind), draft.rule, kind)
        record = self._record(draft, number, pool, environment.for_record(variables, secrets))
        order = JobOrder(
            argv=self._argv(job, number, title, cores),
            folder=str(mirror.there(".")),
            worktree=str(self.run.worktree.path),
            archive=str(self.run.archive.root),
            environment=variables,
            outputs=outputs,
            sign=str(self.run.sign(number)),
            logs=tuple(filter(None, map(mirror.relative, draft.logs))),
            tools=programs.programs(
                draft.description.members, variables, prefix=shell_command.prefix()
            ),
            record=JobRecord.from_dict(redact(record, self.secrets.values())),
        )
        order.write(self.run.job_folder(number) / ORDER_NAME)
        return order, self._spec(draft, number, title, request, secrets)

    def _argv(self, job: Any, number: int, title: str, cores: int | None) -> tuple[str, ...]:
        return resources.wrapper(job, title=title, mirror=self.mirror) + command.command(
            self.workflow,
            job,
            order=self.run.job_folder(number) / ORDER_NAME,
            general=self.general,
            most_cores=cores,
        )

    def _record(self, draft: Draft, number: int, pool: Pool, environment: Document) -> Document:
        """The job record before the job has run."""
        return {
            "format": JobRecord.FORMAT,
            "version": JobRecord.VERSION,
            "run": self.run.id,
            "commit": self.run.worktree.commit,
            "folder": self.folder,
            "versions": {"gitbatch": __version__, "snakemake": snakemake_version},
            "number": number,
            "key": draft.key.key,
            "key_without_code": draft.key.without_code,
            "reusable": draft.description.exact,
            "rule": draft.rule,
            "attempt": draft.job.attempt,
            "members": resources.for_record(draft.description.members),
            "updated": draft.updated,
            "environment": environment,
            "pool": {"kind": pool.kind},
            **({"parse_time": written} if (written := self._written(draft.members)) else {}),
            **({CHOSEN: draft.key.choice.as_json()} if draft.key.choice != ALL else {}),
        }

    def _spec(
        self, draft: Draft, number: int, title: str, request: Request, secrets: dict[str, str]
    ) -> JobSpec:
        folder = self.run.job_folder(number)
        labels = {
            "run": self.run.id,
            "rule": draft.rule,
            "wildcards": title,
            "commit": self.run.worktree.commit,
            "key": draft.key.key,
        }
        return JobSpec(
            number=number,
            name=title,
            argv=(sys.executable, "-m", "gitbatch_core.runner", str(folder)),
            folder=folder,
            request=request,
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
            check_names(member, list(self.secrets.values()))
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

    def _say_ignored(self, ignored: dict[str, list[str]], rule: str, kind: PoolKind) -> None:
        """Once: what only other kinds of pools understand, by their labels."""
        for label, names in ignored.items():
            self._said_ignored = True
            self.logger.info(
                f"Only {label} uses resources such as {', '.join(names)}; rule {rule} runs on "
                f"{kind.label}."
            )


def check_names(member: Any, values: list[str]) -> None:
    """Raise RunError if the name of a file that a single job writes contains a secret."""
    for path in map(str, (*member.output, *job_description.log_paths(member))):
        if redact(path, values) != path:
            raise RunError(
                f"The name of a file of rule {member.rule.name} contains the value of an "
                "environment variable that envvars: declares.",
                hint="Such values are secrets, but file names appear in records and in git: use "
                "--config for this value.",
            )
