"""What was not the same around the jobs: interpreter, packages, tools, machines, pool."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from gitbatch_core.jsonio import Document
from gitbatch_core.runs.reproduce.made import Made, job_inputs

PACKAGE = "package "
"""How the differences of packages begin."""
NOTHING = "-"


def differences(
    before: Document, again: Document, then: Iterable[Made], now: Iterable[Made]
) -> list[Document]:
    """[{what, then, now}], texts. `before`, `again`: documents of two runs; `then`, `now`: their
    outputs, those that were compared."""
    first, second = _of(before, then), _of(again, now)
    return [
        {"what": what, "then": first.get(what, NOTHING), "now": second.get(what, NOTHING)}
        for what in dict.fromkeys([*first, *second])
        if first.get(what) != second.get(what) and not _is_unrecorded(what, before, again)
    ]


def _is_unrecorded(what: str, before: Document, again: Document) -> bool:
    """An older gitbatch has said nothing of it."""
    return what.startswith(PACKAGE) and not (before.get("packages") and again.get("packages"))


def _of(run: Document, outputs: Iterable[Made]) -> dict[str, str]:
    found = {name: str(version) for name, version in run.get("versions", {}).items()}
    found |= {f"{PACKAGE}{n}": str(v) for n, v in sorted((run.get("packages") or {}).items())}
    found |= {
        "user": str(run.get("user", "")),
        "pool": str(run.get("pool", {}).get("kind", "")),
    }
    found |= {f"config {name}": repr(value) for name, value in (run.get("config") or {}).items()}
    found["changed files of the commit"] = ", ".join(run.get("tainted", ())) or NOTHING
    several: dict[str, set[str]] = {}
    for made in outputs:
        for what, value in _of_job(made.job, made.member):
            several.setdefault(what, set()).add(value)
    return found | {what: ", ".join(sorted(values)) for what, values in several.items()}


def _of_job(job: Document, member: Document) -> Iterator[tuple[str, str]]:
    host: Mapping[str, object] = job.get("host", {})
    if host:
        yield "host", str(host.get("name", ""))
        yield "system", " ".join(str(host.get(n, "")) for n in ("system", "kernel", "machine"))
    environment = job.get("environment", {})
    for name, value in environment.get("values", {}).items():
        # The worktree has the run's id in its path.
        yield f"${name}", re.sub(rf"[^:]*/{job['run']}(/worktree)?(?=/|:|$)", "<commit>", value)
    for name in environment.get("names", ()):
        if name not in environment.get("values", {}):
            yield f"${name}", "set"
    for path, address in job_inputs(job, member).items():
        if os.path.isabs(path):  # outside of the repository, or in a storage
            yield f"input {path}", str(address)
    for name, value in member.get("software", {}).items():
        yield f"{name} of rule {member['rule']}", str(value)
    for tool in (job.get("tools") or {}).values():
        # The file itself: what it is called by, and where, does not change what it does.
        path = str(tool.get("real_path") or tool.get("path"))
        yield f"tool {os.path.basename(path)}", str(tool.get("address"))
