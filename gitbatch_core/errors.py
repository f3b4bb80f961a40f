"""The one hierarchy of errors: what is wrong, which file or job, what to do next.

The command line prints the message and exits with `exit_code`; the Snakemake plugins turn an
error into a WorkflowError once, at their edge.
"""

from __future__ import annotations


class GitbatchError(Exception):
    """Base of all errors that a user can act on.

    `message` says what is wrong and names the file or job; `hint` says what to do next.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return readable(f"{self.message}\n{self.hint}" if self.hint else self.message)


def readable(text: str) -> str:
    """`text` as any log takes it: bytes of file names that are not UTF-8 become escapes."""
    return text.encode(errors="backslashreplace").decode()


class UsageError(GitbatchError):
    """The command, a path or a setting that was given cannot be used."""


class ConfigError(GitbatchError):
    """A setting has a value that cannot be used."""


class FormatError(GitbatchError):
    """A document or archive that was written by something else, or by a later version."""


class ArchiveError(GitbatchError):
    """The archive cannot be reached, read or written."""


class NotInArchiveError(ArchiveError):
    """No object, tree or record has this address or name."""


class DamageError(ArchiveError):
    """The archive holds something else than its name says."""

    exit_code = 1


class InUseError(ArchiveError):
    """A file is open for writing, or changed while it was read."""


class GitError(GitbatchError):
    """git refused, or the repository is not in a state to run from."""


class DirtyTreeError(GitError):
    """Files that the run depends on differ from the commit."""


class PoolError(GitbatchError):
    """The pool cannot be reached or does not take the jobs."""


class RunError(GitbatchError):
    """A run cannot go on: an input that nobody has, a job that saw something else."""
