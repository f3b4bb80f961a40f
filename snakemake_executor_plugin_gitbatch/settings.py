"""The settings of the executor: `snakemake --gitbatch-…`, or the same keys in a profile."""

# No postponed annotations: the interface makes command line arguments from the types.
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Optional

from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from gitbatch_core.pools import choose
from snakemake_executor_plugin_gitbatch.run import parse_writes


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Settings of the gitbatch executor."""

    pool: str = field(
        default=choose.AUTO,
        metadata={
            "help": "Where jobs run: 'htcondor', 'local' (this machine), or 'auto' (HTCondor if "
            "a schedd answers, otherwise this machine).",
            "choices": list(choose.names()),
            "metavar": "POOL",
        },
    )
    archive: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "The archive's folder. Default: $GITBATCH_ARCHIVE, else git config "
            "gitbatch.archive, else the archive in the repository's git folder.",
            "metavar": "DIR",
        },
    )
    worktrees: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Folder for the worktrees of runs, which the pool's machines must see. "
            "Default: on the archive's file system, where storing an output is a rename.",
            "metavar": "DIR",
        },
    )
    dirty: str = field(
        default="refuse",
        metadata={
            "help": "What to do if files that the run depends on differ from the commit: 'refuse' "
            "to start, or 'snapshot': commit their present state to refs/gitbatch/snapshots/ "
            "(your branch and index stay as they are) and run that.",
            "choices": ["refuse", "snapshot"],
            "metavar": "WHAT",
        },
    )
    message: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "What the run is for. This becomes the first line of its run commit, and "
            "`gitbatch runs` shows it.",
            "metavar": "TEXT",
        },
    )
    tag: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "The tag of the run commit if the run succeeds; 'none' for no tag. Default: "
            "run/<run id>.",
            "metavar": "NAME|none",
        },
    )
    reuse: str = field(
        default="on",
        metadata={
            "help": "What to do with a job that an earlier run has done with the same code, "
            "command, params, inputs and environment. 'on': take its outputs from the archive; "
            "'off': run it; 'verify': run it and compare the outputs.",
            "choices": ["on", "off", "verify"],
            "metavar": "WHAT",
        },
    )
    code: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Which tracked files are the code that jobs depend on: git pathspecs, relative "
            "to the working directory. A job with other code is not reused. Default: all except "
            "documentation such as *.md.",
            "nargs": "+",
            "metavar": "PATTERN",
        },
    )
    stale: str = field(
        default="warn",
        metadata={
            "help": "What to do with results that Snakemake takes to be up to date although other "
            "code than the commit's made them. 'warn': report their number; 'rerun': make them and "
            "everything that depends on them again, including checkpoints; 'ignore': do not check.",
            "choices": ["warn", "rerun", "ignore"],
            "metavar": "WHAT",
        },
    )
    undeclared: str = field(
        default="keep",
        metadata={
            "help": "What to do with new files that jobs leave and no rule declares, such as an "
            "index. 'keep': store them in the archive, with links in the folder, so that later "
            "runs find them; 'drop': delete them with the run's worktree.",
            "choices": ["keep", "drop"],
            "metavar": "WHAT",
        },
    )
    caches: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Undeclared files and folders that nobody needs, as .gitignore patterns, in "
            "addition to __pycache__/, .pytest_cache/, .ipynb_checkpoints/ and .cache/.",
            "nargs": "+",
            "metavar": "PATTERN",
        },
    )
    efficiency_report: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Write what each job requested and used to this file (.csv or .json), even if "
            "the run fails. The path is relative to the working directory.",
            "metavar": "FILE",
        },
    )
    notify: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Whom to notify when the run ends: a mail address, or a shell command, which "
            "gets the text on standard input and facts as GITBATCH_… variables.",
            "metavar": "ADDRESS|COMMAND",
        },
    )
    unmatched: str = field(
        default="refuse",
        metadata={
            "help": "What to do with a job that no slot of the HTCondor pool could ever run: "
            "'refuse' it, or let it 'wait', for pools where machines come and go.",
            "choices": ["refuse", "wait"],
            "metavar": "WHAT",
        },
    )
    held_timeout: int = field(
        default=14400,
        metadata={
            "help": "For how many seconds a job that somebody put on hold in HTCondor waits to be "
            "released before it fails; 0: it fails at once. Default: 14400 (4 hours).",
            "metavar": "SECONDS",
        },
    )

    only_looks: ClassVar[bool] = False
    """Whether this process is to leave nothing behind."""

    def __post_init__(self) -> None:
        from gitbatch_core.run.archive_location import ENVIRONMENT_VARIABLE, link_existing
        from snakemake_executor_plugin_gitbatch.snakemake_internals import dry_run

        if self.archive is not None:  # the storage's archive too, where nothing else was said
            os.environ[ENVIRONMENT_VARIABLE] = str(self.archive.expanduser().absolute())
        if not self.only_looks:
            dry_run.watch(self, _warn)
            # Before Snakemake looks at any file: to it, links that lead nowhere are damaged files.
            link_existing(Path.cwd(), self.archive)
        parse_writes.listen()


def _warn(workflow: Any, logger: Any) -> None:
    """What a dry run does, too."""
    from snakemake_executor_plugin_gitbatch.run import start_check

    start_check.warn(workflow, logger)
