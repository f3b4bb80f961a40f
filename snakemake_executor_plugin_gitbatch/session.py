"""One run of one workflow: from the clean tree it starts from to the run commit it ends with."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gitbatch_core.archive import hashing
from gitbatch_core.errors import RunError
from gitbatch_core.jsonio import Document
from gitbatch_core.pools.base import JobSpec, JobStatus, Pool
from gitbatch_core.pools.choose import choose
from gitbatch_core.pools.local import LocalPool
from gitbatch_core.records import ANSWER_NAME, LOG_NAME, ORDER_NAME, Answer, Order, Output, redact
from gitbatch_core.runner.process import Mask
from gitbatch_core.runs import results
from gitbatch_core.runs.place import open_archive
from gitbatch_core.runs.run import Run, new_id, private_folder, stale_runs
from gitbatch_core.runs.twin import Twin
from snakemake_executor_plugin_gitbatch import (
    command,
    environment,
    jobspec,
    opening,
    resources,
    workflowview,
)
from snakemake_executor_plugin_gitbatch.comparison import Comparison
from snakemake_executor_plugin_gitbatch.ending import Ending
from snakemake_executor_plugin_gitbatch.failure import explain
from snakemake_executor_plugin_gitbatch.temporary import TemporaryOutputs


class Session:
    """What the executor holds while a run lasts. Not made directly: `Session.start`."""

    def __init__(
        self,
        *,
        workflow: Any,
        logger: Any,
        run: Run,
        twin: Twin,
        pool: Pool,
        facts: Document,
        config: Any,
        secrets: dict[str, str],
    ) -> None:
        self.workflow = workflow
        self.logger = logger
        self.run = run
        self.twin = twin
        self.is_local: Callable[[Any], bool] = lambda rule: False
        self._pool = pool
        self._light_pool = pool
        self._facts = facts
        self._config = config
        self._secrets = secrets
        self._number = 0
        self._code = run.repository.tree_of(run.worktree.commit)
        self._orders: dict[int, Order] = {}
        self._light: set[int] = set()
        self._temporary = TemporaryOutputs(twin, logger.warning)
        self._mask = Mask(secrets.values()).all
        self._general = command.general_arguments(workflow, run, twin)
        Comparison(
            top=twin.top,
            worktree=twin.worktree,
            secrets=tuple(secrets),
            configuration=facts["config"],
            renamed=_renamed(workflow, twin),
        ).write(run.staging)
        self._ending = Ending(run=run, twin=twin)
        self._cancelled = False
        self._said_ignored = False

    @classmethod
    def start(cls, workflow: Any, logger: Any) -> Session:
        """Check the tree, open the archive, make the worktree and choose the pool.

        Raises GitbatchError; then nothing was started and nothing is left behind.
        """
        settings = workflow.executor_settings
        folder = Path.cwd()
        repository = opening.find_repository(workflow, folder)
        run_id = new_id()
        head = repository.commit_of("HEAD")
        source = opening.clean_source(workflow, repository, head, run_id, settings.dirty)
        archive = open_archive(repository, settings.archive)
        stale = stale_runs(repository, opening.queue_has_jobs)
        private = private_folder(repository, run_id)
        cores = workflow.resource_settings.cores
        pool, why = choose(
            settings.pool,
            run=run_id,
            private_folder=private,
            cores=cores,
            unmatched=settings.unmatched,
            held_timeout_s=settings.held_timeout,
            notice=logger.warning,
        )
        with contextlib.ExitStack() as undo:
            undo.callback(pool.close)
            run = Run.start(
                repository,
                archive,
                id=run_id,
                commit=source.commit,
                pool=pool.kind,
                worktree_parent=settings.worktrees,
            )
            undo.callback(run.close)
            twin = Twin.of(run, folder, changed=source.changed_outputs, warn=logger.warning)
            twin.there(".").mkdir(parents=True, exist_ok=True)
            opening.check(workflow, twin, logger.warning)
            opening.limit_threads(workflow, pool.cores)
            opening.fill(workflow, twin, [each.worktree for each in stale])
            for each in stale:
                each.clear()
            session = cls._made(workflow, logger, source, head, run, twin, pool)
            undo.pop_all()
        opening.greet(workflow, logger, run, source, why)
        return session

    @classmethod
    def _made(
        cls,
        workflow: Any,
        logger: Any,
        source: opening.Source,
        head: str,
        run: Run,
        twin: Twin,
        pool: Pool,
    ) -> Session:
        secrets = environment.secrets(workflow)
        facts = {
            "run": run.id,
            "source_commit": source.commit,
            "head": head,
            "snapshot": source.snapshot,
            "command": redact(sys.argv, secrets.values()),
            "folder": "" if (where := twin.relative(".")) in (None, ".") else where,
            "snakefile": twin.relative(str(workflow.main_snakefile)),
            "targets": [str(target) for target in workflow.dag_settings.targets],
            "config": redact(jobspec.plain_config(workflow.config), secrets.values()),
            "pool": {"kind": pool.kind, **pool.facts()},
            "archive": run.archive.id,
        }
        return cls(
            workflow=workflow,
            logger=logger,
            run=run,
            twin=twin,
            pool=pool,
            facts=facts,
            config=workflow.config,
            secrets=secrets,
        )

    def settle(self) -> None:
        """Before jobs are prepared: what Snakemake has deleted is gone for them too."""
        self._temporary.sweep()

    def pools(self) -> list[Pool]:
        """The pools that have jobs: the run's, and this machine for local rules."""
        return list({id(pool): pool for pool in (self._pool, self._light_pool)}.values())

    def pool_of(self, spec: JobSpec) -> Pool:
        return self._light_pool if spec.number in self._light else self._pool

    def wait(self, timeout: float) -> list[JobStatus]:
        """The jobs that ended, as soon as one did, or none after `timeout` seconds."""
        self._temporary.sweep_sometimes()
        found: list[JobStatus] = []
        if self._light_pool is not self._pool:
            found = self._light_pool.wait(0)
        found += self._pool.wait(0 if found else timeout)
        for status in found:
            if not status.state.final and status.reason and status.number in self._orders:
                rule = self._orders[status.number].record["rule"]
                self.logger.info(f"Job {status.number}, rule {rule}: {status.reason}")
        return [status for status in found if status.state.final]

    def prepare(self, job: Any) -> JobSpec:
        """Bring the job's inputs into the worktree, make room there for its outputs, and write its
        order. The user's folder stays as it is: see `submitted`.

        Raises GitbatchError, WorkflowError, OSError.
        """
        self._number += 1
        number = self._number
        members = jobspec.members(job)
        made = {str(path) for member in members for path in member.output}
        for member in members:
            for path in member.input:
                if str(path) not in made:
                    opening.bring(self.twin, path, member.rule.name)
        updated = self._make_room(members)
        description = jobspec.describe(job, self.twin.address_of)
        key = hashing.hash_bytes(
            jobspec.key_document(
                description, code=self._code, config=self._config, updated=updated
            ),
            self.run.archive.algorithm,
        ).digest
        variables = environment.of_jobs(self.twin)
        light = any(self.is_local(member.rule) for member in members)
        if light and self._pool.kind != "local":
            self._light.add(number)
            if self._light_pool is self._pool:
                cores = self.workflow.resource_settings.local_cores
                self._light_pool = LocalPool(cores=cores)
        title = redact(jobspec.title(job), self._secrets.values())
        secrets = {**self._secrets, **environment.brought(job, variables, title=title)}
        htcondor = not light and self._pool.kind == "htcondor"
        if not htcondor and not light:
            self._say_ignored(job)
        record = {
            **jobspec.record_head(self.run, self._facts["folder"]),
            "number": number,
            "key": key,
            "reusable": description.canonical,
            "rule": jobspec.rule_name(job),
            "attempt": job.attempt,
            "members": resources.for_record(description.members),
            "updated": updated,
            "environment": jobspec.environment_for_record(variables, secrets),
            "pool": {"kind": "local" if light else self._pool.kind},
        }
        folder = self.run.job_folder(number)
        order = Order(
            argv=(
                *resources.wrapper(job, title=title, twin=self.twin),
                *command.command(
                    self.workflow,
                    job,
                    order=folder / ORDER_NAME,
                    general=self._general,
                    most_cores=None if light else self._pool.cores,
                ),
            ),
            folder=str(self.twin.there(".")),
            worktree=str(self.run.worktree.path),
            archive=str(self.run.archive.root),
            environment=variables,
            outputs=tuple(self._outputs(members)),
            logs=tuple(
                path for path in map(self.twin.relative, jobspec.log_paths(job)) if path is not None
            ),
            record=redact(record, self._secrets.values()),
        )
        order.write(folder / ORDER_NAME)
        self._orders[number] = order
        labels = {
            "run": self.run.id,
            "rule": jobspec.rule_name(job),
            "wildcards": jobspec.title(job),
            "commit": self.run.worktree.commit,
            "key": key,
        }
        labels = redact(labels, self._secrets.values())
        return JobSpec(
            number=number,
            name=labels["wildcards"],
            argv=(sys.executable, "-m", "gitbatch_core.runner", str(folder)),
            folder=folder,
            request=resources.request(
                job,
                title=title,
                htcondor=htcondor,
                secrets=secrets.values(),
                twin=self.twin,
            ),
            private=secrets,
            labels=labels,
        )

    def _say_ignored(self, job: Any) -> None:
        """Once: what only HTCondor understands."""
        ignored = sorted(filter(resources.is_htcondors, dict(job.resources.items())))
        if ignored and not self._said_ignored:
            self._said_ignored = True
            self.logger.info(f"Only HTCondor heeds resources such as {', '.join(ignored)}.")

    def conclude(self, job: Any, status: JobStatus) -> str | None:
        """Take over what the ended job made; None, or why it failed, for people.

        Raises GitbatchError, OSError where the results cannot be taken over.
        """
        order = self._orders.pop(status.number)
        folder = self.run.job_folder(status.number)
        answer = _read_answer(folder, patient=status.exit_code == 0)
        results.restore_logs(self.twin, order.logs, self._mask)
        if answer is None or not answer.succeeded or status.exit_code != 0:
            log = self._keep_log(folder / LOG_NAME, status.number, jobspec.rule_name(job))
            self._ending.failed.append(redact(jobspec.title(job), self._secrets.values()))
            rule_logs = [self.twin.here(path) for path in jobspec.log_paths(job)]
            return explain(
                status,
                answer,
                log=log,
                rule_logs=rule_logs,
                folder=folder,
                twin=self.twin,
                outputs=[output.path for output in order.outputs],
            )
        for member in jobspec.members(job):
            for path in member.input:
                self.twin.check_outside(str(path))
        others = {self.twin.relative(str(path)) for path in workflowview.in_other_storages(job)}
        for output in answer.record["outputs"]:
            results.place(self.twin, output, copied=output["path"] in others)
            if output.get("temporary"):
                of_checkpoint = any(member.is_checkpoint for member in jobspec.members(job))
                self._temporary.add(output["path"], of_checkpoint=of_checkpoint)
        self._ending.records.append(answer.record)
        return None

    def cancel(self) -> None:
        """End all of the run's jobs and nothing else."""
        self._cancelled = True
        for pool in self.pools():
            pool.cancel()

    def finish(self) -> None:
        """End the run: run commit, tag, and nothing of it left but results and records.

        Raises GitbatchError; worktree and staging are taken away all the same, but for a worktree
        that holds what could not be kept.
        """
        succeeded = not self._cancelled and not any(
            jobspec.has_outputs(job) for job in self.workflow.dag.needrun_jobs()
        )
        # Without a failed job it was somebody's wish: Ctrl-C, or SIGTERM.
        wished = self._cancelled or not self._ending.failed
        outcome = "succeeded" if succeeded else "interrupted" if wished else "failed"
        complete = True
        try:
            if self._orders:  # Snakemake gave up while jobs were running
                self.cancel()
            complete = self._temporary.end()
            for pool in self.pools():
                pool.close()
            outputs = workflowview.kept_outputs(self.workflow)
            declared = list(workflowview.declared(self.workflow))
            inputs = workflowview.inputs(self.workflow)
            self._ending.write(self._facts, outputs, inputs, declared, outcome, self.logger)
        finally:
            if complete:
                self.run.close()

    def _outputs(self, members: list[Any]) -> Iterable[Output]:
        for member in members:
            environment.check_names(member, list(self._secrets.values()))
            for path in member.output:
                relative = self.twin.relative(str(path))
                if relative is None:  # one that a checkpoint has brought
                    raise RunError(
                        f"The output {path} of rule {member.rule.name} lies outside of the "
                        f"repository {self.run.repository.top}."
                    )
                if not workflowview.is_stream(path):
                    yield Output(
                        path=relative,
                        folder=bool(path.is_directory),
                        temporary=workflowview.is_temporary(path, self.workflow),
                    )

    def _make_room(self, members: list[Any]) -> dict[str, str]:
        """Clear the jobs' outputs in the worktree; the addresses of those that are updated in
        place. Raises ProtectedOutputException."""
        updated = {}
        for member in members:
            self.workflow.async_run(workflowview.check_protected(member))
        for member in members:
            for path in member.output:
                self._temporary.forget(str(path))
                if not workflowview.is_update(path):
                    self.twin.clear(str(path))
                elif (address := self.twin.lend(str(path))) is not None:
                    updated[str(path)] = address
        return updated

    def submitted(self, job: Any) -> None:
        """Remove the job's old outputs for the user, as Snakemake does when a job starts."""
        for member in jobspec.members(job):
            if not member.is_norun:
                self.workflow.async_run(member.remove_existing_output())

    def _keep_log(self, log: Path, number: int, rule: str) -> Path | None:
        """Put what a failed job printed where it outlives the run."""
        if not log.exists():
            return None
        safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in rule)[:100]
        kept = Path(".snakemake", "gitbatch", self.run.id, f"{number}-{safe}.log").absolute()
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(log.read_bytes())
        return kept


def _renamed(workflow: Any, twin: Twin) -> tuple[str, str]:
    """The folder by which the command line reaches the Snakefile, and what that is without links;
    nothing where it is the same."""
    named = Path(workflow.main_snakefile)
    real = twin.here(str(named))
    while named.name == real.name and named != real:
        named, real = named.parent, real.parent
    return ("", "") if named == real else (str(named), str(real))


def _read_answer(folder: Path, *, patient: bool) -> Answer | None:
    """The runner's answer; with `patient` a shared file system gets a moment to show it."""
    deadline = time.monotonic() + (10 if patient else 0)
    while True:
        try:
            return Answer.read(folder / ANSWER_NAME)
        except FileNotFoundError:
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.1)
