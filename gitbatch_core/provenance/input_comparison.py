"""Which results were made from something else than the folder has now, or from such results."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from gitbatch_core.archive import hashing, layout, manifests
from gitbatch_core.archive.walk import folders_above
from gitbatch_core.errors import GitbatchError
from gitbatch_core.history.origins import Origin
from gitbatch_core.log import suppressed
from gitbatch_core.provenance.folder_links import FolderLinks
from gitbatch_core.provenance.head_files import HeadFiles
from gitbatch_core.provenance.result_status import (
    CHANGED,
    CURRENT,
    OTHER_CODE,
    OTHER_INPUTS,
    UNKNOWN,
    ResultStatus,
)
from gitbatch_core.run.tainted import TAINTED

_SPREADING = (OTHER_CODE, OTHER_INPUTS, TAINTED)
"""States of a result of which those that were made from it have other inputs."""


@dataclass(kw_only=True)
class InputComparison:
    """Compares what results were made from with what the folder has."""

    head: HeadFiles
    folder: FolderLinks
    origins: Mapping[str, Origin]
    """Of results that lie in the folder, by path."""
    results: dict[str, ResultStatus]
    """What they are by themselves, by path; changed to what they are by their inputs."""
    expected: frozenset[str]
    """Paths of those that belong into the folder."""
    _changed: dict[str, dict[str, None]] = field(default_factory=dict)
    """By result: the inputs that are something else now, or are stale themselves."""
    _addresses: dict[str, str | None] = field(default_factory=dict)
    """Of inputs that are no results."""

    def apply(self) -> None:
        """Give every result its state and its changed inputs."""
        self._spread(self._compare())
        for path, inputs in self._changed.items():
            self.results[path] = replace(self.results[path], inputs=tuple(inputs))

    def _compare(self) -> dict[str, list[str]]:
        """Compare each result with its own inputs. Returns, by result, the results that were made
        from it."""
        users: dict[str, list[str]] = {}
        for path, origin in self.origins.items():
            job = origin.job
            maker = job.maker(path) if job else None
            for name, address in (job.inputs(maker) if job and maker else {}).items():
                result = self._result_at(name)
                if result is not None:
                    users.setdefault(result, []).append(path)
                if self._is_other(name, address):
                    self._mark(path, name)
        return users

    def _spread(self, users: Mapping[str, list[str]]) -> None:
        """What was made from a stale result is stale."""
        waiting = [
            path
            for path, result in self.results.items()
            if result.state in _SPREADING or (result.state == UNKNOWN and path in self.expected)
        ]
        while waiting:
            stale = waiting.pop()
            for path in users.get(stale, ()):
                before = self.results[path].state
                self._mark(path, stale, unless=OTHER_CODE)
                if before == CURRENT:
                    waiting.append(path)

    def _mark(self, path: str, name: str, *, unless: str = "") -> None:
        self._changed.setdefault(path, {})[name] = None
        result = self.results[path]
        if result.state in (CURRENT, OTHER_CODE) and result.state != unless:
            self.results[path] = replace(result, state=OTHER_INPUTS)

    def _result_at(self, path: str) -> str | None:
        """The result that the path is, or lies in."""
        if path in self.results:
            return path
        return next((above for above, _ in folders_above(path) if above in self.results), None)

    def _is_other(self, path: str, address: str | None) -> bool:
        """Whether an input is surely not what it was. What is gone, temporary or outside of the
        repository is taken for the same."""
        if address is None or os.path.isabs(path):
            return False
        if (result := self.results.get(path)) is not None:
            return result.state == CHANGED or result.address not in (None, address)
        if path not in self._addresses:
            self._addresses[path] = self._address_of(path)
        return self._addresses[path] not in (None, address)

    def _address_of(self, path: str) -> str | None:
        """Of an input; None where it is as it was in all commits that matter, or cannot be read."""
        if (linked := self.folder.links.get(path)) is not None:
            return linked
        if path not in self._may_differ:
            return None
        here, archive = self.folder.top / path, self.folder.archive
        algorithm = archive.algorithm if archive else layout.DEFAULT_ALGORITHM
        with suppressed(GitbatchError, OSError):
            if here.is_file():
                return str(hashing.hash_file(here, algorithm)[0])
            if here.is_dir() and archive is not None:
                return str(manifests.address(archive.describe_tree(here), algorithm))
        return None

    @cached_property
    def _may_differ(self) -> frozenset[str]:
        """Paths where git has another content than some result was made from, or than the folder
        has; links; and the folders of these."""
        source = self.head.source
        commits = {origin.commit for origin in self.origins.values()} - {"", source}
        paths = set(self.head.edited).union(self.folder.links)
        for commit in commits:
            paths.update(self.head.differences.all_files(commit, source) or ())
        return frozenset(paths | _folders_above_all(paths))


def _folders_above_all(paths: Iterable[str]) -> set[str]:
    """Each folder once: many paths share theirs."""
    folders: set[str] = set()
    for path in paths:
        above = path.rpartition("/")[0]
        while above and above not in folders:
            folders.add(above)
            above = above.rpartition("/")[0]
    return folders
