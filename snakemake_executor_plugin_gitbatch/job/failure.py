"""Why a job failed, for people: how and where it ended, the end of its output, and where to read
more."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from gitbatch_core.errors import readable
from gitbatch_core.history import logs
from gitbatch_core.model.job_result import UNSEEN, JobResult
from gitbatch_core.pools.base import JobStatus, State
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.in_job import script_copies
from snakemake_executor_plugin_gitbatch.job import missing_files

_LINES = 20
_SHARED = (
    "Archive, worktrees and this Python must be on file systems that the pool's machines mount at "
    "the same path. If only some machines do, restrict the job to them with the resource "
    "`requirements`."
)
_BYTES = 4000
_EXIT_STATUS = re.compile(r"returned non-zero exit status (\d+)")
_SIGNAL = re.compile(r"died with <Signals\.(SIG\w+): \d+>")


_PATH = r"[^\s'\"`;|<>():,&]"
# What the Snakemake in the job says of itself, around the rule's own output.
_OF_SNAKEMAKE = re.compile(
    r"""Building\ DAG\ of\ jobs\.\.\.
    |Using\ shell:\ .*
    |Provided\ (cores|resources):\ .*
    |Select\ jobs\ to\ execute\.\.\.
    |Execute\ \d+\ jobs\.\.\.
    |Removing\ output\ files\ of\ failed\ job\ .*\n.*
    |Shutting\ down,\ this\ might\ take\ some\ time\.
    |Exiting\ because\ a\ job\ execution\ failed\..*
    |Storing\ output\ in\ storage\.
    |Complete\ log\(s\):\ .*
    |Elapsed\ time:\ .*
    |\ *File\ ".*/snakemake_executor_plugin_gitbatch/.*
    |WorkflowError:\nAt\ least\ one\ job\ did\ not\ complete\ successfully\.
    """,
    re.VERBOSE,
)


def explain(
    status: JobStatus,
    answer: JobResult | None,
    *,
    log: Path | None,
    rule_logs: Iterable[Path],
    folder: Path,
    mirror: Mirror,
    outputs: Iterable[str],
    left: Container[str | None] = (),
) -> str:
    """The message of a failed job. `log`: what it printed, where it is kept; `rule_logs`: the
    rule's own `log:` files; `folder`: the job's, with what the runner itself printed; relative to
    the top: `outputs`, and `left`, what other jobs have left beside theirs. Paths in the worktree,
    which will be gone, are shown as those of the user where that folder has them, else as the
    commit has them."""
    copies = list(script_copies.of_job(folder))

    def shown(text: str) -> str:
        for copy in copies:
            text = copy.replaced(text)
        return _for_user(text, mirror)

    printed = _tail(log) if log is not None else ""
    runner = _tail(folder / "process.log") if answer is None else ""
    unseen = _unseen(status, runner, folder) if answer is None else ""
    how = unseen or shown(_how(status, answer, printed))
    parts = [f"The job {how}{_where(status, answer)}."]
    if unseen or (answer is not None and "does not see" in (answer.reason or "")):
        parts.append(_SHARED)
    own_logs = {path: text for path in rule_logs if (text := _tail(path))}
    parts += [f"End of {path}:\n{_indent(shown(text))}" for path, text in own_logs.items()]
    if own := _without_snakemake(printed):
        parts.append(f"End of its output:\n{_indent(shown(own))}")
    elif runner and not unseen:
        parts.append(f"The runner said:\n{_indent(shown(runner))}")
    words = [printed, *own_logs.values()]
    stated = () if answer is None else answer.record.environment.names
    parts += missing_files.explained(words, mirror, stated)
    parts += _denied(words, mirror, outputs, left)
    if log is not None:
        parts.append(f"Full output: {log}")
    return readable("\n".join(parts))


def _without_snakemake(printed: str) -> str:
    """The rule's own part of what a job printed."""
    pattern = rf"^({_OF_SNAKEMAKE.pattern})$\n?"
    return re.sub(pattern, "", printed, flags=re.MULTILINE | re.VERBOSE).strip("\n")


def _denied(
    words: list[str], mirror: Mirror, outputs: Iterable[str], left: Container[str | None]
) -> Iterator[str]:
    """Hints for files that the job was not allowed to open, by what it said."""
    denied = {mirror.relative(name): name for name in missing_files.denied(words)}
    for path, name in denied.items():
        if path in left:
            yield (
                f"{name} is an undeclared file of another job, which is read-only: "
                "declare it as an output of the rule that writes it, or remove it."
            )
    for path, name in denied.items():
        if path is not None and path in mirror.withheld:
            withheld = mirror.withheld[path]
            yield f"{name} is {withheld.name} whose content was not fetched: {withheld.command}"
    if not denied.keys().isdisjoint(outputs):
        yield (
            "Inputs are read-only, and cp copies their mode. To get a writable copy, use "
            "cp --no-preserve=mode, or cat."
        )


def _for_user(text: str, mirror: Mirror) -> str:
    """`text` with what it says of the worktree said of what the user can open."""

    def path(match: re.Match[str]) -> str:
        relative = match[1].strip("/")
        for name in (relative, relative.rstrip(".")):  # it may end a sentence
            if os.path.lexists(mirror.top / name):
                return f"{mirror.top / name}{relative[len(name) :]}"
        return relative

    return re.sub(rf"{re.escape(str(mirror.worktree))}((?:/{_PATH}*)?)", path, text)


def _how(status: JobStatus, answer: JobResult | None, printed: str) -> str:
    if status.state is State.FAILED:
        return f"was given up by the pool: {status.reason or 'no reason given'}"
    if answer is not None and answer.reason is not None:
        return f"failed: {answer.reason.rstrip('.')}"
    if answer is not None and answer.signal is not None:
        return f"was ended by signal {_signal_name(answer.signal)}"
    if answer is not None and answer.exit_code is not None:
        # Snakemake runs the rule's command and ends with 1 whatever that ended with.
        if numbers := _EXIT_STATUS.findall(printed):
            return f"failed with exit status {numbers[-1]}"
        if numbers := _SIGNAL.findall(printed):
            return f"was ended by signal {numbers[-1]}"
        return f"failed with exit status {answer.exit_code}"
    if status.signal is not None:
        return f"ended without an answer: its runner was ended by {_signal_name(status.signal)}"
    return f"ended without an answer: its runner had exit status {status.exit_code}"


def _unseen(status: JobStatus, words: str, folder: Path) -> str:
    """How a job ended whose machine does not have what it needs to begin, if it is that."""
    if status.exit_code == UNSEEN:
        return f"was not started: its machine does not see {folder}"
    if status.exit_code == 1 and "No module named gitbatch_core" in words:
        return f"was not started: its machine does not see the packages in {sys.prefix}"
    return ""


def _where(status: JobStatus, answer: JobResult | None) -> str:
    host = status.host
    if answer is not None and (ran_on := answer.record.host):  # some have null
        host = ran_on.name or host
    return f" on {host}" if host else ""


def keep_log(log: Path, run: str, number: int, rule: str) -> Path | None:
    """Save the output of a failed job where it outlives the run; None if there is none."""
    if not log.exists():
        return None
    name = f"{number}-{logs.log_stem(rule)}.log"
    kept = Path(".snakemake", "gitbatch", run, name).absolute()
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(log.read_bytes())
    return kept


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-_LINES:])


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
