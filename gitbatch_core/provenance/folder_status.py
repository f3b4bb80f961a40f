"""What the results in a work tree are: made by the code of HEAD, or of what else.

From links, the documents of runs and git's trees; Snakemake is not asked. A result is compared with
HEAD's source commit: its code, and its inputs as the folder has them now.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gitbatch_core.archive import hashing, layout, manifests
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import files_below, inside
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.origins import Origin, Origins
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import RunDocument, RunOutput
from gitbatch_core.provenance.folder_links import FOREIGN, FolderLinks
from gitbatch_core.provenance.head_files import HeadFiles
from gitbatch_core.provenance.input_comparison import InputComparison
from gitbatch_core.provenance.job_index import JobIndex
from gitbatch_core.provenance.result_status import (
    CHANGED,
    CURRENT,
    DANGLING,
    MISSING,
    OTHER_CODE,
    UNKNOWN,
    FolderStatus,
    ResultStatus,
)
from gitbatch_core.run import run_commit
from gitbatch_core.run.tainted import TAINTED, TaintedRuns

_MOST_OTHERS = 20
"""Runs in other work trees that are passed over."""
_FEW = 100
"""Addresses that are worth looking for one by one in the archive's records."""


def status(repository: Repository, archive: Archive | None) -> FolderStatus:
    """Look. `archive`: None where it is out of reach. Raises GitError."""
    head = repository.commit_of("HEAD")
    source = run_commit.source_of(repository, head)
    origins = Origins.of(repository, head, source)
    elsewhere = frozenset() if head != source else worktrees.others(repository)
    expected = _expected_outputs(origins, elsewhere)
    head_files = HeadFiles(repository=repository, source=source, origins=origins)
    comparison = _Comparison(
        head=head_files,
        folder=FolderLinks.of(repository.top, archive),
        expected=expected,
    )
    results = comparison.results()
    return FolderStatus(
        head=head,
        source=source,
        run=origins.read[0].run if origins.read else "",
        edited=tuple(sorted(head_files.differences.code_among(head_files.edited))),
        archive=None if archive is None else archive.root,
        results=tuple(sorted(results, key=lambda each: each.path)),
    )


def _expected_outputs(origins: Origins, elsewhere: frozenset[str]) -> dict[str, RunOutput]:
    """The outputs that belong into the folder, by path: of the latest run, and where that has not
    succeeded, of those before it, to the last that has. Runs in the folders `elsewhere` count only
    where there is no other."""
    outputs: dict[str, RunOutput] = {}
    workflow: tuple[Any, ...] | None = None
    others: list[RunDocument] = []
    while len(others) < _MOST_OTHERS and origins.read_more():
        run = origins.read[-1]
        if run.reproduced_run:  # it was made elsewhere
            continue
        if run.repository in elsewhere:
            others.append(run)
            continue
        own = run.folder, run.snakefile
        workflow = workflow or own
        if own == workflow:
            for output in run.outputs:
                outputs.setdefault(output.path, output)
        if own == workflow and run.outcome == "succeeded":
            break
    if workflow is None and others:
        outputs = {output.path: output for output in others[0].outputs}
    return outputs


