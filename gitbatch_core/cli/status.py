"""Show which results in the folder match the code of HEAD, and which are stale and why.

Compares links, run commits and job records; starts no Snakemake and changes nothing. Exit code 1:
some results are not what HEAD would make.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive
from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.errors import ArchiveError
from gitbatch_core.git import commits
from gitbatch_core.git.repository import Repository
from gitbatch_core.provenance import folder_status
from gitbatch_core.provenance.result_status import (
    CURRENT,
    MISSING,
    OTHER_CODE,
    OTHER_INPUTS,
    STATES,
)
from gitbatch_core.run import archive_location
from gitbatch_core.wording import count, shortened, some

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from gitbatch_core.provenance.result_status import FolderStatus, ResultStatus

_HEAD = ("RULE", "STATE", "RESULTS", "WHY")
_MOST_PATHS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_archive_option(parser)
    parser.add_argument(
        "--all", action="store_true", help="list all results, including current ones"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look, and say it."""
    gc.disable()  # all that is read stays until the end
    repository = Repository.find(Path.cwd())
    chosen = archive_location.chosen_place(repository, arguments.archive)
    archive, why = None, ""
    try:
        archive = Archive.open(chosen)
    except ArchiveError as error:
        why = error.message
    status = folder_status.status(repository, archive)
    if arguments.json:
        output.print_json(status.as_json())
        return 0 if status.is_current else 1
    _print(status, repository, all_paths=arguments.all)
    for line in _notes(status, repository, why):
        output.message(line)
    return 0 if status.is_current else 1


def _notes(status: FolderStatus, repository: Repository, why: str) -> Iterator[str]:
    """What else to know. `why` the archive is out of reach."""
    states = {each.state for each in status.results}
    link = repository.top / layout.LINK_PATH
    if any(each.address for each in status.results):
        if status.archive is None:
            yield f"{why}: cannot tell whether links lead anywhere."
        elif not link.exists() or link.resolve() != status.archive.resolve():
            yield f"{layout.LINK_PATH} does not lead to the archive: gitbatch init repairs that."
    if MISSING in states:
        yield f"gitbatch runs checkout {status.run} restores the results of that run."
    if status.edited:
        yield (
            f"The folder has uncommitted edits of code: {_some(status.edited)}. Results are "
            "compared with the commit."
        )


def _some(names: Iterable[str]) -> str:
    return some(map(output.printable, names))


def _print(status: FolderStatus, repository: Repository, *, all_paths: bool) -> None:
    subject = commits.subjects(repository, [status.source]).get(status.source, "")
    note = " (HEAD is the commit of a run of it)" if status.head != status.source else ""
    print(f"commit {status.source[:10]} {output.cut(subject, 60)}".rstrip() + note)
    if not status.results:
        output.message(
            "This repository has no runs yet." if not status.run else "There are no results here."
        )
        return
    groups = _groups(status.results)
    stale = {each.path for each in status.results if each.state != CURRENT}
    rows = [
        (output.printable(rule or "-"), state, str(len(some_results)), _why(some_results, stale))
        for (rule, state), some_results in groups
    ]
    output.table([_HEAD, *rows], right=frozenset({2}))
    for (rule, state), some_results in groups:
        if all_paths or state != CURRENT:
            print(f"\n{output.printable(rule or '-')}: {state}")
            paths = [output.printable(each.path) for each in some_results]
            most = len(paths) if all_paths else _MOST_PATHS
            for line in shortened(paths, most, rest="more (--all)"):
                print(f"  {line}")
    current = sum(each.state == CURRENT for each in status.results)
    total = count(len(status.results), "result")
    all_of = f"{total}, all as this commit makes them."
    output.message(
        all_of if status.is_current else f"{current} of {total} are as this commit makes them."
    )


def _groups(results: Sequence[ResultStatus]) -> list[tuple[tuple[str, str], list[ResultStatus]]]:
    """By rule, state, and what made them, in this order."""
    groups: dict[tuple[str, int, str, tuple[str, ...]], list[ResultStatus]] = {}
    for each in results:
        made_by = (each.commit, each.files or ()) if each.state == OTHER_CODE else ("", ())
        groups.setdefault((each.rule, STATES.index(each.state), *made_by), []).append(each)
    return [
        ((rule, STATES[state]), groups[key]) for key in sorted(groups) for rule, state, *_ in [key]
    ]


def _why(alike: Sequence[ResultStatus], stale: Collection[str]) -> str:
    """Of results of one state, that the same code has made. `stale`: all that are not current."""
    each = alike[0]
    if each.state == OTHER_CODE:
        maker = "snapshot " * each.snapshot + each.commit[:10]
        if each.files is None:
            return f"made by {maker}, which is not in this repository"
        return f"made by {maker}; differs in {_some(each.files)}"
    if each.state == OTHER_INPUTS:
        inputs = dict.fromkeys(name for each in alike for name in each.inputs)
        themselves = [name for name in inputs if name in stale]
        others = [name for name in inputs if name not in stale]
        is_one = len(themselves) == 1
        parts = [
            f"{_some(themselves)} {'is' if is_one else 'are'} not as this commit makes "
            f"{'it' if is_one else 'them'}"
        ] * bool(themselves)
        parts += [f"not made from the present {_some(others)}"] * bool(others)
        return "; ".join(parts)
    return ""
