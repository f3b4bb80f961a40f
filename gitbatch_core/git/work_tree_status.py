"""How the work tree differs from HEAD, and a commit of its present state without touching the
index."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core.errors import GitError
from gitbatch_core.git import content_pointers, index, trees
from gitbatch_core.git.identity import identity, identity_environment
from gitbatch_core.git.repository import Repository, call, decode
from gitbatch_core.git.trees import SUBMODULE
from gitbatch_core.log import suppressed
from gitbatch_core.wording import typed

_WHOLE_STAT = ("-c", "core.trustctime=true", "-c", "core.checkStat=default")
"""Settings that have git look at all that tells whether a file was changed."""


OVERLOOKED = "gitbatch-overlooked"
"""In the git folder of a worktree of ours: names of tracked links in whose place it has something
else."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Paths relative to the top of the work tree, sorted."""

    modified: tuple[str, ...]
    """Tracked files that differ from HEAD, in the index or in the work tree."""
    untracked: tuple[str, ...]
    """Of the files that were asked about: those that git does not track."""
    ignored: tuple[str, ...] = ()
    """Tracked files that differ from HEAD but do not count."""
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Of the modified: those that `git status` was told to overlook, and by what."""

    def __bool__(self) -> bool:
        return bool(self.modified or self.untracked)


def tracked(top: Path) -> frozenset[str]:
    """All paths that git tracks in the work tree `top`, those of submodules included."""
    listing = call(top, "ls-files", "-z", "--recurse-submodules")
    return frozenset(decode(name) for name in listing.split(b"\0") if name)


def matching(folder: Path, patterns: Iterable[str]) -> frozenset[str]:
    """The paths in the index of a work tree, and of its submodules, that match git's `patterns`,
    which start at `folder`; relative to the top. Raises GitError for what is none."""
    options = ("-z", "--full-name", "--recurse-submodules")
    listing = call(folder, "ls-files", *options, "--", *patterns)
    return frozenset(decode(name) for name in listing.split(b"\0") if name)


def matching_of(names: Iterable[str], folder: str, patterns: Iterable[str]) -> frozenset[str]:
    """Those of `names`, relative to the top, that git's `patterns` match, which start at `folder`,
    relative to the top too; nothing need be there. Raises GitError for what is no pattern."""
    entries = b"".join(b"100644 %s\t%s\0" % (b"1" * 40, os.fsencode(name)) for name in names)
    if not entries:
        return frozenset()
    with tempfile.TemporaryDirectory(prefix="gitbatch-") as top:
        inner = Path(top, folder)
        inner.mkdir(parents=True, exist_ok=True)
        env = {"GIT_DIR": f"{top}/.git", "GIT_WORK_TREE": top, "GIT_DEFAULT_HASH": "sha1"}
        call(Path(top), "init", "--quiet", "--template=", env=env)
        call(Path(top), "update-index", "-z", "--index-info", input=entries, env=env)
        listing = call(inner, "ls-files", "-z", "--full-name", "--", *patterns, env=env)
    return frozenset(decode(name) for name in listing.split(b"\0") if name)


def differing(repository: Repository, old: str, new: str) -> frozenset[str]:
    """Paths in which two commits differ, in their submodules too as far as these are here; else
    the submodule's own. Raises GitError where the repository lacks a commit."""
    paths: set[str] = set()
    for change in trees.changes(repository, old, new):
        inner: Iterable[str] = ()
        top = repository.top / change.path
        if change.modes == (SUBMODULE, SUBMODULE) and (top / ".git").exists():
            with suppressed(GitError):
                inner = differing(Repository.find(top), *change.ids)
        paths.update({f"{change.path}/{each}" for each in inner} or {change.path})
    return frozenset(paths)


def ignored(top: Path, paths: Iterable[str]) -> set[str]:
    """Those of these paths, absolute or relative to `top`, that git ignores and `git add` takes
    only with --force."""
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    if not names:
        return set()
    answer = call(top, "check-ignore", "-z", "--stdin", input=names, check=False)
    return {decode(name) for name in answer.split(b"\0") if name}


def modified(repository: Repository) -> list[str]:
    """Tracked files that differ from HEAD, in the index or in the work tree; submodules whose
    commit or content differs."""
    return list(_look(repository))


def _look(repository: Repository) -> dict[str, str]:
    """What is modified, with what hides it from `git status`, if anything does."""
    flags = _flags(repository)
    with _without(repository, flags) as env:
        listing = repository.git(
            *_WHOLE_STAT,
            "status",
            "--porcelain=v2",
            "-z",
            "--untracked-files=no",
            "--ignore-submodules=untracked",
            "--no-renames",
            env=env,
        )
    fields = {b"1": 8, b"u": 10}
    paths = [
        decode(entry.split(b" ", fields[entry[:1]])[-1])
        for entry in listing.split(b"\0")
        if entry[:1] in fields
    ]
    modified = {path: flags.get(path, "") for path in paths}
    for name in submodules(repository):
        inner = _look(Repository.find(repository.top / name)) if name not in modified else {}
        hidden = [f"{path}: {flag}" for path, flag in inner.items() if flag]
        if hidden:
            modified[name] = ", ".join(hidden)
    return modified


