"""All that matters of one run at a glance, as one JSON document for people and programs."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable

from gitbatch_core.archive import records
from gitbatch_core.archive.store import Archive
from gitbatch_core.git import commits
from gitbatch_core.history import marks, stale_outputs, summary
from gitbatch_core.history.run_names import Known, Runs
from gitbatch_core.model.documents import Document
from gitbatch_core.run import run_commit, undeclared_entries

_VERDICTS = ("identical", "differs", "failed", "not run")


def describe(runs: Runs, known: Known, archive: Archive | None) -> Document:
    """The run: how it stands or ended, what it ran and made, how it was reproduced.

    `archive`: where attempts to reproduce it are kept; None where there is none here. Raises
    GitError, FormatError.
    """
    if known.owner is not None:
        return _going(runs, known)
    found = run_commit.read(runs.repository, known.ended())
    outputs = found.get("outputs", [])
    return {
        "run": known.run,
        "state": found.get("outcome", ""),
        "tainted": found.get("tainted", []),
        "undeclared": [
            {name: entry[name] for name in ("path", "rule", "address", "size") if name in entry}
            for entry in undeclared_entries.entries(found)
        ],
        "source_commit": found.get("source_commit", ""),
        "subject": _subject(runs, found.get("source_commit", "")),
        "snapshot": bool(found.get("snapshot")),
        "commit": known.commit,
        "tags": known.tags,
        "kept": known.kept is not None,
        "message": found.get("message", ""),
        "reproduces": known.reproduces,
        "note": marks.note(runs, known),
        "user": found.get("user", ""),
        "host": found.get("host", ""),
        "started": found.get("started", ""),
        "ended": found.get("ended"),
        "seconds": _seconds(found.get("started"), found.get("ended")),
        "command": found.get("command", []),
        "folder": found.get("folder", ""),
        "snakefile": found.get("snakefile"),
        "targets": found.get("targets", []),
        "config": found.get("config", {}),
        "pool": found.get("pool", {}),
        "archive": found.get("archive", ""),
        "jobs": _jobs(found),
        "failed": found.get("jobs_failed", []),
        "outputs": {
            "count": len(outputs),
            "bytes": sum(output.get("size") or 0 for output in outputs),
            "paths": [output["path"] for output in outputs],
        },
        "other_code": stale_outputs.summary(found),
        "reproductions": _reproductions(archive, known.run),
    }


def _going(runs: Runs, known: Known) -> Document:
    assert known.owner is not None
    entry, about = summary.entries(runs, [known])[0], known.owner.about
    return {
        "run": known.run,
        "state": entry.state,
        "source_commit": entry.commit,
        "subject": _subject(runs, entry.commit),
        "snapshot": bool(about.get("snapshot")),
        "message": entry.message,
        "reproduces": entry.reproduces,
        "host": entry.host,
        "process": known.owner.pid,
        "started": entry.started,
        "ended": None,
        "command": about.get("command", []),
        "pool": {"kind": entry.pool},
        "jobs_done": entry.jobs_done,
        "jobs_planned": entry.jobs,
        "folder": about.get("folder", ""),
        "worktree": str(known.owner.worktree),
        "log": about.get("log", ""),
    }


def _jobs(found: Document) -> list[Document]:
    """By rule: what ran in this run, and of how many jobs earlier runs' outputs were in place."""
    earlier: dict[str, Counter[str]] = {}
    for job in found.get("jobs", {}).values():
        counts = earlier.setdefault(job["rule"], Counter())
        if job["run"] != found["run"]:
            counts[job["run"]] += 1
    rows = {row["rule"]: row for row in found.get("costs", {}).get("rules", ())}
    return [
        {
            "rule": rule,
            "done": rows[rule]["executions"] - rows[rule]["failed"] if rule in rows else 0,
            "failed": rows[rule]["failed"] if rule in rows else 0,
            "reused": dict(sorted(earlier.get(rule, Counter()).items())),
        }
        for rule in sorted({*rows, *earlier})
    ]


def _reproductions(archive: Archive | None, run: str) -> list[Document]:
    if archive is None:
        return []
    return [
        {
            "again": each.get("again", ""),
            "user": each.get("user", ""),
            "host": each.get("host", ""),
            "pool": each.get("pool", {}).get("kind", ""),
            "ended": each.get("ended", ""),
            "outputs": _verdicts(each.get("outputs", ())),
            "differences": each.get("differences", []),
        }
        for each in records.reproductions(archive.root, run)
    ]


def _verdicts(outputs: Iterable[Document]) -> dict[str, int]:
    counts = Counter(output.get("verdict", "") for output in outputs)
    return {verdict: counts[verdict] for verdict in _VERDICTS if counts[verdict]}


def _subject(runs: Runs, commit: str) -> str:
    """Its first line; empty where a shallow clone lacks the commit."""
    about = commits.read_all(runs.repository, [commit]).get(commit)
    return about.subject if about else ""


def _seconds(started: str | None, ended: str | None) -> float | None:
    if not started or not ended:
        return None
    first, last = map(datetime.datetime.fromisoformat, (started, ended))
    return round((last - first).total_seconds(), 3)
