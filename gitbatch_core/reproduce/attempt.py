"""An attempt: Snakemake, started again in a worktree of its own, where nothing was made yet.

It is an ordinary run, whose user's folder is that worktree. Its place is `.gitbatch/again/` in the
user's own folder, or where the user wants to keep it.
"""

from __future__ import annotations

import contextlib
import fcntl
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
from gitbatch_core.archive import hashing, links
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import RunError, UsageError
from gitbatch_core.git import index, work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.git.worktree import Worktree
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce import outside_links
from gitbatch_core.reproduce.original_run import OriginalRun
from gitbatch_core.run import archive_location, run_commit
from gitbatch_core.run.lease import LOG_VARIABLE, REPRODUCES_VARIABLE

_LOCK = "lock"
_YOUNG_S = 60.0
_SEARCH_PATHS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")


@dataclass(frozen=True, kw_only=True)
class AttemptOptions:
    """How the user wants it."""

    targets: Sequence[str] = ()
    """Outputs or rules; none: those of the run."""
    pool: str = "auto"
    cores: int | None = None
    jobs: int | None = None
    more: Sequence[str] = ()
    """Arguments of Snakemake, which win."""
    keep: Path | None = None
    """A new folder for the worktree, which stays."""


def run(
    original: OriginalRun,
    archive: Archive,
    options: AttemptOptions,
    *,
    config: str,
    arguments: Sequence[str],
    targets: Sequence[str],
) -> RunDocument:
    """Make it; the document of the attempt's run. What Snakemake prints goes to standard error.

    `config`: text of a config file; `arguments`, `targets`: as the run had them. Raises RunError
    where Snakemake does not come to run anything; KeyboardInterrupt, after its end.
    """
    started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with (
        _folder(original.repository) as (folder, lock),
        _worktree(original, options, folder / "work") as worktree,
    ):
        top = worktree.path
        outside_links.put(worktree, original.document, original.inputs(options.targets))
        updates = _prepare(original, archive, top)
        words = _arguments(original, archive, options, top, updates)
        words += arguments
        words += snakemake_command.limits(arguments, cores=options.cores, jobs=options.jobs)
        if config:
            file = folder / "config.yaml"  # outside of the worktree: it is not the commit's
            file.touch(mode=0o600)
            file.write_text(config)
            words += snakemake_command.config_file(file)
        words += [*_software(original, arguments), *options.more]
        words += ["--", *targets] if targets else []
        argv = snakemake_command.argv(words, safe_path=True)
        environment = _environment(original.repository, top)
        environment[REPRODUCES_VARIABLE] = original.run
        status = _follow(argv, top / original.folder, environment, lock=lock)
        for document in run_commit.earlier(original.repository):
            if document.repository == str(top) and document.started >= started:
                return document
    raise RunError(
        f"The attempt has run nothing: Snakemake ended with status {status}, and says why above.",
        hint=original.archive_hint if archive.id != original.document.archive else None,
    )


