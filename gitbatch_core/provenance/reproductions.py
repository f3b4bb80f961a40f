"""Whether what jobs made came out the same again: attempts to reproduce, and equal jobs of other
runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitbatch_core.archive import records
from gitbatch_core.errors import FormatError
from gitbatch_core.model.reproduction import (
    DIFFERS,
    IDENTICAL,
    Difference,
    ReproducedOutput,
    Reproduction,
)
from gitbatch_core.provenance.job_index import IndexedJob, JobIndex

if TYPE_CHECKING:
    from gitbatch_core.archive.store import Archive


@dataclass(frozen=True, kw_only=True, slots=True)
class Reexecution:
    """A job was executed again, elsewhere or later."""

    verdict: str
    path: str
    rule: str
    run: str
    """The run that was the attempt."""
    of: str
    """The run whose output it was compared with."""
    hosts: tuple[str, ...]
    started: str
    address: str | None
    """Of what came out; None where nothing did."""
    differences: Sequence[Difference] = ()
    """What is known to have been different: interpreter, packages, host …"""
    intended: bool = True
    """Made in order to compare; otherwise a run that had the same job to do."""

    def as_json(self) -> dict[str, Any]:
        names = {"found" if name == "address" else name: name for name in self.__slots__}
        differences = [each.to_dict() for each in self.differences]
        return {k: getattr(self, n) for k, n in names.items()} | {"differences": differences}


def reexecutions(archive: Archive, address: str, makers: Sequence[IndexedJob]) -> list[Reexecution]:
    """All executions again of the jobs that made the address, the earliest first.

    Jobs with one key have all in common that determines outputs: they are compared with the
    earliest of them that made the address.
    """
    paths = {o.path for job in makers for o in job.outputs if o.address == address and not o.log}
    by_output: dict[tuple[str, str], Reexecution] = {}
    for document in records.reproductions(archive.root):
        for output in _outputs(document):
            with contextlib.suppress(FormatError):
                if output.expected == address and output.path in paths:
                    by_output[document.again, output.path] = _attempt(document, output)
    for key in dict.fromkeys(job.key for job in makers if job.reusable):
        for attempt in _again(JobIndex.with_key(archive, key).jobs, address, paths):
            there = by_output.setdefault((attempt.run, attempt.path), attempt)
            if there is not attempt and not there.hosts:
                by_output[attempt.run, attempt.path] = replace(there, hosts=attempt.hosts)
    return sorted(by_output.values(), key=lambda each: (each.started, each.run, each.path))


def _again(jobs: Sequence[IndexedJob], address: str, paths: set[str]) -> list[Reexecution]:
    """What jobs with one key say. `paths`: where the address was made."""
    first: dict[str, IndexedJob] = {}
    for job in jobs:
        for output in job.outputs:
            if output.path in paths and output.address == address:
                first.setdefault(output.path, job)
    executions = []
    for job in jobs:
        for output in job.outputs:
            if output.path not in first or first[output.path] is job:
                continue
            maker = job.maker(output.path)
            executions.append(
                Reexecution(
                    verdict=IDENTICAL if output.address == address else DIFFERS,
                    path=output.path,
                    rule=maker.rule if maker else job.rule,
                    run=job.run,
                    of=first[output.path].run,
                    hosts=(job.host,) if job.host else (),
                    started=job.started,
                    address=output.address,
                    intended=False,
                )
            )
    return executions


def _attempt(document: Reproduction, output: ReproducedOutput) -> Reexecution:
    return Reexecution(
        verdict=output.verdict,
        path=output.path,
        rule=output.rule or "",
        run=document.again,
        of=document.run,
        hosts=tuple(output.hosts),
        started=document.started or "",
        address=output.found,
        differences=document.differences,
    )


def _outputs(document: Reproduction) -> Iterator[ReproducedOutput]:
    """Those that can be read; what else stands there is the business of `verify`."""
    outputs = document.to_dict().get("outputs")
    for each in outputs if isinstance(outputs, list) else ():
        if isinstance(each, dict):
            yield ReproducedOutput.from_dict(each)
