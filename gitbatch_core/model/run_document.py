"""run.json: the one document of a run, which alone answers how each of its outputs was made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gitbatch_core.model.data import EMPTY, Data, by_name, many, one, texts
from gitbatch_core.model.documents import StoredDocument
from gitbatch_core.model.job_record import FILE, TREE, JobRecord, PoolFacts
from gitbatch_core.model.reproduction import Reproduction

UNKNOWN = "unknown"
"""The provenance of an output that no job is known to have made."""

_REPRODUCTION = re.compile(r"reproduction of (\d{8}-\d{6}-[0-9a-f]{4})\s*")


def reproduced_run(reproduces: str | None, message: str | None) -> str | None:
    """The run that a run was to make again; None for a run of its own. Earlier versions have said
    so by the message alone."""
    by_message = _REPRODUCTION.fullmatch(message or "")
    return reproduces or (by_message[1] if by_message else None)


class RunOutput(Data):
    """An output that was there at the end of a run."""

    path: str
    """Relative to the top of the work tree."""
    kind: str = FILE
    """`file` or `tree`."""
    address: str
    size: int | None = None
    """Bytes; None where the archive could not be asked."""
    storage: str = ""
    """Of what lies in another storage: the query that names it there."""
    job: str | None = None
    """The name, in `jobs`, of the job that made it."""
    provenance: str | None = None
    """`unknown` where no job is known to have made it."""
    rule: str | None = None
    wildcards: Mapping[str, str] = EMPTY
    other_code: str | None = None
    """The commit that made it, where its code is other than the run's."""
    tainted: bool = False
    """Whether a tainted run made it."""
    stale_inputs: Sequence[str] = texts(default=())
    """What it was made from and is itself stale."""

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder."""
        return self.kind == TREE


class UndeclaredFile(Data):
    """A file that jobs left beside what their rules declare. See docs/adr/0017."""

    path: str
    """Relative to the top of the work tree."""
    run: str = ""
    """The run whose jobs wrote it."""
    jobs: Sequence[int] = ()
    """Those of that run with which it comes along: one of them surely, or by its name, wrote it."""
    rule: str | None = None
    """Only where it was surely one's of that rule."""
    kind: str = FILE
    address: str | None = None
    """None where it was not kept."""
    name: str | None = None
    """Of the object in the archive."""
    size: int | None = None
    """Bytes."""

    @property
    def is_kept(self) -> bool:
        """Whether the archive has it."""
        return self.address is not None

    def job_names(self) -> list[str]:
        """`RUN-NUMBER` of the jobs with which it comes along."""
        return [f"{self.run}-{number}" for number in self.jobs]


class UndeclaredBy(Data):
    """A job that left undeclared files."""

    rule: str = ""
    members: Sequence[str] = texts(default=())
    """Its single jobs, for people: `align[sample=a]`."""
    outputs: Sequence[str] = texts(default=())
    """Relative to the top."""
    failed: bool = False


class RuleCosts(Data):
    """What the jobs of one rule took."""

    rule: str
    jobs: int = 0
    executions: int = 0
    """Jobs, and each further attempt."""
    failed: int = 0
    waited_s: float | None = None
    """Median of the seconds from handing over to the start."""
    wall_s: float | None = None
    """Median."""
    longest_s: float | None = None
    total_s: float = 0.0
    core_s: float = 0.0
    """Wall time times cores: what was kept from others."""
    cpu_s: float = 0.0
    cpu_efficiency: float | None = None
    """`cpu_s` by `core_s`."""
    cpus: int = 1
    asked_mb: float | None = None
    """MB; the most that any asked for."""
    memory_mb: float | None = None
    """MB; the most that any used."""
    memory_efficiency: float | None = None
    """Of the one that used the most."""
    next_time: str = ""
    """Resources to write into the rule; empty where all is well."""


class RunCosts(Data):
    """What the jobs of a run took."""

    jobs: Mapping[str, int] = EMPTY
    """How many were `done`, `failed`, `cancelled`; and attempts that were `repeated`."""
    rules: Sequence[RuleCosts] = many(RuleCosts, default=())


class RunLog(Data):
    """What Snakemake printed, in the archive."""

    address: str
    name: str | None = None
    size: int | None = None
    """Bytes."""


def of_rules(undeclared: Any) -> Any:
    """Earlier versions have only listed paths, with rules."""
    if not isinstance(undeclared, Mapping):
        return undeclared or []
    return [
        {"path": path, **({"rule": rules[0]} if len(rules) == 1 else {})}
        for path, rules in undeclared.items()
    ]


