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

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from gitbatch_core.pools.base import JobSpec, Request

_NOT_CARRIED = re.compile("[\0\n\r\x1f\ud800-\udfff]")
_MACRO = re.compile(r"\$(?=\(|[A-Za-z_]+\()")
_MATCH_MACRO = re.compile(r"\$\$[(\[]")
_KEY = re.compile(r"\+?[A-Za-z_][\w.]*", re.ASCII)

_OURS = frozenset(
    {
        "arguments",
        "batch_name",
        "environment",
        "error",
        "executable",
        "getenv",
        "initialdir",
        "log",
        "output",
        "queue",
        "should_transfer_files",
        "transfer_executable",
        "transfer_input_files",
        "transfer_output_files",
        "universe",
        "when_to_transfer_output",
    }
)
"""Submit commands that a job's `extra` cannot change without breaking what we rely on."""

_VARIABLES = tuple(f"gitbatch_{a}{b}" for a, b in product(ascii_lowercase, repeat=2))
"""Names for item data. With a digit in them the bindings make a queue statement that HTCondor
does not understand."""

NO_SECRETS = "no-secrets.json"
"""In the folder of a job that has none: an empty JSON object."""

_GIVE_UP_HOLD_S = 3600
"""A held job is removed by us; where we are gone, by the schedd after so long."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Jobs that one submit description describes: they become one cluster, in this order."""

    description: Mapping[str, str]
    items: tuple[Mapping[str, str], ...]
    jobs: tuple[JobSpec, ...]


def submissions(
    jobs: Sequence[JobSpec],
    *,
    run: str,
    private_folder: Path,
    private_files: Mapping[int, str],
    environment: Mapping[str, str],
    keep_claim_idle_s: int = 0,
) -> list[Submission]:
    """As few submissions as the jobs allow: one, where all set the same keys and extras.

    `private_files`: by job number the name of its file of secrets in `private_folder`; a job that
    is not in there has none, and `NO_SECRETS` lies in its folder. `environment` is readable for
    everybody. Raises PoolError.
    """
    common = {
        "universe": "vanilla",
        "transfer_executable": "false",
        "log": path(private_folder / "events.log", of="The event log"),
        "when_to_transfer_output": "ON_EXIT",
        "transfer_output_files": '""',
        "batch_name": f"gitbatch {run}",
        "keep_claim_idle": str(keep_claim_idle_s),
        "periodic_remove": "JobStatus == 5 && HoldReasonCode =!= 16 && "
        f"time() - EnteredCurrentStatus > {_GIVE_UP_HOLD_S}",
        "MY.GitbatchRun": string(run),
        "MY.Environment": string(_environment(environment)),
    }
    groups: dict[tuple[object, ...], list[tuple[JobSpec, dict[str, str]]]] = {}
    for spec in jobs:
        item = _item(spec, private_folder, private_files.get(spec.number))
        shape = (_path(spec, spec.argv[0]), tuple(_extra(spec).items()), tuple(item))
        groups.setdefault(shape, []).append((spec, item))
    found = []
    for group in groups.values():
        first, keys = group[0]
        names = dict(zip(keys, _VARIABLES, strict=False))
        description = common | {
            "executable": _path(first, first.argv[0]),
            # Sending files costs three times as much as starting a small job.
            "should_transfer_files": "YES" if "transfer_input_files" in keys else "IF_NEEDED",
        }
        description |= {key: f"$({name})" for key, name in names.items()}
        description = _overridden(description, _extra(first))
        found.append(
            Submission(
                description=description,
                items=tuple({names[k]: v for k, v in item.items()} for _, item in group),
                jobs=tuple(spec for spec, _ in group),
            )
        )
    return found


