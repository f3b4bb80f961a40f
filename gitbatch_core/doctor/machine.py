"""Checks of this machine: git, the repository, Snakemake, the temporary folder."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.errors import GitError
from gitbatch_core.git import index, work_tree_status, worktree
from gitbatch_core.git.repository import Repository
from gitbatch_core.git.repository import version as git_version
from gitbatch_core.model.check import Check, failed, fine, wrong
from gitbatch_core.wording import human_size, some, typed

if TYPE_CHECKING:
    from collections.abc import Iterator

_OLDEST_GIT = (2, 31)
"""The first with `rev-parse --path-format`."""

_LEAST_FREE = 100_000_000
"""Bytes for what is temporary."""


def git(folder: Path) -> Check:
    """Whether git is installed, and new enough."""
    try:
        text = git_version(folder)
    except GitError as error:
        return failed("git", error)
    numbers = re.search(r"(\d+)\.(\d+)", text)
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST_GIT:
        return wrong("git", text, "gitbatch needs git {}.{} or newer.".format(*_OLDEST_GIT))
    return fine("git", text)


def repository(folder: Path) -> tuple[Repository | None, list[Check]]:
    """The repository that `folder` lies in, and what affects runs from it. No identity is
    needed."""
    check = "repository"
    try:
        repository = Repository.find(folder)
        head = repository.commit_of("HEAD")
    except GitError as error:
        if "safe.directory" not in error.message:
            return None, [failed(check, error)]
        named = re.search(r"safe\.directory (.+)", error.message)
        top = named[1] if named else typed(folder)
        hint = f"If you trust its owner: git config --global --add safe.directory {top}"
        return None, [wrong(check, "the repository belongs to another user", hint)]
    changed = work_tree_status.modified(repository)
    changes = f"; {len(changed)} tracked files differ from it" if changed else ""
    checks = [fine(check, f"{repository.top} at commit {head[:10]}{changes}")]
    if not os.access(repository.common_dir, os.W_OK):
        hint = "A run needs a worktree and leaves a commit: clone it to a place of your own."
        checks.append(wrong(check, f"{repository.common_dir} cannot be written", hint))
    if unfetched := worktree.not_fetched(repository):
        first = next(iter(unfetched.values()))
        files = some(unfetched, 1, noun="file")
        text = f"{files}: {first.name} whose content was not fetched; no job can read it"
        checks.append(wrong("pointers", text, first.command))
    if (repository.top / ".gitmodules").exists():
        submodules = [each.path for each in index.entries(repository.top) if each.is_submodule]
        checked_out = work_tree_status.submodules(repository)
        missing = [path for path in submodules if path not in checked_out]
        text = f"{len(checked_out)} checked out"
        if missing:
            text += f"; jobs see as empty folders, as you do: {', '.join(missing)}"
        checks.append(fine("submodules", text))
    return repository, checks


def software() -> Iterator[Check]:
    """Whether Snakemake and the plugin are in this environment, without importing them."""
    python = f"Python {platform.python_version()}, {sys.prefix}"
    for check, module, distribution in (
        ("snakemake", "snakemake", "snakemake"),
        ("plugin", "snakemake_executor_plugin_gitbatch", "snakemake-executor-plugin-gitbatch"),
    ):
        if importlib.util.find_spec(module) is None:
            hint = "pip install snakemake-executor-plugin-gitbatch, in the environment of gitbatch"
            yield wrong(check, f"not installed in {sys.prefix}", hint)
            continue
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = "from source"
        yield fine(check, f"{version} ({python})")
    program = shutil.which("snakemake")
    if program and not _same_environment(program):
        hint = f"Its jobs would run with another Python: use {sys.prefix}/bin/snakemake."
        yield wrong("snakemake", f"the first on PATH is another environment's: {program}", hint)


def _same_environment(program: str) -> bool:
    """Whether a script that lies at `program` is run by this Python."""
    if Path(program).parent.resolve() == Path(sys.prefix, "bin").resolve():
        return True
    with open(program, "rb") as file:
        first = file.readline(4096)
    return os.fsencode(sys.prefix) in first or first.startswith(b"#!/usr/bin/env")


def temporary() -> Check:
    """The folder for temporary files."""
    named = os.environ.get("TMPDIR")
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return wrong("temporary", str(error), "Make room in /tmp, or point TMPDIR elsewhere.")
    if named and Path(named).resolve() != Path(folder).resolve():
        hint = "Unset TMPDIR, or make it a folder that you can write to."
        return wrong("temporary", f"TMPDIR={named} cannot be used; {folder} is, instead", hint)
    if free < _LEAST_FREE:
        hint = "Make room there, or point TMPDIR elsewhere."
        return wrong("temporary", f"{folder} has {free // 1_000_000} MB left", hint)
    return fine("temporary", f"{folder}, {human_size(free)} free")


def event_log(repository: Repository) -> Check:
    """Whether an event log works where a run keeps it: locked, appended to and read at once."""
    check = "event log"
    private = repository.common_dir / "gitbatch"
    existing = private if private.is_dir() else repository.common_dir
    try:
        with tempfile.TemporaryDirectory(prefix="doctor-", dir=existing) as folder:
            if os.stat(folder).st_mode & 0o077:
                return wrong(
                    check,
                    f"{existing} does not keep folders private",
                    "Secrets lie there while jobs run: move the repository to a file system with "
                    "permissions.",
                )
            path = Path(folder, "events.log")
            with path.open("ab", buffering=0) as writer, path.open("rb") as reader:
                fcntl.flock(writer, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(writer, fcntl.LOCK_UN)
                fcntl.lockf(writer, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for line in (b"first\n", b"second\n"):
                    writer.write(line)
                    if os.stat(path).st_size < writer.tell() or reader.read() != line:
                        hint = "Put the repository on another file system."
                        return wrong(check, f"{existing} does not show at once what grows", hint)
    except OSError as error:
        hint = "The repository's file system needs locks: mount it without `nolock`, or move it."
        if isinstance(error, PermissionError):
            hint = "Runs keep their event logs there: make it writable for you."
        return wrong(check, f"{existing}: {error.strerror}", hint)
    return fine(check, f"can be locked and followed in {existing}")
