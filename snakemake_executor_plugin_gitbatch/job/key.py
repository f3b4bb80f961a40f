"""Job keys: the digest of everything that determines a job's outputs."""

from __future__ import annotations

import functools
import platform
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from snakemake import __version__ as snakemake_version

from gitbatch_core.archive import hashing
from gitbatch_core.archive.walk import below, inside
from gitbatch_core.git.repository import Repository
from gitbatch_core.model import documents
from gitbatch_core.model.job_record import KEY_SCHEME
from gitbatch_core.run.code_difference import ALL, Choice, CodeDifferences
from gitbatch_core.run.code_digest import Code
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.job import job_description, resources, workflow_view
from snakemake_executor_plugin_gitbatch.snakemake_internals import shell_command

CODE_RESOURCE = "gitbatch_code"
"""A rule's own patterns for the code that it depends on, in place of the workflow's."""

_PATH_ENDS = r"(?=/|$|[\s'\"`;|<>():,&])"
_TOP, _SOURCES = "\0top\0", "\0sources\0"
"""Stand for folders whose names mean nothing."""


@dataclass(frozen=True, kw_only=True)
class JobKey:
    """A job's key, and which part of it is the code."""

    key: str
    choice: Choice
    """Which files are its code."""
    rest: Callable[[], str] = field(repr=False)
    """Digests the others."""

    @functools.cached_property
    def without_code(self) -> str:
        """The same for jobs whose keys differ in nothing but the code; and in the configuration,
        where they would not see that if their code was chosen."""
        return self.rest()


@dataclass(kw_only=True)
class Keys:
    """Computes the keys of one run's jobs."""

    workflow: Any
    mirror: Mirror
    folder: str
    """The working directory, relative to the top."""
    code: Code
    declared: set[str]
    """Outputs, logs and benchmarks, relative to the top."""
    is_left: Callable[[str], bool]
    """Whether jobs have left something at a path beside their outputs."""
    _fetched: dict[str, str] = field(default_factory=dict)
    """Digests of remote sources by their names."""
    _config: Any = field(init=False)
    _places: list[tuple[str, re.Pattern[str], str]] = field(init=False)

    @classmethod
    def of(
        cls,
        workflow: Any,
        mirror: Mirror,
        folder: str,
        converted: Mapping[str, str],
        is_left: Callable[[str], bool],
    ) -> Keys:
        """For the code that the user has chosen. `converted`: see `Worktree.converted`; `is_left`:
        whether jobs have left something at a path beside their outputs. Raises UsageError for
        patterns that match nothing."""
        declared = set(filter(None, map(mirror.relative, workflow_view.declared(workflow))))
        code = Code(
            worktree=mirror.worktree,
            folder=mirror.there("."),
            algorithm=mirror.archive.algorithm,
            is_output=_any_of(inside(declared), is_left),
            converted=converted,
            parse_time=mirror.parse_time,
            patterns=tuple(workflow.executor_settings.code),
        )
        return cls(
            workflow=workflow,
            mirror=mirror,
            folder=folder,
            code=code,
            declared=declared,
            is_left=is_left,
        )

    def differences(self, repository: Repository) -> CodeDifferences:
        """Between commits, as these keys see the code."""
        # Not as it is now: a checkpoint may bring more outputs.
        return CodeDifferences(
            repository=repository, is_output=lambda name: self.code.is_output(name)
        )

    def declare(self, paths: Iterable[str]) -> None:
        """From now on, what lies at these paths, as the workflow names them, is no code either."""
        names = set(filter(None, map(self.mirror.relative, paths)))
        self.declared |= names
        tracked, in_order = self.mirror.tracked, self.mirror.tracked_in_order
        if any(name in tracked or any(below(name, in_order)) for name in names):
            self.code.leave_out(_any_of(inside(self.declared), self.is_left))

    def __post_init__(self) -> None:
        self.code.digest()  # patterns that match nothing are told before anything runs
        named = {
            str(self.workflow.sourcecache.runtime_cache_path): _SOURCES,
            str(self.mirror.top): _TOP,
        }
        self._places = [
            (path, re.compile(re.escape(path) + _PATH_ENDS), sign) for path, sign in named.items()
        ]
        self._config = self._anywhere(job_description.plain_config(self.workflow.config))

    def key(
        self, job: Any, description: job_description.Description, updated: Mapping[str, str]
    ) -> str:
        """The key of `job`. See `job_key`."""
        return self.job_key(job, description, updated).key

    def job_key(
        self, job: Any, description: job_description.Description, updated: Mapping[str, str]
    ) -> JobKey:
        """The key of `job`. `updated`: the old addresses of outputs that it changes in place.

        Raises UsageError for patterns of code that match nothing.
        """
        patterns = {_patterns(member) for member in job_description.members(job)}
        kinds = {member["command"]["kind"] for member in description.members}
        # Of a shell command, all that it sees of the configuration stands in it.
        is_chosen = any(map(self.code.is_chosen, patterns))
        sees_more = bool(kinds - {"shell", "none"})
        always = self._sources(job) if is_chosen else []
        sees_config = not is_chosen or sees_more
        document = {
            "scheme": KEY_SCHEME,
            "code": [
                self.code.digest(each, always if self.code.is_chosen(each) else ())
                for each in sorted(patterns)
            ],
            "config": None,  # large and always the same: see below
            "folder": self.folder,
            "jobs": [_keyed(member) for member in description.members],
            "remote": [self._remote(member) for member in job_description.members(job)],
            "updated": dict(updated),
            "shell": [shell_command.prefix(), shell_command.suffix()],
            "python": platform.python_version(),
            "snakemake": snakemake_version,
        }
        pairs = [
            [name, self._config if name == "config" and sees_config else value]
            for name, value in self._anywhere(document)["pairs"]
        ]

        def rest() -> str:
            others = [
                [name, None if name == "config" and not sees_more else value]
                for name, value in pairs
                if name != "code"
            ]
            return self._digest({"pairs": others})

        return JobKey(
            key=self._digest({"pairs": pairs}),
            rest=rest,
            choice=Choice(
                patterns=tuple(each or self.code.patterns for each in sorted(patterns)),
                folder=self.folder if is_chosen else "",
                always=tuple(sorted(set(always))),
            ),
        )

    def _digest(self, document: Any) -> str:
        return hashing.hash_bytes(
            documents.canonical(document), self.mirror.archive.algorithm
        ).digest

    def _sources(self, job: Any) -> list[str]:
        """What is code of this job whatever was chosen."""
        return self._relative(sources(self.workflow, job))

    def _remote(self, member: Any) -> list[str]:
        """Digests of a single job's sources that lie elsewhere, as Snakemake has fetched them."""
        digests = []
        for source in workflow_view.remote_sources_of(member):
            name = source.get_path_or_uri(secret_free=True)
            if name not in self._fetched:
                with self.workflow.sourcecache.open(source) as file:
                    text = file.read()
                data = text if isinstance(text, bytes) else text.encode()
                self._fetched[name] = str(hashing.hash_bytes(data, self.mirror.archive.algorithm))
            digests.append(self._fetched[name])
        return digests

    def _relative(self, paths: Any) -> list[str]:
        return [name for name in map(self.mirror.relative, paths) if name is not None]

    def _anywhere(self, value: Any) -> Any:
        """JSON data with what stands for the repository, whatever folder that is. Jobs see the
        order of a mapping, canonical JSON does not."""
        if isinstance(value, str):
            for path, pattern, sign in self._places:
                if path in value:
                    value = pattern.sub(sign, value)
            return value
        if isinstance(value, Mapping):
            return {"pairs": [[self._anywhere(k), self._anywhere(v)] for k, v in value.items()]}
        if isinstance(value, (list, tuple)):
            return [self._anywhere(item) for item in value]
        return value


