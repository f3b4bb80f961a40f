"""Which runs of a repository ended with an output that has a given address, and their tags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitbatch_core.git import refs
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.run_outputs import RunOutputs
from gitbatch_core.model.run_document import UNKNOWN, RunDocument, UndeclaredFile
from gitbatch_core.run import run_commit


@dataclass(frozen=True, kw_only=True)
class HoldingRun:
    """One run."""

    run: str
    commit: str
    """The run commit."""
    tags: tuple[str, ...]
    paths: tuple[str, ...]
    """Outputs with the address, or that have it as a member."""
    made_outside: bool
    """Whether the run found the output there, made by nobody knows whom."""
    undeclared: tuple[UndeclaredFile, ...]
    """What jobs have left with this address, beside their outputs."""
    document: RunDocument


def holders(repository: Repository, addresses: Sequence[str]) -> list[HoldingRun]:
    """The runs, the latest first, reproductions last. `addresses`: of what is asked for, and of the
    trees that it is a member of. Raises GitError."""
    runs: list[HoldingRun] = []
    wanted, tags, run_commits = set(addresses), None, None
    earlier = run_commit.earlier(repository, mentioning=addresses, own_first=True)
    for each in earlier:
        outputs = [output for output in each.outputs if output.address in wanted]
        undeclared = [file for file in each.kept_undeclared() if file.address in wanted]
        if outputs or undeclared:
            tags = tags or _tags(repository)
            run_commits = run_commits or RunOutputs(repository=repository).commits()
            commit = run_commits.get(each.run, "")
            runs.append(
                HoldingRun(
                    run=each.run,
                    commit=commit,
                    tags=tuple(tags.get(commit, ())),
                    paths=tuple(file.path for file in (*outputs, *undeclared)),
                    made_outside=bool(outputs)
                    and all(output.provenance == UNKNOWN for output in outputs),
                    undeclared=tuple(undeclared),
                    document=each,
                )
            )
    return runs


def _tags(repository: Repository) -> Mapping[str, list[str]]:
    """The names of tags, by commit."""
    tags = defaultdict(list)
    for ref, commit in refs.commits(repository, "refs/tags/").items():
        tags[commit].append(ref.removeprefix("refs/tags/"))
    return tags
