"""Snakemake, which tells where two of its threads met in what a run keeps: `watched.py TOLD ARGS…`

What a session holds is shared by Snakemake's scheduler and its status thread, which may only use it
one at a time, and may not wait meanwhile. What that is, is found, not listed: the objects that a
session refers to, with all methods of their classes, all functions that are given one of them, the
session's own tables, and what is noted of a job. Each of these operations is slowed down in turn,
so that threads meet that would do so once in a thousand runs otherwise. What was seen is written to
the file TOLD, as JSON.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler

from gitbatch_core.model.job_result import JobResult
from gitbatch_core.pools.base import Pool
from snakemake_executor_plugin_gitbatch.job.job_table import JobState
from snakemake_executor_plugin_gitbatch.run.pools import Pools
from snakemake_executor_plugin_gitbatch.run.session import Session

SHARED = (
    "gitbatch_core.history",
    "gitbatch_core.reports",
    "gitbatch_core.run",
    "snakemake_executor_plugin_gitbatch",
)
"""Packages of what a session keeps. Of others it has what any thread may use, or what is fixed."""
SAFE = (Pools,)
"""Of these packages, but for any thread."""
TABLES = (dict, list, set, deque)
PAUSE_S = 0.01


class Watch:
    """Knows which thread is in which operations."""

    def __init__(self) -> None:
        self.met: set[tuple[str, str]] = set()
        """Operations of two threads at one time."""
        self.waited: set[str] = set()
        """What was waited for with the session's lock."""
        self.slowed: Counter[str] = Counter()
        self.is_slow = True
        self.session: Any = None
        self._own = threading.Lock()
        self._inside: dict[int, list[str]] = {}
        self._calls: Counter[tuple[int, str]] = Counter()

    def meet(self, name: str) -> None:
        me = threading.get_ident()
        with self._own:
            others = [names[-1] for who, names in self._inside.items() if who != me and names]
            self.met.update((name, other) for other in others)

    def operation(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            me = threading.get_ident()
            self.meet(name)
            with self._own:
                self._inside.setdefault(me, []).append(name)
                self._calls[me, name] += 1
                count = self._calls[me, name]
                slow = self.is_slow and count & (count - 1) == 0  # the 1st, 2nd, 4th, 8th …
                self.slowed[name] += slow
            try:
                if slow:
                    time.sleep(PAUSE_S)
                return function(*args, **kwargs)
            finally:
                with self._own:
                    self._inside[me].pop()

        return watched

    def waiting(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            if self.session is not None and self.session.lock._is_owned():
                self.waited.add(name)
            return function(*args, **kwargs)

        return watched

    def changing(self, kind: type) -> None:
        """Have each change of an object of this class meet what the other thread does, and hold the
        session's lock."""
        original = kind.__setattr__

        def change(value: Any, name: str, to: Any) -> None:
            if self.session is not None and self.is_slow and not self.session.lock._is_owned():
                self.met.add((f"{kind.__name__}.{name}", "no lock"))
            original(value, name, to)

        kind.__setattr__ = change  # type: ignore[method-assign, assignment]


def shared(value: Any, found: dict[int, Any]) -> None:
    """What `value` refers to that can change, by id."""
    kind = type(value)
    if not kind.__module__.startswith(SHARED) or isinstance(value, SAFE) or id(value) in found:
        return
    if dataclasses.is_dataclass(value) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return
    found[id(value)] = value
    for inner in vars(value).values():
        shared(inner, found)


def functions_given(names: set[str]) -> Iterator[FunctionType]:
    """All functions of the packages that take one of the classes with these names."""
    for module in [m for name, m in sys.modules.items() if name.startswith(SHARED)]:
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                given = {n: a for n, a in function.__annotations__.items() if n != "return"}
                if not names.isdisjoint(map(str, given.values())):
                    yield function


def replace_everywhere(old: Any, new: Any) -> None:
    for module in [m for name, m in sys.modules.items() if name.startswith(SHARED)]:
        for name, value in list(vars(module).items()):
            if value is old:
                setattr(module, name, new)


def watch_session(watch: Watch, session: Any) -> None:
    parts: dict[int, Any] = {}
    shared(session, parts)
    del parts[id(session)]
    kinds = {type(part) for part in parts.values()}
    for kind in kinds:
        for name, function in list(vars(kind).items()):
            if inspect.isfunction(function) and not name.startswith("__"):
                setattr(kind, name, watch.operation(function, f"{kind.__qualname__}.{name}"))
    for function in list(functions_given({kind.__name__ for kind in kinds})):
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        replace_everywhere(function, watch.operation(function, name))
    tables = {n for n, v in vars(session).items() if isinstance(v, TABLES) or id(v) in parts}

    class Watched(type(session)):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            if name in tables:
                watch.meet(f"Session.{name}")
            return super().__getattribute__(name)

        def finish(self, outcome: str) -> None:
            watch.is_slow = False  # one thread is left
            super().finish(outcome)

    session.__class__ = Watched
    for pool in session.pools.all():
        for name in vars(Pool):
            if inspect.isfunction(vars(Pool)[name]) and name not in ("describe", "facts", "close"):
                function = watch.waiting(getattr(pool, name), f"{pool.kind}.{name}")
                setattr(pool, name, function)
    watch.changing(JobState)
    watch.session = session


def main_watched(told: Path, arguments: list[str]) -> None:
    watch = Watch()
    begin = Session.__init__

    def begin_watched(session: Any, **kwargs: Any) -> None:
        begin(session, **kwargs)
        watch_session(watch, session)

    Session.__init__ = begin_watched  # type: ignore[method-assign]
    JobResult.of_job = watch.waiting(JobResult.of_job, "JobResult.of_job")  # type: ignore[method-assign]
    for name in ("_proceed", "error_callback", "executor_error_callback"):
        setattr(JobScheduler, name, watch.waiting(getattr(JobScheduler, name), name))
    try:
        main(arguments)
    finally:
        found = {
            "met": sorted(f"{one} in {other}" for one, other in watch.met),
            "waited": sorted(watch.waited),
            "slowed": dict(watch.slowed),
        }
        told.write_text(json.dumps(found))


if __name__ == "__main__":
    main_watched(Path(sys.argv[1]), sys.argv[2:])
