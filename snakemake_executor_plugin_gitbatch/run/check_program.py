"""As a program, with REPORT and ARGUMENTS: a start of Snakemake that only looks.

It is a dry run with these arguments, up to where it would show the jobs. What a start would
refuse is written to the file REPORT, as JSON; nothing else that it writes stays.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gitbatch_core.errors import GitbatchError, UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.run import archive_location
from snakemake_executor_plugin_gitbatch.reuse import stale_outputs
from snakemake_executor_plugin_gitbatch.run import start_check
from snakemake_executor_plugin_gitbatch.run.start_check import Looked
from snakemake_executor_plugin_gitbatch.settings import ExecutorSettings
from snakemake_executor_plugin_gitbatch.snakemake_internals import dry_run, dry_run_traces
from snakemake_executor_plugin_gitbatch.snakemake_internals.dry_run import DryRun


def main(report: Path, arguments: Sequence[str]) -> int:
    """Look; 0: all was looked at; 1: Snakemake itself could not start; 3: a bug of ours."""
    ExecutorSettings.only_looks = True
    start = DryRun.of(arguments)
    if start.executor != "gitbatch":
        raise UsageError(f"--executor {start.executor} is none of ours.")
    folders = {Path.cwd(), Path.cwd() / start.directory}
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
            later.callback(dry_run_traces.forget, here)  # that of `workdir:`
        is_locked = workflow.execution_settings.lock and workflow.persistence.locked
        if stale_outputs.anything_to_do(workflow):
            looked = start_check.look(workflow, start.settings, is_locked=is_locked)
        else:
            looked = Looked(obstacles=(), notes=(), jobs=0, commit="", pool="")
        _write(report, looked)

    with later:
        for folder in folders:
            later.enter_context(dry_run_traces.removed(folder))
            later.enter_context(_link(folder))
        dry_run.watch(start.settings, act)
        if start.begin():
            return 0
        # Snakemake has said why it cannot go on; there may be more.
        _write(report, start_check.look(None, start.settings))
    return 1


def _write(report: Path, looked: Looked) -> None:
    report.write_bytes(documents.dumps(asdict(looked)))


@contextlib.contextmanager
def _link(folder: Path) -> Iterator[None]:
    """Have there, meanwhile, the link to the archive, which a start would make: links in the folder
    lead through it."""
    new: list[Path] = []
    with suppressed(GitbatchError, OSError):
        repository = Repository.find(folder)
        root = archive_location.chosen_place(repository)
        link = repository.top / ".gitbatch" / "archive"
        if (root / "ARCHIVE").exists() and not os.path.lexists(link):
            parts = (link, link.with_name(".gitignore"), link.parent)
            new = [path for path in parts if not path.exists()]
            archive_location.link(repository.top, root, repository.common_dir)
    try:
        yield
    finally:
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except UsageError as error:
        print(f"gitbatch: {error}", file=sys.stderr)
        sys.exit(2)
