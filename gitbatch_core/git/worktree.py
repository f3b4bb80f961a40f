"""One clean worktree per run: made from a commit, read-only, removed without a trace."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core import fsutil
from gitbatch_core.errors import GitError
from gitbatch_core.git import state
from gitbatch_core.git.repo import Repository, call, decode

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, kw_only=True)
class Worktree:
    """A detached worktree of `repository` at `commit`, in `path`."""

    repository: Repository
    path: Path
    commit: str

    def git(self, *args: str) -> bytes:
        """What `git ARGS` in the worktree prints."""
        return call(self.path, *args)


def create(repository: Repository, path: Path, commit: str, *, read_only: bool = True) -> Worktree:
    """A worktree of `commit` in the new folder `path`, its submodules at their pinned commits.

    With `read_only` tracked files are 0444 (0555), so that a job that writes to one fails loudly.
    Submodules come from the user's own repositories, not from the network. Raises GitError; then
    nothing is left behind.
    """
    worktree = Worktree(repository=repository, path=path, commit=commit)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        check_out(repository, path, commit)
        refuse_lfs_pointers(repository, path)
        if read_only:
            _make_read_only(worktree)
    except BaseException:
        remove(repository, path)
        raise
    return worktree


def remove(repository: Repository, path: Path) -> None:
    """Take a worktree away, with those of its submodules, or what an earlier removal has left of
    it; nothing happens where there is none.

    Only this worktree's registration goes: others that are out of reach just now keep theirs.
    """
    for inner_path, inner in _submodules(repository, path):
        remove(inner, inner_path)
    if os.path.lexists(path):
        fsutil.remove_tree(path)
    repository.git("worktree", "remove", "--force", "--force", str(path), check=False)


def others(repository: Repository) -> frozenset[str]:
    """The folders of the repository's other work trees."""
    listing = repository.git("worktree", "list", "--porcelain")  # older ones know no -z here
    tops = (line[9:] for line in listing.split(b"\n") if line.startswith(b"worktree "))
    return frozenset(map(decode, tops)) - {str(repository.top)}


def rewritten(worktree: Worktree) -> list[str]:
    """Tracked files whose bytes or x-bit are no longer those of the commit."""
    listing = worktree.git(
        "-c", "core.trustctime=false", "status", "--porcelain=v1", "-z", "--untracked-files=no",
        "--no-renames",
    )  # fmt: skip
    return [decode(entry[3:]) for entry in listing.split(b"\0") if entry]


def added(worktree: Worktree) -> list[str]:
    """Files that are not in the commit, ignored ones included."""
    listing = worktree.git(
        "ls-files", "-z", "--others", "--exclude=.snakemake/", "--exclude=/.gitbatch/"
    )
    return [decode(name) for name in listing.split(b"\0") if name]


def check_out(repository: Repository, path: Path, commit: str) -> None:
    """A detached worktree of `commit` in `path`, with those of its submodules. Raises GitError."""
    options = ("-c", "core.sparseCheckout=false", "-c", "submodule.recurse=false")
    repository.git(*options, "worktree", "add", "--quiet", "--detach", "--force", str(path), commit)
    for inner_path, inner in _submodules(repository, path):
        pinned = call(path, "rev-parse", f"HEAD:{inner_path.relative_to(path)}").decode().strip()
        if inner.git("cat-file", "-t", pinned, check=False).strip() != b"commit":
            raise GitError(
                f"The submodule {inner.top} does not have the commit {pinned} that is pinned.",
                hint=f"Fetch it: git -C {inner.top} fetch",
            )
        check_out(inner, inner_path, pinned)


def _submodules(repository: Repository, path: Path) -> list[tuple[Path, Repository]]:
    """(folder below `path`, the user's repository) of each submodule that the user has checked
    out; one that the user does not have stays an empty folder, as with the user."""
    found = []
    if (repository.top / ".gitmodules").exists():
        for entry in repository.git("ls-files", "-z", "--stage").split(b"\0"):
            if entry.startswith(b"160000 "):
                name = decode(entry.split(b"\t", 1)[1])
                if (repository.top / name / ".git").exists():
                    found.append((path / name, Repository.find(repository.top / name)))
    return found


def refuse_lfs_pointers(repository: Repository, path: Path, below: str = "") -> None:
    """Raise GitError for a file whose content is still to be fetched; `below`: what stands before
    the names in messages."""
    for name in map(decode, call(path, "ls-files", "-z", ":(attr:filter=lfs)").split(b"\0")):
        if (path / name).is_file() and not (path / name).is_symlink():
            with open(path / name, "rb") as file:
                if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                    raise GitError(
                        f"{below}{name} is a Git LFS pointer whose content was not fetched.",
                        hint=f"Fetch it: git -C {repository.top} lfs pull",
                    )
    for inner_path, inner in _submodules(repository, path):
        refuse_lfs_pointers(inner, inner_path, f"{below}{inner_path.relative_to(path)}/")


def _make_read_only(worktree: Worktree) -> None:
    for name in state.tracked(worktree.path):
        path = worktree.path / name
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o555)
