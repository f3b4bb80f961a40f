"""A reproduction from beginning to end: check, run again, compare, store the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitbatch_core.archive import records
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import UsageError
from gitbatch_core.history.recorded_outputs import jobs_of, outputs_of
from gitbatch_core.model.reproduction import DIFFERS, IDENTICAL, Reproduction
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce import (
    attempt,
    content_diff,
    environment_diff,
    evidence,
    snakemake_arguments,
)
from gitbatch_core.reproduce.attempt import AttemptOptions
from gitbatch_core.reproduce.content_diff import ContentDifference
from gitbatch_core.reproduce.original_run import OriginalRun
from gitbatch_core.reproduce.verdicts import Verdict, compare


@dataclass(frozen=True, kw_only=True)
class ReproductionReport:
    """What was found."""

    document: Reproduction
    """What is stored of it."""
    verdicts: Sequence[Verdict]
    contents: Mapping[str, ContentDifference]
    """By path, of outputs that differ."""
    unsteady: Mapping[str, Sequence[str]]
    """Rules of these outputs that have differed in earlier attempts, with these."""
    went_through: bool
    """Whether nothing failed that was not asked for by its path, or had failed then, too."""

    @property
    def reproduced(self) -> bool:
        """Whether all that was asked for is identical, and is something."""
        verdicts = {each.verdict for each in self.verdicts if each.asked}
        return self.went_through and verdicts == {IDENTICAL}

    def as_json(self) -> dict[str, Any]:
        """The document, and what is not kept."""
        contents = {path: {"contents": vars(each)} for path, each in self.contents.items()}
        return {
            **self.document.to_dict(),
            "outputs": [o.to_dict() | contents.get(o.path, {}) for o in self.document.outputs],
            "reproduced": self.reproduced,
            "differed_before": self.unsteady,
        }


def reproduce(
    original: OriginalRun, archive: Archive, options: AttemptOptions, *, say: Callable[[str], None]
) -> ReproductionReport:
    """Make the run's outputs again; `say` tells the user what to know before that.

    Raises GitbatchError where that cannot be done from here, KeyboardInterrupt.
    """
    before = original.document
    original.check(archive, options.targets)
    config = snakemake_arguments.config(original, options.more)
    arguments = snakemake_arguments.arguments(original, options.more)
    targets = snakemake_arguments.targets(original, options.targets)
    then = outputs_of(before, jobs_of(archive, before))
    asked = original.paths(options.targets) if options.targets else None
    if unknown := sorted((asked or set()) - then.keys()):
        raise UsageError(
            f"Run {original.run} has made no {unknown[0]}.",
            hint=f"What it has made: git show --stat {original.commit[:10]}",
        )
    for line in _warnings(before, archive):
        say(f"gitbatch: {line}")
    after = attempt.run(
        original, archive, options, config=config, arguments=arguments, targets=targets
    )
    now = outputs_of(after, jobs_of(archive, after))
    verdicts = compare(
        then,
        now,
        before=before,
        again=after,
        asked=asked,
        targets=bool(options.targets),
        more=bool(options.more),
    )
    differences = environment_diff.differences(
        before,
        after,
        [verdict.then for verdict in verdicts if verdict.then],
        [verdict.now for verdict in verdicts if verdict.now],
    )
    rules = {verdict.rule for verdict in verdicts}
    unsteady = evidence.unsteady(archive, original.repository)
    document = evidence.compose(before, after, verdicts, differences)
    records.write_reproduction(archive.root, document)
    return ReproductionReport(
        document=document,
        verdicts=verdicts,
        contents=_contents(archive, verdicts),
        unsteady={rule: runs for rule, runs in unsteady.items() if rule in rules},
        went_through=asked is not None
        or after.outcome == "succeeded"
        or before.outcome != "succeeded",
    )


def _warnings(before: RunDocument, archive: Archive) -> list[str]:
    run, warnings = before.run, []
    if "settings" not in before or "given_config" not in before:
        warnings.append(
            f"Run {run} does not say with what arguments and configuration it was started, as an "
            "older gitbatch has made it. Give them after --."
        )
    if before.outcome != "succeeded":
        warnings.append(
            f"the outcome of run {run} is: {before.outcome}. What it had finished is compared."
        )
    if before.tainted:
        warnings.append(
            f"run {run} was tainted: its jobs had changed files of the commit, and may have seen "
            "these."
        )
    if archive.id != before.archive:
        warnings.append(
            f"the archive {archive.root} is not that of run {run} ({before.archive}). "
            "Outputs are compared by address, by their bytes only as far as these are here, and "
            "what is found is kept here."
        )
    return warnings


def _contents(archive: Archive, verdicts: Sequence[Verdict]) -> dict[str, ContentDifference]:
    return {
        verdict.path: content_diff.compare(
            archive,
            Address.parse(verdict.then.address),
            Address.parse(verdict.now.address),
            tree=verdict.kind == "tree",
        )
        for verdict in verdicts
        if verdict.verdict == DIFFERS and verdict.then and verdict.now and not verdict.is_gone
    }
