"""What a job's resources mean to HTCondor.

Takes every key of snakemake-executor-plugin-htcondor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitbatch_core.errors import RunError
from gitbatch_core.model.masking import redact
from gitbatch_core.pools.base import Request
from gitbatch_core.pools.htcondor import submit_extras
from gitbatch_core.pools.htcondor.submit import string

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

_MEMORY_RETRIES = (
    "retry_request_memory",
    "retry_request_memory_increase",
    "retry_request_memory_max",
)
_MOST_INCREASES = 5

_ALWAYS_SO = frozenset({"preserve_relative_paths", "stream_error", "stream_output"})
"""Nothing to do: output is written as it comes, and files are not sent."""

_INSTEAD = {
    "htcondor_transfer_input_files": "jobs see the archive's file system: declare it as input",
    "htcondor_transfer_output_files": "only what a rule declares is kept: declare it as output",
    "input": "jobs have no standard input: read the file in the rule",
}

_AMD = 'regexp("AMD|Radeon|Instinct", DeviceName, "i")'
_GPU_COUNTS = frozenset({"gpu", "gpus"})

_NOT_ONLY_PLACES = frozenset({"container_image", "docker_image", "universe"})


def only_places(name: str) -> bool:
    """Whether the resource only says where and when a job fits, and not what it makes."""
    if name.startswith("classad_") or name in _ALWAYS_SO:
        return True
    if name in _NOT_ONLY_PLACES:
        return False
    return name in _COMMANDS or name in _MEMORY_RETRIES or name.startswith(("request_", "htcondor"))


def is_ours(name: str) -> bool:
    """Whether another pool than HTCondor ignores it."""
    ours = _COMMANDS | {*_MEMORY_RETRIES} | _ALWAYS_SO | _INSTEAD.keys()
    return name in ours or name.startswith(("classad_", "request_", "htcondor_"))


def request(
    plain: Request,
    resources: Mapping[str, Any],
    *,
    title: str,
    secrets: Mapping[str, str],
    in_worktree: Callable[[str], Path],
) -> Request:
    """See `PoolKind.request`."""
    _check(title, resources, secrets)
    extra = _extra(resources, in_worktree)
    asked: dict[str, int] = {}
    if (memory_mb := _mebibytes(extra.get("request_memory"))) is not None:
        asked["memory_mb"] = memory_mb
        del extra["request_memory"]
    if (disk_mb := _mebibytes(extra.get("request_disk"), unit="K")) is not None:
        asked["disk_mb"] = disk_mb
        del extra["request_disk"]
    for name in ("cpus", "gpus"):
        if extra.get(f"request_{name}", "").isdecimal():
            asked[name] = int(extra.pop(f"request_{name}"))
    return replace(
        plain,
        **asked,
        extra=extra,
        memory_steps=_memory_steps(title, resources, asked.get("memory_mb", plain.memory_mb)),
    )


def _check(title: str, resources: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    for key, value in resources.items():
        if key in _INSTEAD and value:
            raise RunError(
                f"{title}: the resource {key} cannot be honoured.", hint=f"{_INSTEAD[key]}."
            )
        text = str(value)
        secret_names = [name for name, secret in secrets.items() if redact(text, [secret]) != text]
        if is_ours(key) and secret_names:
            raise RunError(
                f"{title}: the resource {key} holds the value of a secret ({secret_names[0]}).",
                hint="Everybody can read a job ad: give jobs secrets by envvars: only. Variables "
                "that getenv brings are secrets: name only those that the job needs.",
            )
        if key in _EXPLICIT and (isinstance(value, str) or int(value) < 0):
            raise RunError(f"{title}: the resource {key}={value!r} is no number of MiB.")
        if key in _GPU_COUNTS and isinstance(value, str) and not value.isdecimal():
            raise RunError(
                f"{title}: the resource {key}={value!r} is no number.",
                hint="A number of GPUs; gpu_model says which.",
            )
    for key, value in resources.items():
        if (command := _command(key)) and (why := submit_extras.why_not(command, _text(value))):
            raise RunError(f"{title}: the resource {key}: {why}.")
    universe = str(resources.get("universe", "")).casefold()
    if universe in ("container", "docker") and not (
        resources.get("container_image") or resources.get("docker_image")
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


def _extra(resources: Mapping[str, Any], in_worktree: Callable[[str], Path]) -> dict[str, str]:
    commands = {}
    for key, value in resources.items():
        command = _command(key)
        if command is None:
            continue
        is_string = submit_extras.is_attribute(command) and isinstance(value, str)
        commands[command] = string(value) if is_string else _text(value)
    # Said with their own name, they win over what was said in HTCondor's general form.
    commands |= {key: _text(resources[key]) for key in resources if key in _COMMANDS}
    image = commands.get("container_image", "")
    if image and "://" not in image and in_worktree(image).exists():
        commands["container_image"] = str(in_worktree(image))
    for key, command in _EXPLICIT.items():
        if key in resources:
            kib = 1024 if command == "request_disk" else 1
            commands[command] = str(int(resources[key]) * kib)
    models = (resources.get(key) for key in ("nvidia_gpu", "amd_gpu"))
    model = next((model for model in models if isinstance(model, str)), "")
    model = str(resources.get("gpu_model") or model)  # a number, as 3090, where it looks like one
    if (kind := _gpu_kind(resources, model)) and "require_gpus" not in commands:
        commands["require_gpus"] = kind
    return commands


def _gpu_kind(resources: Mapping[str, Any], model: str) -> str:
    """A condition on a GPU's properties, from manufacturer and model."""
    parts = []
    maker = str(resources.get("gpu_manufacturer", "")).casefold()
    if maker == "amd" or resources.get("amd_gpu"):
        parts.append(_AMD)
    elif maker == "nvidia" or resources.get("nvidia_gpu"):
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
    quantity = _QUANTITY.fullmatch(value.strip()) if value else None
    if quantity is None:
        return None
    return max(1, math.ceil(float(quantity[1]) * _UNITS[quantity[2].upper() or unit]))


def _memory_steps(
    title: str, resources: Mapping[str, Any], memory_mb: int | None
) -> tuple[str, ...]:
    """As HTCondor means `retry_request_memory` and its relatives, which not all versions have."""
    once, more, most = (_text(resources.get(key, "")) for key in _MEMORY_RETRIES)
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
