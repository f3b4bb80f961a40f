"""The verdict on each output of a reproduction: whether it has the same address as then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitbatch_core.history.document_diff import member_changes
from gitbatch_core.history.recorded_outputs import RecordedOutput
from gitbatch_core.model.reproduction import (
    DIFFERS,
    FAILED,
    IDENTICAL,
    NOT_RUN,
    Difference,
    OtherCode,
    ReproducedOutput,
)
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.wording import job_title

_OF_JOBS = ("command", "params", "threads")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Of one output."""

    path: str
    rule: str | None
    wildcards: Mapping[str, str]
    kind: str
    verdict: str
    then: RecordedOutput | None
    now: RecordedOutput | None
    asked: bool
    """Whether it was asked for; else it was only needed for what was."""
    after: tuple[str, ...] = ()
    """Inputs of its job that were not the same already."""
    changes: tuple[Difference, ...] = ()
    """Between the jobs that made it."""

    @property
    def is_gone(self) -> bool:
        """Whether it was temporary, so that nobody has kept its bytes."""
        return any(output.temporary for output in (self.then, self.now) if output)

    @property
    def is_of_other_code(self) -> bool:
        """Whether what was there then had been made by other code than the commit's, or from
        that."""
        return self.then is not None and (
            self.then.other_code != () or bool(self.then.stale_inputs)
        )

    def as_reproduced_output(self) -> ReproducedOutput:
        """As the document of the attempt has it."""
        then, host = self.then, self.now.host if self.now else None
        output = ReproducedOutput(
            path=self.path,
            rule=self.rule,
            wildcards=self.wildcards,
            kind=self.kind,
            expected=then.address if then else None,
            found=self.now.address if self.now else None,
            verdict=self.verdict,
            hosts=[host] if host else [],
            asked=self.asked,
        )
        if then is not None and then.other_code != ():
            commit = then.job.commit if then.job else None
            output = output.replace(other_code=OtherCode(commit=commit, files=then.other_code))
        if then is not None and then.stale_inputs:
            output = output.replace(stale_inputs=then.stale_inputs)
        if self.after:
            output = output.replace(after=self.after)
        return output.replace(changes=self.changes) if self.changes else output


def compare(
    then: Mapping[str, RecordedOutput],
    now: Mapping[str, RecordedOutput],
    *,
    before: RunDocument,
    again: RunDocument,
    asked: set[str] | None,
    targets: bool = False,
    more: bool = False,
) -> list[Verdict]:
    """One verdict per output, sorted by path.

    `before`, `again`: the documents of the run and of the attempt; `asked`: paths of what was asked
    for, None for all that the attempt was to make; `targets`, `more`: whether it had targets of its
    own, or more arguments. Without, what only one has differs where both went through.
    """
    different = {p for p in then.keys() & now.keys() if then[p].address != now[p].address}
    complete = again.outcome == "succeeded" and not (targets or more)
    verdicts = []
    for path in sorted(then.keys() | now.keys() | (asked or set())):
        one, other = then.get(path), now.get(path)
        maker = one if one and one.rule else other or one
        is_asked = asked is None or path in asked
        if one and other:
            verdict = DIFFERS if path in different else IDENTICAL
        elif maker and maker.temporary and path not in (asked or ()):
            continue  # the other's record may be in an archive out of reach
        elif other is None:
            if not is_asked:
                continue
            verdict = DIFFERS if complete else _why_missing(one, again)
            if verdict == NOT_RUN and asked is None and targets:
                continue  # of another target
        elif complete and before.outcome == "succeeded":
            verdict = DIFFERS
        else:
            continue
        after, changes = _job(one, other, different) if verdict == DIFFERS else ((), ())
        verdicts.append(
            Verdict(
                path=path,
                rule=maker.rule if maker else None,
                wildcards=maker.wildcards if maker else {},
                kind=maker.kind if maker else "file",
                verdict=verdict,
                then=one,
                now=other,
                asked=is_asked,
                after=after,
                changes=changes,
            )
        )
    return verdicts


def _why_missing(output: RecordedOutput | None, again: RunDocument) -> str:
    failed = again.jobs_failed
    if output is None or output.rule is None:
        return NOT_RUN
    if job_title(output.rule, output.wildcards) in failed:
        return FAILED
    groups = [name.removeprefix("group[").removesuffix("]").split(",") for name in failed]
    return FAILED if any(len(rules) > 1 and output.rule in rules for rules in groups) else NOT_RUN


def _job(
    then: RecordedOutput | None, now: RecordedOutput | None, different: set[str]
) -> tuple[tuple[str, ...], tuple[Difference, ...]]:
    """What the jobs of a differing output did not have in common: inputs; anything else."""
    if not (then and now and then.member and now.member):
        return (), ()
    before, again = then.inputs, now.inputs
    after = tuple(
        path
        for path, address in again.items()
        if path in different or (path in before and None not in (address, before[path])
                                 and address != before[path])
    )  # fmt: skip
    changes = member_changes(then.member, now.member, _OF_JOBS)
    if again.keys() != before.keys():
        changes.append({"what": "inputs", "then": sorted(before), "now": sorted(again)})
    return after, tuple(map(Difference.from_dict, changes))
