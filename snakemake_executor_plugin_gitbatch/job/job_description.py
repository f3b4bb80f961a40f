"""A Snakemake job as plain data: its command, inputs, outputs, and what its key covers."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitbatch_core.archive.layout import DIGEST_LENGTHS
from gitbatch_core.model import param_values
from gitbatch_core.model.masking import REDACTED
from gitbatch_core.wording import job_title
from snakemake_executor_plugin_gitbatch.job import deployment
from snakemake_executor_plugin_gitbatch.snakemake_internals import evaluation, files

LATER = "<TBD>"
"""Stands, on the access point, for what Snakemake can only say where the job runs."""

ONLY_HERE = frozenset({"_nodes", "tmpdir"})
"""Resources that each machine has of its own."""

Members = list[dict[str, Any]]


def members(job: Any) -> list[Any]:
    """The single jobs of a job: itself, or those of a group in the order in which they run."""
    if job.is_group():
        return [inner for level in job.toposorted for inner in level]
    return [job]


def title(job: Any) -> str:
    """For people: `align[sample=a,unit=1]`, or the group's rules."""
    if job.is_group():
        return "group[" + ",".join(dict.fromkeys(inner.rule.name for inner in job.jobs)) + "]"
    return job_title(job.rule.name, wildcards(job))


def wildcards(job: Any) -> dict[str, str]:
    """Of a single job."""
    return {name: str(value) for name, value in job.wildcards_dict.items()}


def rule_name(job: Any) -> str:
    """The rule, or a group's rules joined by `+`."""
    return "+".join(dict.fromkeys(member.rule.name for member in members(job)))


def has_outputs(job: Any) -> bool:
    """Whether the job runs something and has outputs: a rule that only collects targets does
    not."""
    return any(inner.output or not inner.is_norun for inner in members(job))


def log_paths(job: Any) -> list[str]:
    """Logs and benchmarks."""
    paths: list[str] = []
    for inner in members(job):
        paths += [str(path) for path in inner.log]
        if inner.benchmark:
            paths.append(str(inner.benchmark))
    return paths


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a job record says before the job has run."""

    members: Members
    """rule, wildcards, command, params, inputs in their order, outputs, threads, resources of each
    single job. What another job of the group makes has no address yet."""
    exact: bool
    """Whether this says all of what the job is given: params that have a canonical form, inputs
    that have an address. Where not, the key says nothing."""


def describe(job: Any, address_of: Callable[[str], str], *, top: Path) -> Description:
    """Describe `job`; `address_of` gives the address of an input as the job names it, `top` is the
    repository's."""
    products = {str(path) for inner in members(job) for path in inner.output}
    descriptions, all_exact = [], True
    for inner in members(job):
        plain, exact = view(inner)
        inputs = [
            each if each["path"] in products else each | {"address": address_of(each["path"])}
            for each in plain["inputs"]
        ]
        all_exact &= exact and all(_is_address(each.get("address")) for each in inputs)
        descriptions.append(
            deployment.anywhere(plain, top)
            | {
                "inputs": inputs,
                "resources": {
                    name: value if isinstance(value, int) else str(value)
                    for name, value in inner.resources.items()
                    if name not in ONLY_HERE and name != "_cores"
                },
                "threads": int(inner.threads),
            }
        )
    return Description(members=descriptions, exact=all_exact)


def _is_address(text: str | None) -> bool:
    """Also of what another job of the group makes, which has none."""
    return text is None or text.partition(":")[0] in DIGEST_LENGTHS


def view(job: Any) -> tuple[dict[str, Any], bool]:
    """What a Snakemake takes a single job to be, as JSON data: what must be the same where the job
    runs. And whether that says all of it."""
    params, exact = param_values.encode(_params(job.params))
    return {
        "rule": job.rule.name,
        "wildcards": wildcards(job),
        "command": _command(job),
        "params": params,
        "inputs": [
            {"path": str(path)} | ({} if name is None else {"name": name})
            for path, name in zip(job.input, files.names(job.input), strict=True)
        ],
        "outputs": [str(path) for path in job.output],
        "logs": log_paths(job),
        "software": deployment.declared(job),
        "software_used": deployment.used(job),
    }, exact


def take_over(
    job: Any, member: Mapping[str, Any], *, as_recorded: Callable[[str], Any] = str
) -> None:
    """Give a single job what the record's `member` says of it: the order of its files, which a
    folder's listing gives in any order, and its resources, which limits, defaults and attempts
    decide where the run is started. What is only known where the job runs stays.

    `as_recorded`: how the record would have a text that is seen here."""
    files.reorder(job.input, [each["path"] for each in member["inputs"]])
    files.reorder(job.output, member["outputs"])
    own = dict(job.resources.items())
    recorded = member["resources"] | {"_cores": member["threads"]}

    later = {_unitless(name) for name, value in recorded.items() if _is_later(value)}

    def decided(name: str, value: Any) -> Any:
        if name in ONLY_HERE or _unitless(name) in later:
            return value
        # A path of the worktree is what was decided where the run was started: there is another.
        return value if as_recorded(str(value)) == recorded[name] else recorded[name]

    names = recorded.keys() | ONLY_HERE | {name for name in own if _unitless(name) in later}
    resources = {name: decided(name, value) for name, value in own.items() if name in names}
    resources |= {n: v for n, v in recorded.items() if n not in own and not _is_later(v)}
    evaluation.set_resources(job, resources)


def _unitless(name: str) -> str:
    """Of `mem_mb` and `mem_mib`, `mem`: older Snakemakes derive one from the other only where that
    is a number already."""
    return name.removesuffix("_mib").removesuffix("_mb")


def _is_later(recorded: Any) -> bool:
    return isinstance(recorded, str) and (LATER in recorded or REDACTED in recorded)


def plain_config(config: Any) -> Any:
    """The workflow's configuration as JSON data."""
    return param_values.encode(config)[0]


def split(arguments: str | Iterable[str]) -> list[str]:
    """Arguments that Snakemake hands over as shell text, or as a list."""
    return shlex.split(arguments if isinstance(arguments, str) else " ".join(arguments))


def _params(params: Any) -> dict[str, Any]:
    """Params by name; those without one by their position."""
    names = files.names(params)
    positional = {str(n): value for n, value in enumerate(params) if names[n] is None}
    return positional | dict(params.items())


def _command(job: Any) -> dict[str, str]:
    rule = job.rule
    if job.is_shell:
        return {"kind": "shell", "text": job.shellcmd or ""}
    for kind in ("script", "notebook", "wrapper", "cwl", "template_engine"):
        if (named := getattr(rule, kind, None)) is not None:
            return {"kind": kind, "text": job.format_wildcards(str(named))}
    return {"kind": "none" if job.is_norun else "run", "text": ""}
