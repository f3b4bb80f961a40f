"""Where a run's jobs go: its own pool, and this machine for local rules."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.errors import RunError
from gitbatch_core.pools import choose
from gitbatch_core.pools.base import JobStatus, Pool, PoolOptions
from gitbatch_core.pools.local.pool import LocalPool
from gitbatch_core.wording import some


def options(
    settings: Any, notice: Callable[[str], None], *, cores: int | None = None
) -> PoolOptions:
    """What the executor's settings say of the pool. `cores`: of this machine."""
    return PoolOptions(
        cores=cores,
        unmatched=settings.unmatched,
        held_timeout_s=settings.held_timeout,
        notice=notice,
    )


@dataclass(kw_only=True)
class Pools:
    """Those of one run. As pools themselves: for any thread, `hurry` for signal handlers."""

    main: Pool
    local_cores: int | None
    _light: Pool | None = field(default=None, init=False)
    """Made by the thread that submits, once it has a job for it."""

    def choose(self, *, is_local: bool) -> tuple[Pool, int | None]:
        """The pool of a job, and the most cores that a job may have there."""
        if not is_local or choose.kind_named(self.main.kind).on_this_machine:
            return self.main, self.main.cores
        if self._light is None:
            self._light = LocalPool(cores=self.local_cores)
        return self._light, None

    def all(self) -> list[Pool]:
        light = self._light
        return [self.main] if light is None else [self.main, light]

    def wait(self, timeout: float) -> list[JobStatus]:
        """What has changed, as soon as something has, or nothing after `timeout` seconds. Raises
        PoolError."""
        light = self._light
        statuses = [] if light is None else light.wait(0)
        return statuses + self.main.wait(0 if statuses else timeout)

    def cancel(self) -> bool:
        """End all jobs; whether they are gone."""
        gone = [pool.cancel() for pool in self.all()]
        return all(gone)

    def end_rivals(self, numbers: Collection[int]) -> None:
        """End jobs that the run's earlier process has submitted, and that write what a new job is
        about to write. Raises RunError if they have not ended yet."""
        if numbers and not self.main.cancel(numbers):
            raise RunError(
                "An earlier process of the run has submitted jobs that write the same outputs "
                f"(numbers {some(map(str, numbers))}), and they have not ended yet.",
                hint="Run the same command again in a minute.",
            )

    def hurry(self) -> None:
        for pool in self.all():
            pool.hurry()

    def close(self) -> None:
        for pool in self.all():
            pool.close()