def _any_of(*tests: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda path: any(test(path) for test in tests)


def choice(workflow: Any, job: Any, relative: Callable[[str], str | None]) -> Choice:
    """Which files are the code of a single job that need not run: no more of its resources is
    looked at than that takes. `relative`: a path relative to the top."""
    own = _patterns(job) if CODE_RESOURCE in job.rule.resources else ()
    if not (chosen := own or tuple(workflow.executor_settings.code)):
        return ALL
    always = {name for name in map(relative, sources(workflow, job)) if name is not None}
    return Choice(patterns=(chosen,), folder=relative(".") or "", always=tuple(sorted(always)))


def sources(workflow: Any, job: Any) -> Iterator[str]:
    """The local files that are code of a job whatever was chosen."""
    for member in job_description.members(job):
        yield from workflow_view.sources_of(member)
        if member.is_run:
            yield from workflow_view.snakefiles(workflow)


def _patterns(member: Any) -> tuple[str, ...]:
    """What a single job's rule says itself."""
    return tuple(shlex.split(str(member.resources.get(CODE_RESOURCE, "") or "")))


def _keyed(member: dict[str, Any]) -> dict[str, Any]:
    """What of a single job determines its outputs: not where it fits, nor what it declares of
    software and does not use. A shell command sees no more of the resources than stands in it."""
    if member["command"]["kind"] == "shell":
        kept = {}
    else:
        kept = {k: v for k, v in member["resources"].items() if not resources.only_places(k)}
    keyed = member | {"resources": dict(sorted(kept.items()))}
    keyed["software"] = keyed.pop("software_used")
    return keyed
