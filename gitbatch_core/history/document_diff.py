"""Where two documents differ, by the names of what does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_documents import software_used


def changes(then: Any, now: Any, what: str = "") -> list[Document]:
    """Where two JSON values differ: by dotted names of what lies in objects."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        found = []
        for name in sorted({*then, *now}):
            inner = f"{what}.{name}" if what else str(name)
            found += changes(then.get(name), now.get(name), inner)
        return found
    return [] if then == now else [{"what": what, "then": then, "now": now}]


def member_changes(then: Document, now: Document, names: Iterable[str]) -> list[Document]:
    """Where two records' single jobs differ: in these fields, and in the software that they used,
    as far as both say it."""
    found = [each for name in names for each in changes(then.get(name), now.get(name), name)]
    software = [software_used(member) for member in (then, now)]
    unknown = {kind for used in software for kind, name in used.items() if name is None}
    known = [{k: v for k, v in used.items() if k not in unknown} for used in software]
    return found + changes(known[0], known[1], "software")
