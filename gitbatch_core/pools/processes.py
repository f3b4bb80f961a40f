"""The processes of this machine as /proc shows them, and how to end a whole family of them."""

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


def _processes() -> Iterator[Seen]:
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{entry}/stat").read_bytes()
            # The program's name, in parentheses, may itself hold spaces and parentheses.
            words = text[text.rindex(b")") + 2 :].split()
            yield Seen(
                pid=int(entry),
                started=int(words[19]),
                parent=int(words[1]),
                session=int(words[3]),
            )


def family(known: Iterable[Seen], now: Table) -> set[Seen]:
    """Those of `known` that still run, what is in their sessions, and all their descendants."""
    children: dict[int, list[Seen]] = {}
    sessions: dict[int, list[Seen]] = {}
    for seen in now.values():
        children.setdefault(seen.parent, []).append(seen)
        sessions.setdefault(seen.session, []).append(seen)
    todo: list[Seen] = []
    for seen in known:
        # A session outlives its leader, unless the leader's number belongs to somebody else now.
        if now.get(seen.pid, seen) == seen:
            todo += sessions.get(seen.pid, ())
            todo += [now[seen.pid]] if seen.pid in now else []
    found: set[Seen] = set()
    while todo:
        seen = todo.pop()
        if seen not in found:
            found.add(seen)
            todo += children.get(seen.pid, ())
    return found


def kill_family(known: Iterable[Seen], now: Table) -> None:
    """SIGKILL `known` and their family; `now` is a fresh `table()`.

    All are stopped first: nothing can fork its way out between being found and being killed.
    """
    found = family(known, now)
    stopped: set[Seen] = set()
    for _ in range(_ROUNDS):
        fresh = found - stopped
        if not fresh:
            break
        for seen in fresh:
            send(seen.pid, signal.SIGSTOP)
        stopped |= fresh
        found = family(stopped, table())
    for seen in stopped:
        send(seen.pid, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """Send a signal, if the process is there and ours."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
