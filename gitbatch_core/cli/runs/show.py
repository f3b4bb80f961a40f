"""gitbatch runs show: the essentials of one run."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import archive_of, runs_here
from gitbatch_core.history import description, stale_outputs
from gitbatch_core.reports.efficiency import duration
from gitbatch_core.wording import shortened

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from gitbatch_core.model.documents import Document

_MOST = 10


def show(arguments: argparse.Namespace) -> int:
    """Print it."""
    runs = runs_here()
    known = runs.one(arguments.run)
    found = description.describe(runs, known, archive_of(runs, arguments))
    if arguments.json:
        output.print_json(found)
        return 0
    output.table([(name, output.printable(text)) for name, text in _rows(found)])
    return 0


def _rows(found: Document) -> Iterator[tuple[str, str]]:
    marks = ["TAINTED"] * bool(found.get("tainted")) + ["kept"] * bool(found.get("kept"))
    yield "run", found["run"]
    yield "state", ", ".join([found["state"], *marks])
    commit = f"{found['source_commit'][:10]} {found['subject']}".rstrip()
    yield "commit", commit + " (with uncommitted changes)" * found["snapshot"]
    yield from _texts("results", [str(found["commit"])[:10]] if found.get("commit") else [])
    yield from _texts("tag", found.get("tags", ()))
    yield from _texts("reproduces", filter(None, [found["reproduces"]]))
    yield from _texts("message", found["message"].splitlines())
    yield from _texts("note", found.get("note", "").splitlines())
    yield "by", " on ".join(filter(None, (found.get("user"), found["host"])))
    yield "started", found["started"]
    if found["ended"]:
        yield "ended", f"{found['ended']} ({duration(found['seconds'])})"
    yield "command", shlex.join(map(str, found["command"]))
    yield from _texts("folder", filter(None, [found["folder"]]))
    yield from _texts("targets", filter(None, [shlex.join(found.get("targets", ()))]))
    yield from _texts("config", (f"{k}={_value(v)}" for k, v in found.get("config", {}).items()))
    yield "pool", " ".join(f"{name}={_value(value)}" for name, value in found["pool"].items())
    if found["ended"] is None and "jobs_done" in found:
        yield "jobs", f"{found['jobs_done']} of {found['jobs_planned']} done"
        yield "log", found["log"]
        return
    yield from _texts("jobs", map(_jobs, found["jobs"]))
    yield from _texts("failed", _few(found["failed"]))
    outputs = found["outputs"]
    yield "outputs", f"{outputs['count']}, {output.human_size(outputs['bytes'])}"
    yield from _texts("", _few(outputs["paths"]))
    yield from _texts("other code", filter(None, [stale_outputs.text(found["other_code"])]))
    yield from _texts("tainted by changes of", _few(found["tainted"]))
    yield from _texts("not declared", _few([_undeclared(each) for each in found["undeclared"]]))
    yield from _texts("reproduced", map(_reproduction, found["reproductions"]))


def _undeclared(each: Document) -> str:
    words = ", ".join(
        [f"rule {each['rule']}"] * ("rule" in each) + ["not kept"] * ("address" not in each)
    )
    return f"{each['path']} ({words})" if words else str(each["path"])


def _jobs(row: Document) -> str:
    parts = [f"{row[name]} {name}" for name in ("done", "failed") if row[name]]
    if row["reused"]:
        parts.append(f"{sum(row['reused'].values())} from {', '.join(row['reused'])}")
    return f"{row['rule']}: {', '.join(parts) or '0'}"


def _reproduction(each: Document) -> str:
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in each["outputs"].items())
    what = ", ".join(str(found.get("what", "")) for found in each["differences"])
    where = " ".join(filter(None, (each["user"], "on", each["host"], each["pool"])))
    return f"{each['ended']} by {where}: {verdicts}" + (f"; other: {what}" if what else "")


def _texts(name: str, texts: Any) -> Iterator[tuple[str, str]]:
    """Rows of which the first alone is named."""
    for text in texts:
        yield name, text
        name = ""


def _few(texts: list[str]) -> list[str]:
    return shortened(texts, _MOST, rest="more (--json has all)")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