def submodules(repository: Repository) -> list[str]:
    """Those that the user has checked out."""
    if not (repository.top / ".gitmodules").exists():
        return []
    return [
        each.path
        for each in index.entries(repository.top)
        if each.is_submodule and (repository.top / each.path / ".git").exists()
    ]


def overlooked(repository: Repository) -> frozenset[str]:
    """Tracked links in whose place a worktree of ours has something else."""
    file = repository.git_dir / OVERLOOKED
    names = file.read_bytes().split(b"\0") if file.exists() else ()
    return frozenset(map(decode, names))


def _flags(repository: Repository) -> dict[str, str]:
    """Files that git was told not to look at, and by what option of `git update-index`: but for
    what a sparse checkout leaves out, and for what we put there: content in the place of pointers,
    and what is in the place of links to folders."""
    flags = {}
    overlooked_paths = overlooked(repository)
    for each in index.entries(repository.top):
        if each.path in overlooked_paths:
            continue
        if each.tag in "Ss" or each.tag.islower():
            is_there = os.path.lexists(repository.top / each.path)
            if is_there or each.tag not in "Ss":
                hidden = each.tag.islower()
                flags[each.path] = "--assume-unchanged" if hidden else "--skip-worktree"
    for path, pointer in (
        content_pointers.resolved(repository, repository.top).items() if flags else ()
    ):
        place = repository.top / path
        if content_pointers.is_put(place, pointer) or content_pointers.is_withheld(place):
            del flags[path]
    return flags


@contextlib.contextmanager
def _without(repository: Repository, flags: Iterable[str]) -> Iterator[dict[str, str]]:
    """The environment for an index that is the user's without flags of these files."""
    names = b"".join(os.fsencode(path) + b"\0" for path in flags)
    if not names:
        yield {}
        return
    with _temporary_index(repository) as env:
        shutil.copy2(repository.git_dir / "index", env["GIT_INDEX_FILE"])
        update = ("-c", "core.splitIndex=false", "update-index")
        for option in ("--no-assume-unchanged", "--no-skip-worktree"):
            repository.git(*update, option, "-z", "--stdin", input=names, env=env)
        yield env


@contextlib.contextmanager
def _temporary_index(repository: Repository) -> Iterator[dict[str, str]]:
    """The environment for an index that is not there yet."""
    descriptor, index = tempfile.mkstemp(prefix="gitbatch-index-", dir=repository.git_dir)
    os.close(descriptor)
    os.unlink(index)
    try:
        yield {"GIT_INDEX_FILE": index}
    finally:
        Path(index).unlink(missing_ok=True)
        Path(f"{index}.lock").unlink(missing_ok=True)


def changes(
    repository: Repository, sources: Iterable[str], ignore: Callable[[str], bool]
) -> Changes:
    """What keeps HEAD from being what the user sees: modified tracked files, and `sources` (paths
    relative to the top) that git does not track. Paths for which `ignore` is true do not count."""
    tracked_paths = tracked(repository.top)
    hidden = _look(repository)
    differing = sorted(hidden)
    return Changes(
        modified=tuple(path for path in differing if not ignore(path)),
        untracked=tuple(sorted({path for path in sources if path not in tracked_paths})),
        ignored=tuple(path for path in differing if ignore(path)),
        hidden={path: flag for path, flag in hidden.items() if flag},
    )


def snapshot(repository: Repository, *, head: str, changes: Changes, name: str | None) -> str:
    """Commit HEAD with `changes` as the work tree has them, to refs/gitbatch/snapshots/`name`;
    without a name for a look only, to be forgotten by git.

    Returns the commit. The user's index, HEAD and branches stay as they are. Raises GitError: see
    `check_snapshot`.
    """
    check_snapshot(repository, changes)
    with _temporary_index(repository) as env:
        repository.git("read-tree", head, env=env)
        paths = b"".join(os.fsencode(p) + b"\0" for p in (*changes.modified, *changes.untracked))
        repository.git("update-index", "--add", "--remove", "-z", "--stdin", input=paths, env=env)
        tree = repository.git("write-tree", env=env).decode().strip()
    message = b"gitbatch snapshot of uncommitted changes\n"
    author, committer = identity(repository)
    commit = (
        repository.git(
            "commit-tree",
            "-p",
            head,
            tree,
            input=message,
            env=identity_environment(author, committer),
        )
        .decode()
        .strip()
    )
    if name is not None:
        repository.git("update-ref", f"refs/gitbatch/snapshots/{name}", commit)
    return commit


def check_snapshot(repository: Repository, changes: Changes) -> None:
    """Raise GitError where a submodule has changes of its own, which a commit of this repository
    cannot hold."""
    for path in changes.modified:
        if (repository.top / path / ".git").exists():
            inner = Repository.find(repository.top / path)
            if modified(inner):
                raise GitError(
                    f"The submodule {path} has uncommitted changes, which a snapshot cannot hold.",
                    hint=f"Commit them there first: git -C {typed(inner.top)} commit -a",
                )
