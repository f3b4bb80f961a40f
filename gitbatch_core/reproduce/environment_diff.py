"""How the environments of two runs differ: interpreter, packages, tools, machines, pool."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitbatch_core.history.recorded_outputs import RecordedOutput
from gitbatch_core.model.reproduction import Difference
from gitbatch_core.model.run_document import RunDocument

PACKAGE = "package "
"""How the differences of packages begin."""
PARSE_TIME = "written while the workflow is read: "
NOTHING = "-"
_TOOL = "tool "


def differences(
    before: RunDocument,
    again: RunDocument,
    then: Iterable[RecordedOutput],
    now: Iterable[RecordedOutput],
) -> list[Difference]:
    """As texts. `before`, `again`: documents of two runs; `then`, `now`: their
    outputs, those that were compared."""
    first, second = _of(before, list(then)), _of(again, list(now))
    return [
        Difference(
            what=what,
            then=first.texts.get(what, NOTHING),
            now=second.texts.get(what, NOTHING),
        )
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


def _of(run: RunDocument, outputs: Sequence[RecordedOutput]) -> _Surroundings:
    texts: dict[str, str | None] = {name: str(value) for name, value in run.versions.items()}
    packages, parse_time = run.packages or {}, run.parse_time or {}
    texts |= {f"{PACKAGE}{name}": str(value) for name, value in sorted(packages.items())}
    texts |= {"user": run.user, "pool": run.pool.kind}
    texts |= {f"config {name}": _text(value) for name, value in (run.config or {}).items()}
    texts |= {f"{PARSE_TIME}{path}": address for path, address in parse_time.items()}
    texts["changed files of the commit"] = ", ".join(run.tainted) or NOTHING
    several: dict[str, set[str | None]] = {}
    for output in outputs:
        for what, value in _of_job(output):
            several.setdefault(what, set()).add(value)
    for what, values in several.items():
        told = [value for value in values if value is not None]
        texts[what] = ", ".join(sorted(told)) if len(told) == len(values) else None
    unrecorded = [] if packages else [PACKAGE]
    if "parse_time" not in run:
        unrecorded.append(PARSE_TIME)
    # Older ones looked for no programs where anything else was declared, used or not.
    members = (output.member for output in outputs)
    if any(member and None in member.used_software().values() for member in members):
        unrecorded.append(_TOOL)
    return _Surroundings(texts=texts, unrecorded=tuple(unrecorded))


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _of_job(output: RecordedOutput) -> Iterator[tuple[str, str | None]]:
    if (job := output.job) is None:
        return
    if "host" in job and job.host.to_dict():
        yield "host", job.host.name or ""
        yield "system", " ".join((job.host.system, job.host.kernel, job.host.machine))
    values = job.environment.values
    for name, value in values.items():
        # The worktree has the run's id in its path.
        yield f"${name}", re.sub(rf"[^:]*/{job.run}(/worktree)?(?=/|:|$)", "<commit>", value)
    for name in job.environment.names:
        if name not in values:
            yield f"${name}", "set"
    for path, address in output.inputs.items():
        if os.path.isabs(path):  # outside of the repository, or in a storage
            yield f"input {path}", str(address)
    if output.member is not None:
        for kind, software in output.member.used_software().items():
            yield f"{kind} of rule {output.member.rule}", software
    for tool in (job.tools or {}).values():
        # The file itself: what it is called by, and where, does not change what it does.
        yield f"{_TOOL}{os.path.basename(tool.real_path or tool.path)}", str(tool.address)
