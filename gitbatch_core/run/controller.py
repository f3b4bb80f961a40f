"""The controller of a run (Snakemake's main process) without a terminal, and its log.

It is a process in its own session, or a job of the pool (in HTCondor: of the local universe), which
is restarted after a crash or a reboot of the machine. As a program, with FOLDER as argument, this
module is that job: it does what `start.json` in FOLDER says, and resumes the run if an earlier
start of it was killed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitbatch_core import fs, snakemake_command, snakemake_files
from gitbatch_core.errors import UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.model import documents
from gitbatch_core.model.masking import REDACTED
from gitbatch_core.pools.base import SubmitController
from gitbatch_core.run import lease
from gitbatch_core.run.lease import LOG_VARIABLE, Owner

_FORMAT, _VERSION = "gitbatch-controller", 1
_START_NAME = "start.json"
_LOOK_S = 0.1
_ENDED = "gitbatch: snakemake ended with exit status "


@dataclass(frozen=True, kw_only=True)
class ControllerCommand:
    """Snakemake's arguments, and where it starts."""

    arguments: tuple[str, ...]
    folder: Path

    @classmethod
    def new(cls, arguments: Sequence[str], *, message: str | None) -> ControllerCommand:
        """What the user requests, with this executor if none is named."""
        executor = snakemake_command.executor(arguments)
        own = () if message is None else snakemake_command.message(message)
        return cls(arguments=(*executor, *own, *arguments), folder=Path.cwd())

    @classmethod
    def again(cls, dead: Owner, arguments: Sequence[str] = ()) -> ControllerCommand:
        """The command that resumes a lost run: with its own arguments, or with others. Raises
        UsageError if its own held a secret, which was not recorded."""
        others = (*snakemake_command.executor(arguments), *arguments) if arguments else ()
        words = others or tuple(map(str, dead.about["command"][1:]))
        if any(REDACTED in word for word in words):
            raise UsageError(
                f"The arguments of run {dead.run} held the value of a secret, which is not kept.",
                hint=f"Give them again: gitbatch run --resume {dead.run} -- ARGUMENTS OF SNAKEMAKE",
            )
        rerun = snakemake_command.rerun_incomplete(words)
        return cls(arguments=(*rerun, *words), folder=Path(dead.about["folder"]))

    @property
    def argv(self) -> list[str]:
        return snakemake_command.argv(self.arguments)

    def new_log(self) -> Path:
        """A file, for what it prints."""
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}.log"
        path = self.folder / snakemake_files.OUR_LOGS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # Snakemake prints its arguments
        return path


def start_process(command: ControllerCommand, log: Path) -> subprocess.Popen[bytes]:
    """Start it in its own session, so that it survives the end of the terminal."""
    # What a shell has set to be ignored for commands in the background, it must hear.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("ab") as file:
        return subprocess.Popen(
            command.argv,
            cwd=command.folder,
            env=os.environ | {LOG_VARIABLE: str(log)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def start_job(
    submit: SubmitController, command: ControllerCommand, log: Path, repository: Repository
) -> str:
    """Start it as a job of a pool; returns its id. Raises PoolError."""
    # With the environment, which may hold secrets and so cannot stand in a job ad.
    folder = job_folder(log, repository)
    folder.mkdir(parents=True, mode=0o700)
    document = {
        "format": _FORMAT,
        "version": _VERSION,
        "arguments": command.arguments,
        "folder": str(command.folder),
        "log": str(log),
        "environment": dict(os.environ),
    }
    documents.write(folder / _START_NAME, document, mode=0o600)
    try:
        return submit(
            [sys.executable, "-m", "gitbatch_core.run.controller", str(folder)],
            folder=folder,
            name=f"controller in {command.folder}",  # not its arguments: they may have secrets
        )
    except BaseException:
        fs.remove_tree(folder)
        raise


def job_folder(log: Path, repository: Repository) -> Path:
    """Where the job that writes this log finds what to do; gone when it has done it."""
    return repository.common_dir / "gitbatch" / "controllers" / log.stem


def release_lock(dead: Owner) -> None:
    """Remove the lock on the working folder that the process of a lost run held, and no other."""
    for path, stamp in dead.about.get("locks", {}).items():
        with contextlib.suppress(FileNotFoundError):
            if lease.stamp(path) == stamp and dead.is_dead:
                os.unlink(path)


def follow(log: Path, goes_on: Callable[[], bool]) -> Iterator[str]:
    """The content of the log as it grows, until its writer is gone."""
    with log.open(errors="replace") as file:
        while True:
            last = not goes_on()
            while text := file.read(1 << 16):
                yield text
            if last:
                return
            time.sleep(_LOOK_S)


def status_of(log: Path) -> int:
    """Snakemake's exit status, by the end of a job's log."""
    last = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
    return int(last.removeprefix(_ENDED)) if last.startswith(_ENDED) else 1


def owner_of(repository: Repository, log: Path) -> Owner | None:
    """The run whose controller writes this log."""
    named = [each for each in lease.owners(repository) if each.about.get("log") == str(log)]
    return named[-1] if named else None


def main(folder: Path) -> int:
    """The pool's job; ends with Snakemake's exit status."""
    start = documents.read(folder / _START_NAME, format=_FORMAT, version=_VERSION)
    command = ControllerCommand(arguments=tuple(start["arguments"]), folder=Path(start["folder"]))
    os.environ.clear()
    os.environ.update(start["environment"])
    log = Path(start["log"])
    dead = owner_of(Repository.find(command.folder), log)
    if dead is not None and dead.is_dead:
        release_lock(dead)
        command = ControllerCommand.again(dead, command.arguments)
    process, asked = start_process(command, log), []

    def end(number: int, _: object) -> None:
        asked.append(number)
        process.send_signal(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    status = process.wait()
    if status < 0 and not asked:
        # The pool starts again what a signal has ended, and that is this process.
        with log.open("a") as file:
            file.write(f"gitbatch: signal {-status} has ended snakemake; it is started again\n")
        os.kill(os.getpid(), signal.SIGKILL)
    with log.open("a") as file:
        file.write(f"{_ENDED}{status}\n")
    fs.remove_tree(folder)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
