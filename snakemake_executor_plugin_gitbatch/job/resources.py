"""A job's resources: what it asks the pool for, and what of them shapes its process.

Takes every key of snakemake-executor-plugin-htcondor. Keys that nobody here knows are the
workflow's own (`network=1`) and are left alone.
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
from gitbatch_core.model.masking import REDACTED, redact
from gitbatch_core.pools.base import Request
from gitbatch_core.pools.htcondor import submit_extras
from gitbatch_core.pools.htcondor.submit import string
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.wording import typed

_COMMANDS = submit_extras.EXPRESSIONS | frozenset(
    {
        "accounting_group",
        "accounting_group_user",
        "allowed_execute_duration",
        "allowed_job_duration",
        "concurrency_limits",
        "concurrency_limits_expr",
        "container_image",
        "cuda_version",
        "docker_image",
        "gpus_maximum_capability",
        "gpus_maximum_memory",
        "gpus_minimum_capability",
        "gpus_minimum_memory",
        "gpus_minimum_runtime",
        "job_lease_duration",
        "max_idle",
        "max_materialize",
        "max_retries",
        "nice_user",
        "require_gpus",
        "universe",
    }
)
"""Submit commands that are passed on as they are; so is every `request_…`."""

_UNITS = {"": 1, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
"""In MiB, as HTCondor has them."""

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)

_EXPLICIT = {
    "htcondor_request_mem_mb": "request_memory",
    "htcondor_request_disk_mb": "request_disk",
    "htcondor_gpus_min_mem_mb": "gpus_minimum_memory",
}
"""Numbers in MiB, which win over the command they stand for."""

_DISK_STEP_MB = 256
"""Snakemake's default follows the size of inputs; with one MiB more than the last job's, a job
cannot start on that one's slot and waits for a negotiation. Of memory, pools take care."""

_MEMORY_RETRIES = (
    "retry_request_memory",
    "retry_request_memory_increase",
    "retry_request_memory_max",
)
_MOST_INCREASES = 5

_IN_THE_PROCESS = frozenset({"environment", "getenv", "job_wrapper"})

_ALWAYS_SO = frozenset({"preserve_relative_paths", "stream_error", "stream_output"})
"""Nothing to do: output is written as it comes, and files are not sent."""

_INSTEAD = {
    "htcondor_transfer_input_files": "jobs see the archive's file system: declare it as input",
    "htcondor_transfer_output_files": "only what a rule declares is kept: declare it as output",
    "input": "jobs have no standard input: read the file in the rule",
}

_AMD = 'regexp("AMD|Radeon|Instinct", DeviceName, "i")'
_GPU_KEYS = frozenset({"gpu", "gpus", "gpu_model", "gpu_manufacturer", "nvidia_gpu", "amd_gpu"})

_OF_SNAKEMAKE = frozenset({"mem", "mem_mb", "mem_mib", "disk", "disk_mb", "disk_mib", "runtime"})

_OF_THE_SHELL = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
"""What `getenv` does not bring: it is about the shell and folder that the run was started from."""


def only_places(name: str) -> bool:
    """Whether the resource only says where and when a job fits, and not what it makes."""
    if name.startswith(("classad_", "gitbatch_")) or name in _ALWAYS_SO | _GPU_KEYS | _OF_SNAKEMAKE:
        return True
    if name in ("container_image", "docker_image", "universe"):
        return False
    return name in _COMMANDS or name in _MEMORY_RETRIES or name.startswith(("request_", "htcondor"))


def is_htcondors(name: str) -> bool:
    """Whether another pool than HTCondor ignores it."""
    known = _COMMANDS | {*_MEMORY_RETRIES} | _ALWAYS_SO | _INSTEAD.keys()
    return name in known or name.startswith(("classad_", "request_", "htcondor_"))


def shape_the_process(rule: Any) -> bool:
    """Whether a rule has resources that matter in any pool."""
    return any(name in rule.resources for name in _IN_THE_PROCESS)


