"""Whether what jobs made came out the same again: attempts to reproduce, and equal jobs of other
runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitbatch_core.archive import records
from gitbatch_core.provenance.job_index import IndexedJob, Jobs

if TYPE_CHECKING:
    from gitbatch_core.archive.store import Archive

IDENTICAL, DIFFERS, FAILED, NOT_RUN = "identical", "differs", "failed", "not run"
"""Verdicts, as in the archive's reproductions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
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
    found: str | None
    """Address of what came out; None where nothing did."""
    differences: Sequence[Any] = ()
    """What is known to have been different: interpreter, packages, host …"""
    intended: bool = True
    """Made in order to compare; otherwise a run that had the same job to do."""


def attempts(archive: Archive, address: str, makers: Sequence[IndexedJob]) -> list[Attempt]:
    """All executions again of the jobs that made the address, the earliest first.

    Jobs with one key have all in common that determines outputs: they are compared with the
    earliest of them that made the address.
    """
    paths = {o.path for job in makers for o in job.outputs if o.address == address and not o.log}
    found: dict[tuple[str, str], Attempt] = {}
    for document in records.reproductions(archive.root):
        for output in _outputs(document):
            if output.get("expected") == address and output.get("path") in paths:
                attempt = _attempt(document, output)
                found[attempt.run, attempt.path] = attempt
    for key in dict.fromkeys(job.key for job in makers if job.reusable):
        for attempt in _again(Jobs.with_key(archive, key).jobs, address, paths):
            there = found.setdefault((attempt.run, attempt.path), attempt)
            if there is not attempt and not there.hosts:
                found[attempt.run, attempt.path] = replace(there, hosts=attempt.hosts)
    return sorted(found.values(), key=lambda each: (each.started, each.run, each.path))


def _again(jobs: Sequence[IndexedJob], address: str, paths: set[str]) -> list[Attempt]:
    """What jobs with one key say. `paths`: where the address was made."""
    first: dict[str, IndexedJob] = {}
    for job in jobs:
        for output in job.outputs:
            if output.path in paths and output.address == address:
                first.setdefault(output.path, job)
    found = []
    for job in jobs:
        for output in job.outputs:
            if output.path not in first or first[output.path] is job:
                continue
            maker = job.maker(output.path)
            found.append(
                Attempt(
                    verdict=IDENTICAL if output.address == address else DIFFERS,
                    path=output.path,
                    rule=maker.rule if maker else job.rule,
                    run=job.run,
                    of=first[output.path].run,
                    hosts=(job.host,) if job.host else (),
                    started=job.started,
                    found=output.address,
                    intended=False,
                )
            )
    return found


def _attempt(document: Mapping[str, Any], output: Mapping[str, Any]) -> Attempt:
    hosts = output.get("hosts")
    differences = document.get("differences")
    return Attempt(
        verdict=str(output.get("verdict") or ""),
        path=str(output.get("path") or ""),
        rule=str(output.get("rule") or ""),
        run=str(document.get("again") or ""),
        of=str(document.get("run") or ""),
        hosts=tuple(map(str, hosts)) if isinstance(hosts, list) else (),
        started=str(document.get("started") or ""),
        found=None if output.get("found") is None else str(output["found"]),
        differences=differences if isinstance(differences, list) else (),
    )


def _outputs(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    outputs = document.get("outputs")
    return [o for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []
