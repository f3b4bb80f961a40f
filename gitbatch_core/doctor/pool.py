"""Whether there is a pool that takes our jobs, and machines in it that can run them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.doctor.check import Check, fine, wrong
from gitbatch_core.pools.htcondor.pool_report import Survey, cpus, survey
from gitbatch_core.pools.htcondor.probe import Probe, probe
from gitbatch_core.pools.local.pool import LocalPool

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIGURE = (
    "Run on the access point of a pool, or point CONDOR_CONFIG to its configuration; without "
    "HTCondor, --gitbatch-pool local uses this machine."
)


def checks(kind: str) -> Iterator[Check]:
    """Look at the pool that a run with `--gitbatch-pool KIND` would use. Queues nothing."""
    if kind == "local":
        yield _this_machine("as asked")
        return
    schedd = probe()
    if not schedd.answers:
        if kind == "htcondor":
            yield wrong("pool", f"no HTCondor to run on: {schedd.text}", _CONFIGURE)
        else:
            yield _this_machine(f"no HTCondor: {schedd.text}")
        return
    yield from of_htcondor(schedd)


def _this_machine(why: str) -> Check:
    pool = LocalPool()
    try:
        return fine("pool", f"local ({why}; {pool.describe()})")
    finally:
        pool.close()


def of_htcondor(schedd: Probe) -> Iterator[Check]:
    """Look at the pool whose schedd was found."""
    yield fine("pool", f"{schedd.text}, bindings {schedd.bindings}")
    seen = survey()
    if reason := seen.problems.get("bindings"):
        yield wrong("pool", f"HTCondor's bindings do not work: {reason}", "Install them again.")
        return
    if reason := seen.problems.get("schedd"):
        hint = "Get credentials (a token, a ticket), or ask its administrator: ALLOW_WRITE."
        yield wrong("credentials", reason, hint)
    else:
        yield fine("credentials", f"the schedd queues jobs of {seen.user}")
    if reason := seen.problems.get("collector"):
        yield wrong("collector", reason, "Is COLLECTOR_HOST right, and may you read there?")
        return
    if not seen.slots:
        hint = "Jobs would wait for ever: see `condor_status`, and ask its administrator."
        yield wrong("slots", "the pool has none that you can see", hint)
        return
    yield fine("slots", seen.describe())
    yield _matching(seen)


def _matching(seen: Survey) -> Check:
    """Whether a plain job of ours can ever run on any of the pool's slots."""
    check = "matching"
    shared = [slot for slot in seen.slots if slot.get("FileSystemDomain") == seen.domain]
    if not shared:
        others = sorted({str(slot.get("FileSystemDomain")) for slot in seen.slots})
        return wrong(
            check,
            f"no slot shares this machine's file systems: FILESYSTEM_DOMAIN is {seen.domain} "
            f"here, there {', '.join(others[:3])}",
            "Where they do share repository and archive, the administrator gives all machines "
            "the same FILESYSTEM_DOMAIN; `gitbatch doctor --job` shows what a job sees.",
        )
    fit = [slot for slot in shared if cpus(slot) and slot.get("Start") is not False]
    if not fit:
        return wrong(check, f"none of {len(shared)} slots takes a plain job", "See condor_status.")
    rest = len(seen.slots) - len(shared)
    some = f"; {rest} others do not" if rest else ""
    return fine(check, f"{len(fit)} could run a plain job and share our file systems{some}")
