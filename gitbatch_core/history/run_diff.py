"""How two runs differ: code, configuration, commands, inputs, outputs, software, machines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from gitbatch_core.errors import GitError
from gitbatch_core.git import commits, trees
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.document_diff import changes, member_changes
from gitbatch_core.model.documents import Document

_START = ("folder", "snakefile", "targets")
_MACHINERY = ("versions", "packages", "pool", "host")
_OF_COMMANDS = ("command", "params")


def difference(repository: Repository, then: Document, now: Document) -> Document:
    """What differs from run.json `then` to run.json `now`; each entry is empty where nothing does.

    Changes are lists of `{what, then, now}`, null where one has it not. `code` is git's summary.
    Raises GitError where a source commit is not here.
    """
    starts = [{name: each.get(name) for name in _START} for each in (then, now)]
    return {
        "code": code(repository, then, now, "--stat=100"),
        "start": changes(starts[0], starts[1]),
        "config": changes(then.get("config", {}), now.get("config", {})),
        "rules": _rules(then, now),
        "inputs": _changed(_inputs(then), _inputs(now)),
        "outputs": _changed(_outputs(then), _outputs(now)),
        "outputs_same": len(_outputs(then).items() & _outputs(now).items()),
        "environment": [
            change
            for name in _MACHINERY
            if name in then and name in now  # earlier versions have not recorded all
            for change in changes(then[name], now[name], name)
        ],
    }


def differs(found: Document) -> bool:
    """Whether anything does."""
    return any(value for name, value in found.items() if name != "outputs_same")


def code(repository: Repository, then: Document, now: Document, *options: str) -> str:
    """What `git diff` says of the source commits. Raises GitError."""
    first, last = str(then["source_commit"]), str(now["source_commit"])
    if first == last:
        return ""
    for commit in (first, last):
        if not commits.exists(repository, commit):
            raise GitError(
                f"The source commit {commit} is not in {repository.top}.",
                hint=repository.how_to_fetch(),
            )
    return trees.diff(repository, first, last, *options)


def _rules(then: Document, now: Document) -> list[Document]:
    """By rule, and for each what of its commands: how many jobs differ, and the first of them."""
    jobs = [_jobs(then), _jobs(now)]
    rules = [{rule for rule, _ in each} for each in jobs]
    found: list[Document] = []
    for rule in sorted(rules[0] ^ rules[1]):
        only = "then" if rule in rules[0] else "now"
        found.append({"rule": rule, "what": "rule", "only": only})
    by_what: dict[tuple[str, str], Document] = {}
    for job in sorted(jobs[0].keys() & jobs[1].keys()):
        first, last = jobs[0][job], jobs[1][job]
        for change in member_changes(first, last, _OF_COMMANDS):
            new = {"rule": job[0], "wildcards": json.loads(job[1]), "jobs": 0, **change}
            by_what.setdefault((job[0], change["what"]), new)["jobs"] += 1
    return found + [by_what[key] for key in sorted(by_what)]


def _members(found: Document) -> Iterator[tuple[Document, Document]]:
    for job in found.get("jobs", {}).values():
        yield from ((job, member) for member in job["members"])


def _jobs(found: Document) -> dict[tuple[str, str], Document]:
    return {
        (member["rule"], json.dumps(member.get("wildcards", {}), sort_keys=True)): member
        for _, member in _members(found)
    }


def _inputs(found: Document) -> dict[str, str]:
    """Address by path of what jobs read and no job of the document made."""
    made = {output["path"] for output in found.get("outputs", ())}
    read = {}
    for job, member in _members(found):
        for each in member.get("inputs", ()):
            path = os.path.normpath(os.path.join(job.get("folder", ""), each["path"]))
            if path not in made:
                read[path] = each.get("address", "")
    return read


def _outputs(found: Document) -> dict[str, str]:
    return {output["path"]: output["address"] for output in found.get("outputs", ())}


def _changed(then: dict[str, str], now: dict[str, str]) -> list[Document]:
    return [
        {"what": path, "then": then.get(path), "now": now.get(path)}
        for path in sorted({*then, *now})
        if then.get(path) != now.get(path)
    ]
