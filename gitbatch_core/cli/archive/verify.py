"""gitbatch archive verify: read everything again and report damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.archive import verify as checks
from gitbatch_core.cli import output
from gitbatch_core.cli.archive import resolve

if TYPE_CHECKING:
    import argparse

    from gitbatch_core.archive.store import Archive


def verify(archive: Archive, arguments: argparse.Namespace) -> int:
    """Read everything again; 1 where there is damage."""
    addresses = (
        [resolve(archive, arguments, what).address for what in arguments.what]
        if arguments.what
        else None
    )
    chosen = checks.plan(archive, addresses)
    with output.progress(chosen.size, "verify") as progress:
        findings = list(checks.check(archive, chosen, repair=arguments.repair, progress=progress))
    if arguments.json:
        output.print_json(
            [
                {
                    "problem": finding.problem.value,
                    "path": finding.path,
                    "address": str(finding.address) if finding.address else None,
                    "message": finding.message,
                    "repaired": finding.repaired,
                }
                for finding in findings
            ]
        )
    else:
        for finding in findings:
            done = " (repaired)" if finding.repaired else ""
            path = output.printable(finding.path)
            print(f"{finding.problem.value}: {path}: {output.printable(finding.message)}{done}")
    counts = f"{len(chosen.objects)} objects, {len(chosen.manifests)} trees"
    counts += f", {len(chosen.records)} records"
    if chosen.names:
        counts += f", {len(chosen.names)} names"
    counts += f" ({output.human_size(chosen.size)})"
    result = f"{len(findings)} findings" if findings else "no damage"
    output.message(f"Checked {counts}: {result}.")
    return 1 if findings else 0
