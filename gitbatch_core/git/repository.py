"""A git repository, and git in it by way of GitPython, which this package alone imports.

Every call ignores the user's hooks and the variables that a hook leaves in the environment (not the
settings that a container or CI gives there: `GIT_CONFIG_COUNT` and what it counts), takes no
optional locks (so that the user's index is not even refreshed) and starts no garbage collection.
What `git replace` has put in the place of an object is not seen: a commit is what its id says.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.errors import GitError

if TYPE_CHECKING:
    from types import ModuleType

    from git import Repo

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

_VARIABLES = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)
_IDS = {"sha1": "[0-9a-f]{40}", "sha256": "[0-9a-f]{64}"}


def drop_repository_variables() -> None:
    """Take the variables that name a repository, which a hook leaves there, out of this process's
    environment: GitPython heeds them, and can take none away from what git gets."""
    for name in _REPOSITORY_VARIABLES:
        os.environ.pop(name, None)


def call(
    folder: Path,
    *args: str,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> bytes:
    """What `git ARGS` in `folder` prints on standard output, by GitPython.

    Raises GitError with git's own words where git cannot be started or, with `check`, fails.
    """
    if not os.access(folder, os.X_OK):  # where GitPython would start git in another folder
        raise _not_started(folder, "Permission denied")
    gitpython = _import_gitpython()
    try:
        process = gitpython.Git(folder).execute(
            _command(args),
            istream=subprocess.PIPE,
            as_process=True,
            env={**_VARIABLES, **(env or {})},
        )
    except gitpython.GitCommandNotFound as error:
        raise _not_started(folder) from error
    except OSError as error:
        raise _not_started(folder, error.strerror) from error
    try:
        output, errors = process.communicate(input)
    except BaseException:
        process.kill()
        raise
    return _checked(folder, args, process.returncode if check else 0, output, errors)


def read(folder: Path, *args: str, input: bytes | None = None, check: bool = True) -> bytes:
    """The same without GitPython, whose import takes longer than all that git does for a listing of
    runs: for commands that only read settings, refs and objects."""
    environment = {k: v for k, v in os.environ.items() if k not in _REPOSITORY_VARIABLES}
    try:
        done = subprocess.run(
            _command(args),
            cwd=folder,
            env=environment | _VARIABLES | {"LC_ALL": "C"},
            input=input or b"",
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise _not_started(folder) from error
    except OSError as error:
        raise _not_started(folder, error.strerror) from error
    return _checked(folder, args, done.returncode if check else 0, done.stdout, done.stderr)


def _command(args: Iterable[str]) -> list[str]:
    return ["git", *(word for setting in _SETTINGS for word in ("-c", setting)), *args]


def _not_started(folder: Path, reason: str | None = None) -> GitError:
    """Why git cannot be started; without a reason, something is not there."""
    if not folder.is_dir():
        return GitError(f"There is no folder {folder}.")
    if reason is not None:
        return GitError(f"git cannot be started in {folder}: {reason}.")
    return GitError("git is not installed or not on PATH.")


def _checked(folder: Path, args: Iterable[str], status: int, output: bytes, errors: bytes) -> bytes:
    """The output. Raises GitError where the exit status says that git failed."""
    if status == 0:
        return output
    words = errors.decode(errors="replace").strip()
    verb = next(each for each in args if not each.startswith("-") and "=" not in each)
    raise GitError(f"git {verb} failed in {folder}: {words or status}")


def _import_gitpython() -> ModuleType:
    """GitPython. Its first import takes 60 ms and starts git."""
    try:
        import git as gitpython
    except ImportError as error:
        raise GitError("git is not installed or not on PATH.") from error
    return gitpython


def version(folder: Path) -> str:
    """What `git --version` says. Raises GitError where git cannot be started."""
    return read(folder, "--version").decode().strip()


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
    object_format: str = "sha1"
    """By what objects are named: `sha1` or `sha256`."""

    @classmethod
    def find(cls, folder: Path) -> Repository:
        """The repository whose work tree `folder` lies in. Raises GitError where there is none."""
        drop_repository_variables()
        try:
            lines = read(
                folder,
                "rev-parse",
                "--path-format=absolute",
                "--show-toplevel",
                "--git-dir",
                "--git-common-dir",
                "--show-object-format",
            )
        except GitError as error:
            if "not a git repository" not in error.message:
                raise
            raise GitError(
                f"{folder} is not in a git repository.",
                hint="Every result belongs to a commit. Put the workflow under git first: "
                "git init, git add, git commit.",
            ) from error
        *paths, object_format = map(decode, lines.split(b"\n")[:-1])
        if len(paths) != 3:
            raise GitError(
                f"The path of the repository of {folder} contains a line break.",
                hint="Rename the folder: git prints one path per line.",
            )
        top, git_dir, common_dir = map(Path, paths)
        return cls(top=top, git_dir=git_dir, common_dir=common_dir, object_format=object_format)

    def git(
        self,
        *args: str,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> bytes:
        """What `git ARGS` at the top of the work tree prints, by GitPython. Raises GitError."""
        return call(self.top, *args, input=input, env=env, check=check)

    def read(self, *args: str, input: bytes | None = None, check: bool = True) -> bytes:
        """The same for what only reads settings, refs and objects. Raises GitError."""
        return read(self.top, *args, input=input, check=check)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Repo]:
        """GitPython's view of the repository and its objects, which must be named by SHA-1; to be
        used in one thread and for a moment, as it has processes of git that it asks."""
        gitpython = _import_gitpython()
        repo = gitpython.Repo(self.top, expand_vars=False)
        # Its own one takes what follows a `$` in the path for a variable.
        repo.git = gitpython.Git(self.top)
        repo.odb = gitpython.GitCmdObjectDB(str(self.common_dir / "objects"), repo.git)
        repo.git.set_persistent_git_options(c=_SETTINGS)
        repo.git.update_environment(**_VARIABLES)
        try:
            yield repo
        finally:
            repo.close()

    def is_id(self, name: str) -> bool:
        """Whether this is the full name of an object, there or not."""
        return re.fullmatch(_IDS[self.object_format], name) is not None

    def commit_of(self, revision: str) -> str:
        """The full id of the commit that `revision` names. Raises GitError."""
        name = self.read("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", check=False)
        if not name:
            if revision == "HEAD":
                raise GitError(
                    f"The repository {self.top} has no commits yet.",
                    hint="Commit the workflow: git add FILES && git commit",
                )
            raise GitError(f"{self.top} has no commit {revision!r}.")
        return name.decode().strip()

    def how_to_fetch(self) -> str:
        """How to get a commit that is not here."""
        shallow = self.read("rev-parse", "--is-shallow-repository").strip() == b"true"
        return "git fetch --unshallow gets it." if shallow else "Fetch it where it was made."

    def config(self, key: str) -> str | None:
        """A setting as git finds it (repository, then user, then system), a path expanded."""
        value = self.read("config", "--type=path", "--get", key, check=False)
        return decode(value.rstrip(b"\n")) if value else None

    def configure(self, key: str, value: str | None) -> None:
        """Change a setting of the repository, or remove it (None). Raises GitError."""
        words = ("--unset-all", key) if value is None else (key, value)
        self.git("config", *words)

    @functools.cached_property
    def has_modes(self) -> bool:
        """Whether git respects the x-bit of files in the work tree."""
        value = self.read("config", "--type=bool", "--get", "core.fileMode", check=False)
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