def request(
    job: Any, *, title: str, htcondor: bool = True, secrets: Mapping[str, str], mirror: Mirror
) -> Request:
    """What the job asks the pool for; without `htcondor`, only what every pool knows. `secrets`:
    variables and their values.

    Raises RunError, naming job and key, for what cannot be honoured.
    """
    given = {name: value for name, value in job.resources.items() if _is_known(value)}

    def number(*names: str) -> int | None:
        for name in names:
            value = given.get(name)
            if value is not None and (not isinstance(value, str) or value.isdecimal()):
                return int(value)
        return None

    if htcondor:
        _check(title, given, secrets)
    minutes = number("runtime")
    gpus = number("gpu", "gpus")
    if gpus is None and any(given.get(key) for key in _GPU_KEYS - {"gpu", "gpus"}):
        gpus = 1
    memory_mb = number("mem_mib", "mem_mb")
    disk_mb = number("disk_mib", "disk_mb")
    if disk_mb is not None:
        disk_mb = math.ceil(disk_mb / _DISK_STEP_MB) * _DISK_STEP_MB
    cpus = max(1, int(job.threads))
    extra = _extra(given, mirror) if htcondor else {}
    if (asked := _mebibytes(extra.get("request_memory"))) is not None:
        memory_mb = asked
        del extra["request_memory"]
    if (asked := _mebibytes(extra.get("request_disk"), unit="K")) is not None:
        disk_mb = asked
        del extra["request_disk"]
    if extra.get("request_cpus", "").isdecimal():
        cpus = int(extra.pop("request_cpus"))
    if extra.get("request_gpus", "").isdecimal():
        gpus = int(extra.pop("request_gpus"))
    return Request(
        cpus=cpus,
        memory_mb=memory_mb,
        disk_mb=disk_mb,
        runtime_s=None if minutes is None else minutes * 60,
        gpus=gpus,
        extra=extra,
        memory_steps=_memory_steps(title, given, memory_mb) if htcondor else (),
    )


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
    """The variables that `getenv` and `environment` bring; nobody but the job may see their values.

    Raises RunError where they cannot be understood.
    """
    found: dict[str, str] = {}
    asked = job.resources.get("getenv")
    if asked not in (None, False, "", 0):
        everything = asked is True or str(asked).strip().casefold() in ("true", "1")
        patterns = ["*"] if everything else re.split(r"[,\s]+", str(asked).strip())
        for name, value in os.environ.items():
            if _wanted(name, patterns) and name not in _OF_THE_SHELL:
                found[name] = value
    if text := job.resources.get("environment"):
        try:
            found |= _assignments(str(text))
        except ValueError as error:
            raise RunError(
                f"{title}: the resource environment={text!r} cannot be understood: {error}",
                hint="Write NAME=value pairs with spaces between them, quoted as for a shell, or "
                "name variables of yours in envvars: of the workflow.",
            ) from error
    return found


