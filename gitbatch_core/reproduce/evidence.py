"""The document of an attempt to reproduce a run, and the rules that earlier attempts found to
make different outputs."""

from __future__ import annotations

from collections.abc import Sequence

from gitbatch_core.archive import records
from gitbatch_core.archive.store import Archive
from gitbatch_core.git import commits
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.documents import Document
from gitbatch_core.model.reproduction import DIFFERS, Reproduction
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce.verdicts import Verdict

_OF_RUN = ("user", "host", "pool", "started", "ended")


def compose(
    before: RunDocument,
    again: RunDocument,
    verdicts: Sequence[Verdict],
    differences: list[Document],
) -> Document:
    """The document of the attempt `again` to make the outputs of the run `before` again."""
    facts = again.to_dict()
    return {
        "format": Reproduction.FORMAT,
        "version": Reproduction.VERSION,
        "run": before.run,
        "again": again.run,
        "source_commit": before.source_commit,
        **{name: facts.get(name) for name in _OF_RUN},
        "outputs": [verdict.as_json() for verdict in verdicts],
        "differences": differences,
    }


def keep(archive: Archive, document: Document) -> None:
    """Keep it in the archive. Raises ArchiveError."""
    records.write_reproduction(archive.root, document["run"], document["again"], document)


def unsteady(archive: Archive, repository: Repository) -> dict[str, list[str]]:
    """Rules of this repository whose outputs have ever differed though their jobs read the same ->
    the attempts that found it, by the ids of their runs."""
    attempts: dict[str, dict[str, None]] = {}
    is_here: dict[str, bool] = {}
    for each in map(Reproduction.from_dict, records.reproductions(archive.root)):
        commit = each.source_commit
        if commit not in is_here:
            # Others use the archive too, and may call another rule the same.
            is_here[commit] = commits.exists(repository, commit)
        for output in each.outputs if is_here[commit] else ():
            if output.rule and output.verdict == DIFFERS and not output.after:
                attempts.setdefault(output.rule, {})[each.again] = None
    return {rule: list(runs) for rule, runs in attempts.items()}
