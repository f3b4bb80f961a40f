"""As a program, with REPORT and ARGUMENTS: a start of Snakemake that only looks.

It is a dry run with these arguments, up to where it would show the jobs. What a start would
refuse is written to the file REPORT, as JSON; nothing else that it writes stays.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from snakemake import cli
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from gitbatch_core.errors import GitbatchError, UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.model import documents
from gitbatch_core.run import archive_location
from snakemake_executor_plugin_gitbatch.reuse import stale_outputs
from snakemake_executor_plugin_gitbatch.run import start_check
from snakemake_executor_plugin_gitbatch.run.start_check import Looked
from snakemake_executor_plugin_gitbatch.settings import ExecutorSettings
from snakemake_executor_plugin_gitbatch.snakemake_internals import dry_run

_SNAKEMAKES, _CACHE = ".snakemake", Path("iocache", "latest.pkl")
_OTHER_ACTIONS = (
    "unlock",
    "touch",
    "report",
    "lint",
    "cleanup_metadata",
    "cleanup_shadow",
    "delete_all_output",
    "delete_temp_output",
    "archive",
    "generate_unit_tests",
    "containerize",
    "export_cwl",
    "conda_create_envs_only",
    "conda_cleanup_envs",
    "container_cleanup_images",
)
"""Of Snakemake's arguments: those with which it runs no job."""


def main(report: Path, arguments: Sequence[str]) -> int:
    """Look; 0: all was looked at; 1: Snakemake itself could not start; 3: a bug of ours."""
    ExecutorSettings.only_looks = True
    parser, args = cli.parse_args(list(arguments))
    if named := [name for name in _OTHER_ACTIONS if getattr(args, name, None)]:
        raise UsageError(f"With --{named[0].replace('_', '-')} Snakemake starts no run.")
    if args.executor != "gitbatch":
        raise UsageError(f"--executor {args.executor} is none of ours.")
    _as_if_started(args)
    settings: Any = ExecutorPluginRegistry().get_plugin("gitbatch").get_settings(args)

    folders = {Path.cwd(), Path.cwd() / (args.directory or ".")}
    later = contextlib.ExitStack()

    def act(workflow: Any, logger: Any) -> None:
        try:
            look(workflow)
        except Exception:
            traceback.print_exc()
            raise SystemExit(3) from None
        raise SystemExit(0)

    def look(workflow: Any) -> None:
        if (here := Path.cwd()) not in folders:
            later.callback(_forget, here / _SNAKEMAKES)  # that of `workdir:`
        is_locked = workflow.execution_settings.lock and workflow.persistence.locked
        if stale_outputs.anything_to_do(workflow):
            found = start_check.look(workflow, settings, is_locked=is_locked)
        else:
            found = Looked(obstacles=(), notes=(), jobs=0, commit="", pool="")
        _write(report, found)

    with later:
        for folder in folders:
            later.enter_context(_as_it_was(folder))
        dry_run.watch(settings, act)
        if cli.args_to_api(args, parser):
            return 0
        # Snakemake has said why it cannot go on; there may be more.
        _write(report, start_check.look(None, settings))
    return 1


def _as_if_started(args: Any) -> None:
    """Have a dry run count as a start on a pool does."""
    args.dryrun = True
    args.jobs = args.jobs or 1
    args.cores = args.cores or sys.maxsize


def _write(report: Path, found: Looked) -> None:
    report.write_bytes(documents.dumps(asdict(found)))


@contextlib.contextmanager
def _as_it_was(folder: Path) -> Iterator[None]:
    """Take away what a dry run leaves in a working directory, or makes of it; and the link to the
    archive, which a start would put there, and which links in the folder lead through."""
    own, cache = folder / _SNAKEMAKES, folder / _SNAKEMAKES / _CACHE
    new = [each for each in (own, folder, *folder.parents) if not each.exists()]
    inner, logs = _names_in(own), _names_in(own / "log")
    cached = (cache.read_bytes(), cache.stat()) if cache.exists() else None
    try:
        with _link(folder):
            yield
    finally:
        if _names_in(own / "log") == logs:  # else Snakemake has started there meanwhile
            if cached is None:
                cache.unlink(missing_ok=True)
            elif cache.stat().st_mtime_ns != cached[1].st_mtime_ns:
                cache.write_bytes(cached[0])
                os.utime(cache, ns=(cached[1].st_atime_ns, cached[1].st_mtime_ns))
            _remove_empty(own / name for name in _names_in(own) - inner)
            _remove_empty(new)


def _forget(own: Path) -> None:
    """Take a folder `.snakemake` away where nothing but a dry run has been there."""
    if all(path.is_dir() or path == own / _CACHE for path in own.rglob("*")):
        (own / _CACHE).unlink(missing_ok=True)
        _remove_empty([*(own / name for name in _names_in(own)), own])


def _names_in(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _link(folder: Path) -> Iterator[None]:
    made: list[Path] = []
    with contextlib.suppress(GitbatchError, OSError):
        repository = Repository.find(folder)
        root = archive_location.chosen_place(repository)
        link = repository.top / ".gitbatch" / "archive"
        if (root / "ARCHIVE").exists() and not os.path.lexists(link):
            parts = (link, link.with_name(".gitignore"), link.parent)
            made = [path for path in parts if not path.exists()]
            archive_location.link(repository.top, root, repository.common_dir)
    try:
        yield
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except UsageError as error:
        print(f"gitbatch: {error}", file=sys.stderr)
        sys.exit(2)
