"""Run the commit of a run again, from scratch, and compare every output with what it was.

Exit code 0: all that was asked for is identical. 1: something differs, failed or was not run. 2: it
cannot be had again from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.errors import UsageError
from gitbatch_core.git.repo import Repository
from gitbatch_core.runs import place
from gitbatch_core.runs.reproduce import attempt, contents, evidence, given, surroundings
from gitbatch_core.runs.reproduce.made import jobs_of, outputs_of
from gitbatch_core.runs.reproduce.subject import Subject
from gitbatch_core.runs.reproduce.verdicts import DIFFERS, IDENTICAL, compare

if TYPE_CHECKING:
    import argparse

    from gitbatch_core.jsonio import Document
    from gitbatch_core.runs.reproduce.contents import Difference
    from gitbatch_core.runs.reproduce.verdicts import Verdict

TAKES_MORE = True
"""What follows `--` is Snakemake's."""

_MOST_NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "gitbatch reproduce TAG [TARGET ...] [options] [-- ARGUMENTS OF SNAKEMAKE]"
    add_archive_option(parser)
    parser.add_argument("tag", metavar="TAG", help="a tag or run, as gitbatch runs names it")
    parser.add_argument(
        "targets",
        metavar="TARGET",
        nargs="*",
        help="outputs or rules, as in that run's folder; default: the run's own targets",
    )
    parser.add_argument(
        "--pool", choices=("auto", "local", "htcondor"), default="auto", help="where jobs run"
    )
    parser.add_argument("--cores", metavar="N", type=int, help="else as many as the run had")
    parser.add_argument("--jobs", "-j", metavar="N", type=int, help="jobs at a time")
    parser.add_argument(
        "--keep", metavar="DIR", type=Path, help="run in this new folder, and leave it for a look"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Do it. What Snakemake prints goes to standard error."""
    repository = Repository.find(Path.cwd())
    subject = Subject.find(repository, arguments.tag)
    archive = place.open_archive(repository, arguments.archive, create=False)
    subject.check(archive, arguments.targets)
    config = given.config(subject, arguments.more)
    settings = given.arguments(subject, arguments.more)
    targets = given.targets(subject, arguments.targets)
    then = outputs_of(subject.document, jobs_of(archive, subject.document))
    asked = subject.paths(arguments.targets) if arguments.targets else None
    if unknown := sorted((asked or set()) - then.keys()):
        raise UsageError(
            f"Run {subject.run} has made no {unknown[0]}.",
            hint=f"Its outputs: git show --stat {subject.commit[:10]}",
        )
    _say_before(subject, archive)
    again = attempt.run(
        subject,
        archive,
        attempt.Wishes(
            pool=arguments.pool, cores=arguments.cores, jobs=arguments.jobs, more=arguments.more
        ),
        config=config,
        arguments=settings,
        targets=targets,
        keep=arguments.keep,
    )
    now = outputs_of(again, jobs_of(archive, again))
    verdicts = compare(then, now, before=subject.document, again=again, asked=asked)
    differences = surroundings.differences(
        subject.document,
        again,
        [verdict.then for verdict in verdicts if verdict.then],
        [verdict.now for verdict in verdicts if verdict.now],
    )
    known = evidence.unsteady(archive, repository)
    document = evidence.compose(subject.document, again, verdicts, differences)
    evidence.keep(archive, document)
    reproduced = all(v.verdict == IDENTICAL for v in verdicts if v.asked)
    found = {
        verdict.path: contents.compare(
            archive,
            Address.parse(verdict.then.address),
            Address.parse(verdict.now.address),
            tree=verdict.kind == "tree",
        )
        for verdict in verdicts
        if verdict.then and verdict.now and verdict.verdict == DIFFERS and not _gone(verdict)
    }
    rules = {verdict.rule for verdict in verdicts}
    known = {rule: runs for rule, runs in known.items() if rule in rules}
    if arguments.json:
        contents_ = {path: vars(difference) for path, difference in found.items()}
        outputs = [o | {"contents": contents_.get(o["path"])} for o in document["outputs"]]
        more: dict[str, Any] = {"outputs": outputs, "reproduced": reproduced, "unsteady": known}
        output.print_json(document | more)
    else:
        _print(subject, verdicts, found, differences, known)
    _say_after(subject, again, verdicts, arguments.keep)
    return 0 if reproduced else 1


def _gone(verdict: Verdict) -> bool:
    return any(made.temporary for made in (verdict.then, verdict.now) if made)


def _say_before(subject: Subject, archive: Archive) -> None:
    document = subject.document
    output.root_notice()
    if "settings" not in document or "given_config" not in document:
        output.message(
            f"gitbatch: run {subject.run} does not say with what arguments and configuration it "
            "was started, as an older gitbatch has made it. Give them after --."
        )
    if document.get("outcome") != "succeeded":
        output.message(
            f"gitbatch: the outcome of run {subject.run} is: {document.get('outcome')}. What it "
            "had finished is compared."
        )
    if document.get("tainted"):
        output.message(
            f"gitbatch: run {subject.run} was tainted: its jobs had changed files of the commit, "
            "and may have seen these."
        )
    if archive.id != document.get("archive"):
        output.message(
            f"gitbatch: the archive {archive.root} is not that of run {subject.run} "
            f"({document.get('archive')}): outputs are compared by address, and by their bytes "
            "only as far as these are here; what is found is kept here."
        )


def _say_after(
    subject: Subject, again: Document, verdicts: list[Verdict], kept: Path | None
) -> None:
    asked = [verdict.verdict for verdict in verdicts if verdict.asked]
    counts = ", ".join(f"{asked.count(what)} {what}" for what in dict.fromkeys(sorted(asked)))
    output.message(f"{subject.run}, made again by run {again['run']}: {counts or 'no outputs'}")
    if kept is not None:
        output.message(f"It is in {kept}; git worktree remove --force {kept} takes it away.")


def _print(
    subject: Subject,
    verdicts: list[Verdict],
    found: dict[str, Difference],
    differences: list[Document],
    known: dict[str, list[str]],
) -> None:
    for verdict in verdicts:
        way = "" if verdict.asked else "  (needed for what was asked for)"
        print(f"{verdict.verdict:<10} {output.printable(verdict.path)}{way}")
        if verdict.verdict != IDENTICAL:
            for line in _details(verdict, subject, found.get(verdict.path)):
                print(f"{'':<11}{output.printable(line)}")
    for rule, runs in known.items():
        shown = ", ".join(runs[-_MOST_NAMED:])
        print(f"rule {rule} has differed before, in {shown}")
    if differences:
        print()
        rows = [(d["what"], d["then"], d["now"]) for d in differences]
        output.table([("", "THEN", "NOW"), *(tuple(map(output.printable, row)) for row in rows)])


def _details(verdict: Verdict, subject: Subject, difference: Difference | None) -> list[str]:
    """What there is to say of an output that is not identical."""
    then, now = verdict.then, verdict.now
    lines = [f"rule {verdict.rule}"] if verdict.rule else []
    if verdict.verdict != DIFFERS:
        return lines
    if then is None or now is None:
        return [*lines, "not made then" if then is None else "not made this time"]
    if verdict.after:
        lines.append("its input was another one: " + _some(verdict.after))
    for change in verdict.changes:
        lines.append(f"{change['what']}: {change['then']!r} then, {change['now']!r} now")
    if not then.job:
        lines.append("what made it then is not known")
    elif then.job["commit"] != subject.source:
        lines.append(
            f"it was there already then, made by run {then.job['run']} from commit "
            f"{then.job['commit'][:10]}; now by {subject.source[:10]}"
        )
    if _gone(verdict):
        lines.append(f"a temporary output: {then.address} then, {now.address} now")
    return lines + (_content(difference) if difference else [])


def _content(difference: Difference) -> list[str]:
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
    return [f"{what}: {_some(names)}" for what, names in named.items() if names]


def _some(names: tuple[str, ...]) -> str:
    more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
