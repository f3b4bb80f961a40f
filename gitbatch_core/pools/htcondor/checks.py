"""Whether the pool takes our jobs, and has machines that can run them. Queues nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.model.check import Check, fine, wrong
from gitbatch_core.pools.htcondor.pool_report import Survey, cpus, survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitbatch_core.pools.htcondor.probe import Probe


def checks(probe: Probe) -> Iterator[Check]:
    """Check the pool whose schedd answers."""
    yield fine("pool", f"{probe.text}, bindings {probe.bindings}")
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
