"""Say what the results in the folder are: made by the code of HEAD, by other code, or what else.

Exit code 1 where something is not as HEAD would have it. Looks at links, run commits and records,
starts no Snakemake, and changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive.store import Archive
from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.errors import ArchiveError
from gitbatch_core.git import commits
from gitbatch_core.git.repo import Repository
from gitbatch_core.runs import place
from gitbatch_core.runs import status as looking
from gitbatch_core.runs.efficiency import count
from gitbatch_core.runs.status import CURRENT, MISSING, OTHER_CODE, OTHER_INPUTS, STATES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from gitbatch_core.runs.status import Standing, Status

_HEAD = ("RULE", "STATE", "RESULTS", "WHY")
_FEW_PATHS, _FEW_FILES = 5, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_archive_option(parser)
    parser.add_argument("--all", action="store_true", help="name all results, current ones too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look, and say it."""
    repository = Repository.find(Path.cwd())
    chosen = place.chosen_place(repository, arguments.archive)
    archive, why = None, ""
    try:
        archive = Archive.open(chosen)
    except ArchiveError as error:
        why = error.message
    found = looking.status(repository, archive)
    if arguments.json:
        output.print_json(found.as_json())
        return 0 if found.is_current else 1
    _print(found, repository, all_paths=arguments.all)
    if why and found.results:
        output.message(f"{why}\nWhether links lead somewhere, nobody can say from here.")
    if found.edited:
        output.message(
            "The folder has uncommitted edits of code, which no result here is compared with: "
            + some(found.edited)
        )
    return 0 if found.is_current else 1


def some(names: Sequence[str]) -> str:
    """A few of them, and how many more there are."""
    more = f" and {len(names) - _FEW_FILES} more" if len(names) > _FEW_FILES else ""
    return ", ".join(map(output.printable, names[:_FEW_FILES])) + more


def _print(found: Status, repository: Repository, *, all_paths: bool) -> None:
    subject = commits.subjects(repository, [found.source]).get(found.source, "")
    what = "the source of this run commit, " if found.head != found.source else ""
    print(f"commit {what}{found.source[:10]} {output.cut(subject, 60)}".rstrip())
    if not found.results:
        output.message("No run is known here." if not found.run else "There are no results here.")
        return
    groups: dict[tuple[str, int, str], list[Standing]] = {}
    for each in found.results:
        key = each.rule, STATES.index(each.state), _why(each)
        groups.setdefault(key, []).append(each)
    rows: list[tuple[str, ...]] = [_HEAD]
    for (rule, state, why), some_results in sorted(groups.items()):
        rows.append((output.printable(rule or "-"), STATES[state], str(len(some_results)), why))
    output.table(rows, right=frozenset({2}))
    for (rule, state, _), some_results in sorted(groups.items()):
        if all_paths or STATES[state] != CURRENT:
            print(f"\n{output.printable(rule or '-')}: {STATES[state]}")
            shown = some_results if all_paths else some_results[:_FEW_PATHS]
            for each in shown:
                print(f"  {output.printable(each.path)}")
            if len(shown) < len(some_results):
                print(f"  … and {len(some_results) - len(shown)} more (--all)")
    current = sum(each.state == CURRENT for each in found.results)
    if found.is_current:
        output.message(f"{count(current, 'result')}, all as this commit makes them.")
    else:
        output.message(
            f"{current} of {count(len(found.results), 'result')} as this commit makes them."
        )


def _why(each: Standing) -> str:
    if each.state == OTHER_CODE:
        if each.files is None:
            return f"made by {each.commit[:10]}, which is not in this repository"
        return f"made by {each.commit[:10]}; differs in {some(each.files)}"
    if each.state == OTHER_INPUTS:
        return f"not made from the present {some(each.inputs)}"
    if each.state == MISSING:
        return "not there"
    return ""
