"""How two runs differ: code, configuration, commands, inputs, outputs, software, machines."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gitbatch_core.errors import GitError
from gitbatch_core.git import commits, trees
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.document_diff import changes, member_changes
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_record import JobRecord, SingleJob
from gitbatch_core.model.run_document import RunDocument

_START = ("folder", "snakefile", "targets")
_MACHINERY = ("versions", "packages", "pool", "host")
_OF_COMMANDS = ("command", "params")


def difference(repository: Repository, then: RunDocument, now: RunDocument) -> Document:
    """What differs from run.json `then` to run.json `now`; each entry is empty where nothing does.

    Changes are lists of `{what, then, now}`, null where one has it not. `code` is git's summary.
    Raises GitError where a source commit is not here.
    """
    first, last = then.to_dict(), now.to_dict()
    start = [{name: each.get(name) for name in _START} for each in (first, last)]
    outputs = [{output.path: output.address for output in run.outputs} for run in (then, now)]
    return {
        "code": code(repository, then, now, "--stat=100"),
        "start": changes(start[0], start[1]),
        "config": changes(then.config, now.config),
        "rules": _rules(then, now),
        "inputs": _changed(_inputs(then), _inputs(now)),
        "outputs": _changed(*outputs),
        "outputs_same": len(outputs[0].items() & outputs[1].items()),
        "environment": [
            change
            for name in _MACHINERY
            if name in then and name in now  # earlier versions have not recorded all
            for change in changes(first[name], last[name], name)
        ],
    }


def differs(difference: Document) -> bool:
    """Whether anything does."""
    return any(value for name, value in difference.items() if name != "outputs_same")


def code(repository: Repository, then: RunDocument, now: RunDocument, *options: str) -> str:
    """What `git diff` says of the source commits. Raises GitError."""
    first, last = then.source_commit, now.source_commit
    if first == last:
        return ""
    for commit in (first, last):
        if not commits.exists(repository, commit):
            raise GitError(
                f"The source commit {commit} is not in {repository.top}.",
                hint=repository.how_to_fetch(),
            )
    return trees.diff(repository, first, last, *options)


def _rules(then: RunDocument, now: RunDocument) -> list[Document]:
    """By rule, and for each what of its commands: how many jobs differ, and the first of them."""
    jobs = [_single_jobs(then), _single_jobs(now)]
    rules = [{rule for rule, _ in each} for each in jobs]
    differences: list[Document] = []
    for rule in sorted(rules[0] ^ rules[1]):
        only = "then" if rule in rules[0] else "now"
        differences.append({"rule": rule, "what": "rule", "only": only})
    by_what: dict[tuple[str, str], Document] = {}
    for job in sorted(jobs[0].keys() & jobs[1].keys()):
        first, last = jobs[0][job], jobs[1][job]
        for change in member_changes(first, last, _OF_COMMANDS):
            new = {"rule": job[0], "wildcards": json.loads(job[1]), "jobs": 0, **change}
            by_what.setdefault((job[0], change["what"]), new)["jobs"] += 1
    return differences + [by_what[key] for key in sorted(by_what)]


def _members(run: RunDocument) -> Iterator[tuple[JobRecord, SingleJob]]:
    for job in run.jobs.values():
        yield from ((job, member) for member in job.members)


def _single_jobs(run: RunDocument) -> dict[tuple[str, str], SingleJob]:
    """By rule, and wildcards as JSON."""
    return {
        (member.rule, json.dumps(dict(member.wildcards), sort_keys=True)): member
        for _, member in _members(run)
    }


def _inputs(run: RunDocument) -> dict[str, str]:
    """Address by path of what jobs read and no job of the document made."""
    outputs = {output.path for output in run.outputs}
    return {
        path: address or ""
        for job, member in _members(run)
        for path, address in job.inputs(member).items()
        if path not in outputs
    }


def _changed(then: dict[str, str], now: dict[str, str]) -> list[Document]:
    return [
        {"what": path, "then": then.get(path), "now": now.get(path)}
        for path in sorted({*then, *now})
        if then.get(path) != now.get(path)
    ]