def _item(spec: JobSpec, private_folder: Path, private_file: str | None) -> dict[str, str]:
    """What is the job's own, by submit command.

    Secrets go from the private folder into the job's scratch folder, where it starts.
    """
    secrets = private_file or str(spec.folder / NO_SECRETS)
    words = [*spec.argv[1:], "--private", secrets]
    for word in words:
        if _NOT_CARRIED.search(word):
            raise PoolError(
                f"{_named(spec)}: HTCondor cannot carry this argument: {word!r}",
                hint="Line breaks, null characters and bytes that are not UTF-8 do not fit into "
                "a job ad.",
            )
    log = _path(spec, str(spec.folder / "process.log"))
    if private_file:
        files = {
            "initialdir": path(private_folder, of="The private folder"),
            "transfer_input_files": private_file,
        }
    else:
        files = {"initialdir": _path(spec, str(spec.folder))}
    return {
        **files,
        "output": log,
        "error": log,
        "MY.Arguments": string(" ".join(map(word_v2, words))),
        "MY.GitbatchNumber": str(spec.number),
        "MY.GitbatchName": string(spec.name),
        **_labels(spec),
        **_request(spec.request),
    }


def _labels(spec: JobSpec) -> dict[str, str]:
    """`commit_time` becomes `MY.GitbatchCommitTime`."""
    found = {}
    for name, value in spec.labels.items():
        words = re.findall(r"[A-Za-z0-9]+", name)
        attribute = "MY.Gitbatch" + "".join(word[0].upper() + word[1:] for word in words)
        if words and attribute not in ("MY.GitbatchRun", "MY.GitbatchNumber", "MY.GitbatchName"):
            found[attribute] = string(value)
    return found


def _request(request: Request) -> dict[str, str]:
    asked = {
        "request_cpus": max(1, request.cpus),
        "request_memory": request.memory_mb,
        "request_disk": None if request.disk_mb is None else request.disk_mb * 1024,
        "request_gpus": request.gpus or None,
        "allowed_execute_duration": request.runtime_s,
    }
    return {key: str(value) for key, value in asked.items() if value is not None}


def _extra(spec: JobSpec) -> dict[str, str]:
    for key, value in spec.request.extra.items():
        if not _KEY.fullmatch(key) or _NOT_CARRIED.search(value):
            raise PoolError(f"{_named(spec)}: {key!r} = {value!r} is no HTCondor submit command")
        if key.casefold() in _OURS or key.casefold().lstrip("+").startswith(("my.gitb", "gitb")):
            raise PoolError(
                f"{_named(spec)}: the HTCondor submit command {key} is set by gitbatch itself"
            )
    return dict(sorted(spec.request.extra.items()))


def _overridden(description: dict[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    theirs = {key.casefold() for key in extra}
    return {k: v for k, v in description.items() if k.casefold() not in theirs} | dict(extra)


def word_v2(word: str) -> str:
    """One word in HTCondor's V2 syntax of arguments and environments.

    A dollar sign stands outside of the quotes, so that none of HTCondor's macros, at submit time
    `$(x)` and at match time `$$(x)`, can begin in it.
    """
    if not word:
        return "''"
    parts = word.split("$")
    return "$".join("'" + part.replace("'", "''") + "'" if part else "" for part in parts)


def _environment(environment: Mapping[str, str]) -> str:
    pairs = [f"{name}={value}" for name, value in environment.items()]
    return " ".join(word_v2(pair) for pair in pairs if not _NOT_CARRIED.search(pair))


def string(text: str) -> str:
    """A ClassAd expression, in a submit description, whose value is `text`.

    Only what HTCondor cannot carry is changed, into an escape that people can read. In old ClassAd
    syntax, which submit descriptions have, a backslash is a backslash except before a quote.
    """
    text = _NOT_CARRIED.sub(lambda found: ascii(found[0])[1:-1], text)
    if not (_MACRO.search(text) or _MATCH_MACRO.search(text)):
        return _quoted(text)
    # Macros are looked for in the text of the expression: none may stand there in one piece.
    parts = [part for part in re.split(r"(?<=\$)", text) if part]
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
    return path(value, of=_named(spec))


def _named(spec: JobSpec) -> str:
    return f"Job {spec.number} ({spec.name})"


def named(jobs: Iterable[JobSpec]) -> str:
    """`Job 3 (rule) and 12 more`, for messages."""
    first, *more = jobs
    return _named(first) + (f" and {len(more)} more" if more else "")
