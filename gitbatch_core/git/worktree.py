"""The clean worktree of a run: created from a commit, read-only, removed without a trace."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core import fs, snakemake_files
from gitbatch_core.archive import hashing
from gitbatch_core.git import checkout, content_pointers, index, work_tree_status
from gitbatch_core.git.checkout import Part
from gitbatch_core.git.content_filters import Conversions
from gitbatch_core.git.content_pointers import Contents, Pointer
from gitbatch_core.git.repository import Repository, call, decode

_FIRST_INDEX, _FIRST_TIMES = "gitbatch-index", "gitbatch-times"
"""Files in the worktree's git folder."""


@dataclass(frozen=True, kw_only=True)
class Worktree:
    """A detached worktree of `repository` at `commit`, in `path`."""

    repository: Repository
    path: Path
    commit: str

    def git(self, *args: str) -> bytes:
        """What `git ARGS` in the worktree prints."""
        return call(self.path, *args)

    @functools.cached_property
    def parts(self) -> list[Part]:
        """The worktree itself and those of its submodules."""
        return list(checkout.parts(self.repository, self.path))

    @functools.cached_property
    def conversions(self) -> list[tuple[Part, Conversions]]:
        """Of the files of each part."""
        return [
            (part, Conversions.of(part.repository, part.path, index.files(part.path)))
            for part in self.parts
        ]

    def converted(self, algorithm: str) -> dict[str, str]:
        """What the blobs of the commit do not say of the bytes of files, by path: these are the
        content of a pointer, or have another address."""
        contents = {}
        for part, conversions in self.conversions:
            for path, pointer in content_pointers.resolved(part.repository, part.path).items():
                if content_pointers.is_put(part.path / path, pointer):
                    contents[part.prefix + path] = "content"
            if conversions.others:
                blobs = {entry.path: entry.blob for entry in index.entries(part.path)}
                for path in conversions.others:
                    place = part.path / path
                    if place.is_file() and not _is_blob(place, blobs[path]):
                        address, _ = hashing.hash_file(place, algorithm)
                        contents[part.prefix + path] = str(address)
        return contents


@dataclass(frozen=True, kw_only=True)
class Unfetched:
    """A pointer whose content is not there."""

    name: str
    """What it is."""
    command: str
    """Fetches it."""
    pointer: Pointer
    repository: Repository

    @classmethod
    def of(cls, part: Part, path: str, pointer: Pointer) -> Unfetched:
        return cls(
            name=pointer.name,
            command=f"git -C {shlex.quote(str(part.repository.top))} {pointer.fetch(path)}",
            pointer=pointer,
            repository=part.repository,
        )

    def fetch_at(self, commit: str) -> str:
        """The command that fetches it where the user's folder has another commit than this."""
        git = f"git -C {shlex.quote(str(self.repository.top))}"
        if self.pointer.tool == content_pointers.ANNEX:
            return f"{git} annex get --key={shlex.quote(self.pointer.key)}"
        return f"{git} lfs fetch origin {commit}"


def create(repository: Repository, path: Path, commit: str, *, read_only: bool = True) -> Worktree:
    """A worktree of `commit` in the new folder `path`, its submodules at their pinned commits.

    With `read_only` it is for a run from the user's work tree: files are 0444 (0555), so that a job
    that writes to one fails loudly; what that has of pointers' contents decides; nothing is
    fetched. Submodules come from the user's own repositories, not from the network. Raises
    GitError; then nothing is left behind.
    """
    worktree = Worktree(repository=repository, path=path, commit=commit)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        checkout.check_out(repository, path, commit, resolve=False, offline=read_only)
        for part, conversions in worktree.conversions:
            mode = 0o444 if read_only else 0o644
            content_pointers.resolve(
                part.repository, part.path, conversions.pointers, mirror=read_only, mode=mode
            )
            _remember(part, conversions.others)
        if read_only:
            _make_read_only(worktree)
    except BaseException:
        remove(repository, path)
        raise
    return worktree


def remove(repository: Repository, path: Path) -> None:
    """Remove a worktree, with those of its submodules, or what an earlier removal has left; does
    nothing if there is none. Only this worktree's registration goes: others that are out of reach
    just now keep theirs."""
    for name in work_tree_status.submodules(repository):
        remove(Repository.find(repository.top / name), path / name)
    if os.path.lexists(path):
        fs.remove_tree(path)
    repository.git("worktree", "remove", "--force", "--force", str(path), check=False)


def withheld(worktree: Worktree) -> dict[str, Unfetched]:
    """Files whose content is missing: pointers whose content is not in the repository, or not in
    the user's folder."""
    return {
        part.prefix + path: Unfetched.of(part, path, pointer)
        for part in worktree.parts
        for path, pointer in content_pointers.resolved(part.repository, part.path).items()
        if content_pointers.is_withheld(part.path / path)
    }


def not_fetched(repository: Repository) -> dict[str, Unfetched]:
    """Pointers in the user's own work tree whose content is to be fetched."""
    unfetched = {}
    for part in checkout.parts(repository, repository.top):
        paths = index.files(part.path)
        for path in Conversions.of(part.repository, part.path, paths).pointers:
            if (pointer := content_pointers.pointer_at(part.path / path)) is not None:
                unfetched[part.prefix + path] = Unfetched.of(part, path, pointer)
    return unfetched


