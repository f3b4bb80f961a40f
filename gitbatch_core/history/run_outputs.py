"""What earlier runs made: from the name of a tag or run, and an output's path, to its address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gitbatch_core.archive.layout import Address
from gitbatch_core.errors import GitError
from gitbatch_core.git import refs
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import run_commit
from gitbatch_core.run.run_commit import REFS

_TAGS = "refs/tags/"


@dataclass(frozen=True, kw_only=True)
class NamedOutput:
    """One output of a run."""

    path: str
    """As it is asked for: relative to the top of the work tree; `name/PREFIX/PATH` for one that
    was stored under a name."""
    address: Address
    folder: bool


@dataclass(kw_only=True)
class RunOutputs:
    """The runs that a repository knows, read once and when they are asked for."""

    repository: Repository
    _commits: dict[str, str] | None = None
    """By what a query may call them: `run/<id>` (the tag), `<id>`, any other tag of a commit."""
    _outputs: dict[str, dict[str, NamedOutput]] = field(default_factory=dict)

    def split(self, text: str) -> tuple[str, str]:
        """The longest name of a tag or run that `text` begins with, and the path that follows.

        Raises GitError.
        """
        parts = text.split("/")
        for end in range(len(parts), 0, -1):
            name = "/".join(parts[:end])
            if name in self.commits():
                return name, "/".join(parts[end:])
        raise GitError(
            f"The repository {self.repository.top} has no tag or run that {text!r} begins with.",
            hint="git tag --list 'run/*' shows its runs; git fetch --tags gets those of others.",
        )

    def outputs(self, name: str) -> dict[str, NamedOutput]:
        """What the run of this name made, by path. Raises GitError, FormatError."""
        commit = self.commits()[name]
        if commit not in self._outputs:
            try:
                run = run_commit.read(self.repository, commit)
            except GitError as error:
                raise GitError(
                    f"{name} in {self.repository.top} is no run: it has no {run_commit.PATH}.",
                    hint="git tag --list 'run/*' shows the runs.",
                ) from error
            self._outputs[commit] = {output.path: output for output in _named_outputs(run)}
        return self._outputs[commit]

    def commits(self) -> dict[str, str]:
        """The commits of tags and runs, by name. Raises GitError."""
        if self._commits is None:
            self._commits = {}
            for ref, commit in refs.commits(self.repository, REFS, _TAGS).items():
                name = ref.removeprefix(_TAGS)
                # Tags come from other repositories too, where the run's own ref is not.
                run = name.removeprefix(REFS).removeprefix(run_commit.TAGS)
                if run != name:
                    self._commits |= {run: commit, run_commit.TAGS + run: commit}
                self._commits[name] = commit
        return self._commits


def _named_outputs(run: RunDocument) -> Iterator[NamedOutput]:
    for output in run.outputs:
        yield NamedOutput(
            path=output.storage.removeprefix("gitbatch://") or output.path,
            address=Address.parse(output.address),
            folder=output.is_tree,
        )
