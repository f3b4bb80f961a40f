"""JobSpecs as HTCondor takes them: submit descriptions with one line of item data per job.

Pure. What HTCondor's submit language cannot carry is a PoolError that names the job: in arguments
and paths a null character, line feed, carriage return, unit separator, and what is not UTF-8.
Everything else arrives byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from string import ascii_lowercase
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.base import RefusedError
from gitbatch_core.pools.htcondor import holds, submit_extras

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from gitbatch_core.pools.base import JobSpec, Request

_NOT_CARRIED = re.compile("[\0\n\r\x1f\ud800-\udfff]")
_MACRO = re.compile(r"\$(?=\(|[A-Za-z_]+\()")
_MATCH_MACRO = re.compile(r"\$\$[(\[]")

_VARIABLES = tuple(f"gitbatch_{a}{b}" for a, b in product(ascii_lowercase, repeat=2))
"""Names for item data. With a digit in them the bindings make a queue statement that HTCondor
does not understand."""

NO_SECRETS = "no-secrets.json"
"""In the folder of a job that has none: an empty JSON object."""

MOST_AT_ONCE = 5000
"""Of more jobs in one submission, only so many are in the queue at a time."""

_MOST_DOUBLINGS = 3
"""How often a job that took too much memory runs again with twice as much."""


@dataclass(frozen=True, kw_only=True)
class SubmitDescription:
    """Submit commands, and the jobs that they describe: one cluster, in this order."""

    commands: Mapping[str, str]
    items: tuple[Mapping[str, str], ...]
    jobs: tuple[JobSpec, ...]

    @property
    def late(self) -> bool:
        """Whether the schedd makes its jobs bit by bit: most are not in the queue at first."""
        return any(name in self.commands for name in submit_extras.OF_A_SUBMISSION)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the pool says of memory."""

    default: str = ""
    """What a job gets that does not say: MiB, a ClassAd expression."""
    most_mb: int | None = None
    """What the largest slot has."""


def submit_descriptions(
    jobs: Sequence[JobSpec],
    *,
    run: str,
    private_folder: Path,
    private_files: Mapping[int, str],
    environment: Mapping[str, str],
    keep_claim_idle_s: int = 0,
    held_timeout_s: int = 0,
    memory: Memory = Memory(),
    most_at_once: int = MOST_AT_ONCE,
) -> list[SubmitDescription]:
    """As few submit descriptions as the jobs allow: one, where all run the same program.

    `private_files`: by job number the name of its file of secrets in `private_folder`; a job that
    is not in there has none, and `NO_SECRETS` lies in its folder. `environment` is readable for
    everybody. `held_timeout_s`: for so long others may release what they put on hold.
    Raises PoolError.
    """
    common = {
        "universe": "vanilla",
        "transfer_executable": "false",
        "log": path(private_folder / "events.log", of="The event log"),
        "when_to_transfer_output": "ON_EXIT",
        "transfer_output_files": '""',
        "batch_name": f"gitbatch {run}",
        "keep_claim_idle": str(keep_claim_idle_s),
        "periodic_release": holds.RELEASE,
        "periodic_remove": holds.remove_after(held_timeout_s),
        "MY.GitbatchRun": string(run),
        "MY.GitbatchHeldTimeout": str(held_timeout_s),
        "MY.Environment": string(environment_v2(environment)),
    }
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[JobSpec, dict[str, str]]]] = {}
    for spec in jobs:
        item = _item(spec, private_folder, private_files.get(spec.number), memory)
        of_all = tuple((key, item.pop(key)) for key in list(item) if _is_of_all(key))
        groups.setdefault((_path(spec, spec.argv[0]), of_all), []).append((spec, item))
    descriptions = []
    for (executable, of_all), group in groups.items():
        commands = {"executable": executable, **common, **dict(of_all)}
        late = any(name in submit_extras.OF_A_SUBMISSION for name in commands)
        if len(group) > most_at_once and not late:
            commands["max_materialize"], late = str(most_at_once), True
        parts: dict[tuple[tuple[str, str], ...], list[tuple[JobSpec, dict[str, str]]]] = {}
        for spec, item in group:
            alike = _alike(spec, item) if late else ()
            parts.setdefault(alike, []).append((spec, item))
        for alike, part in parts.items():
            descriptions += [
                _submit_description(commands | dict(alike), each) for each in _clusters(part)
            ]
    return descriptions


