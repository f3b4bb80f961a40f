"""What older documents say in another way than `run_document` and `job_record` have it, for readers
of JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gitbatch_core.model.documents import Document

_CONTENT = re.compile("[0-9a-f]{32}")
_REPRODUCTION = re.compile(r"reproduction of (\d{8}-\d{6}-[0-9a-f]{4})\s*")


def reproduced_run(run: Mapping[str, Any]) -> str | None:
    """The run that a run was to make again, by its document or the archive's word on how it has
    ended; None for a run of its own. Earlier versions have said so by the message alone."""
    by_message = _REPRODUCTION.fullmatch(str(run.get("message") or ""))
    return str(run.get("reproduces") or "") or (by_message[1] if by_message else None)


def software_used(member: Document) -> dict[str, str | None]:
    """What of environments, images and modules a record's single job used: kind -> which. None:
    older records say what was declared, and only of a conda file that was used its content."""
    if "software_used" in member:
        return dict(member["software_used"])
    return {
        kind: name if kind == "conda" and _CONTENT.fullmatch(str(name)) else None
        for kind, name in (member.get("software") or {}).items()
    }