def overlook(worktree: Worktree, paths: Iterable[str]) -> None:
    """Make git, in the worktree, ignore what replaces these tracked links."""
    names = set(paths)
    for part in reversed(worktree.parts):  # submodules in submodules first
        own = {name for name in names if name.startswith(part.prefix)}
        names -= own
        if own:
            told = b"".join(os.fsencode(name.removeprefix(part.prefix)) + b"\0" for name in own)
            for env in ({}, _first_index(part)):
                words = ("update-index", "--skip-worktree", "-z", "--stdin")
                call(part.path, *words, input=told, env=env)
            with (_git_dir(part) / work_tree_status.OVERLOOKED).open("ab") as file:
                file.write(told)


def rewritten(worktree: Worktree, ignore: Callable[[str], bool] = lambda path: False) -> list[str]:
    """Tracked files whose bytes or x-bit are no longer those that the worktree was made with;
    `ignore`: paths that do not matter."""
    files: list[str] = []
    for part in worktree.parts:
        if not (part.path / ".git").exists():  # gone, with all that was there
            files.append(part.prefix.rstrip("/"))
            continue
        env = _first_index(part)
        options = ("-c", "core.trustctime=false", *content_pointers.UNRESOLVED)
        words = ("diff-files", "-z", "--name-only", "--ignore-submodules=dirty")
        listing = call(part.path, *options, *words, env=env).split(b"\0")
        names = {decode(name) for name in listing if name} | _touched(part)
        changed = set(_changed(part, [n for n in names if not ignore(part.prefix + n)], env))
        contents = Contents.of(part.repository)
        for path, pointer in content_pointers.resolved(part.repository, part.path, env).items():
            place, content = part.path / path, contents.find(pointer)
            if not (
                content_pointers.is_put(place, pointer)
                or content_pointers.is_withheld(place)
                or (content is not None and fs.same_content(place, content))
            ):
                changed.add(path)
        files += [part.prefix + path for path in changed]
    return sorted(path for path in files if not ignore(path))


def _remember(part: Part, converted: Iterable[str]) -> None:
    """Keep what tells later whether files were changed. Jobs may use git in the worktree, which
    then takes what they changed for what was there; and of `converted` files, git looks only at
    what they would be in a commit."""
    git_dir = _git_dir(part)
    shutil.copy2(git_dir / "index", git_dir / _FIRST_INDEX)
    times = {path: _time(part.path / path) for path in converted}
    (git_dir / _FIRST_TIMES).write_text(json.dumps(times))


def _touched(part: Part) -> set[str]:
    """Converted files that somebody has written to."""
    first = _git_dir(part) / _FIRST_TIMES
    times = json.loads(first.read_text()) if first.exists() else {}
    return {path for path, time in times.items() if _time(part.path / path) != time}


def _time(path: Path) -> int | None:
    return path.lstat().st_mtime_ns if os.path.lexists(path) else None


def _first_index(part: Part) -> dict[str, str]:
    """The environment for git to compare with the index that the worktree was made with."""
    first = _git_dir(part) / _FIRST_INDEX
    return {"GIT_INDEX_FILE": str(first)} if first.exists() else {}


def _git_dir(part: Part) -> Path:
    return Path(decode(call(part.path, "rev-parse", "--absolute-git-dir").rstrip(b"\n")))


def _is_blob(path: Path, name: str) -> bool:
    """Whether a file has the bytes of git's object of that name."""
    digest = hashlib.new("sha1" if len(name) == 40 else "sha256", usedforsecurity=False)
    with path.open("rb") as file:
        digest.update(b"blob %d\0" % os.fstat(file.fileno()).st_size)
        while block := file.read(fs.BLOCK):
            digest.update(block)
    return digest.hexdigest() == name


def _changed(part: Part, names: list[str], env: dict[str, str]) -> Iterator[str]:
    """Of these files, those that a fresh checkout has otherwise: git itself takes all for the same
    that comes to the same blob."""
    if not names:
        return
    with tempfile.TemporaryDirectory(dir=_git_dir(part)) as folder:
        request = b"".join(os.fsencode(name) + b"\0" for name in names)
        words = ("checkout-index", "--quiet", f"--prefix={folder}/", "-z", "--stdin")
        call(part.path, *content_pointers.UNRESOLVED, *words, input=request, env=env)
        for name in names:
            there, fresh = part.path / name, Path(folder, name)
            if not fs.same_content(there, fresh) or (
                part.repository.has_modes
                and (there.lstat().st_mode ^ fresh.lstat().st_mode) & stat.S_IXUSR
            ):
                yield name


def others(repository: Repository) -> frozenset[str]:
    """The folders of the repository's other work trees."""
    listing = repository.read("worktree", "list", "--porcelain")  # older ones know no -z here
    tops = (line[9:] for line in listing.split(b"\n") if line.startswith(b"worktree "))
    return frozenset(map(decode, tops)) - {str(repository.top)}


def added(worktree: Worktree, but: Iterable[str] = ()) -> list[str]:
    """Files that are not in the commit, ignored ones included, `but` what these patterns of
    .gitignore match. A repository in a folder is one path, with a slash at its end."""
    patterns = (
        f"--exclude={pattern}" for pattern in (f"{snakemake_files.FOLDER}/", "/.gitbatch/", *but)
    )
    listing = worktree.git("ls-files", "-z", "--others", *patterns)
    return [decode(name) for name in listing.split(b"\0") if name]


def _make_read_only(worktree: Worktree) -> None:
    for name in work_tree_status.tracked(worktree.path):
        path = f"{worktree.path}/{name}"
        with contextlib.suppress(FileNotFoundError):  # not fetched
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                os.chmod(path, status.st_mode & 0o555)