class RunDocument(StoredDocument):
    """A run that has ended, what it made, and how."""

    FORMAT: ClassVar[str] = "gitbatch-run"
    VERSION: ClassVar[int] = 1

    run: str
    """The id: `YYYYMMDD-HHMMSS-xxxx`, UTC."""
    outcome: str = ""
    """`succeeded`, `failed` or `interrupted`."""
    repository: str = ""
    """The top of the work tree, on `host`."""
    source_commit: str = ""
    """The commit that ran."""
    head: str = ""
    """HEAD at its start: `source_commit`, or a run commit on top of that."""
    snapshot: bool = False
    """Whether `source_commit` has uncommitted changes of the user."""
    message: str = ""
    tag: str | None = None
    """The tag that was to lead to the run commit."""
    command: Sequence[str] = texts(default=())
    """The command line."""
    folder: str = ""
    """The working directory, relative to the top; empty for the top."""
    snakefile: str | None = None
    """Relative to the top; None where it lies outside."""
    targets: Sequence[str] = texts(default=())
    config: Any = EMPTY
    """The configuration as the workflow saw it; as `param_values` encodes it."""
    given_config: Any = None
    """What --config and --configfile gave; encoded alike."""
    settings: Sequence[str] | None = None
    """Other arguments of Snakemake that decide what jobs there are and what they make."""
    versions: Mapping[str, str] = EMPTY
    packages: Mapping[str, str] = EMPTY
    """Python packages of the environment that Snakemake ran in -> version."""
    pool: PoolFacts = one(PoolFacts, default=PoolFacts())
    archive: str = ""
    """The archive's id."""
    user: str = ""
    host: str = ""
    """The access point."""
    started: str = ""
    """UTC, ISO 8601, as all times."""
    ended: str | None = None
    resumed: Sequence[str] = texts(default=())
    """When other processes went on with it."""
    reproduces: str | None = None
    """The run that it was to make again."""
    jobs_finished: int = 0
    jobs_failed: Sequence[str] = texts(default=())
    """For people: `align[sample=a]`; a retried one once each time."""
    reused: Mapping[str, int] = EMPTY
    """Run -> how many of its jobs were reused."""
    left_out: int = 0
    """Jobs not run, as only temporary outputs were missing."""
    tainted: Sequence[str] = texts(default=())
    """Files of the commit that jobs changed; then the run has no tag and is never reused."""
    undeclared: Sequence[UndeclaredFile] = many(UndeclaredFile, default=(), older=of_rules)
    undeclared_jobs: Mapping[str, UndeclaredBy] = by_name(UndeclaredBy, default=EMPTY)
    """`RUN-NUMBER` -> the job."""
    outside: Mapping[str, str] = EMPTY
    """Absolute inputs outside of the repository -> address."""
    linked: Mapping[str, str] = EMPTY
    """Links of the user's folder, to files or folders outside -> where they led."""
    parse_time: Mapping[str, str] = EMPTY
    """What the workflow wrote while it was read -> address."""
    input_links: Sequence[str] = texts(default=())
    """Frozen inputs that the source commit lacks: the run commit has their links."""
    jobs_without_code: Mapping[str, str] = EMPTY
    """Key without the code -> `KEY/RUN-NUMBER`, the job's record."""
    comparisons: Sequence[Reproduction] = many(Reproduction, default=())
    """Of jobs that were run again though they could have been reused."""
    costs: RunCosts = one(RunCosts, default=RunCosts())
    log: RunLog | None = one(RunLog, default=None)
    other_code: Mapping[str, Sequence[str] | None] = EMPTY
    """Other commit -> the files in which its code differs; None: nobody can say."""
    jobs: Mapping[str, JobRecord] = by_name(JobRecord, default=EMPTY)
    """`RUN-NUMBER` -> the job, of this run or an earlier one, that made an output."""
    outputs: Sequence[RunOutput] = many(RunOutput, default=())
    """Sorted by path."""

    @property
    def reproduced_run(self) -> str | None:
        """The run that it was to make again, whatever version wrote it."""
        return reproduced_run(self.reproduces, self.message)

    def kept_undeclared(self) -> list[UndeclaredFile]:
        """The undeclared files that the archive has."""
        return [file for file in self.undeclared if file.is_kept]

    def own_undeclared(self) -> list[UndeclaredFile]:
        """Those of them that come along with the run's own jobs."""
        return [file for file in self.kept_undeclared() if file.run == self.run and file.jobs]

    def job_of(self, output: RunOutput) -> JobRecord | None:
        """The job that made an output; None where nobody knows."""
        return None if output.job is None else self.jobs.get(output.job)