@contextlib.contextmanager
def _folder(repository: Repository) -> Iterator[tuple[Path, int]]:
    """A new folder in `.gitbatch/again/`, removed at the end, and the descriptor of the lock that
    says that it is in use. Removes those that dead processes have left."""
    archive_location.exclude(repository)
    parent = archive_location.own_folder(repository.top) / "again"
    for abandoned in parent.iterdir() if parent.is_dir() else ():
        with contextlib.suppress(OSError), (abandoned / _LOCK).open("rb") as file:
            if time.time() - os.fstat(file.fileno()).st_mtime < _YOUNG_S:
                continue  # it may be about to be locked
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            worktrees.remove(repository, abandoned / "work")
            fs.remove_tree(abandoned)
    folder = parent / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True, mode=0o755)
    try:
        with (folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder, lock.fileno()
    finally:
        fs.remove_tree(folder)
        with contextlib.suppress(OSError):  # others may be at work
            parent.rmdir()


@contextlib.contextmanager
def _worktree(original: OriginalRun, options: AttemptOptions, path: Path) -> Iterator[Worktree]:
    """A worktree of the source commit in `path`, or where the user wants it, by its real path."""
    top = (options.keep or path).expanduser().resolve()
    if options.keep and os.path.lexists(top) and (not top.is_dir() or any(top.iterdir())):
        raise UsageError(
            f"{options.keep} exists already.", hint="--keep wants a new or empty folder."
        )
    try:
        worktree = worktrees.create(original.repository, top, original.source, read_only=False)
        original.check_pointers(worktree, options.targets)
        yield worktree
    finally:
        if not options.keep:
            worktrees.remove(original.repository, top)


def _prepare(original: OriginalRun, archive: Archive, top: Path) -> list[str]:
    """Take the run's outputs away, as far as the commit has them; put there what it had and the
    commit has not. Returns the outputs that are updated in place."""
    archive_location.link(top, archive.root, original.repository.common_dir)
    updates = original.before_updates()
    theirs = {path for path in updates if _has(top / path, updates[path], archive)}
    outputs = {output.path for output in original.document.outputs} - theirs
    gone = [
        path
        for path in sorted(work_tree_status.tracked(top))
        if any(part in outputs for part in (path, *map(str, Path(path).parents)))
    ]
    for path in outputs:
        if (top / path).is_dir() and not (top / path).is_symlink():
            fs.remove_tree(top / path)
        else:
            (top / path).unlink(missing_ok=True)
    # Else they would count as changes where targets, or a checkpoint, leave them out of the DAG.
    index.skip(top, gone)
    for path, text in original.input_links().items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).symlink_to(text)
    for path in updates.keys() - theirs:
        _place(archive, top, path, Address.parse(updates[path]))
    return list(updates)


def _has(path: Path, address: str, archive: Archive) -> bool:
    """Whether a file of the commit, no link, has this address."""
    if path.is_symlink() or not path.is_file():
        return False
    return str(hashing.hash_file(path, archive.algorithm)[0]) == address


def _place(archive: Archive, top: Path, path: str, address: Address) -> None:
    """Put what the archive has at `path`. Raises ArchiveError."""
    now = time.time_ns()
    if archive.has_tree(address):
        entries = archive.manifest(address)
        links.place_tree(archive, top / path, entries, top=top, mtime_ns=now)
    else:
        links.place_link(top / path, archive.find(address), top=top, mtime_ns=now)


def _arguments(
    original: OriginalRun,
    archive: Archive,
    options: AttemptOptions,
    top: Path,
    updates: Sequence[str],
) -> list[str]:
    document, folder = original.document, top / original.folder
    folder.mkdir(parents=True, exist_ok=True)
    rules = {output.rule for output in document.outputs if output.path in updates}
    again = snakemake_command.reproduction(
        original.run,
        pool=options.pool,
        snakefile=top / (document.snakefile or ""),
        folder=folder,
        rules=sorted(filter(None, rules)),
    )
    return [*again, *snakemake_command.archive(archive.root)]


def _software(original: OriginalRun, arguments: Sequence[str]) -> tuple[str, ...]:
    """Environments and images are where the user's own Snakemake has them, or would."""
    own = original.repository.top / original.folder
    conda, images = own / snakemake_files.CONDA, own / snakemake_files.IMAGES
    return snakemake_command.software_prefixes(arguments, conda=conda, images=images)


def _environment(repository: Repository, top: Path) -> dict[str, str]:
    """This process's; search paths into the user's folder lead to the attempt's."""
    environment = dict(os.environ)
    for name in (LOG_VARIABLE, "SNAKEMAKE_PROFILE"):
        environment.pop(name, None)
    for name in environment.keys() & set(_SEARCH_PATHS):
        folders = []
        for folder in environment[name].split(os.pathsep):
            inside = repository.relative(Path(folder)) if os.path.isabs(folder) else None
            there = top / inside if inside is not None else None
            folders.append(str(there) if there is not None and there.exists() else folder)
        environment[name] = os.pathsep.join(folders)
    return environment


def _follow(argv: Sequence[str], folder: Path, environment: dict[str, str], *, lock: int) -> int:
    """Run it to its end; what asks this process to end asks that one, which holds the lock too: it
    may outlive this one. Raises KeyboardInterrupt."""
    asked: list[int] = []
    process = subprocess.Popen(
        argv,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        pass_fds=(lock,),
    )

    def end(number: int, _: object) -> None:
        asked.append(number)
        process.send_signal(signal.SIGINT)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: list[Callable[..., object] | int | None] = [signal.signal(n, end) for n in numbers]
    try:
        status = process.wait()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt
    return status
