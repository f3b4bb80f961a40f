"""How the environments of two runs differ: interpreter, packages, tools, machines, pool."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitbatch_core.history.recorded_outputs import RecordedOutput, job_inputs
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_documents import software_used

PACKAGE = "package "
"""How the differences of packages begin."""
PARSE_TIME = "written while the workflow is read: "
NOTHING = "-"
_TOOL = "tool "


def differences(
    before: Document, again: Document, then: Iterable[RecordedOutput], now: Iterable[RecordedOutput]
) -> list[Document]:
    """[{what, then, now}], texts. `before`, `again`: documents of two runs; `then`, `now`: their
    outputs, those that were compared."""
    first, second = _of(before, list(then)), _of(again, list(now))
    return [
        {
            "what": what,
            "then": first.texts.get(what, NOTHING),
            "now": second.texts.get(what, NOTHING),
        }
        for what in dict.fromkeys([*first.texts, *second.texts])
        if first.texts.get(what) != second.texts.get(what)
        and not (first.is_unrecorded(what) or second.is_unrecorded(what))
    ]


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What was around the jobs of one run."""

    texts: Mapping[str, str | None]
    """None: there was something, and an older gitbatch has not said what."""
    unrecorded: tuple[str, ...]
    """How names begin of which an older gitbatch has not recorded all."""

    def is_unrecorded(self, what: str) -> bool:
        is_told = self.texts.get(what, "") is not None
        return not is_told or (what not in self.texts and what.startswith(self.unrecorded))


def _of(run: Document, outputs: Sequence[RecordedOutput]) -> _Surroundings:
    texts: dict[str, str | None] = {n: str(v) for n, v in run.get("versions", {}).items()}
    texts |= {f"{PACKAGE}{n}": str(v) for n, v in sorted((run.get("packages") or {}).items())}
    texts |= {
        "user": str(run.get("user", "")),
        "pool": str(run.get("pool", {}).get("kind", "")),
    }
    texts |= {f"config {name}": _text(value) for name, value in (run.get("config") or {}).items()}
    texts |= {f"{PARSE_TIME}{path}": str(a) for path, a in (run.get("parse_time") or {}).items()}
    texts["changed files of the commit"] = ", ".join(run.get("tainted", ())) or NOTHING
    several: dict[str, set[str | None]] = {}
    for output in outputs:
        for what, value in _of_job(output.job, output.member):
            several.setdefault(what, set()).add(value)
    for what, values in several.items():
        told = [value for value in values if value is not None]
        texts[what] = ", ".join(sorted(told)) if len(told) == len(values) else None
    unrecorded = [] if run.get("packages") else [PACKAGE]
    if "parse_time" not in run:
        unrecorded.append(PARSE_TIME)
    # Older ones looked for no programs where anything else was declared, used or not.
    if any(None in software_used(output.member).values() for output in outputs):
        unrecorded.append(_TOOL)
    return _Surroundings(texts=texts, unrecorded=tuple(unrecorded))


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _of_job(job: Document, member: Document) -> Iterator[tuple[str, str | None]]:
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
    for kind, name in software_used(member).items():
        yield f"{kind} of rule {member['rule']}", name
    for tool in (job.get("tools") or {}).values():
        # The file itself: what it is called by, and where, does not change what it does.
        path = str(tool.get("real_path") or tool.get("path"))
        yield f"{_TOOL}{os.path.basename(path)}", str(tool.get("address"))
