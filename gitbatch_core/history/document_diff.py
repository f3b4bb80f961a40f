"""Where two documents differ, by the names of what does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_record import SingleJob


def changes(then: Any, now: Any, what: str = "") -> list[Document]:
    """Where two JSON values differ: by dotted names of what lies in objects."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        differences = []
        for name in sorted({*then, *now}):
            inner = f"{what}.{name}" if what else str(name)
            differences += changes(then.get(name), now.get(name), inner)
        return differences
    return [] if then == now else [{"what": what, "then": then, "now": now}]


def member_changes(then: SingleJob, now: SingleJob, names: Iterable[str]) -> list[Document]:
    """Where two records' single jobs differ: in these fields, and in the software that they used,
    as far as both say it."""
    first, last = then.to_dict(), now.to_dict()
    differences = [
        each for name in names for each in changes(first.get(name), last.get(name), name)
    ]
    software = [member.used_software() for member in (then, now)]
    unknown = {kind for used in software for kind, name in used.items() if name is None}
    comparable = [{k: v for k, v in used.items() if k not in unknown} for used in software]
    return differences + changes(comparable[0], comparable[1], "software")
