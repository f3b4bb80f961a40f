"""What a run says of the outputs that it made again to compare them with those of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitbatch_core.errors import readable
from gitbatch_core.model.documents import Document
from gitbatch_core.model.reproduction import IDENTICAL, Reproduction
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce import evidence
from gitbatch_core.reproduce.verdicts import Verdict
from gitbatch_core.wording import count, listed

_MOST_NAMED = 10


def documents(compared: Mapping[str, list[Verdict]], facts: Document) -> list[Reproduction]:
    """For the archive. `compared`: the verdicts by the earlier run; `facts`: of this run."""
    return [
        evidence.compose(
            RunDocument(run=run, source_commit=facts["source_commit"]),
            RunDocument.from_dict(facts),
            verdicts,
            [],
        )
        for run, verdicts in compared.items()
    ]


def say(compared: Mapping[str, list[Verdict]], logger: Any) -> None:
    """For people."""
    for run, verdicts in compared.items():
        others = [each for each in verdicts if each.verdict != IDENTICAL]
        same = count(len(verdicts) - len(others), "output")
        if others:
            lines = (
                f"{each.path}  (rule {each.rule}): {each.then and each.then.address}, "
                f"now {each.now and each.now.address}"
                for each in others
            )
            logger.warning(
                f"Compared with run {run}: {same} the same, {len(others)} not. The rule is not "
                "deterministic, or depends on something that is not part of its job key:\n"
                + readable(listed(lines, _MOST_NAMED))
            )
        else:
            logger.info(f"Compared with run {run}: {same}, all the same.")
