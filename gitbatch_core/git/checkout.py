"""A commit's files in a new linked worktree, with those of its submodules, as they would come into
the user's own work tree: by the same filters and settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.errors import GitError
from gitbatch_core.git import content_pointers, index, work_tree_status
from gitbatch_core.git.repository import Repository, call, decode
from gitbatch_core.wording import typed

_OFFLINE = {"GIT_ALLOW_PROTOCOL": "none"}
"""git fetches what a partial clone lacks by no protocol that there is."""
_OWN_FOLDERS = frozenset({
    "branches", "gitbatch", "hooks", "info", "lfs", "logs", "modules", "objects", "rebase-apply",
    "rebase-merge", "refs", "reftable", "rr-cache", "sequencer", "worktrees",
})  # fmt: skip
"""Folders in a git folder that are git's, ours, or found from every worktree."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A worktree, or that of a submodule in it."""

    repository: Repository
    """The user's."""
    path: Path
    prefix: str = ""
    """What stands before its paths to make them relative to the top."""


def parts(repository: Repository, path: Path, prefix: str = "") -> Iterator[Part]:
    """The worktree `path` of the repository, then those of the submodules that the user has checked
    out; one that the user does not have is an empty folder, as with the user."""
    yield Part(repository=repository, path=path, prefix=prefix)
    for name in work_tree_status.submodules(repository):
        inner = Repository.find(repository.top / name)
        yield from parts(inner, path / name, f"{prefix}{name}/")


def check_out(
    repository: Repository, path: Path, commit: str, *, resolve: bool = True, offline: bool = False
) -> None:
    """A detached worktree of `commit` in `path`, with those of its submodules, which come from the
    user's own repositories. Without `resolve`, pointers stay what they are. Raises GitError;
    with `offline` also where a partial clone lacks something."""
    env = _OFFLINE if offline else None
    # As the user's: a checkout of all, even if that leaves out some.
    options = ("-c", "core.sparseCheckout=false", "-c", "submodule.recurse=false")
    add = ("worktree", "add", "--quiet", "--detach", "--force", "--no-checkout", str(path), commit)
    try:
        repository.git(*options, *add, env=env)
        _complete(repository, path)
        call(path, *options, "read-tree", "HEAD", env=env)
        if absent := _not_fetched(repository, path, commit):
            index.skip(path, absent)
        filters = () if resolve else content_pointers.UNRESOLVED
        call(path, *options, *filters, "checkout-index", "--quiet", "--all", "--index", env=env)
    except GitError as error:
        raise _explained(error, repository, commit) from error
    for name in work_tree_status.submodules(repository):
        inner = Repository.find(repository.top / name)
        pinned = call(path, "rev-parse", f"HEAD:{name}").decode().strip()
        if inner.read("cat-file", "-t", pinned, check=False).strip() != b"commit":
            raise GitError(
                f"The submodule {inner.top} lacks the commit {pinned}, which is pinned.",
                hint=f"Fetch it: git -C {typed(inner.top)} fetch",
            )
        check_out(inner, path / name, pinned, resolve=resolve, offline=offline)


def switch(repository: Repository, revision: str) -> None:
    """Have the user's own work tree at a commit, without a branch; what it would overwrite is an
    error, ignored files too. Raises GitError."""
    repository.git("checkout", "--quiet", "--no-overwrite-ignore", "--detach", revision)


def restore(repository: Repository, commit: str, paths: Iterable[str]) -> None:
    """Put these files, relative to the top, there as a commit has them. Raises GitError."""
    if names := b"".join(os.fsencode(path) + b"\0" for path in paths):
        options = ("--quiet", commit, "--pathspec-from-file=-", "--pathspec-file-nul")
        repository.git("--literal-pathspecs", "checkout", *options, input=names)


def _complete(repository: Repository, path: Path) -> None:
    """Give the worktree's git folder what git leaves to the main one, and filters look for."""
    link = path / ".git"
    git_dir = Path(decode(link.read_bytes()).removeprefix("gitdir: ").rstrip("\n"))
    settings = repository.read(
        "config", "--get-regexp", r"^(extensions\.worktreeconfig|core\.worktree)$", check=False
    ).decode(errors="surrogateescape")
    if "extensions.worktreeconfig true" in settings and "core.worktree " in settings:
        # Else it is the user's folder that git sees here.
        call(path, "config", "--worktree", "core.worktree", str(path))
    for folder in (repository.git_dir, repository.common_dir):
        for entry in os.scandir(folder):
            if entry.is_dir() and entry.name not in _OWN_FOLDERS:
                target = git_dir / entry.name
                if not os.path.lexists(target):
                    target.symlink_to(os.path.realpath(entry.path))
    if (git_dir / "annex").is_dir():
        # Locked files are links by way of it. git-annex makes the same of a worktree.
        link.unlink()
        link.symlink_to(git_dir)


def _not_fetched(repository: Repository, path: Path, commit: str) -> list[str]:
    """Paths that the user's sparse checkout leaves out and whose content the
    partial clone does not have."""
    promises = r"^(extensions\.partialclone|remote\..*\.promisor)$"
    if not repository.read("config", "--get-regexp", promises, check=False):
        return []
    sparse = {each.path for each in index.entries(repository.top) if each.tag in "Ss"}
    if not sparse:
        return []
    listing = repository.read("rev-list", "--objects", "--missing=print", "--no-walk", commit)
    missing = {line[1:].decode() for line in listing.split(b"\n") if line[:1] == b"?"}
    return [e.path for e in index.entries(path) if e.path in sparse and e.blob in missing]


def _explained(error: GitError, repository: Repository, commit: str) -> GitError:
    """The error with what to do, where git's own words do not say it."""
    if "promisor" in error.message:
        top = typed(repository.top)
        return GitError(
            f"{repository.top} is a partial clone, and files of the commit were not fetched. "
            f"{error.message}",
            hint=f"Fetch them: git -C {top} archive --output=/dev/null {commit[:10]}",
        )
    if "filter" in error.message:
        return GitError(
            error.message,
            hint="Git filters must work in every fresh worktree of the repository. "
            "`git config --get-regexp '^filter'` shows them.",
        )
    return error
