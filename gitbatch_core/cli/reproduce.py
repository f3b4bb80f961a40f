"""Run the commit of a run again from scratch, and compare every output with the original.

Exit code 0: all requested outputs are identical. 1: an output differs, failed or was not run.
2: the run cannot be reproduced from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.reproduction import DIFFERS, FAILED, IDENTICAL, NOT_RUN
from gitbatch_core.pools import choose
from gitbatch_core.reproduce import reproduction
from gitbatch_core.reproduce.attempt import AttemptOptions
from gitbatch_core.reproduce.environment_diff import NOTHING, PACKAGE
from gitbatch_core.reproduce.original_run import OriginalRun
from gitbatch_core.run import archive_location
from gitbatch_core.wording import some, typed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from gitbatch_core.model.reproduction import Difference
    from gitbatch_core.reproduce.content_diff import ContentDifference
    from gitbatch_core.reproduce.reproduction import ReproductionReport
    from gitbatch_core.reproduce.verdicts import Verdict

TAKES_MORE = True
"""What follows `--` is Snakemake's."""

_MOST_NAMED, _SHORT = 5, 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "gitbatch reproduce TAG [TARGET ...] [options] [-- ARGUMENTS OF SNAKEMAKE]"
    add_archive_option(parser)
    parser.add_argument(
        "tag", metavar="TAG", help="a run, by any name that `gitbatch runs` accepts"
    )
    parser.add_argument(
        "targets",
        metavar="TARGET",
        nargs="*",
        default=[],
        help="outputs or rules, named as in the run's folder; default: the targets of the run",
    )
    parser.add_argument(
        "--pool", choices=choose.names(), default=choose.AUTO, help="where jobs run"
    )
    parser.add_argument("--cores", metavar="N", type=int, help="default: as in the original run")
    parser.add_argument("--jobs", "-j", metavar="N", type=int, help="number of jobs at a time")
    parser.add_argument(
        "--keep", metavar="DIR", type=Path, help="run in this new folder, and keep it"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Do it. What Snakemake prints goes to standard error."""
    repository = Repository.find(Path.cwd())
    original = OriginalRun.find(repository, arguments.tag)
    archive = archive_location.open_archive(repository, arguments.archive, create=False)
    options = AttemptOptions(
        targets=arguments.targets,
        pool=arguments.pool,
        cores=arguments.cores,
        jobs=arguments.jobs,
        more=arguments.more,
        keep=arguments.keep,
    )
    output.root_notice()
    report = reproduction.reproduce(original, archive, options, say=output.message)
    if arguments.json:
        output.print_json(report.as_json())
    else:
        _print(report, original.source)
    _say_after(report, arguments.keep)
    return 0 if report.reproduced else 1


def _say_after(report: ReproductionReport, folder: Path | None) -> None:
    asked = [verdict.verdict for verdict in report.verdicts if verdict.asked]
    several = {DIFFERS: "differ"}
    counts = ", ".join(
        f"{n} {what if n == 1 else several.get(what, what)}"
        for what in (IDENTICAL, DIFFERS, FAILED, NOT_RUN)
        if (n := asked.count(what))
    )
    run, attempt = report.document.run, report.document.again
    output.message(f"{run}, made again by run {attempt}: {counts or 'no outputs'}")
    taken = [v for v in report.verdicts if v.asked and v.verdict == DIFFERS and v.is_of_other_code]
    if taken:
        output.message(
            f"{len(taken)} of those that differ {'was' if len(taken) == 1 else 'were'} not made by "
            "this commit's code then: see above."
        )
    if folder is not None:
        output.message(
            f"Its worktree is {folder}. To remove it: git worktree remove --force {typed(folder)}"
        )


def _print(report: ReproductionReport, source: str) -> None:
    for verdict in report.verdicts:
        way = "" if verdict.asked else "  (needed for what was asked for)"
        print(f"{verdict.verdict:<10} {output.printable(verdict.path)}{way}")
        if verdict.verdict != IDENTICAL:
            for line in _details(verdict, source, report.contents.get(verdict.path)):
                print(f"{'':<11}{output.printable(line)}")
    for rule, runs in report.unsteady.items():
        print(f"rule {rule} has differed before, in {', '.join(runs[-_MOST_NAMED:])}")
    if differences := report.document.differences:
        print("\nNot the same as in the original run:")
        _print_surroundings(differences)


def _print_surroundings(differences: Sequence[Difference]) -> None:
    lone: dict[str, list[str]] = {}
    for each in differences:
        what, then, now = map(output.printable, (each.what, each.then, each.now))
        if what.startswith(PACKAGE) and NOTHING in (then, now):
            when = "then" if now == NOTHING else "now"
            lone.setdefault(when, []).append(what.removeprefix(PACKAGE))
        elif len(then) + len(now) <= _SHORT:
            print(f"  {what}: {then} then, {now} now")
        else:
            print(f"  {what}\n    then: {then}\n    now:  {now}")
    for when, names in lone.items():
        print(f"  packages only {when}: {some(names, _MOST_NAMED)}")


def _details(verdict: Verdict, source: str, difference: ContentDifference | None) -> list[str]:
    """What there is to say of an output that is not identical."""
    then, now = verdict.then, verdict.now
    lines = [f"rule {verdict.rule}"] if verdict.rule else []
    if verdict.verdict != DIFFERS:
        return lines
    if then is None or now is None:
        return [*lines, "not made then" if then is None else "not made this time"]
    if verdict.after:
        lines.append("its input differs already: " + some(verdict.after, _MOST_NAMED))
    for change in verdict.changes:
        then_text, now_text = map(output.json_text, (change.then, change.now))
        lines.append(f"{change.what}: {then_text} then, {now_text} now")
    if not then.job:
        lines.append("what made it then is not known")
    elif then.other_code != ():
        files = then.other_code
        why = (
            "is not in this repository"
            if files is None
            else f"differs in {some(files, _MOST_NAMED)}"
        )
        lines.append(
            f"made then from commit {then.job.commit[:10]}, whose code {why}, by run "
            f"{then.job.run}, and taken over; now from {source[:10]}"
        )
    elif then.job.commit != source:
        lines.append(
            f"made then by run {then.job.run} from commit {then.job.commit[:10]}, and taken "
            f"over; now from {source[:10]}"
        )
    if then.stale_inputs:
        lines.append(
            f"made then from what other code had made: {some(then.stale_inputs, _MOST_NAMED)}"
        )
    if verdict.is_gone:
        lines.append(f"a temporary output: {then.address} then, {now.address} now")
    return lines + (_content(difference) if difference else [])


def _content(difference: ContentDifference) -> list[str]:
    if difference.unknown:
        return [f"the bytes cannot be compared: {difference.unknown}"]
    if difference.sizes is not None:
        one, other = difference.sizes
        size = f"{one} bytes" if one == other else f"{one} bytes then, {other} now"
        return [f"differs from byte {difference.first} on; {size}", *difference.diff]
    named = {
        "only then": difference.only_then,
        "only now": difference.only_now,
        "not the same": difference.changed,
    }
    return [f"{what}: {some(names, _MOST_NAMED)}" for what, names in named.items() if names]
