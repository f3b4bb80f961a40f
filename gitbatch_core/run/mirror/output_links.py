"""Outputs of finished jobs, as links in both folders and in the run commit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive import hashing, layout, links, manifests
from gitbatch_core.archive.layout import Address, ObjectName, linked_object
from gitbatch_core.archive.walk import below, files_below
from gitbatch_core.errors import DamageError, NotInArchiveError
from gitbatch_core.model.job_record import JobRecord, StoredFile
from gitbatch_core.model.run_document import UndeclaredFile
from gitbatch_core.run.mirror import linked_folders
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run_commit import Result


def date_of(mirror: Mirror, inputs: Iterable[str]) -> int:
    """The time for the outputs of a job with these inputs: the run's, or that of the latest input
    that the run has made and others have dated."""
    times = (mirror.later.get(mirror.relative(path) or "", 0) for path in inputs)
    return max((mirror.pinned_ns, *times))


def date_again(mirror: Mirror, path: str, mtime_ns: int) -> None:
    """Give the output `path` in the user's folder this time if it is later."""
    relative, here = mirror.relative(path), mirror.here(path)
    if relative is None or mtime_ns <= max(mirror.pinned_ns, mirror.later.get(relative, 0)):
        return
    mirror.note_time(relative, mtime_ns)
    if here.is_dir() and not here.is_symlink():
        _stamp(here, mtime_ns)
    elif os.path.lexists(here):
        os.utime(here, ns=(mtime_ns, mtime_ns), follow_symlinks=False)


def link_output(mirror: Mirror, output: StoredFile, mtime_ns: int, *, copied: bool = False) -> None:
    """Link an output of a finished job in both folders; with `copied` the user's gets a copy, for
    another storage to take: it may look at what a link leads to, and there at a time that is
    nobody's."""
    relative = output.path
    mirror.note_time(relative, mtime_ns)
    mirror.note_output(output)
    here, there = mirror.top / relative, mirror.worktree / relative
    if output.temporary:
        _link_temporary(mirror, here, there, mtime_ns)
    elif output.is_tree:
        entries = mirror.archive.manifest(Address.parse(output.address))
        for top, folder in ((mirror.worktree, there), (mirror.top, here))[: 1 if copied else 2]:
            mirror.remove(folder)
            links.place_tree(mirror.archive, folder, entries, top=top, mtime_ns=mtime_ns)
        for folder in () if copied else (there, here):
            _stamp(folder, mtime_ns)
    else:
        name = object_name(output)
        for link in (there, here)[: 1 if copied else 2]:
            mirror.link(link, name, mtime_ns)
    if copied and not output.temporary:
        mirror.replace(here, lambda copy: fs.copy_writable(there, copy))


def object_name(file: StoredFile | UndeclaredFile) -> ObjectName:
    """The archive's object with a stored file's bytes. Raises FormatError."""
    return ObjectName.parse(file.name or "")


def is_there(mirror: Mirror, output: StoredFile) -> bool:
    """Whether the output of a job is still available."""
    if output.temporary:
        return os.path.lexists(mirror.worktree / output.path)
    if not output.is_tree:
        return is_whole(mirror, object_name(output), output.size)
    try:
        entries = mirror.archive.manifest(Address.parse(output.address))
        return all(
            is_whole(mirror, _member(mirror, entry), entry.size)
            for entry in entries
            if entry.kind == "f"
        )
    except (NotInArchiveError, DamageError):
        return False


def is_whole(mirror: Mirror, name: ObjectName, size: int | None) -> bool:
    """Whether the object is there in its `size`, in bytes: what a look can tell without reading."""
    try:
        return os.stat(mirror.archive.path(name)).st_size == size
    except FileNotFoundError:
        return False


def unchanged(mirror: Mirror, record: JobRecord) -> set[str]:
    """Paths of those outputs of a job record that the user's folder has unchanged."""
    return {
        output.path
        for output in record.outputs
        if os.path.lexists(here := mirror.top / output.path)
        and str(links.address_of(here, mirror.archive)) == output.address
    }


def recall(mirror: Mirror, output: StoredFile) -> bool:
    """Whether an earlier process of the run had put `output` in place and it is still there; if so,
    it counts as this run's own."""
    relative = output.path
    here, there = mirror.top / relative, mirror.worktree / relative
    if output.temporary:
        is_there = os.path.lexists(here) and os.path.lexists(there) and _leads_to(here, there)
    else:
        address = links.address_of(here, mirror.archive) if os.path.lexists(here) else None
        is_there = address is not None and str(address) == output.address
    if is_there:
        mirror.note_output(output)
        mirror.note_time(relative, links.time_of(here))
    return is_there


