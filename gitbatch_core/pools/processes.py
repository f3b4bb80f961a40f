"""The processes of this machine, and how to end a whole family of them. All that reads processes
from /proc on the access point is here."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ROUNDS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A process. `started` (clock ticks after boot) tells it from a later one with its number."""

    pid: int
    started: int
    parent: int = field(compare=False)
    session: int = field(compare=False)


Table = Mapping[int, Seen]


def table() -> dict[int, Seen]:
    """All processes of this machine, by number."""
    return {seen.pid: seen for seen in _processes()}


def find(pid: int) -> Seen | None:
    """The process of this number; None where there is none, or only its exit status is left."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    seen, is_zombie = _parsed(pid, text)
    return None if is_zombie else seen


def arguments() -> Iterator[list[bytes]]:
    """The command lines of all processes that may be looked at."""
    for pid in _numbers():
        with contextlib.suppress(OSError):
            yield Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def _processes() -> Iterator[Seen]:
    for pid in _numbers():
        with contextlib.suppress(OSError):
            yield _parsed(pid, Path(f"/proc/{pid}/stat").read_bytes())[0]


def _numbers() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _parsed(pid: int, text: bytes) -> tuple[Seen, bool]:
    """A process by its `stat`, and whether it is a zombie."""
    # The program's name, in parentheses, may itself hold spaces and parentheses.
    words = text[text.rindex(b")") + 2 :].split()
    seen = Seen(pid=pid, started=int(words[19]), parent=int(words[1]), session=int(words[3]))
    return seen, words[0] == b"Z"


def family(processes: Iterable[Seen], now: Table) -> set[Seen]:
    """Those of `processes` that still run, what is in their sessions, and all their descendants."""
    children: dict[int, list[Seen]] = {}
    sessions: dict[int, list[Seen]] = {}
    for seen in now.values():
        children.setdefault(seen.parent, []).append(seen)
        sessions.setdefault(seen.session, []).append(seen)
    todo: list[Seen] = []
    for seen in processes:
        # A session outlives its leader, unless the leader's number belongs to somebody else now.
        if now.get(seen.pid, seen) == seen:
            todo += sessions.get(seen.pid, ())
            todo += [now[seen.pid]] if seen.pid in now else []
    members: set[Seen] = set()
    while todo:
        seen = todo.pop()
        if seen not in members:
            members.add(seen)
            todo += children.get(seen.pid, ())
    return members


def kill_family(processes: Iterable[Seen], now: Table) -> None:
    """SIGKILL `processes` and their family; `now` is a fresh `table()`.

    All are stopped first: nothing can fork its way out between being found and being killed.
    """
    members = family(processes, now)
    stopped: set[Seen] = set()
    for _ in range(_ROUNDS):
        fresh = members - stopped
        if not fresh:
            break
        for seen in fresh:
            send(seen.pid, signal.SIGSTOP)
        stopped |= fresh
        members = family(stopped, table())
    for seen in stopped:
        send(seen.pid, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """Send a signal, if the process is there and ours."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
