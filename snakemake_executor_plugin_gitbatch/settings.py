"""What the user can set: `snakemake --gitbatch-…`, or the same keys in a profile."""

# No postponed annotations: the interface makes command line arguments from the types.
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Optional

from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from snakemake_executor_plugin_gitbatch.run import parse_writes


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Settings of the gitbatch executor."""

    pool: str = field(
        default="auto",
        metadata={
            "help": "Where jobs run: 'htcondor', 'local' (this machine), or 'auto': HTCondor "
            "where a schedd answers, else this machine.",
            "choices": ["auto", "local", "htcondor"],
            "metavar": "POOL",
        },
    )
    archive: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "The archive's folder. Default: $GITBATCH_ARCHIVE, then git config "
            "gitbatch.archive, then the archive in the repository's own git folder.",
            "metavar": "DIR",
        },
    )
    worktrees: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Folder for the runs' worktrees; the pool's machines must see it. Default: "
            "beside the archive, where keeping an output is a rename.",
            "metavar": "DIR",
        },
    )
    dirty: str = field(
        default="refuse",
        metadata={
            "help": "What to do where files that the run depends on differ from the commit: "
            "'refuse', or 'snapshot': commit their present state to refs/gitbatch/snapshots/ "
            "(your branch and index stay) and run that.",
            "choices": ["refuse", "snapshot"],
            "metavar": "WHAT",
        },
    )
    message: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "What the run is for; the first line of its run commit, and shown by "
            "`gitbatch runs`.",
            "metavar": "TEXT",
        },
    )
    tag: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "The tag of the run commit when the run succeeds; 'none': no tag. Default: "
            "run/<id of the run>.",
            "metavar": "NAME|none",
        },
    )
    reuse: str = field(
        default="on",
        metadata={
            "help": "What to do with a job that an earlier run has done with the same code, "
            "command, params, inputs and environment: 'on': take its outputs from the archive, "
            "'off': run it, 'verify': run it and compare the outputs.",
            "choices": ["on", "off", "verify"],
            "metavar": "WHAT",
        },
    )
    code: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Which tracked files are the code that jobs depend on, as patterns of git "
            "(pathspecs) from the working directory; a job with other code is not reused. "
            "Default: all but prose, such as *.md.",
            "nargs": "+",
            "metavar": "PATTERN",
        },
    )
    stale: str = field(
        default="warn",
        metadata={
            "help": "What to do with results that are up to date to Snakemake, but were made by "
            "other code than the commit's: 'warn': say how many there are, 'rerun': make them "
            "again, checkpoints too, and what depends on them, 'ignore': do not look.",
            "choices": ["warn", "rerun", "ignore"],
            "metavar": "WHAT",
        },
    )
    undeclared: str = field(
        default="keep",
        metadata={
            "help": "What to do with new files that jobs leave beside their outputs and no rule "
            "declares, such as an index: 'keep' them in the archive, with links in the folder; "
            "later runs bring them along. 'drop': they go with the run's worktree.",
            "choices": ["keep", "drop"],
            "metavar": "WHAT",
        },
    )
    caches: list[str] = field(
        default_factory=list,
        metadata={
            "help": "More names of files and folders that jobs leave and nobody needs, as patterns "
            "of .gitignore, besides __pycache__/, .pytest_cache/, .ipynb_checkpoints/, .cache/.",
            "nargs": "+",
            "metavar": "PATTERN",
        },
    )
    efficiency_report: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Write what each job has used and asked for to this file, as CSV or JSON by "
            "its end (.csv, .json), also when the run fails. Relative to the working directory.",
            "metavar": "FILE",
        },
    )
    notify: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Who is told when the run has ended: a mail address, or a shell command, which "
            "gets the text on standard input and facts as GITBATCH_… in its environment.",
            "metavar": "ADDRESS|COMMAND",
        },
    )
    unmatched: str = field(
        default="refuse",
        metadata={
            "help": "What to do with a job that no slot of the HTCondor pool could ever run: "
            "'refuse' it, or let it 'wait', where machines come and go.",
            "choices": ["refuse", "wait"],
            "metavar": "WHAT",
        },
    )
    held_timeout: int = field(
        default=14400,
        metadata={
            "help": "Seconds that a job may be on hold in HTCondor, where somebody put it on hold "
            "and may release it, before it fails; 0: fails at once. Default: 4 hours.",
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
