"""What is said of one result in a work tree, and of all: the answer of `gitbatch status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitbatch_core.run.tainted import TAINTED

CURRENT = "current"
OTHER_CODE = "other code"
OTHER_INPUTS = "other inputs"
CHANGED = "changed by hand"
DANGLING = "dangling"
UNKNOWN = "unknown origin"
MISSING = "missing"
STATES = (CURRENT, OTHER_CODE, OTHER_INPUTS, TAINTED, CHANGED, DANGLING, UNKNOWN, MISSING)


@dataclass(frozen=True, kw_only=True)
class ResultStatus:
    """Of one result."""

    path: str
    """Relative to the top of the work tree."""
    rule: str = ""
    wildcards: Mapping[str, str] = field(default_factory=dict)
    state: str
    address: str | None = None
    """Of what is there."""
    commit: str = ""
    """Whose code made that; empty where nobody knows."""
    snapshot: bool = False
    """Whether that commit is one of uncommitted changes."""
    run: str = ""
    """Whose job made it."""
    files: tuple[str, ...] | None = ()
    """In which the code of that commit differs; None where that commit is not here."""
    inputs: tuple[str, ...] = ()
    """That are not what it was made from, or are stale themselves."""

    def as_json(self) -> dict[str, Any]:
        files = None if self.files is None else list(self.files)
        return dict(vars(self)) | {"wildcards": dict(self.wildcards), "files": files}


@dataclass(frozen=True, kw_only=True)
class FolderStatus:
    """Of the results in a work tree."""

    head: str
    source: str
    """HEAD's source commit: HEAD itself, unless that is a run commit."""
    run: str
    """The latest run whose results are looked for; empty where no run is known."""
    edited: tuple[str, ...]
    """Tracked files of code that are not as HEAD has them."""
    archive: Path | None
    """None: it is out of reach."""
    results: tuple[ResultStatus, ...]
    """Sorted by path."""

    @property
    def is_current(self) -> bool:
        """Whether all is as HEAD would have it."""
        return all(each.state == CURRENT for each in self.results)

    def as_json(self) -> dict[str, Any]:
        states = [each.state for each in self.results]
        return dict(vars(self)) | {
            "archive": None if self.archive is None else str(self.archive),
            "edited": list(self.edited),
            "states": {state: states.count(state) for state in STATES},
            "results": [each.as_json() for each in self.results],
        }
