"""gitbatch archive show: what made an object, from which inputs, and what used it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gitbatch_core.cli import output
from gitbatch_core.cli.archive import path_in_folder, resolve
from gitbatch_core.git import commits
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_record import JobRecord, SingleJob
from gitbatch_core.model.reproduction import DIFFERS, FAILED, IDENTICAL
from gitbatch_core.provenance.holders import HoldingRun, holders
from gitbatch_core.provenance.object_report import ObjectReport, report_on
from gitbatch_core.wording import some

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    from gitbatch_core.archive.store import Archive
    from gitbatch_core.provenance.job_index import IndexedFile, IndexedJob
    from gitbatch_core.provenance.reproductions import Reexecution
    from gitbatch_core.provenance.resolve import ResolvedReference

_SHOWN = 10
"""Lines of a list."""

Rows = list[tuple[str, str]]


def show(archive: Archive, arguments: argparse.Namespace) -> int:
    """Print all that is known."""
    reference = resolve(archive, arguments, arguments.what)
    report = report_on(
        archive, reference.address, reference.what, file=path_in_folder(arguments, reference)
    )
    addresses = [str(report.address), *(str(holder.address) for holder in report.holders)]
    repository = arguments.repository
    runs = holders(repository, addresses) if repository else []
    jobs = [job for job, _ in (*report.makers, *report.users)]
    subjects = commits.subjects(repository, {job.commit for job in jobs}) if repository else {}
    makers = _ordered(reference, report, subjects)
    if arguments.json:
        output.print_json(_as_json(reference, report, runs, makers, subjects))
        return 0
    rows = _what(reference, report, runs)
    if makers:
        rows += _maker(report, *makers[0], subjects, runs)
        rows += _list("also by", [_brief(report, *pair) for pair in makers[1:]])
    rows += _list("used by", [_use(report, *pair) for pair in reversed(report.users)])
    rows += _list("reproduced", _reproduced(report.reexecutions))
    output.table(rows)
    return 0


def _ordered(
    reference: ResolvedReference, report: ObjectReport, subjects: Mapping[str, str]
) -> list[tuple[IndexedJob, IndexedFile]]:
    """The makers, by how well they answer what was asked: of the run that was named, at the path,
    of a commit of this repository, of an output rather than a log, of a run of its own rather than
    a reproduction. Of those the job that ran last, and of its executions the first."""
    again = {run for run in {job.run for job, _ in report.makers} if report.jobs.reproduces(run)}
    newest: dict[str, str] = {}
    for job, _ in report.makers:
        if job.run not in again:
            newest[job.key] = max(job.ended, newest.get(job.key, ""))

    def fits(pair: tuple[IndexedJob, IndexedFile]) -> tuple[bool, bool, bool, bool, bool, str]:
        job, file = pair
        same_path, here = file.path == reference.path, job.commit in subjects
        own = job.run not in again
        last = newest.get(job.key, "")
        return job.run == reference.run, same_path, here, not file.log, own, last

    # The earliest come first, and stay so among equals.
    return sorted(report.makers, key=fits, reverse=True)


def _what(reference: ResolvedReference, report: ObjectReport, runs: Sequence[HoldingRun]) -> Rows:
    rows: Rows = [("path", output.printable(reference.path))] if reference.path else []
    rows += [("address", str(report.address)), ("kind", report.kind)]
    if report.size is not None:
        files = (
            f", {report.files} files" if report.kind == "tree" and report.files is not None else ""
        )
        exact = f" ({report.size} bytes)" if report.size >= 1000 else ""
        rows.append(("size", output.human_size(report.size) + exact + files))
    if report.stored:
        rows += _list("stored at", [output.printable(path) for path in report.stored])
    elif report.is_temporary:
        rows.append(("stored", "no: it was temporary, its bytes were not kept"))
    elif report.makers:
        rows.append(("stored", "NO: a job made it, but the archive does not have it any more"))
    else:
        rows.append(("stored", "no: jobs read it as a file of their commit, or from outside"))
    paths = {file.path for _, file in report.makers} - {reference.path}
    rows += _list("names", [output.printable(path) for path in sorted(paths)])
    rows += _list("storage", [f"gitbatch://name/{output.printable(name)}" for name in report.names])
    rows += _list("in runs", [_run(report, holder) for holder in runs])
    undeclared = next((entry for holder in runs for entry in holder.undeclared), None)
    if undeclared is not None and not report.makers:
        rule = f"rule {output.printable(undeclared.rule)}" if undeclared.rule else "a job"
        rows.append(("made by", f"{rule}, run {undeclared.run}, beside its outputs: not declared"))
    elif runs and all(holder.made_outside for holder in runs) and not report.makers:
        rows.append(("made by", "unknown: a run found it there, made without gitbatch"))
    elif report.is_of_parse_time:
        rows.append(("made by", "no job: the workflow wrote it while it was read"))
    elif report.is_frozen and not report.holders:
        rows.append(("made by", "no job: it was frozen"))
    elif report.is_frozen:
        rows.append(("made by", "no job: it was frozen, by itself or in a folder"))
    rows += _list("member of", [_holder(report, holder) for holder in report.holders])
    return rows


def _holder(report: ObjectReport, holder: Any) -> str:
    text = f"{holder.address}, as {output.printable(holder.path)}"
    if not holder.makers:
        return f"{text}: a tree that no job made"
    job, file = holder.makers[-1]
    more = f" (and {len(holder.makers) - 1} more)" if len(holder.makers) > 1 else ""
    return f"{text}: {_brief(report, job, file)}{more}"


def _run(report: ObjectReport, holder: HoldingRun) -> str:
    tags = ", ".join(output.printable(tag) for tag in holder.tags)
    text = tags or f"{holder.run} (commit {holder.commit[:10]})"
    outcome = holder.document.outcome
    marks = ["TAINTED"] if holder.document.tainted else []
    marks += [outcome] if outcome and outcome != "succeeded" else []
    return text + (f"  {', '.join(marks)}" if marks else "")


def _maker(
    report: ObjectReport,
    job: IndexedJob,
    file: IndexedFile,
    subjects: Mapping[str, str],
    runs: Sequence[HoldingRun],
) -> Rows:
    record = _record(report, job)
    member, whole = job.maker(file.path), _member(record, job, file)
    title = member.title if member else job.title
    if len(job.members) > 1:
        title += f", in the group {job.rule}"
    rows: Rows = [("", ""), ("made by", output.printable(title) + (" (a log)" if file.log else ""))]
    subject = subjects.get(job.commit)
    said = f"  {output.printable(subject)}" if subject is not None else ""
    ended = report.jobs.ended(job.run)
    message = (ended and ended.message) or _message(runs, job.run)
    tainted = _mark(report, job)
    rows.append(
        ("  run", f"{job.run}{tainted}" + (f"  {output.cut(message, 70)}" if message else ""))
    )
    rows.append(("  commit", f"{job.commit[:10]}{said}"))
    rows.append(("  when", _when(job)))
    on = f"{job.host} ({job.pool})" if job.pool else job.host
    rows.append(("  host", output.printable(on)))
    if member and member.command_kind not in ("shell", "none", "run"):
        rows.append((f"  {member.command_kind}", output.printable(member.command)))
    elif member and member.command:
        rows += _list("  command", output.folded(member.command), most=None)
    elif member and member.command_kind == "run":
        rows.append(("  command", f"the run: of rule {member.rule}, in the commit's Snakefile"))
    if params := whole.params:
        text = (
            json.dumps(params, ensure_ascii=False)
            if not isinstance(params, dict)
            else "\n".join(
                f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in params.items()
            )
        )
        rows += _list("  params", output.folded(text, lines=8), most=None)
    rows.append(("  software", _software(record, whole, _packages(runs, job.run))))
    rows += _list(
        "  inputs", [f"{each.address}  {output.printable(each.path)}" for each in job.inputs]
    )
    beside = [o.path for o in job.outputs if not f"{file.path}/".startswith(f"{o.path}/")]
    rows += _list("  beside", [output.printable(path) for path in beside])
    rows.append(("  record", output.printable(report.jobs.archive.root / job.record)))
    return [row for row in rows if row[1] or not row[0]]


def _use(report: ObjectReport, job: IndexedJob, file: IndexedFile) -> str:
    outputs = some(output.printable(each.path) for each in job.outputs if not each.log)
    return f"{job.run}{_mark(report, job)}  {output.printable(job.title)} -> {outputs or '-'}"


def _brief(report: ObjectReport, job: IndexedJob, file: IndexedFile) -> str:
    maker = job.maker(file.path)
    title = output.printable(maker.title if maker else job.title)
    return f"{job.run}{_mark(report, job)}  {title} -> {output.printable(file.path)}"


def _reproduced(attempts: Sequence[Reexecution]) -> list[str]:
    """For people, one line per verdict."""
    lines = []
    same = [each for each in attempts if each.verdict == IDENTICAL]
    if same:
        hosts = sorted({host for each in same for host in each.hosts})
        on = f", on {_hosts(hosts)}" if hosts else ""
        lines.append(f"{_times(len({each.run for each in same}))}{on}")
    for each in attempts:
        if each.verdict == DIFFERS:
            on = f" on {_hosts(each.hosts)}" if each.hosts else ""
            lines.append(
                f"differed in run {each.run}{on}: {output.printable(each.path)} came out as "
                f"{each.address}; " + _why(each)
            )
        elif each.verdict == FAILED:
            lines.append(f"failed in run {each.run}: rule {output.printable(each.rule)}")
    return lines


def _why(each: Reexecution) -> str:
    rule = output.printable(each.rule)
    if not each.differences:
        return f"rule {rule} is not deterministic"
    names = [difference.what for difference in each.differences]
    return f"rule {rule} is not deterministic, or it is because of: " + output.cut(
        ", ".join(names), 100
    )


def _software(record: JobRecord, member: SingleJob, packages: Mapping[str, str]) -> str:
    parts = [f"Python {record.host.python}"] if record.host.python else []
    parts += [f"{name} {version}" for name, version in sorted((record.versions or {}).items())]
    parts += _environments(member)
    if record.tools:
        parts.append("tools " + " ".join(sorted(record.tools)))
    if packages:
        parts.append(f"{len(packages)} packages (--json)")
    return output.cut(", ".join(parts), 200)


def _environments(member: SingleJob) -> list[str]:
    """What the job used of what its rule declares."""
    texts = []
    for kind, used in sorted(member.used_software().items()):
        name = (member.software or {}).get(kind, used)
        content = f" ({used})" if used != name else ""
        texts.append(f"{kind} {name}" + (" (declared)" if used is None else content))
    return texts


def _record(report: ObjectReport, job: IndexedJob) -> JobRecord:
    """The whole record; an empty one where it cannot be read."""
    with suppressed(OSError, ValueError):
        return JobRecord.from_dict(report.jobs.record(job))
    return JobRecord.from_dict({})


def _ended(report: ObjectReport, job: IndexedJob) -> dict[str, Any]:
    ended = report.jobs.ended(job.run)
    return {} if ended is None else ended.to_dict()


def _member(record: JobRecord, job: IndexedJob, file: IndexedFile) -> SingleJob:
    """What the record says of the single job that made the file."""
    maker = job.maker(file.path)
    if maker is None or len(record.members) != len(job.members):
        return SingleJob()
    return record.members[job.members.index(maker)]


def _message(runs: Sequence[HoldingRun], run: str) -> str:
    return next((each.document.message for each in runs if each.run == run), "")


def _packages(runs: Sequence[HoldingRun], run: str) -> Mapping[str, str]:
    return next((each.document.packages for each in runs if each.run == run), {})


def _mark(report: ObjectReport, job: IndexedJob) -> str:
    again = report.jobs.reproduces(job.run)
    return " TAINTED" * report.jobs.is_tainted(job.run) + (
        f" (reproduces {again})" if again else ""
    )


def _when(job: IndexedJob) -> str:
    started, ended = (text.replace("T", " ").split(".")[0] for text in (job.started, job.ended))
    if started[:10] == ended[:10]:
        ended = ended[11:]
    return f"{started} to {ended} UTC" if job.ended else ""


def _hosts(hosts: Iterable[str]) -> str:
    names = [output.printable(host) for host in hosts]
    if len(names) == 1:
        return f"host {names[0]}"
    return f"hosts {', '.join(names[:-1])} and {names[-1]}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _list(label: str, lines: Sequence[str], *, most: int | None = _SHOWN) -> Rows:
    shown = list(lines if most is None or len(lines) <= most + 1 else lines[:most])
    if len(shown) < len(lines):
        shown.append(f"… and {len(lines) - len(shown)} more: --json")
    return [(label if number == 0 else "", line) for number, line in enumerate(shown)]


def _as_json(
    reference: ResolvedReference,
    report: ObjectReport,
    runs: Sequence[HoldingRun],
    makers: Sequence[tuple[IndexedJob, IndexedFile]],
    subjects: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "address": str(report.address),
        "path": reference.path or None,
        "kind": report.kind,
        "size": report.size,
        "files": report.files,
        "stored": [str(path) for path in report.stored],
        "temporary": report.is_temporary,
        "frozen": report.is_frozen,
        "parse_time": report.is_of_parse_time,
        "names": sorted({file.path for _, file in report.makers}),
        "storage_names": report.names,
        "runs": [_run_as_json(holder) for holder in runs],
        "member_of": [
            {
                "address": str(holder.address),
                "path": holder.path,
                "made_by": [_job_as_json(report, *pair, subjects) for pair in holder.makers],
            }
            for holder in report.holders
        ],
        "made_by": [
            _job_as_json(report, job, file, subjects)
            | {"job": _record(report, job).to_dict(), "run_ended": _ended(report, job)}
            for job, file in makers
        ],
        "used_by": [
            _job_as_json(report, job, file, subjects)
            | {"outputs": [{"path": o.path, "address": o.address} for o in job.outputs]}
            for job, file in report.users
        ],
        "reproductions": [each.as_json() for each in report.reexecutions],
    }


def _run_as_json(holder: HoldingRun) -> dict[str, Any]:
    document = holder.document
    return {
        "run": holder.run,
        "commit": holder.commit,
        "tags": holder.tags,
        "paths": holder.paths,
        "made_outside": holder.made_outside,
        "outcome": document.outcome or None,
        "tainted": bool(document.tainted),
        "packages": dict(document.packages) if document.packages else None,
    }


def _job_as_json(
    report: ObjectReport, job: IndexedJob, file: IndexedFile, subjects: Mapping[str, str]
) -> dict[str, Any]:
    maker = job.maker(file.path)
    return {
        "path": file.path,
        "log": file.log,
        "run": job.run,
        "number": job.number,
        "tainted": report.jobs.is_tainted(job.run),
        "reproduces": report.jobs.reproduces(job.run),
        "commit": job.commit,
        "subject": subjects.get(job.commit),
        "rule": maker.rule if maker else job.rule,
        "wildcards": maker.wildcards if maker else {},
        "record": job.record,
    }
