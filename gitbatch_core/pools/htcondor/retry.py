"""Repeats a query while the schedd is away: restarted, or on a machine that is too busy."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from gitbatch_core.errors import PoolError

if TYPE_CHECKING:
    from collections.abc import Callable

_RETRY_S = 2.0

T = TypeVar("T")


class Patience:
    """Says once that the schedd is away and once that it is back; gives up after `limit_s`, or when
    somebody is in a hurry."""

    def __init__(
        self,
        *,
        limit_s: float,
        notice: Callable[[str], None],
        hurried: Callable[[], bool] = lambda: False,
    ) -> None:
        self._limit_s = limit_s
        self._notice = notice
        self._hurried = hurried
        self._lock = threading.Lock()
        self._away_since: float | None = None

    def insist(self, ask: Callable[[], T]) -> T:
        """The answer, after as many attempts as it takes. Raises PoolError when patience ends."""
        while True:
            answer = self.attempt(ask)
            if answer is not None:
                return answer[0]
            time.sleep(_RETRY_S)

    def attempt(self, ask: Callable[[], T]) -> tuple[T] | None:
        """The answer, or None: not now. Raises PoolError when patience ends."""
        try:
            answer = ask()
        except PoolError as error:
            self._missed(error)
            return None
        with self._lock:
            back, self._away_since = self._away_since is not None, None
        if back:
            self._notice("HTCondor's schedd answers again")
        return (answer,)

    def _missed(self, error: PoolError) -> None:
        now = time.monotonic()
        with self._lock:
            first = self._away_since is None
            since = self._away_since = now if self._away_since is None else self._away_since
        if first:
            self._notice(
                f"HTCondor's schedd does not answer ({error.message}): trying again for "
                f"{self._limit_s / 60:.0f} minutes"
            )
        if now - since > self._limit_s or self._hurried():
            raise PoolError(
                f"HTCondor's schedd has not answered for {(now - since) / 60:.0f} minutes: "
                f"{error.message}",
                hint="Jobs in its queue still run; `condor_q` shows them when it answers again.",
            ) from error
