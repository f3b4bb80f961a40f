"""HTCondor as a kind of pool. Without HTCondor's bindings, it can still be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from gitbatch_core.model.check import Check
    from gitbatch_core.pools.base import (
        Availability,
        Pool,
        PoolOptions,
        Request,
        SubmitController,
    )
    from gitbatch_core.pools.htcondor.probe import Probe


class HTCondorKind:
    """See `PoolKind`."""

    name = "htcondor"
    label = "HTCondor"
    on_this_machine = False
    can_refuse = True
    hint = (
        "Run on the access point of a pool, or point CONDOR_CONFIG to its configuration; without "
        "HTCondor, --gitbatch-pool local uses this machine."
    )

    def probe(self) -> Probe:
        from gitbatch_core.pools.htcondor.probe import probe

        return probe()

    def open(
        self, options: PoolOptions, *, run: str, private_folder: Path, availability: Availability
    ) -> Pool:
        from gitbatch_core.pools.htcondor.pool import HTCondorPool
        from gitbatch_core.pools.htcondor.probe import Probe

        return HTCondorPool(
            run=run,
            private_folder=private_folder,
            availability=availability if isinstance(availability, Probe) else None,
            unmatched=options.unmatched,
            held_timeout_s=options.held_timeout_s,
            notice=options.notice,
        )

    def checks(self, availability: Availability) -> Iterator[Check]:
        from gitbatch_core.pools.htcondor.checks import checks
        from gitbatch_core.pools.htcondor.probe import Probe

        return checks(availability if isinstance(availability, Probe) else self.probe())

    def gate(self, options: PoolOptions) -> Callable[[Request, str], None]:
        from gitbatch_core.pools.htcondor.match import Gate

        gate = Gate(unmatched=options.unmatched, notice=options.notice)
        if options.held_timeout_s < 0:
            raise UsageError(f"held_timeout is a number of seconds, not {options.held_timeout_s}.")
        return gate.check_request

    def heeds(self, resource: str) -> bool:
        from gitbatch_core.pools.htcondor import resources

        return resources.is_ours(resource)

    def only_places(self, resource: str) -> bool:
        from gitbatch_core.pools.htcondor import resources

        return resources.only_places(resource)

    def request(
        self,
        plain: Request,
        resources: Mapping[str, object],
        *,
        title: str,
        secrets: Mapping[str, str],
        in_worktree: Callable[[str], Path],
    ) -> Request:
        from gitbatch_core.pools.htcondor.resources import request

        return request(plain, resources, title=title, secrets=secrets, in_worktree=in_worktree)

    def has_jobs(self, run: str) -> bool:
        from gitbatch_core.pools.htcondor.leftovers import has_jobs

        return has_jobs(run)

    def remove_jobs(self, run: str) -> None:
        from gitbatch_core.pools.htcondor.leftovers import remove_jobs

        remove_jobs(run)

    def controller_submit(self) -> SubmitController:
        from gitbatch_core.pools.htcondor.local_universe import submit

        return submit
