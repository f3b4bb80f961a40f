"""gitbatch runs show: the essentials of one run."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import archive_of, runs_here
from gitbatch_core.history import description
from gitbatch_core.history.stale_outputs import StaleSummary
from gitbatch_core.wording import duration, shortened

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from gitbatch_core.model.documents import Document

_MOST = 10


def show(arguments: argparse.Namespace) -> int:
    """Print it."""
    runs = runs_here()
    run = runs.one(arguments.run)
    facts = description.describe(runs, run, archive_of(runs, arguments))
    if arguments.json:
        output.print_json(facts)
        return 0
    output.table([(name, output.printable(text)) for name, text in _rows(facts)])
    return 0


def _rows(facts: Document) -> Iterator[tuple[str, str]]:
    marks = ["TAINTED"] * bool(facts.get("tainted")) + ["kept"] * bool(facts.get("kept"))
    yield "run", facts["run"]
    yield "state", ", ".join([facts["state"], *marks])
    commit = f"{facts['source_commit'][:10]} {facts['subject']}".rstrip()
    yield "commit", commit + " (with uncommitted changes)" * facts["snapshot"]
    yield from _texts("results", [str(facts["commit"])[:10]] if facts.get("commit") else [])
    yield from _texts("tag", facts.get("tags", ()))
    yield from _texts("reproduces", filter(None, [facts["reproduces"]]))
    yield from _texts("message", facts["message"].splitlines())
    yield from _texts("note", facts.get("note", "").splitlines())
    yield "by", " on ".join(filter(None, (facts.get("user"), facts["host"])))
    yield "started", facts["started"]
    if facts["ended"]:
        yield "ended", f"{facts['ended']} ({duration(facts['seconds'])})"
    yield "command", shlex.join(map(str, facts["command"]))
    yield from _texts("folder", filter(None, [facts["folder"]]))
    yield from _texts("targets", filter(None, [shlex.join(facts.get("targets", ()))]))
    yield from _texts("config", (f"{k}={_value(v)}" for k, v in facts.get("config", {}).items()))
    yield "pool", " ".join(f"{name}={_value(value)}" for name, value in facts["pool"].items())
    if facts["ended"] is None and "jobs_done" in facts:
        yield "jobs", f"{facts['jobs_done']} of {facts['jobs_planned']} done"
        yield "log", facts["log"]
        return
    yield from _texts("jobs", map(_jobs, facts["jobs"]))
    yield from _texts("failed", _few(facts["failed"]))
    outputs = facts["outputs"]
    yield "outputs", f"{outputs['count']}, {output.human_size(outputs['bytes'])}"
    yield from _texts("", _few(outputs["paths"]))
    yield from _texts(
        "other code", filter(None, [StaleSummary.from_dict(facts["other_code"]).text()])
    )
    yield from _texts("tainted by changes of", _few(facts["tainted"]))
    yield from _texts("not declared", _few([_undeclared(each) for each in facts["undeclared"]]))
    yield from _texts("reproduced", map(_reproduction, facts["reproductions"]))


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
    what = ", ".join(str(difference.get("what", "")) for difference in each["differences"])
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
