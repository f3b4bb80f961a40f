"""Outputs in place that the code of a run's commit has not made, or nobody knows what: noted in the
run's document, so that its tag claims no more than is true. And how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gitbatch_core.archive.walk import folders_above
from gitbatch_core.errors import readable
from gitbatch_core.history.recorded_outputs import job_inputs, member_of
from gitbatch_core.model.documents import Document
from gitbatch_core.run.run_commit import OTHER_CODE, STALE_INPUTS, makers
from gitbatch_core.run.tainted import TAINTED
from gitbatch_core.wording import count, printable, some

_MOST_COMMITS = 3

Files = tuple[str, ...] | None
"""In which the code differs; None where nobody can say, as the commit is not here."""

_Version = tuple[str, str]
"""Of an output: its path and address."""


@dataclass(kw_only=True)
class OtherCommits:
    """How much the code of each other commit has made, and in which files that code differs."""

    numbers: Counter[str] = field(default_factory=Counter)
    _files: dict[str, set[str] | None] = field(default_factory=dict)

    def add(self, commit: str, files: Files) -> None:
        """One more thing that this commit's code has made."""
        self.numbers[commit] += 1
        if files is None:
            self._files[commit] = None
        elif (known := self._files.setdefault(commit, set())) is not None:
            known.update(files)

    @property
    def files(self) -> dict[str, list[str] | None]:
        """By commit; None where the commit is not here."""
        return {c: None if files is None else sorted(files) for c, files in self._files.items()}

    def text(self) -> str:
        """For people; see `by_commit`."""
        return by_commit(self.numbers, self.files)


def note(
    document: Document,
    files_of: Callable[[Document, Document], Files],
    records: Iterable[Document],
    is_tainted: Callable[[Document], bool],
) -> None:
    """Say in a run's document, of each output and of the run, what other code or a tainted run has
    made; and of outputs that were made from that, or from what is of unknown origin, from what.
    `files_of`: an output and its job -> in which files the code that made it differs; `records`:
    all jobs that the run has done; `is_tainted`: whether another run that has done a job is."""
    others = OtherCommits()
    stale: list[_Version] = []
    for output in document["outputs"]:
        job = document["jobs"].get(output.get("job"), {})
        if not job:
            stale.append((output["path"], output["address"]))
        elif job.get("run") != document.get("run") and is_tainted(job):
            output[TAINTED] = True
            stale.append((output["path"], output["address"]))
        if not job or (files := files_of(output, job)) == ():
            continue
        output[OTHER_CODE] = str(job["commit"])
        others.add(output[OTHER_CODE], files)
        stale.append((output["path"], output["address"]))
    document[OTHER_CODE] = others.files
    if stale:
        _note_inputs(document, stale, records)


def _note_inputs(document: Document, stale: list[_Version], records: Iterable[Document]) -> None:
    made: dict[tuple[str, str], list[_Version]] = {}
    """What was made from what."""
    from_inside: dict[str, list[_Version]] = {}
    """What was made from something in a folder, by the folder's path."""

    def note_maker(output: Document, job: Document, member: Document) -> None:
        own = output["path"], output["address"]
        for path, address in job_inputs(job, member).items():
            if address is not None:
                made.setdefault((path, address), []).append(own)
            for folder, _ in folders_above(path):
                from_inside.setdefault(folder, []).append(own)

    for output in document["outputs"]:
        job = document["jobs"].get(output.get("job"), {})
        note_maker(output, job, member_of(job, output["path"]))
    for record in records:  # with temporary outputs
        members = makers(record)
        for output in record.get("outputs", ()):
            note_maker(output, record, members.get(output["path"]) or record["members"][0])
    outputs = {(each["path"], each["address"]): each for each in document["outputs"]}
    waiting, seen = list(stale), set(stale)
    while waiting:
        source = waiting.pop()
        for result in dict.fromkeys((*made.get(source, ()), *from_inside.get(source[0], ()))):
            if result in outputs:
                inputs = outputs[result].setdefault(STALE_INPUTS, [])
                if source[0] not in inputs:
                    inputs.append(source[0])
            if result not in seen:
                seen.add(result)
                waiting.append(result)


def summary(document: Document) -> Document:
    """Of a run's document: how many outputs other code has made, by commit, with the files in which
    that differs; how many are of unknown origin; how many a tainted run has made; how many were
    made from such. Empty where there are none."""
    commits = Counter(o[OTHER_CODE] for o in document.get("outputs", ()) if OTHER_CODE in o)
    files = document.get(OTHER_CODE) or {}
    unknown = sum(o.get("provenance") == "unknown" for o in document.get("outputs", ()))
    tainted = sum(TAINTED in o for o in document.get("outputs", ()))
    themselves = (OTHER_CODE, TAINTED)
    after = sum(
        STALE_INPUTS in o and not any(name in o for name in themselves)
        for o in document.get("outputs", ())
    )
    if not (commits or unknown or tainted):
        return {}
    return {
        "commits": [
            {"commit": commit, "outputs": number, "files": files.get(commit)}
            for commit, number in commits.most_common()
        ],
        "unknown": unknown,
        "tainted": tainted,
        "made_from_these": after,
    }


def text(found: Document) -> str:
    """For people, of a summary; empty where there is nothing to say."""
    if not found:
        return ""
    numbers = Counter({each["commit"]: each["outputs"] for each in found["commits"]})
    files = {each["commit"]: each["files"] for each in found["commits"]}
    total, unknown, after = sum(numbers.values()), found["unknown"], found["made_from_these"]
    parts = []
    if total:
        are = "is" if total == 1 else "are"
        why = by_commit(numbers, files)
        parts.append(f"{count(total, 'output')} {are} not of this commit's code: {why}")
    if unknown:
        parts.append(f"of {count(unknown, 'output')} no run knows the origin")
    if tainted := found["tainted"]:
        made = "was" if tainted == 1 else "were"
        parts.append(f"{count(tainted, 'output')} {made} made by a tainted run")
    if after:
        parts.append(f"{after} more {'was' if after == 1 else 'were'} made from these")
    return ", and ".join(parts)


def by_commit(numbers: Counter[str], files: Mapping[str, Sequence[str] | None]) -> str:
    """`16 of commit 1a2b3c4d5e, which differs in lib/a.py, lib/b.py and 3 more files`; without a
    number where it is of one commit."""
    parts = []
    for commit, number in numbers.most_common(_MOST_COMMITS):
        names = files.get(commit)
        why = "is not in this repository"
        if names is not None:
            why = f"differs in {some(map(printable, names), noun='file')}"
        one = "commit {} {}" if len(numbers) == 1 else f"{number} of commit {{}}, which {{}}"
        parts.append(one.format(commit[:10], why))
    if rest := numbers.most_common()[_MOST_COMMITS:]:
        total = sum(number for _, number in rest)
        parts.append(f"{total} of {count(len(rest), 'other commit')}")
    return readable("; ".join(parts))
