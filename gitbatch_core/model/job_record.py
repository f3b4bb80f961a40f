"""The job record: what one executed job was, where it ran, and what came of it.

The access point writes its first half into the job order; the runner adds what it measures and puts
it into the archive, under the job key. run.json has most of it again, of each job behind a result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from gitbatch_core.model.data import EMPTY, Data, by_name, many, one, texts
from gitbatch_core.model.documents import StoredDocument
from gitbatch_core.wording import job_title

KEY_SCHEME = 2
"""First field of what a job key is the digest of; raised when the meaning of a key changes."""

TREE, FILE = "tree", "file"
"""Kinds of what is stored."""

_CONTENT = re.compile("[0-9a-f]{32}")


class StoredFile(Data):
    """A file or folder that a job wrote and the archive was given: an output or a log."""

    path: str
    """Relative to the top of the work tree."""
    kind: str = FILE
    """`file` or `tree`."""
    address: str
    size: int | None = None
    """Bytes, of all members for a tree."""
    name: str | None = None
    """Of the object in the archive; only files that are kept have one."""
    temporary: bool = False
    """Hashed, but not kept: it went with the worktree."""

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder."""
        return self.kind == TREE


class Input(Data):
    """A file or folder that a single job reads."""

    path: str
    """As the job names it: relative to its working directory, or absolute."""
    address: str | None = None
    """None for what another job of the same group makes."""
    name: str | None = None
    """Its keyword in the rule's `input:`."""


class Command(Data):
    """What a single job runs."""

    kind: str = ""
    """`shell`, `script`, `notebook`, `wrapper`, `cwl`, `template_engine`, `run` or `none`."""
    text: str = ""
    """The shell command, or the path or name of what is run; empty for `run` and `none`."""


class SingleJob(Data):
    """One Snakemake job; a job of the pool that is a group has several."""

    rule: str = ""
    wildcards: Mapping[str, str] = EMPTY
    command: Command = one(Command, default=Command())
    params: Mapping[str, Any] = EMPTY
    """By name, else by position; as `param_values` encodes them."""
    inputs: Sequence[Input] = many(Input, default=())
    """In the order of the rule."""
    outputs: Sequence[str] = texts(default=())
    """As the job names them."""
    logs: Sequence[str] = texts(default=())
    """Logs and benchmarks, as the job names them."""
    software: Mapping[str, Any] = EMPTY
    """Kind (`conda`, `container`, `env_modules`) -> what the rule declares."""
    software_used: Mapping[str, str] = EMPTY
    """Kind -> what was used of that. See `used_software`."""
    resources: Mapping[str, int | str] = EMPTY
    threads: int = 1

    def used_software(self) -> dict[str, str | None]:
        """What of environments, images and modules it used: kind -> which. None: older records say
        what was declared, and only of a conda file that was used its content."""
        if "software_used" in self:
            return dict(self.software_used)
        return {
            kind: name if kind == "conda" and _CONTENT.fullmatch(str(name)) else None
            for kind, name in (self.software or {}).items()
        }

    @property
    def title(self) -> str:
        """For people: `align[sample=a]`."""
        return job_title(self.rule, self.wildcards)


class Environment(Data):
    """The environment variables that a job was started with."""

    names: Sequence[str] = texts(default=())
    values: Mapping[str, str] = EMPTY
    """Of those alone that are harmless to keep."""


class Host(Data):
    """The machine that ran a job."""

    name: str | None = None
    system: str = ""
    """The kernel's name: `Linux`."""
    kernel: str = ""
    """Its release."""
    machine: str = ""
    """The architecture: `x86_64`."""
    cpus: int | None = None
    python: str = ""
    slot: str | None = None
    """HTCondor's name of the slot."""


class Tool(Data):
    """A program that the command names."""

    path: str = ""
    real_path: str | None = None
    """Where `path` leads through links."""
    address: str | None = None
    """Of its bytes, where they could be read."""


class Usage(Data):
    """What a job took, as the runner measured it, or the pool."""

    wall_s: float | None = None
    """Seconds from start to end."""
    cpu_s: float | None = None
    """Seconds of all cores together."""
    memory_mb: float | None = None
    """MiB at the peak, all processes together."""
    disk_mb: float | None = None
    """MiB, only known to the pool."""
    read_mb: float | None = None
    """MB (10^6 bytes)."""
    written_mb: float | None = None
    """MB (10^6 bytes)."""


