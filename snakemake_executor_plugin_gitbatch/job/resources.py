"""A job's resources: its request to the pool, and what affects its process.

Resources that only one kind of pool understands are read by that kind: see `PoolKind`. Unknown
names are the workflow's own (`network=1`) and are left alone.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from gitbatch_core.errors import RunError
from gitbatch_core.model.masking import REDACTED
from gitbatch_core.pools import choose
from gitbatch_core.pools.base import PoolKind, Request
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.wording import typed

_MIB_PER_MB = 0.95367431640625
"""As Snakemake converts and rounds up."""

_DISK_STEP_MB = 256
"""Snakemake's default follows the size of inputs; with one MiB more than the last job's, a job
cannot start on that one's slot and waits for another. Of memory, pools take care."""

_IN_THE_PROCESS = frozenset({"environment", "getenv", "job_wrapper"})

_GPU_COUNTS = ("gpu", "gpus")
_GPU_KINDS = ("gpu_model", "gpu_manufacturer", "nvidia_gpu", "amd_gpu")

_OF_SNAKEMAKE = frozenset({"mem", "mem_mb", "mem_mib", "disk", "disk_mb", "disk_mib", "runtime"})

_OF_THE_SHELL = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
"""What `getenv` does not bring: it is about the shell and folder that the run was started from."""


def only_places(name: str) -> bool:
    """Whether the resource only says where and when a job can run, and does not affect its
    outputs."""
    if name.startswith("gitbatch_") or name in _OF_SNAKEMAKE.union(_GPU_COUNTS, _GPU_KINDS):
        return True
    return any(kind.only_places(name) for kind in choose.kinds())


def shape_the_process(rule: Any) -> bool:
    """Whether a rule has resources that matter in any pool."""
    return any(name in rule.resources for name in _IN_THE_PROCESS)


def request(
    job: Any, kind: PoolKind, *, title: str, secrets: Mapping[str, str], mirror: Mirror
) -> Request:
    """The job's request to a pool of this kind. `secrets`: variables and their values. Raises
    RunError, naming job and resource, for what cannot be honoured."""
    resources = {name: value for name, value in job.resources.items() if _is_decided(value)}

    def number(*names: str) -> int | None:
        for name in names:
            value = resources.get(name)
            if value is not None and (not isinstance(value, str) or value.isdecimal()):
                return int(value)
        return None

    def mebibytes(name: str) -> int | None:
        # Older Snakemakes do not derive MiB from `mem="2GB"`.
        if (mib := number(f"{name}_mib")) is not None:
            return mib
        mb = number(f"{name}_mb")
        return None if mb is None else math.ceil(mb * _MIB_PER_MB)

    minutes = number("runtime")
    gpus = number(*_GPU_COUNTS)
    if gpus is None and any(map(resources.get, _GPU_KINDS)):
        gpus = 1
    disk_mb = mebibytes("disk")
    plain = Request(
        cpus=max(1, int(job.threads)),
        memory_mb=mebibytes("mem"),
        disk_mb=None if disk_mb is None else math.ceil(disk_mb / _DISK_STEP_MB) * _DISK_STEP_MB,
        runtime_s=None if minutes is None else minutes * 60,
        gpus=gpus,
    )
    return kind.request(plain, resources, title=title, secrets=secrets, in_worktree=mirror.there)


def ignored(job: Any, kind: PoolKind) -> dict[str, list[str]]:
    """Resources that only other kinds of pools understand, by the labels of these."""
    names = sorted(dict(job.resources.items()))
    heeded = {
        other.label: [name for name in names if other.heeds(name) and not kind.heeds(name)]
        for other in choose.kinds()
        if other.name != kind.name
    }
    return {label: names for label, names in heeded.items() if names}


def wrapper(job: Any, *, title: str, mirror: Mirror) -> tuple[str, ...]:
    """The program of `job_wrapper`, which is started with the job's command as its arguments.

    Raises RunError where the commit does not have it.
    """
    named = job.resources.get("job_wrapper")
    if not named:
        return ()
    path, name = mirror.there(str(named)), typed(mirror.here(str(named)))
    if not os.access(path, os.X_OK) or path.is_dir():
        raise RunError(
            f"{title}: the resource job_wrapper={named!r} is no program that the commit has.",
            hint=f"Commit it, executable (chmod +x {name}; git add -- {name}; git commit).",
        )
    return (str(path),)


def variables(job: Any, *, title: str) -> dict[str, str]:
    """The variables that `getenv` and `environment` set; only the job may see their values. Raises
    RunError if they cannot be parsed."""
    values: dict[str, str] = {}
    asked = job.resources.get("getenv")
    if asked not in (None, False, "", 0):
        everything = asked is True or str(asked).strip().casefold() in ("true", "1")
        patterns = ["*"] if everything else re.split(r"[,\s]+", str(asked).strip())
        for name, value in os.environ.items():
            if _wanted(name, patterns) and name not in _OF_THE_SHELL:
                values[name] = value
    if text := job.resources.get("environment"):
        try:
            values |= _assignments(str(text))
        except ValueError as error:
            raise RunError(
                f"{title}: the resource environment={text!r} cannot be understood: {error}",
                hint="Write NAME=value pairs with spaces between them, quoted as for a shell, or "
                "name variables of yours in envvars: of the workflow.",
            ) from error
    return values


def for_record(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The members of a record, without the values that `environment` gives to variables."""
    return [
        member
        if "environment" not in member["resources"]
        else member | {"resources": member["resources"] | {"environment": REDACTED}}
        for member in members
    ]


def _is_decided(value: Any) -> bool:
    """Whether Snakemake can say it already: some things it only knows where the job runs."""
    return value is not None and str(value) != "<TBD>"


def _wanted(name: str, patterns: Iterable[str]) -> bool:
    """As HTCondor's `getenv`: names and `*`; with `!` in front, not these."""
    wanted = False
    for pattern in patterns:
        if fnmatchcase(name, pattern.lstrip("!")):
            wanted = not pattern.startswith("!")
    return wanted


def _assignments(text: str) -> dict[str, str]:
    """HTCondor's two forms: `A=1 B='x y'`, all of it in double quotes or not, and `A=1;B=2`."""
    text = text.strip()
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        text = text[1:-1].replace('""', '"')
        words = [word.replace("\0", "'") for word in shlex.split(text.replace("''", "\0"))]
    elif ";" in text and not {'"', "'"} & {*text}:
        words = [word.strip() for word in text.split(";") if word.strip()]
    else:
        words = shlex.split(text.replace('""', '\\"'))
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ValueError(f"{name!r} is no NAME=value")
    return {name: value for name, _, value in pairs}
