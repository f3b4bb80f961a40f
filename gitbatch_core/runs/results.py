"""What finished jobs made, as links in both folders and in the run commit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gitbatch_core import fsutil
from gitbatch_core.archive import hashing, layout, links, tree
from gitbatch_core.archive.layout import Address, ObjectName, linked_object
from gitbatch_core.errors import DamageError, NotInArchiveError
from gitbatch_core.jsonio import Document
from gitbatch_core.runs.document import Result
from gitbatch_core.runs.twin import Twin
from gitbatch_core.runs.walk import below, files_below


def date_of(twin: Twin, inputs: Iterable[str]) -> int:
    """The time of what a job makes of these: the run's, or that of the latest thing among them that
    the run has made and others have dated."""
    known = (twin.later.get(twin.relative(path) or "", 0) for path in inputs)
    return max((twin.pinned_ns, *known))


def date_again(twin: Twin, path: str, mtime_ns: int) -> None:
    """Give what lies at the output `path` in the user's folder a later time, if that is later."""
    relative, here = twin.relative(path), twin.here(path)
    if relative is None or mtime_ns <= max(twin.pinned_ns, twin.later.get(relative, 0)):
        return
    note_time(twin, relative, mtime_ns)
    if here.is_dir() and not here.is_symlink():
        _stamp(here, mtime_ns)
    elif os.path.lexists(here):
        os.utime(here, ns=(mtime_ns, mtime_ns), follow_symlinks=False)


def place(twin: Twin, output: Document, mtime_ns: int, *, copied: bool = False) -> None:
    """Link an output of a finished job, an entry of its record, in both folders; with `copied` the
    user's gets a copy, for another storage to take: it may look at what a link leads to, and there
    at a time that is nobody's."""
    relative = output["path"]
    note_time(twin, relative, mtime_ns)
    twin.addresses[relative] = output["address"]
    twin.made[relative] = output
    twin.placed.add(relative)
    here, there = twin.top / relative, twin.worktree / relative
    if output.get("temporary"):
        _link_temporary(twin, here, there, mtime_ns)
    elif output["kind"] == "tree":
        entries = twin.archive.manifest(Address.parse(output["address"]))
        for top, place in ((twin.worktree, there), (twin.top, here))[: 1 if copied else 2]:
            twin.remove(place)
            links.place_tree(twin.archive, place, entries, top=top, mtime_ns=mtime_ns)
        for place in () if copied else (there, here):
            _stamp(place, mtime_ns)
    else:
        name = ObjectName.parse(output["name"])
        for place in (there, here)[: 1 if copied else 2]:
            twin.link(place, name, mtime_ns)
    if copied and not output.get("temporary"):
        twin.replace(here, lambda place: fsutil.copy_writable(there, place))


def is_there(twin: Twin, output: Document) -> bool:
    """Whether what the record of a job says that it made, `output`, can still be had."""
    if output.get("temporary"):
        return os.path.lexists(twin.worktree / output["path"])
    if output["kind"] == "file":
        return _is_whole(twin, ObjectName.parse(output["name"]), output["size"])
    try:
        entries = twin.archive.manifest(Address.parse(output["address"]))
        return all(
            _is_whole(twin, _member(twin, entry), entry.size)
            for entry in entries
            if entry.kind == "f"
        )
    except (NotInArchiveError, DamageError):
        return False


def _is_whole(twin: Twin, name: ObjectName, size: int) -> bool:
    """Whether the object is there in its `size`, in bytes: what a look can tell without reading."""
    try:
        return os.stat(twin.archive.path(name)).st_size == size
    except FileNotFoundError:
        return False


def unchanged(twin: Twin, record: Document) -> set[str]:
    """Paths of those outputs of a job record that the user's folder has just so."""
    return {
        output["path"]
        for output in record["outputs"]
        if os.path.lexists(here := twin.top / output["path"])
        and str(links.address_of(here, twin.archive)) == output["address"]
    }


def recall(twin: Twin, output: Document) -> bool:
    """Whether an earlier process of the run had put `output` in place and it still is; takes it for
    this run's own then."""
    relative = output["path"]
    here, there = twin.top / relative, twin.worktree / relative
    if output.get("temporary"):
        found = os.path.lexists(here) and os.path.lexists(there) and _leads_to(here, there)
    else:
        address = links.address_of(here, twin.archive) if os.path.lexists(here) else None
        found = address is not None and str(address) == output["address"]
    if found:
        twin.addresses[relative] = output["address"]
        twin.made[relative] = output
        twin.placed.add(relative)
        note_time(twin, relative, links.time_of(here))
    return found