def _alike(spec: JobSpec, item: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """What jobs must have in common that the schedd makes one by one, by submit command; taken out
    of `item`. They all get the first one's requirements, which other commands add to, and their own
    `initialdir` would be looked for in the first one's."""
    if not item["transfer_input_files"]:
        item["initialdir"] = _path(spec, str(spec.folder.parent))
    common = {name: item.pop(name) for name in ("initialdir", "should_transfer_files")}
    common |= {"requirements": item.pop("requirements", "")}
    return (*common.items(), ("MY.GitbatchKeys", string(" ".join(item))))


def _clusters(
    jobs: Sequence[tuple[JobSpec, dict[str, str]]],
) -> list[list[tuple[JobSpec, dict[str, str]]]]:
    """The jobs in as few clusters as can be: what the first job of a cluster sets, HTCondor gives
    to those that do not; so all must set at least that. A pool's own resources all or none set."""
    by_keys: dict[frozenset[str], list[tuple[JobSpec, dict[str, str]]]] = {}
    for spec, item in jobs:
        commands = (
            key for key, value in item.items() if value and not submit_extras.is_attribute(key)
        )
        by_keys.setdefault(frozenset(commands), []).append((spec, item))
    clusters: list[tuple[frozenset[str], list[tuple[JobSpec, dict[str, str]]]]] = []
    for keys in sorted(by_keys, key=len):
        home = next(
            (c for first, c in clusters if first <= keys and _own(first) == _own(keys)), None
        )
        if home is None:
            clusters.append((keys, by_keys[keys]))
        else:
            home += by_keys[keys]
    return [cluster for _, cluster in clusters]


def _own(commands: Iterable[str]) -> set[str]:
    return set(filter(submit_extras.is_machine_resource, commands))


def _submit_description(
    commands: Mapping[str, str], part: Sequence[tuple[JobSpec, dict[str, str]]]
) -> SubmitDescription:
    """One line of item data for each job; what a job does not set is empty in its line."""
    keys = list(dict.fromkeys(key for _, item in part for key in item))
    names = dict(zip(keys, _VARIABLES, strict=False))
    itemized = {key.casefold() for key in keys}
    missing = {
        key: "undefined" if submit_extras.is_attribute(key) else _default(commands, key)
        for key in keys
    }
    return SubmitDescription(
        commands={key: v for key, v in commands.items() if key.casefold() not in itemized}
        | {"MY.GitbatchFirst": str(part[0][0].number)}
        | {key: f"$({name})" for key, name in names.items()},
        items=tuple({names[k]: item.get(k, missing[k]) for k in keys} for _, item in part),
        jobs=tuple(spec for spec, _ in part),
    )


def _default(commands: Mapping[str, str], key: str) -> str:
    """What a job gets that does not set `key`, where others do."""
    return next((v for k, v in commands.items() if k.casefold() == key.casefold()), "")


def _is_of_all(key: str) -> bool:
    return key.casefold() in submit_extras.OF_A_CLUSTER | submit_extras.OF_A_SUBMISSION


def _item(
    spec: JobSpec, private_folder: Path, private_file: str | None, memory: Memory
) -> dict[str, str]:
    """What is the job's own, by submit command.

    Secrets go from the private folder into the job's scratch folder, where it starts.
    """
    secrets = private_file or str(spec.folder / NO_SECRETS)
    words = [*spec.argv[1:], "--private", secrets]
    for word in words:
        if _NOT_CARRIED.search(word):
            raise PoolError(
                f"{name_of(spec)}: HTCondor cannot carry this argument: {word!r}",
                hint="Line breaks, null characters and bytes that are not UTF-8 do not fit into "
                "a job ad.",
            )
    log = _path(spec, str(spec.folder / "process.log"))
    if private_file:
        files = {
            "initialdir": path(private_folder, of="The private folder"),
            "transfer_input_files": private_file,
            "should_transfer_files": "YES",
        }
    else:
        # Sending files costs three times as much as starting a small job.
        files = {
            "initialdir": _path(spec, str(spec.folder)),
            "transfer_input_files": "",
            "should_transfer_files": "IF_NEEDED",
        }
    commands = {
        **files,
        "output": log,
        "error": log,
        "MY.Arguments": string(" ".join(map(word_v2, words))),
        "MY.GitbatchNumber": str(spec.number),
        "MY.GitbatchName": string(spec.name),
        "MY.JobDescription": string(spec.name),
        **_labels(spec),
        **_request(spec.request, memory),
    }
    extra = _extra(spec)
    theirs = {key.casefold() for key in extra}
    if "periodic_release" in theirs:
        commands["MY.GitbatchOwnRelease"] = "true"
    return {k: v for k, v in commands.items() if k.casefold() not in theirs} | extra


def _labels(spec: JobSpec) -> dict[str, str]:
    """`commit_time` becomes `MY.GitbatchCommitTime`."""
    attributes = {}
    for name, value in spec.labels.items():
        words = re.findall(r"[A-Za-z0-9]+", name)
        attribute = "MY.Gitbatch" + "".join(word[0].upper() + word[1:] for word in words)
        if words and attribute not in ("MY.GitbatchRun", "MY.GitbatchNumber", "MY.GitbatchName"):
            attributes[attribute] = string(value)
    return attributes


def _request(request: Request, memory: Memory) -> dict[str, str]:
    asked = {
        "request_cpus": max(1, request.cpus),
        "request_memory": request.memory_mb,
        "request_disk": None if request.disk_mb is None else request.disk_mb * 1024,
        "request_gpus": request.gpus or None,
        "allowed_execute_duration": request.runtime_s,
    }
    commands = {key: str(value) for key, value in asked.items() if value is not None}
    steps = memory_steps(request, memory)
    if len(steps) > 1:
        commands |= {
            "request_memory": holds.REQUEST_MEMORY,
            "MY.GitbatchMemory": f"{{{', '.join(steps)}}}",
        }
    return commands


def memory_steps(request: Request, memory: Memory) -> tuple[str, ...]:
    """What the job asks for at first and after each time that it took more; MiB, expressions.
    Nothing where it asks by an expression of its own."""
    if "request_memory" in {key.casefold() for key in request.extra}:
        return ()
    first = memory.default if request.memory_mb is None else str(request.memory_mb)
    if request.memory_steps:
        return (first, *request.memory_steps)
    if not first.isdecimal():
        more = (f"{2**n} * ({first})" for n in range(1, _MOST_DOUBLINGS + 1))
        return (first, *more) if first else ()
    steps = [int(first)]
    most = steps[0] * 2**_MOST_DOUBLINGS
    if memory.most_mb is not None:
        most = min(most, memory.most_mb)
    while steps[-1] < most:
        steps.append(min(most, 2 * steps[-1]))
    return tuple(map(str, steps))


def _extra(spec: JobSpec) -> dict[str, str]:
    for key, value in spec.request.extra.items():
        if value.strip() and (why := submit_extras.why_not(key, value)):
            raise RefusedError({spec.number: f"{name_of(spec)}: {why}"})
    return submit_extras.named_alike(spec.request.extra)


def word_v2(word: str) -> str:
    """One word in HTCondor's V2 syntax of arguments and environments.

    A dollar sign stands outside of the quotes, so that none of HTCondor's macros, at submit time
    `$(x)` and at match time `$$(x)`, can begin in it.
    """
    if not word:
        return "''"
    parts = word.split("$")
    return "$".join("'" + part.replace("'", "''") + "'" if part else "" for part in parts)


def environment_v2(environment: Mapping[str, str]) -> str:
    """In HTCondor's V2 syntax, without what HTCondor cannot carry."""
    pairs = [f"{name}={value}" for name, value in environment.items()]
    return " ".join(word_v2(pair) for pair in pairs if not _NOT_CARRIED.search(pair))


def string(text: str) -> str:
    """A ClassAd expression, in a submit description, whose value is `text`.

    Only what HTCondor cannot carry is changed, into an escape that people can read. In old ClassAd
    syntax, which submit descriptions have, a backslash is a backslash except before a quote.
    """
    text = _NOT_CARRIED.sub(lambda match: ascii(match[0])[1:-1], text)
    if not (_MACRO.search(text) or _MATCH_MACRO.search(text)):
        return _quoted(text)
    # Macros are looked for in the text of the expression: none may stand there in one piece.
    parts = [part for part in re.split(r"(?<=\$)", text) if part]
    if parts[-1].endswith("\\"):  # it would keep the quote from closing the string
        *parts, last = parts
        return f"strcat({', '.join(map(_quoted, parts))}, substr({_quoted(last + '.')}, 0, -1))"
    return f"strcat({', '.join(map(_quoted, parts))})"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def path(value: Path | str, *, of: str) -> str:
    """A path as a submit command's value. Raises PoolError where HTCondor cannot carry it."""
    text = str(value)
    if _NOT_CARRIED.search(text) or _MATCH_MACRO.search(text) or text != text.strip():
        raise PoolError(f"{of}: HTCondor cannot carry the path {text!r}")
    if not text.startswith("/"):
        raise PoolError(f"{of}: the path {text!r} is not absolute")
    return _MACRO.sub("$(DOLLAR)", text)


def _path(spec: JobSpec, value: str) -> str:
    return path(value, of=name_of(spec))


def name_of(spec: JobSpec) -> str:
    return f"Job {spec.number} ({spec.name})"


def named(jobs: Iterable[JobSpec]) -> str:
    """`Job 3 (rule) and 12 more`, for messages."""
    first, *more = jobs
    return name_of(first) + (f" and {len(more)} more" if more else "")
