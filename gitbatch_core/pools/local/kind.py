"""This machine as a kind of pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.model.check import Check, fine
from gitbatch_core.pools.base import Availability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from gitbatch_core.pools.base import Pool, PoolOptions, Request, SubmitController


class LocalKind:
    """See `PoolKind`. It takes any job, and has no resources of its own."""

    name = "local"
    label = "this machine"
    on_this_machine = True
    can_refuse = False
    hint = ""

    def probe(self) -> Availability:
        return Availability(answers=True, text="")

    def open(
        self, options: PoolOptions, *, run: str, private_folder: Path, availability: Availability
    ) -> Pool:
        from gitbatch_core.pools.local.pool import LocalPool

        return LocalPool(cores=options.cores)

    def checks(self, availability: Availability) -> Iterator[Check]:
        from gitbatch_core.pools.local.pool import LocalPool

        pool = LocalPool()
        try:
            yield fine("pool", f"{self.name} ({availability.text}; {pool.describe()})")
        finally:
            pool.close()

    def gate(self, options: PoolOptions) -> Callable[[Request, str], None] | None:
        return None

    def heeds(self, resource: str) -> bool:
        return False

    def only_places(self, resource: str) -> bool:
        return False

    def request(
        self,
        plain: Request,
        resources: Mapping[str, object],
        *,
        title: str,
        secrets: Mapping[str, str],
        in_worktree: Callable[[str], Path],
    ) -> Request:
        return plain

    def has_jobs(self, run: str) -> bool:
        return False  # they ended with the process that had started them

    def remove_jobs(self, run: str) -> None:
        """There are none."""

    def controller_submit(self) -> SubmitController | None:
        return None