def _link_temporary(twin: Twin, here: Path, there: Path, mtime_ns: int) -> None:
    def link(place: Path, target: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        text = os.path.relpath(target, place.parent)
        fsutil.replace_with_link(place, text, mtime_ns=mtime_ns)
        os.utime(target, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    twin.remove(here)
    if not there.is_dir():
        link(here, there)
        return
    here.mkdir(parents=True)
    for inner in files_below(there):
        link(here / inner.relative_to(there), inner)
    for folder in (there, here):
        _stamp(folder, mtime_ns)


def note_time(twin: Twin, relative: str, mtime_ns: int) -> None:
    """What is made of an output, `relative` to the top, must not look older than this."""
    if mtime_ns > twin.pinned_ns:
        twin.later[relative] = mtime_ns


def _stamp(folder: Path, mtime_ns: int) -> None:
    """Give an output folder its time, as Snakemake does. Jobs must find the same in it as those
    see who look at the user's: one of them may list it."""
    sign = folder / tree.IGNORED
    sign.touch()
    for path in (sign, folder):
        os.utime(path, ns=(mtime_ns, mtime_ns))


def restore_logs(
    twin: Twin, relatives: Iterable[str], clean: Callable[[bytes], bytes], mtime_ns: int
) -> None:
    """Copy logs and benchmarks from the worktree to the user's folder, as plain files, with
    what `clean` makes of their content."""
    for relative in relatives:
        there, here = twin.worktree / relative, twin.top / relative
        if there.is_file():
            here.parent.mkdir(parents=True, exist_ok=True)
            fsutil.replace_with_bytes(here, clean(there.read_bytes()), mtime_ns=mtime_ns)
            note_time(twin, relative, mtime_ns)
            twin.placed.add(relative)


def keep(twin: Twin, here: Path, there: Path) -> None:
    """Put a temporary output into the archive, where a link or folder of links still leads to it.

    Raises ArchiveError.
    """
    if not _leads_to(here, there):
        return
    relative = str(there.relative_to(twin.worktree))
    output = {name: value for name, value in twin.made[relative].items() if name != "temporary"}
    if output["kind"] == "tree":
        output["address"] = str(twin.archive.put_tree(there).address)
    else:
        [stored] = twin.archive.put([there])
        output |= {"address": str(stored.address), "name": stored.name.path}
    place(twin, output, twin.later.get(relative, twin.pinned_ns))


def drop(twin: Twin, here: Path, there: Path) -> None:
    """Remove a temporary output, and the link or folder of links that leads to it."""
    if here.is_symlink():
        here.unlink()
    elif here.is_dir():
        fsutil.remove_tree(here)
    twin.remove(there)


def _leads_to(here: Path, there: Path) -> bool:
    """Whether `here` is the link, or folder of links, that stands for a temporary output."""
    if not here.is_dir() or here.is_symlink():
        return here.is_symlink() and os.readlink(here) == os.path.relpath(there, here.parent)
    return all(
        inner.is_symlink() and inner.resolve().is_relative_to(there) for inner in files_below(here)
    )


def result_at(twin: Twin, path: str, *, folder: bool) -> Result | None:
    """What the user's folder holds at the output `path`, with the links for a commit; None for
    what is no result, such as a dangling link. What has no link yet is stored first."""
    relative, here = twin.relative(path), twin.here(path)
    if relative is not None and relative in twin.made:
        if twin.made[relative].get("temporary"):
            return None
        return _made_result(twin, relative, twin.made[relative])
    if relative is None or not here.exists() or here.is_dir() != folder:
        return None
    if not folder and twin.archive.object_at(here) is None:
        if relative in twin.tracked and relative not in twin.changed:
            address, size = hashing.hash_file(here, twin.archive.algorithm)
            return Result(path=relative, kind="file", address=str(address), size=size, links={})
        twin.addresses.pop(relative, None)
    twin.bring_output(path)
    if not folder:
        name = twin.archive.object_at(here)
        text = os.readlink(here) if name else ""
        if name is None and relative in twin.addresses:  # a file that git tracks
            name = twin.archive.object_at(twin.worktree / relative)
            text = links.link_text(here, twin.top, name) if name else ""
        if name is None:
            return None
        return Result(
            path=relative,
            kind="file",
            address=str(name.address),
            size=twin.archive.size(name),
            links={relative: text},
        )
    entries = twin.archive.describe_tree(here)
    address, _ = twin.archive.put_entries(entries)
    return Result(
        path=relative,
        kind="tree",
        address=str(address),
        size=sum(entry.size for entry in entries),
        links=dict(_tree_links(twin, relative, entries)),
        gone=tuple(
            path
            for path in below(relative, twin.tracked_in_order)
            if not os.path.lexists(twin.top / path)
        ),
    )


def _tree_links(
    twin: Twin, folder: str, entries: Iterable[tree.Entry]
) -> Iterator[tuple[str, str]]:
    """Of a folder as it lies there; for its files that git tracks, and has otherwise, too."""
    for entry in entries:
        path = f"{folder}/{entry.path}"
        if (twin.top / path).is_symlink():
            yield path, os.readlink(twin.top / path)
        elif entry.kind == "f" and path in twin.changed:
            yield path, _member_text(twin, twin.top / folder, entry)


def stored_result(
    twin: Twin, path: str, *, query: str, address: str | None, folder: bool
) -> Result | None:
    """The output `path`, the local copy of what `query` names in another storage; None where
    neither this run has made it nor the storage knows its `address`. The commit has no link to
    it: local copies come and go."""
    relative = twin.relative(path) or path
    if (made := twin.made.get(relative)) is not None:
        return Result(
            path=relative,
            kind=made["kind"],
            address=made["address"],
            size=made["size"],
            links={},
            storage=query,
        )
    if address is None:
        return None
    kind = "tree" if folder else "file"
    return Result(path=relative, kind=kind, address=address, size=None, links={}, storage=query)


def input_links(twin: Twin, paths: Iterable[str]) -> dict[str, str]:
    """Of these inputs, and what lies in input folders: the links into the archive that the
    commit lacks, by path relative to the top."""
    found = {}
    for path in dict.fromkeys(paths):
        here, relative = twin.here(path), twin.relative(path)
        if relative is None or relative in twin.made:
            continue
        inner = [here] if here.is_symlink() else files_below(here) if here.is_dir() else ()
        for link in inner:
            name = str(link.relative_to(twin.top))
            text = os.readlink(link) if link.is_symlink() else ""
            if linked_object(text) is not None and name not in twin.tracked:
                found[name] = text
    return found


def _made_result(twin: Twin, relative: str, output: Document) -> Result:
    """An output of this run as its record says, whatever was done to the link since."""
    here = twin.top / relative
    gone: tuple[str, ...] = ()
    if output["kind"] == "file":
        name = ObjectName.parse(output["name"])
        found = {relative: links.link_text(here, twin.top, name)}
    else:
        entries = twin.archive.manifest(Address.parse(output["address"]))
        found = {
            f"{relative}/{entry.path}": entry.target or _member_text(twin, here, entry)
            for entry in entries
            if entry.kind != "d"
        }
        gone = tuple(path for path in below(relative, twin.tracked_in_order) if path not in found)
    is_as_placed = here.is_symlink() and os.readlink(here) == found.get(relative)
    if (
        not is_as_placed
        and os.path.lexists(here)
        and not here.is_dir()
        and twin.archive.object_at(here) is None
    ):
        twin.warn(
            f"{relative} is no longer the link that this run has put there; the run commit "
            "has what the run made."
        )
    return Result(
        path=relative,
        kind=output["kind"],
        address=output["address"],
        size=output["size"],
        links=found,
        gone=gone,
    )


def _member_text(twin: Twin, folder: Path, entry: tree.Entry) -> str:
    return links.link_text(folder / entry.path, twin.top, _member(twin, entry))


def _member(twin: Twin, entry: tree.Entry) -> ObjectName:
    address = Address(algorithm=twin.archive.algorithm, digest=entry.digest)
    suffix = layout.suffix_of(entry.path)
    return twin.archive.find(address, executable=entry.executable, suffix=suffix)
