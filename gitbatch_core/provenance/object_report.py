"""All that an archive knows of one address: what it is, who made it, from what, who used it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gitbatch_core.archive import layout, names
from gitbatch_core.errors import NotInArchiveError
from gitbatch_core.provenance import listing, reproductions
from gitbatch_core.provenance.job_index import IndexedFile, IndexedJob, JobIndex
from gitbatch_core.wording import typed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitbatch_core.archive.layout import Address
    from gitbatch_core.archive.store import Archive
    from gitbatch_core.provenance.reproductions import Reexecution


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldingTree:
    """A tree that has the address as a member."""

    address: Address
    path: str
    """Of the member in the tree."""
    makers: Sequence[tuple[IndexedJob, IndexedFile]]
    """None where no job made the tree."""

    def made(self) -> list[tuple[IndexedJob, IndexedFile]]:
        """The member as what the makers of the tree made."""
        return [
            (job, replace(file, path=f"{file.path}/{self.path}", kind="file", size=None, name=""))
            for job, file in self.makers
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectReport:
    """See the module. Makers, holders' makers and users: the earliest first."""

    address: Address
    kind: Literal["file", "tree"]
    size: int | None
    """Bytes; None where nobody knows."""
    files: int | None
    """Members of a tree that are files; 1 for an object; None where the tree is not kept."""
    stored: tuple[Path, ...]
    """The object's variants, or the manifest; none where the archive does not have it."""
    makers: Sequence[tuple[IndexedJob, IndexedFile]]
    """Also those that made it as a file in an output folder."""
    holders: Sequence[HoldingTree]
    users: Sequence[tuple[IndexedJob, IndexedFile]]
    names: Sequence[str]
    """Of the storage: `PREFIX/PATH`."""
    reexecutions: Sequence[Reexecution]
    jobs: JobIndex
    """Those that have to do with it."""

    @property
    def is_temporary(self) -> bool:
        """Jobs made it, and its bytes were never to be kept."""
        files = [file for _, file in self.makers]
        return not self.stored and bool(files) and all(file.temporary for file in files)

    @property
    def is_frozen(self) -> bool:
        """The archive has it, and no job made it, nor a tree that it belongs to."""
        return bool(self.stored) and not self.makers and not self.is_of_parse_time

    @property
    def is_of_parse_time(self) -> bool:
        """A workflow wrote it while it was read, and no job has made it."""
        used = any(file.path in job.parse_time for job, file in self.users)
        return used and not self.makers


def report_on(
    archive: Archive, address: Address, what: str, *, file: Path | None = None
) -> ObjectReport:
    """All about one address; `what` names it in messages; `file`: where it lies in the work tree.

    Raises NotInArchiveError where neither archive nor records know it, DamageError.
    """
    text = str(address)
    holding = list(listing.holding(archive, address))
    jobs = JobIndex.read(archive, (text, *(str(tree) for tree, _ in holding)))
    makers, users = jobs.makers.get(text, ()), jobs.users.get(text, ())
    is_tree, files = archive.has_tree(address), None
    stored: tuple[Path, ...] = ()
    size = next((file.size for _, file in makers if file.size is not None), None)
    if is_tree:
        entries = archive.manifest(address)
        size, files = sum(e.size for e in entries), sum(e.kind == "f" for e in entries)
        stored = (archive.root / layout.manifest_path(address.digest),)
    elif variants := archive.variants(address):
        size, files = archive.size(variants[0]), 1
        stored = tuple(archive.path(name) for name in variants)
    elif not (makers or users):
        raise NotInArchiveError(
            f"The archive {archive.root} does not have {what}, and no job has read or written it.",
            hint=f"gitbatch freeze {typed(file)}" if file else None,
        )
    is_tree |= any(file.kind == "tree" for _, file in makers)
    inside = [
        HoldingTree(address=tree, path=path, makers=jobs.makers.get(str(tree), ()))
        for tree, path in holding
    ]
    again = reproductions.reexecutions(archive, text, [job for job, _ in makers])
    for each in inside if not makers else ():
        again += reproductions.reexecutions(
            archive, str(each.address), [job for job, _ in each.makers]
        )
    every = [*makers, *(pair for each in inside for pair in each.made())]
    return ObjectReport(
        address=address,
        kind="tree" if is_tree else "file",
        size=size,
        files=files,
        stored=stored,
        makers=sorted(every, key=lambda pair: (pair[0].ended, pair[0].id)),
        holders=inside,
        users=users,
        names=sorted(name.name for name in names.listed(archive) if name.address == address),
        reexecutions=again,
        jobs=jobs,
    )