@dataclass(kw_only=True)
class _Comparison:
    """Compares what lies in the folder with what belongs there, and with HEAD's code."""

    head: HeadFiles
    folder: FolderLinks
    expected: dict[str, RunOutput]
    """Outputs that belong into the folder, by path."""
    _origins: dict[str, Origin] = field(default_factory=dict)
    """Of results that lie in the folder, by path."""

    @cached_property
    def _tainted(self) -> TaintedRuns:
        archive = self.folder.archive
        return TaintedRuns(root=None if archive is None else archive.root)

    def results(self) -> list[ResultStatus]:
        """All results: those that belong here, and others that lie here."""
        # First all documents that it takes are read: then it is known what is no code.
        addresses = {path: self._address(path, output) for path, output in self.expected.items()}
        addresses |= {path: self.folder.links[path] for path in self._others()}
        for path, address in addresses.items():
            if address not in (None, FOREIGN):
                origin = self.head.origins.find(path, address)
                if origin is not None:
                    self._origins[path] = origin
        self._ask_records(addresses)
        others = self._frozen.union(path for path, _ in self._undeclared)
        results = {
            path: self._status(path, address)
            for path, address in addresses.items()
            if path in self.expected or path in self._origins or path not in others
        }
        InputComparison(
            head=self.head,
            folder=self.folder,
            origins=self._origins,
            results=results,
            expected=frozenset(self.expected),
        ).apply()
        return list(results.values())

    def _status(self, path: str, address: str | None) -> ResultStatus:
        """What the result is by itself."""
        output, origin = self.expected.get(path), self._origins.get(path)
        job = origin.job if origin else None
        member = job.maker(path) if job else None
        files: tuple[str, ...] | None = ()
        if origin is not None and job is not None:
            files = origin.files(self.head.differences, self.head.source)
        told = [each for each in (output, member) if each is not None]
        return ResultStatus(
            path=path,
            rule=next(filter(None, (each.rule for each in told)), ""),
            wildcards=next(filter(None, (each.wildcards for each in told)), {}),
            state=self._state(path, address, origin, files),
            address=None if address == FOREIGN else address,
            commit=origin.commit if origin else "",
            snapshot=origin is not None and origin.is_snapshot,
            run=job.run if job else "",
            files=files,
        )

    def _state(
        self, path: str, address: str | None, origin: Origin | None, files: tuple[str, ...] | None
    ) -> str:
        if address is None:
            return MISSING
        if self.folder.is_dangling(path):
            return DANGLING
        if origin is not None and origin.job is not None:
            own = TAINTED if self._tainted.have_made(origin.job, origin.run) else CURRENT
            return own if files == () else OTHER_CODE
        if address == FOREIGN and path in self.head.unchanged:
            return CURRENT
        return UNKNOWN if origin is not None or path not in self.expected else CHANGED

    # ------------------------------------------------------------------ what lies there

    def _address(self, path: str, output: RunOutput) -> str | None:
        expected, is_tree = output.address, output.is_tree
        if is_tree and self.folder.is_tree(path, expected):
            return expected
        address = self.folder.address(path, folder=is_tree)
        if address == FOREIGN and self._is_thawed(path, expected, output.size):
            return expected
        return address

    def _is_thawed(self, path: str, address: str, size: int | None) -> bool:
        """Whether files that git tracks lie there and have the same bytes; these are read where
        the size is the same."""
        here, archive = self.folder.top / path, self.folder.archive
        if not self.head.has_tracked(path):
            return False
        files = [here] if here.is_file() else files_below(here)
        try:
            if size is None or sum(file.stat().st_size for file in files) != size:
                return False
            if here.is_file():
                algorithm = layout.Address.parse(address).algorithm
                return str(hashing.hash_file(here, algorithm)[0]) == address
            entries = archive.describe_tree(here) if archive and here.is_dir() else ()
            return (
                archive is not None
                and str(manifests.address(entries, archive.algorithm)) == address
            )
        except (GitbatchError, OSError):
            return False

    def _others(self) -> Iterator[str]:
        """Links into the archive that the last run has not made, and git does not track."""
        belongs = inside(self.expected)
        here = [path for path in self.folder.links if not belongs(path)]
        tracked = self.head.tracked if here else frozenset()
        frozen, undeclared = self._frozen, self._undeclared
        return (
            path
            for path in here
            if path not in tracked
            and path not in frozen
            and (path, self.folder.links[path]) not in undeclared
        )

    @property
    def _frozen(self) -> frozenset[str]:
        """Inputs that the runs whose documents were read so far had as links of their own."""
        runs = self.head.origins.read
        return frozenset(path for run in runs for path in run.input_links)

    @property
    def _undeclared(self) -> set[tuple[str, str]]:
        """By path and address: what the jobs of these runs have left beside their outputs."""
        return {
            (file.path, file.address)
            for run in self.head.origins.read
            for file in run.undeclared
            if file.address is not None
        }

    def _ask_records(self, addresses: Mapping[str, str | None]) -> None:
        """The archive's own: of jobs of a run that has not ended, or of another clone's."""
        archive = self.folder.archive
        settled = self._origins.keys() | self._frozen
        wanted = {
            (path, address)
            for path, address in addresses.items()
            if address not in (None, FOREIGN) and path not in settled
        }
        if archive is None or not wanted:
            return
        texts = {str(address) for _, address in wanted}
        jobs = JobIndex.read(archive, texts if len(texts) <= _FEW else ())
        for job in jobs.jobs:
            outputs = [each for each in job.outputs if (each.path, each.address) in wanted]
            with contextlib.suppress(OSError, ValueError):
                record = JobRecord.from_dict(jobs.record(job)) if outputs else None
                for each in outputs:
                    output = RunOutput(path=each.path, address=each.address, kind=each.kind)
                    self._origins[each.path] = Origin(output=output, job=record, run=None)
