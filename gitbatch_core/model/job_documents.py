"""The documents that go with one job: what the runner is told, what it answers, the job record.

The access point writes the order; the runner runs it and writes the answer, which holds the job
record. The record of a job that succeeded also goes into the archive, under its job key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document

RECORD_FORMAT, RECORD_VERSION = "gitbatch-record", 1
RUN_FORMAT, RUN_VERSION = "gitbatch-ended-run", 1
REPRODUCTION_FORMAT, REPRODUCTION_VERSION = "gitbatch-reproduction", 1
_ORDER_FORMAT, _ORDER_VERSION = "gitbatch-order", 1
_ANSWER_FORMAT, _ANSWER_VERSION = "gitbatch-answer", 1

KEY_SCHEME = 2
"""First field of what a job key is the digest of; raised when the meaning of a key changes."""

WITHOUT_CODE = "key_without_code"
"""In a record: the digest of all that determines the job's outputs but its code."""

UNSEEN = 66
"""The runner's exit status where its machine does not see the job's folder."""

_CONTENT = re.compile("[0-9a-f]{32}")

ORDER_NAME, ANSWER_NAME, LOG_NAME = "order.json", "answer.json", "output.log"
"""Names in a job's folder."""


_REPRODUCTION = re.compile(r"reproduction of (\d{8}-\d{6}-[0-9a-f]{4})\s*")


def reproduced_run(run: Mapping[str, Any]) -> str | None:
    """The run that a run was to make again, by its document or the archive's word on how it has
    ended; None for a run of its own. Earlier versions have said so by the message alone."""
    by_message = _REPRODUCTION.fullmatch(str(run.get("message") or ""))
    return str(run.get("reproduces") or "") or (by_message[1] if by_message else None)


@dataclass(frozen=True, kw_only=True)
class Output:
    """An output that a job declares."""

    path: str
    """Relative to the worktree's top."""
    folder: bool = False
    temporary: bool = False
    """Hashed and recorded, but it stays in the worktree and goes with it."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the runner is to do."""

    argv: tuple[str, ...]
    folder: str
    """Where the command starts: a folder of the worktree, absolute."""
    worktree: str
    archive: str
    environment: Mapping[str, str]
    """All of the command's environment but the secrets and the pool's TMPDIR."""
    outputs: tuple[Output, ...]
    sign: str | None = None
    """A file to make when all is done, with success."""
    logs: tuple[str, ...] = ()
    """Logs and benchmarks, relative to the worktree's top."""
    tools: tuple[str, ...] = ()
    """Words of the command that may name programs, to be looked for on its PATH."""
    record: Document = field(default_factory=dict)
    """What the access point knows of the job record; the runner adds what it measures."""

    def write(self, path: Path) -> None:
        outputs = [vars(output) for output in self.outputs]
        document = {"format": _ORDER_FORMAT, "version": _ORDER_VERSION, **vars(self)}
        documents.write(path, document | {"outputs": outputs}, mode=0o600, durable=False)

    @classmethod
    def read(cls, path: Path) -> Order:
        document = documents.read(path, format=_ORDER_FORMAT, version=_ORDER_VERSION)
        return cls(
            argv=tuple(document["argv"]),
            folder=document["folder"],
            worktree=document["worktree"],
            archive=document["archive"],
            environment=document["environment"],
            outputs=tuple(Output(**output) for output in document["outputs"]),
            sign=document["sign"],
            logs=tuple(document["logs"]),
            tools=tuple(document.get("tools", ())),
            record=document["record"],
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a job, as the runner saw it."""

    succeeded: bool
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    """For people: why it failed where the command itself did not (publishing, cancelled)."""
    record: Document = field(default_factory=dict)

    def write(self, path: Path) -> None:
        document = {"format": _ANSWER_FORMAT, "version": _ANSWER_VERSION, **vars(self)}
        documents.write(path, document, durable=False)

    @classmethod
    def of_job(cls, folder: Path, *, within_s: float = 0) -> Answer | None:
        """The answer in a job's folder, if a shared file system shows it in so many seconds. Raises
        FormatError."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                return cls.read(folder / ANSWER_NAME)
            except FileNotFoundError:
                if time.monotonic() >= deadline:
                    return None
                time.sleep(0.1)

    @classmethod
    def read(cls, path: Path) -> Answer:
        """Raises FileNotFoundError, FormatError."""
        document = documents.read(path, format=_ANSWER_FORMAT, version=_ANSWER_VERSION)
        return cls(
            succeeded=document["succeeded"] is True,
            exit_code=document.get("exit_code"),
            signal=document.get("signal"),
            reason=document.get("reason"),
            record=document.get("record", {}),
        )


def published(
    path: str,
    *,
    kind: str,
    address: str,
    size: int,
    name: str | None = None,
    temporary: bool = False,
) -> Document:
    """One entry of a record's `outputs` or `logs`.

    `kind` is `file` or `tree`; `name` the object's name in the archive (files that are kept);
    `size` in bytes.
    """
    entry: dict[str, Any] = {"path": path, "kind": kind, "address": address, "size": size}
    if name is not None:
        entry["name"] = name
    if temporary:
        entry["temporary"] = True
    return entry


def software_used(member: Document) -> dict[str, str | None]:
    """What of environments, images and modules a record's single job used: kind -> which. None:
    older records say what was declared, and only of a conda file that was used its content."""
    if "software_used" in member:
        return dict(member["software_used"])
    return {
        kind: name if kind == "conda" and _CONTENT.fullmatch(str(name)) else None
        for kind, name in (member.get("software") or {}).items()
    }