def for_record(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The members of a record, without the values that `environment` gives to variables."""
    return [
        member
        if "environment" not in member["resources"]
        else member | {"resources": member["resources"] | {"environment": REDACTED}}
        for member in members
    ]


def _is_known(value: Any) -> bool:
    """Whether Snakemake can say it already: some things it only knows where the job runs."""
    return value is not None and str(value) != "<TBD>"


def _check(title: str, given: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    for key, value in given.items():
        if key in _INSTEAD and value:
            raise RunError(
                f"{title}: the resource {key} cannot be honoured.", hint=f"{_INSTEAD[key]}."
            )
        text = str(value)
        held = [name for name, secret in secrets.items() if redact(text, [secret]) != text]
        if is_htcondors(key) and held:
            raise RunError(
                f"{title}: the resource {key} holds the value of a secret ({held[0]}).",
                hint="Everybody can read a job ad: give jobs secrets by envvars: only. Variables "
                "that getenv brings are secrets: name only those that the job needs.",
            )
        if key in _EXPLICIT and (isinstance(value, str) or int(value) < 0):
            raise RunError(f"{title}: the resource {key}={value!r} is no number of MiB.")
        if key in ("gpu", "gpus") and isinstance(value, str) and not value.isdecimal():
            raise RunError(
                f"{title}: the resource {key}={value!r} is no number.",
                hint="A number of GPUs; gpu_model says which.",
            )
    for key, value in given.items():
        if (command := _command(key)) and (why := submit_extras.why_not(command, _text(value))):
            raise RunError(f"{title}: the resource {key}: {why}.")
    universe = str(given.get("universe", "")).casefold()
    if universe in ("container", "docker") and not (
        given.get("container_image") or given.get("docker_image")
    ):
        raise RunError(f"{title}: universe={universe} needs the resource container_image.")


def _command(key: str) -> str | None:
    """The submit command or attribute that a resource stands for."""
    if key.startswith("classad_"):
        return "MY." + key.removeprefix("classad_")
    if key.startswith("htcondor_submit_"):
        name = key.removeprefix("htcondor_submit_").replace("__", ".")
        return name if name.startswith(("MY.", "+")) else name.casefold()
    if key in _COMMANDS or key.startswith("request_"):
        return key
    return None


def _extra(given: Mapping[str, Any], mirror: Mirror) -> dict[str, str]:
    found = {}
    for key, value in given.items():
        command = _command(key)
        if command is None:
            continue
        is_string = submit_extras.is_attribute(command) and isinstance(value, str)
        found[command] = string(value) if is_string else _text(value)
    # Said with their own name, they win over what was said in HTCondor's general form.
    found |= {key: _text(given[key]) for key in given if key in _COMMANDS}
    image = found.get("container_image", "")
    if image and "://" not in image and mirror.there(image).exists():
        found["container_image"] = str(mirror.there(image))
    for key, command in _EXPLICIT.items():
        if key in given:
            kib = 1024 if command == "request_disk" else 1
            found[command] = str(int(given[key]) * kib)
    models = (given.get(key) for key in ("nvidia_gpu", "amd_gpu"))
    model = next((model for model in models if isinstance(model, str)), "")
    model = str(given.get("gpu_model") or model)  # a number, as 3090, where it looks like one
    if (kind := _gpu_kind(given, model)) and "require_gpus" not in found:
        found["require_gpus"] = kind
    return found


def _gpu_kind(given: Mapping[str, Any], model: str) -> str:
    """A condition on a GPU's properties, from manufacturer and model."""
    parts = []
    maker = str(given.get("gpu_manufacturer", "")).casefold()
    if maker == "amd" or given.get("amd_gpu"):
        parts.append(_AMD)
    elif maker == "nvidia" or given.get("nvidia_gpu"):
        parts.append(f"!{_AMD}")
    if model:
        # `nvidia-tesla-v100` is what others call a Tesla V100.
        words = [w for w in re.split(r"[\W_]+", model) if w.casefold() not in ("nvidia", "amd")]
        parts.append(f'regexp("{".*".join(words)}", DeviceName, "i")')
    return " && ".join(parts)


def _text(value: Any) -> str:
    """A value as a ClassAd expression or submit command."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mebibytes(value: str | None, *, unit: str = "") -> int | None:
    """Of `2048`, in `unit`, or `2 GB`; None for other expressions."""
    found = _QUANTITY.fullmatch(value.strip()) if value else None
    if found is None:
        return None
    return max(1, math.ceil(float(found[1]) * _UNITS[found[2].upper() or unit]))


def _memory_steps(title: str, given: Mapping[str, Any], memory_mb: int | None) -> tuple[str, ...]:
    """As HTCondor means `retry_request_memory` and its relatives, which not all versions have."""
    once, more, most = (_text(given[key]) if key in given else "" for key in _MEMORY_RETRIES)
    if not (once or more):
        return ()
    if memory_mb is None:
        raise RunError(
            f"{title}: the resource {_MEMORY_RETRIES[0 if once else 1]} needs a number as "
            "request_memory (or mem_mb) to start from."
        )
    if once:
        return tuple(_step(part, str(memory_mb)) for part in once.split(","))
    steps: list[str] = []
    last = str(memory_mb)
    limit = _mebibytes(most)
    for _ in range(_MOST_INCREASES if most else 1):
        amount = _mebibytes(more)
        last = f"({last}) + {amount}" if amount is not None else _step(more, last)
        steps.append(f"min({{{last}, {limit or most}}})" if most else last)
    return tuple(steps)


def _step(expression: str, last: str) -> str:
    amount = _mebibytes(expression)
    if amount is not None:
        return str(amount)
    return re.sub(r"\b(?:MY\.)?RequestMemory\b", f"({last})", expression, flags=re.IGNORECASE)


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
