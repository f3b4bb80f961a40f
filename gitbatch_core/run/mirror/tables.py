"""What the mirror knows about its paths. Its tables are written here and nowhere else.

All paths are relative to the top, or absolute if they lie outside of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gitbatch_core.model.job_record import StoredFile


@dataclass(kw_only=True)
class MirrorTables:
    """Anybody may read them."""

    pinned_ns: int
    """The time of all that the run makes: see `pin`."""
    later: dict[str, int] = field(default_factory=dict)
    """By path relative to the top: times of what the run has made that others have dated, and of
    what was made of that."""
    addresses: dict[str, str] = field(default_factory=dict)
    """By path relative to the top (absolute outside of it), of what jobs may read."""
    outdated: dict[str, str] = field(default_factory=dict)
    """The same of the user's links where the worktree has what a job has written."""
    placed: set[str] = field(default_factory=set)
    """Paths, relative to the top, that were put into the worktree."""
    logs: set[str | None] = field(default_factory=set)
    """Logs and benchmarks: plain files for the user, which other jobs may read."""
    outputs: dict[str, StoredFile] = field(default_factory=dict)
    """Outputs of this run's jobs."""
    copies: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Local copies of what lies in other storages, with their stamps when they were hashed."""
    parse_time: dict[str, str] = field(default_factory=dict)
    """By path relative to the top: addresses of what the workflow writes while it is read."""

    def note_address(self, path: str, address: str) -> None:
        """Jobs may read `path`, whose content has this address."""
        self.addresses[path] = address

    def forget_address(self, path: str) -> None:
        """The content at `path` is about to change."""
        self.addresses.pop(path, None)

    def note_outdated(self, path: str, address: str) -> None:
        """The user's link there leads to this; the worktree has what a job has written."""
        self.outdated[path] = address

    def note_placed(self, path: str) -> None:
        """Something was put there into the worktree."""
        self.placed.add(path)

    def note_logs(self, paths: Iterable[str | None]) -> None:
        """These are logs or benchmarks."""
        self.logs.update(paths)

    def note_output(self, output: StoredFile) -> None:
        """A job of this run has made this, and it is in place."""
        path = output.path
        self.note_address(path, output.address)
        self.outputs[path] = output
        self.note_placed(path)

    def forget_output(self, path: str, *, is_folder: bool) -> None:
        """The output is about to be made again; `is_folder`: with everything in it."""
        self.outputs.pop(path, None)
        if is_folder:
            for inner in [each for each in self.addresses if each.startswith(f"{path}/")]:
                self.forget_address(inner)
        self.forget_address(path)

    def note_time(self, path: str, mtime_ns: int) -> None:
        """Whatever is made from it must not look older than this."""
        if mtime_ns > self.pinned_ns:
            self.later[path] = mtime_ns

    def note_copy(self, path: str, address: str, stamp: tuple[int, ...]) -> None:
        """The local copy there was hashed; `stamp` tells whether it was changed since."""
        self.note_address(path, address)
        self.copies[path] = stamp

    def note_parse_time(self, path: str, address: str) -> None:
        """The workflow writes this file while it is read; the address is empty in a preview."""
        self.parse_time[path] = address
        self.addresses.setdefault(path, address)


@dataclass(kw_only=True)
class LinkedFolders:
    """What a run knows about links to folders. Anybody may read it."""

    folders: dict[str, str] = field(default_factory=dict)
    """The links that the worktree has, too, and where they lead to."""
    files: dict[str, str] = field(default_factory=dict)
    """The same of links to files that are inputs."""
    opened: set[str] = field(default_factory=set)
    """Those in whose place the worktree has a real folder."""
    products: set[str] = field(default_factory=set)
    """Outputs, logs and benchmarks of all jobs."""
    above: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By folder: the links on the way there, and it itself if it is one."""
    writable: set[str] = field(default_factory=set)
    """Folders of products, seen to in the worktree."""
    replaced: set[str] = field(default_factory=set)
    """Tracked links in whose place the worktree has something else, and git was not told yet."""

    def note_folder(self, link: str, target: str) -> None:
        """The worktree has this link to a folder, too."""
        self.folders[link] = target

    def note_file(self, link: str, target: str) -> None:
        """This link to a file is an input."""
        self.files[link] = target

    def note_opened(self, link: str) -> None:
        """The worktree has a real folder in its place."""
        self.opened.add(link)

    def note_products(self, paths: Iterable[str]) -> None:
        """These are outputs, logs or benchmarks."""
        self.products.update(paths)

    def note_way(self, folder: str, links: tuple[str, ...]) -> None:
        """These links are on the way there."""
        self.above[folder] = links

    def note_writable(self, folder: str) -> None:
        """The worktree has it as the user has it, a link or not."""
        self.writable.add(folder)

    def note_replaced(self, link: str) -> None:
        """The worktree has something else in the place of this tracked link."""
        self.replaced.add(link)

    def forget_replaced(self) -> None:
        """Git was told."""
        self.replaced = set()
