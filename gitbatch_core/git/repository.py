"""A git repository and the one way to call git in it.

Every call ignores the user's hooks and the variables that a hook leaves in the environment (not the
settings that a container or CI gives there: `GIT_CONFIG_COUNT` and what it counts), takes no
optional locks (so that the user's index is not even refreshed) and starts no garbage collection.
What `git replace` has put in the place of an object is not seen: a commit is what its id says.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.errors import GitError

# What `git rev-parse --local-env-vars` names, and what a receiving hook adds.
_REPOSITORY_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)

_OPTIONS = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "advice.detachedHead=false",
)


def call(
    folder: Path,
    *args: str,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> bytes:
    """What `git ARGS` in `folder` prints on standard output.

    Raises GitError with git's own words where git cannot be started or, with `check`, fails.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _REPOSITORY_VARIABLES}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    environment["GIT_NO_REPLACE_OBJECTS"] = "1"
    environment |= env or {}
    try:
        done = subprocess.run(
            ["git", *_OPTIONS, *args],
            cwd=folder,
            env=environment,
            input=b"" if input is None else input,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise GitError(f"There is no folder {folder}.") from error
        raise GitError("git is not installed, or not on PATH.") from error
    except OSError as error:
        raise GitError(f"git cannot be started in {folder}: {error.strerror}.") from error
    if check and done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        verb = next(each for each in args if not each.startswith("-") and "=" not in each)
        raise GitError(f"git {verb} failed in {folder}: {words or done.returncode}")
    return done.stdout


def decode(name: bytes) -> str:
    """A path as git prints it with -z; bytes that are not UTF-8 survive as surrogates."""
    return os.fsdecode(name)


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository with a work tree."""

    top: Path
    """The work tree's folder, absolute, without symbolic links."""
    git_dir: Path
    """This work tree's own git folder."""
    common_dir: Path
    """The git folder that all work trees of the repository share."""

    @classmethod
    def find(cls, folder: Path) -> Repository:
        """The repository whose work tree `folder` lies in. Raises GitError where there is none."""
        try:
            lines = call(
                folder,
                "rev-parse",
                "--path-format=absolute",
                "--show-toplevel",
                "--git-dir",
                "--git-common-dir",
            )
        except GitError as error:
            if "not a git repository" not in error.message:
                raise
            raise GitError(
                f"{folder} is not in a git repository.",
                hint="Every result is tied to a commit: put the workflow under git first "
                "(git init, git add, git commit).",
            ) from error
        paths = [Path(decode(line)) for line in lines.split(b"\n")[:-1]]
        if len(paths) != 3:
            raise GitError(
                f"The path of the repository that {folder} lies in has a line break.",
                hint="Rename the folder: git prints paths on lines of their own.",
            )
        top, git_dir, common_dir = paths
        return cls(top=top, git_dir=git_dir, common_dir=common_dir)

    def git(
        self,
        *args: str,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> bytes:
        """What `git ARGS` at the top of the work tree prints. Raises GitError."""
        return call(self.top, *args, input=input, env=env, check=check)

    def commit_of(self, revision: str) -> str:
        """The full id of the commit that `revision` names. Raises GitError."""
        name = self.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", check=False)
        if not name:
            if revision == "HEAD":
                raise GitError(
                    f"The repository {self.top} has no commit yet.",
                    hint="Commit the workflow: git add FILES && git commit",
                )
            raise GitError(f"{self.top} has no commit {revision!r}.")
        return name.decode().strip()

    def tree_of(self, commit: str) -> str:
        """The id of the tree of a commit: the digest of all tracked files."""
        return self.git("rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()

    def how_to_fetch(self) -> str:
        """What to do where a commit is not here."""
        shallow = self.git("rev-parse", "--is-shallow-repository").strip() == b"true"
        return "git fetch --unshallow gets it." if shallow else "Fetch it where it was made."

    def config(self, key: str) -> str | None:
        """A setting as git finds it (repository, then user, then system), a path expanded."""
        value = self.git("config", "--type=path", "--get", key, check=False)
        return decode(value.rstrip(b"\n")) if value else None

    @functools.cached_property
    def has_modes(self) -> bool:
        """Whether git heeds the x-bit of files in the work tree."""
        value = self.git("config", "--type=bool", "--get", "core.fileMode", check=False)
        return value.strip() != b"false"

    def relative(self, path: Path) -> str | None:
        """`path` relative to the top of the work tree; None where it lies outside.

        Lexical, after the folder's own symbolic links: a link inside the work tree is a name of the
        work tree whatever it points to.
        """
        absolute = Path(os.path.normpath(path if path.is_absolute() else Path.cwd() / path))
        if not absolute.is_relative_to(self.top):
            absolute = absolute.parent.resolve() / absolute.name
            if not absolute.is_relative_to(self.top):
                return None
        return str(absolute.relative_to(self.top))