class RequestRecord(Data):
    """What was asked of the pool for a job."""

    cpus: int | None = None
    mem_mb: float | None = None
    """MB (10^6 bytes)."""
    disk_mb: float | None = None
    """MB (10^6 bytes)."""


class PoolFacts(Data):
    """The pool: its kind, and what it says of itself."""

    kind: str = ""
    """`htcondor` or `local`."""


class CodeChoice(Data):
    """Which of the tracked files are the code of a job that depends on a part of them."""

    patterns: Sequence[Sequence[str]] = ((),)
    """Of each single job, git's patterns from the working directory; an empty list stands for all
    but prose."""
    always: Sequence[str] = texts(default=())
    """Paths, relative to the top, that count whatever was chosen."""


class JobRecord(StoredDocument):
    """One execution of one job, of a single Snakemake job or a group."""

    FORMAT: ClassVar[str] = "gitbatch-record"
    VERSION: ClassVar[int] = 1

    run: str = ""
    """The id of the run that executed it."""
    number: int = 0
    """In that run, from 1."""
    key: str = ""
    """The job key."""
    key_without_code: str | None = None
    """The digest of all that determines the outputs but the code."""
    reusable: bool = False
    """Whether the key says all that determines the outputs."""
    commit: str = ""
    """The source commit whose code ran."""
    folder: str = ""
    """The working directory, relative to the top; empty for the top."""
    versions: Mapping[str, str] = EMPTY
    rule: str = ""
    """Of a group, its rules joined by `+`."""
    attempt: int = 1
    members: Sequence[SingleJob] = many(SingleJob, default=())
    """The single jobs, in the order in which they run."""
    updated: Mapping[str, str] = EMPTY
    """Outputs that the job changes in place: path, as the job names it -> the old address."""
    code: CodeChoice | None = one(CodeChoice, default=None)
    """None: all tracked files but prose count."""
    parse_time: Sequence[str] = texts(default=())
    """Inputs that the workflow wrote while it was read; relative to the top."""
    environment: Environment = one(Environment, default=Environment())
    tools: Mapping[str, Tool] = by_name(Tool, default=EMPTY)
    """Programs that the command names -> what they were."""
    host: Host = one(Host, default=Host())
    pool: PoolFacts = one(PoolFacts, default=PoolFacts())
    started: str | None = None
    """UTC, ISO 8601, milliseconds."""
    ended: str | None = None
    exit_code: int | None = None
    usage: Usage = one(Usage, default=Usage())
    outputs: Sequence[StoredFile] = many(StoredFile, default=())
    """What the job was to make, and made."""
    logs: Sequence[StoredFile] = many(StoredFile, default=())
    """Its logs and benchmarks, without the values of secrets."""
    # Of a job in run.json:
    request: RequestRecord = one(RequestRecord, default=RequestRecord())
    waited_s: float | None = None
    """Seconds from handing it to the pool to its start."""
    pool_usage: Usage = one(Usage, default=Usage())

    @property
    def name(self) -> str:
        """`RUN-NUMBER`: what run.json calls it."""
        return f"{self.run}-{self.number}"

    def at(self, path: str) -> str:
        """A path as the job names it, from the top of the work tree."""
        return os.path.normpath(os.path.join(self.folder, path))

    def makers(self) -> dict[str, SingleJob]:
        """By output, relative to the top: the single job, of a group maybe, that makes it."""
        return {
            self.at(output): member
            for member in reversed(self.members)
            for output in member.outputs
        }

    def maker(self, path: str) -> SingleJob | None:
        """The single job that makes this output; of a path that none names, the first one."""
        maker = self.makers().get(path) if len(self.members) > 1 else None
        return maker or next(iter(self.members), None)

    def inputs(self, member: SingleJob) -> dict[str, str | None]:
        """What one of its single jobs reads: path relative to the top (absolute outside) ->
        address."""
        return {self.at(each.path): each.address for each in member.inputs}

    def kept_outputs(self) -> Iterator[StoredFile]:
        """Those that the archive has: all but temporary ones."""
        return (output for output in self.outputs if not output.temporary)
