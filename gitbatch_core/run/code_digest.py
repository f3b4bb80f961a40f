"""The code that jobs depend on: which tracked files count, and their digest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core import snakemake_files
from gitbatch_core.archive import hashing
from gitbatch_core.errors import GitError, UsageError
from gitbatch_core.git import index, work_tree_status

PROSE = (
    "*.md",
    "*.rst",
    ":(glob)**/README",
    ":(glob)**/README.txt",
    ":(glob)**/LICENSE",
    ":(glob)**/LICENSE.txt",
    ":(glob)**/COPYING",
    ":(glob)**/AUTHORS",
    ":(glob)**/CITATION.cff",
    ":(glob)**/CITATION.bib",
    ":(glob)**/CHANGELOG",
    ":(glob)**/.gitignore",
    ".github",
    ".gitlab-ci.yml",
    ".gitbatch",
    f":(glob)**/{snakemake_files.FOLDER}/**",
)
"""What is no code, unless somebody says so: patterns of git."""

ALL_BUT_PROSE = tuple(
    f":(exclude,{each[2:]}" if each.startswith(":(") else f":(exclude){each}" for each in PROSE
)
"""What counts where nobody has chosen: patterns of git, from the top."""


@dataclass(kw_only=True)
class Code:
    """The code of one commit."""

    worktree: Path
    """A clean one of the commit."""
    folder: Path
    """In the worktree: where chosen patterns start."""
    algorithm: str
    is_output: Callable[[str], bool]
    """Whether a path is an output, log or benchmark of the workflow: no code, tracked or not."""
    converted: Mapping[str, str] = field(default_factory=dict)
    """What the commit does not say of the bytes of files: see `Worktree.converted`."""
    parse_time: Mapping[str, str] = field(default_factory=dict)
    """Addresses of what the workflow writes while it is read: as if it were in the commit."""
    patterns: tuple[str, ...] = ()
    """What counts, where somebody has chosen; else everything but prose."""
    _tracked: dict[str, str] | None = None
    _digests: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = field(default_factory=dict)

    def is_chosen(self, patterns: tuple[str, ...]) -> bool:
        """Whether only a part of the code counts for a job with these `patterns` of its own."""
        return bool(patterns or self.patterns)

    def digest(self, patterns: tuple[str, ...] = (), always: Iterable[str] = ()) -> str:
        """The digest of all files that match `patterns` (by default the workflow's), and of those
        in `always`: paths relative to the top. Raises UsageError for a pattern that matches
        nothing."""
        asked = patterns or self.patterns, tuple(sorted(set(always)))
        if asked not in self._digests:
            self._digests[asked] = self._digest(*asked)
        return self._digests[asked]

    def leave_out(self, is_output: Callable[[str], bool]) -> None:
        """From now on, these paths are outputs."""
        self.is_output = is_output
        self._digests.clear()

    def _digest(self, patterns: tuple[str, ...], always: tuple[str, ...]) -> str:
        if self._tracked is None:
            listing = index.entries(self.worktree, submodules=True)
            self._tracked = {each.path: f"{each.mode} {each.blob}" for each in listing}
            self._tracked |= self.parse_time
        names = {name for name in self._match(patterns) if not self.is_output(name)}
        names.update(name for name in always if name in self._tracked)
        lines = (
            " ".join(filter(None, (self._tracked[name], self.converted.get(name), name))) + "\0"
            for name in sorted(names)
        )
        text = "".join(lines).encode(errors="surrogateescape")
        return str(hashing.hash_bytes(text, self.algorithm))

    def forget(self) -> None:
        """More files count as code now: compute the digests anew."""
        self._tracked = None
        self._digests.clear()

    def _match(self, patterns: tuple[str, ...]) -> frozenset[str]:
        if not self.parse_time:
            return self._match_tracked(patterns)
        folder = os.path.relpath(self.folder, self.worktree) if patterns else ""
        written = work_tree_status.matching_of(self.parse_time, folder, patterns or ALL_BUT_PROSE)
        return self._match_tracked(patterns) | written

    def _match_tracked(self, patterns: tuple[str, ...]) -> frozenset[str]:
        if not patterns:
            return work_tree_status.matching(self.worktree, ALL_BUT_PROSE)
        check_patterns(self.folder, patterns)
        return work_tree_status.matching(self.folder, patterns)


def check_patterns(folder: Path, patterns: Iterable[str]) -> None:
    """Raise UsageError where a pattern, which starts at `folder`, matches nothing."""
    for pattern in patterns:
        try:
            if not work_tree_status.matching(folder, [pattern]):
                raise UsageError(
                    f"The pattern {pattern!r} matches no file that git tracks, so that no code "
                    "would count.",
                    hint="git ls-files -- PATTERN, in the folder that Snakemake works in, "
                    "shows what a pattern matches.",
                )
        except GitError as error:
            raise UsageError(f"{pattern!r} is no pattern of git: {error.message}") from error
