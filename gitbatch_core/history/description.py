"""All that matters of one run at a glance, as one JSON document for people and programs."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable

from gitbatch_core.archive import records
from gitbatch_core.archive.store import Archive
from gitbatch_core.git import commits
from gitbatch_core.history import marks, stale_outputs, summary
from gitbatch_core.history.run_names import ListedRun, Runs
from gitbatch_core.model.documents import Document
from gitbatch_core.model.reproduction import VERDICTS, ReproducedOutput
from gitbatch_core.model.run_document import RunDocument, UndeclaredFile
from gitbatch_core.run import run_commit

_OF_UNDECLARED = ("path", "rule", "address", "size")


def describe(runs: Runs, run: ListedRun, archive: Archive | None) -> Document:
    """The run: how it stands or ended, what it ran and made, how it was reproduced.

    `archive`: where attempts to reproduce it are kept; None where there is none here. Raises
    GitError, FormatError.
    """
    if run.owner is not None:
        return _going(runs, run)
    document = run_commit.read(runs.repository, run.ended())
    return {
        "run": run.run,
        "state": document.outcome,
        "tainted": list(document.tainted),
        "undeclared": list(map(_undeclared, document.undeclared)),
        "source_commit": document.source_commit,
        "subject": _subject(runs, document.source_commit),
        "snapshot": bool(document.snapshot),
        "commit": run.commit,
        "tags": run.tags,
        "kept": run.kept is not None,
        "message": document.message,
        "reproduces": run.reproduces,
        "note": marks.note(runs, run),
        "user": document.user,
        "host": document.host,
        "started": document.started,
        "ended": document.ended,
        "seconds": _seconds(document.started, document.ended),
        "command": list(document.command),
        "folder": document.folder,
        "snakefile": document.snakefile,
        "targets": list(document.targets),
        "config": dict(document.config),
        "pool": document.pool.to_dict(),
        "archive": document.archive,
        "jobs": _jobs(document),
        "failed": list(document.jobs_failed),
        "outputs": {
            "count": len(document.outputs),
            "bytes": sum(output.size or 0 for output in document.outputs),
            "paths": [output.path for output in document.outputs],
        },
        "other_code": stale_outputs.summary(document).to_dict(),
        "reproductions": _reproductions(archive, run.run),
    }


def _going(runs: Runs, run: ListedRun) -> Document:
    assert run.owner is not None
    entry, about = summary.entries(runs, [run])[0], run.owner.about
    return {
        "run": run.run,
        "state": entry.state,
        "source_commit": entry.commit,
        "subject": _subject(runs, entry.commit),
        "snapshot": bool(about.get("snapshot")),
        "message": entry.message,
        "reproduces": entry.reproduces,
        "host": entry.host,
        "process": run.owner.pid,
        "started": entry.started,
        "ended": None,
        "command": about.get("command", []),
        "pool": {"kind": entry.pool},
        "jobs_done": entry.jobs_done,
        "jobs_planned": entry.jobs,
        "folder": about.get("folder", ""),
        "worktree": str(run.owner.worktree),
        "log": about.get("log", ""),
    }


def _undeclared(file: UndeclaredFile) -> Document:
    return {name: value for name, value in file.to_dict().items() if name in _OF_UNDECLARED}


def _jobs(run: RunDocument) -> list[Document]:
    """By rule: what ran in this run, and of how many jobs earlier runs' outputs were in place."""
    earlier: dict[str, Counter[str]] = {}
    for job in run.jobs.values():
        counts = earlier.setdefault(job.rule, Counter())
        if job.run != run.run:
            counts[job.run] += 1
    costs = {each.rule: each for each in run.costs.rules}
    return [
        {
            "rule": rule,
            "done": costs[rule].executions - costs[rule].failed if rule in costs else 0,
            "failed": costs[rule].failed if rule in costs else 0,
            "reused": dict(sorted(earlier.get(rule, Counter()).items())),
        }
        for rule in sorted({*costs, *earlier})
    ]


def _reproductions(archive: Archive | None, run: str) -> list[Document]:
    if archive is None:
        return []
    return [
        {
            "again": each.again,
            "user": each.user or "",
            "host": each.host or "",
            "pool": each.pool.kind,
            "ended": each.ended or "",
            "outputs": _verdicts(each.outputs),
            "differences": [difference.to_dict() for difference in each.differences],
        }
        for each in records.reproductions(archive.root, run)
    ]


def _verdicts(outputs: Iterable[ReproducedOutput]) -> dict[str, int]:
    counts = Counter(output.verdict for output in outputs)
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def _subject(runs: Runs, commit: str) -> str:
    """Its first line; empty where a shallow clone lacks the commit."""
    about = commits.read_all(runs.repository, [commit]).get(commit)
    return about.subject if about else ""


def _seconds(started: str | None, ended: str | None) -> float | None:
    if not started or not ended:
        return None
    first, last = map(datetime.datetime.fromisoformat, (started, ended))
    return round((last - first).total_seconds(), 3)
