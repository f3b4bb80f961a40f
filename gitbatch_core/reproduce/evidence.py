"""The document of an attempt to reproduce a run, and the rules that earlier attempts found to
make different outputs."""

from __future__ import annotations

from collections.abc import Sequence

from gitbatch_core.archive import records
from gitbatch_core.archive.store import Archive
from gitbatch_core.git import commits
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.reproduction import DIFFERS, Difference, Reproduction
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce.verdicts import Verdict


def compose(
    before: RunDocument,
    again: RunDocument,
    verdicts: Sequence[Verdict],
    differences: Sequence[Difference],
) -> Reproduction:
    """The document of the attempt `again` to make the outputs of the run `before` again."""
    return Reproduction(
        run=before.run,
        again=again.run,
        source_commit=before.source_commit,
        user=again.user,
        host=again.host,
        pool=again.pool,
        started=again.started,
        ended=again.ended,
        outputs=[verdict.as_reproduced_output() for verdict in verdicts],
        differences=differences,
    )


def unsteady(archive: Archive, repository: Repository) -> dict[str, list[str]]:
    """Rules of this repository whose outputs have ever differed though their jobs read the same ->
    the attempts that found it, by the ids of their runs."""
    attempts: dict[str, dict[str, None]] = {}
    is_here: dict[str, bool] = {}
    for each in records.reproductions(archive.root):
        commit = each.source_commit
        if commit not in is_here:
            # Others use the archive too, and may call another rule the same.
            is_here[commit] = commits.exists(repository, commit)
        for output in each.outputs if is_here[commit] else ():
            if output.rule and output.verdict == DIFFERS and not output.after:
                attempts.setdefault(output.rule, {})[each.again] = None
    return {rule: list(runs) for rule, runs in attempts.items()}