def _link_temporary(mirror: Mirror, here: Path, there: Path, mtime_ns: int) -> None:
    def link(path: Path, target: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = _text_of_temporary(path, target)
        fs.replace_with_link(path, text, mtime_ns=mtime_ns)
        os.utime(target, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    mirror.remove(here)
    if not there.is_dir():
        link(here, there)
        return
    here.mkdir(parents=True)
    for inner in files_below(there):
        link(here / inner.relative_to(there), inner)
    for folder in (there, here):
        _stamp(folder, mtime_ns)


def _stamp(folder: Path, mtime_ns: int) -> None:
    """Give an output folder its time, as Snakemake does. Jobs must find the same in it as those
    see who look at the user's: one of them may list it."""
    sign = folder / manifests.IGNORED
    sign.touch()
    for path in (sign, folder):
        os.utime(path, ns=(mtime_ns, mtime_ns))


def restore_logs(
    mirror: Mirror, relatives: Iterable[str], clean: Callable[[bytes], bytes], mtime_ns: int
) -> None:
    """Copy logs and benchmarks from the worktree to the user's folder, as plain files, with
    what `clean` makes of their content."""
    for relative in relatives:
        there, here = mirror.worktree / relative, mirror.top / relative
        if there.is_file():
            here.parent.mkdir(parents=True, exist_ok=True)
            fs.replace_with_bytes(here, clean(there.read_bytes()), mtime_ns=mtime_ns)
            mirror.note_time(relative, mtime_ns)
            mirror.note_placed(relative)


def archive_temporary(mirror: Mirror, here: Path, there: Path) -> None:
    """Put a temporary output into the archive if a link or a folder of links still leads to it.
    Raises ArchiveError."""
    if not _leads_to(here, there):
        return
    relative = str(there.relative_to(mirror.worktree))
    output = mirror.outputs[relative].replace(temporary=False)
    if output.is_tree:
        output = output.replace(address=str(mirror.archive.put_tree(there).address))
    else:
        [stored] = mirror.archive.put([there])
        output = output.replace(address=str(stored.address), name=stored.name.path)
    link_output(mirror, output, mirror.later.get(relative, mirror.pinned_ns))


def remove_temporary(mirror: Mirror, here: Path, there: Path) -> None:
    """Remove a temporary output, and the link or folder of links that leads to it."""
    if here.is_symlink():
        here.unlink()
    elif here.is_dir():
        fs.remove_tree(here)
    mirror.remove(there)


def _leads_to(here: Path, there: Path) -> bool:
    """Whether `here` is the link, or folder of links, that stands for a temporary output."""
    if not here.is_dir() or here.is_symlink():
        return here.is_symlink() and os.readlink(here) == _text_of_temporary(here, there)
    return all(
        inner.is_symlink() and inner.resolve().is_relative_to(there) for inner in files_below(here)
    )


def _text_of_temporary(here: Path, there: Path) -> str:
    """Of the link that leads to a temporary output; behind a link to a folder, no relative path
    leads from one name to the other."""
    behind = os.path.realpath(here.parent) != str(here.parent)
    return str(there) if behind else os.path.relpath(there, here.parent)


def result_at(mirror: Mirror, path: str, *, folder: bool) -> Result | None:
    """What the user's folder holds at the output `path`, with the links for a commit; None for
    what is no result, such as a dangling link. What has no link yet is stored first."""
    relative, here = mirror.relative(path), mirror.here(path)
    if relative is not None and relative in mirror.outputs:
        if mirror.outputs[relative].temporary:
            return None
        return _recorded_result(mirror, relative, mirror.outputs[relative])
    if relative is None or not here.exists() or here.is_dir() != folder:
        return None
    if not folder and mirror.archive.object_at(here) is None:
        if relative in mirror.tracked and relative not in mirror.changed:
            address, size = hashing.hash_file(here, mirror.archive.algorithm)
            return Result(path=relative, kind="file", address=str(address), size=size, links={})
        mirror.forget_address(relative)
    mirror.bring_output(path)
    if not folder:
        name = mirror.archive.object_at(here)
        text = os.readlink(here) if name else ""
        if name is None and relative in mirror.addresses:  # a file that git tracks
            name = mirror.archive.object_at(mirror.worktree / relative)
            text = links.link_text(here, mirror.top, name) if name else ""
        if name is None:
            return None
        return Result(
            path=relative,
            kind="file",
            address=str(name.address),
            size=mirror.archive.size(name),
            links={relative: text},
            gone=_linked_above(mirror, relative),
        )
    entries = mirror.archive.describe_tree(here)
    address, _ = mirror.archive.put_entries(entries)
    return Result(
        path=relative,
        kind="tree",
        address=str(address),
        size=sum(entry.size for entry in entries),
        links=dict(_tree_links(mirror, relative, entries)),
        gone=(
            *_linked_above(mirror, relative),
            *(
                path
                for path in below(relative, mirror.tracked_in_order)
                if not os.path.lexists(mirror.top / path)
            ),
        ),
    )


def _tree_links(
    mirror: Mirror, folder: str, entries: Iterable[manifests.Entry]
) -> Iterator[tuple[str, str]]:
    """Of a folder as it lies there; for its files that git tracks, and has otherwise, too."""
    for entry in entries:
        path = f"{folder}/{entry.path}"
        if (mirror.top / path).is_symlink():
            yield path, _text_at(mirror, mirror.top / path)
        elif entry.kind == "f" and path in mirror.changed:
            yield path, _member_text(mirror, mirror.top / folder, entry)


def _linked_above(mirror: Mirror, relative: str) -> tuple[str, ...]:
    """The commit's links to folders on the way to a result: it is to be found by its name."""
    return tuple(link for link in linked_folders.above(mirror, relative) if link in mirror.tracked)


def _text_at(mirror: Mirror, link: Path) -> str:
    """The text of the link in a commit: as it would be if no other link led to it."""
    text = os.readlink(link)
    name = linked_object(text)
    return text if name is None else links.link_text(link, mirror.top, name)


def stored_result(
    mirror: Mirror, path: str, *, query: str, address: str | None, folder: bool
) -> Result | None:
    """The output `path`, the local copy of what `query` names in another storage; None where
    neither this run has made it nor the storage knows its `address`. The commit has no link to
    it: local copies come and go."""
    relative = mirror.relative(path) or path
    if (output := mirror.outputs.get(relative)) is not None:
        return Result(
            path=relative,
            kind=output.kind,
            address=output.address,
            size=output.size,
            links={},
            storage=query,
        )
    if address is None:
        return None
    kind = "tree" if folder else "file"
    return Result(path=relative, kind=kind, address=address, size=None, links={}, storage=query)


def input_links(mirror: Mirror, paths: Iterable[str]) -> dict[str, str]:
    """Of these inputs, and what lies in input folders: the links into the archive that the
    commit lacks, by path relative to the top."""
    texts = {}
    for path in dict.fromkeys(paths):
        here, relative = mirror.here(path), mirror.relative(path)
        if relative is None or relative in mirror.outputs:
            continue
        if _linked_above(mirror, relative):
            continue  # which the commit has
        inner = files_below(here) if here.is_dir() else [here] if here.is_symlink() else ()
        for link in inner:
            name = str(link.relative_to(mirror.top))
            text = _text_at(mirror, link) if link.is_symlink() else ""
            if linked_object(text) is not None and name not in mirror.tracked:
                texts[name] = text
    return texts


def _recorded_result(mirror: Mirror, relative: str, output: StoredFile) -> Result:
    """An output of this run as its record says, whatever was done to the link since."""
    here = mirror.top / relative
    gone: tuple[str, ...] = ()
    if not output.is_tree:
        texts = {relative: links.link_text(here, mirror.top, object_name(output))}
    else:
        entries = mirror.archive.manifest(Address.parse(output.address))
        texts = {
            f"{relative}/{entry.path}": entry.target or _member_text(mirror, here, entry)
            for entry in entries
            if entry.kind != "d"
        }
        gone = tuple(path for path in below(relative, mirror.tracked_in_order) if path not in texts)
    gone = (*_linked_above(mirror, relative), *gone)
    is_as_placed = here.is_symlink() and _text_at(mirror, here) == texts.get(relative)
    if (
        not is_as_placed
        and os.path.lexists(here)
        and not here.is_dir()
        and mirror.archive.object_at(here) is None
    ):
        mirror.warn(
            f"{relative} is no longer the link that this run has put there; the run commit "
            "has what the run made."
        )
    return Result(
        path=relative,
        kind=output.kind,
        address=output.address,
        size=output.size,
        links=texts,
        gone=gone,
    )


def _member_text(mirror: Mirror, folder: Path, entry: manifests.Entry) -> str:
    return links.link_text(folder / entry.path, mirror.top, _member(mirror, entry))


def _member(mirror: Mirror, entry: manifests.Entry) -> ObjectName:
    address = Address(algorithm=mirror.archive.algorithm, digest=entry.digest)
    suffix = layout.suffix_of(entry.path)
    return mirror.archive.find(address, executable=entry.executable, suffix=suffix)
