"""Submit commands and job attributes that users set themselves, and which of them can be honoured.
Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = re.compile(r"(?:\+|MY\.)?[A-Za-z_]\w*", re.ASCII | re.IGNORECASE)
_NOT_CARRIED = re.compile("[\0\n\r\x1f\ud800-\udfff]")

_OURS = frozenset(
    {
        "args",
        "arguments",
        "batch_name",
        "cmd",
        "dagman_log",
        "env",
        "environment",
        "environment2",
        "error",
        "executable",
        "getenv",
        "initial_dir",
        "initialdir",
        "input",
        "interactive",
        "iwd",
        "job_iwd",
        "log",
        "log_xml",
        "output",
        "queue",
        "should_transfer_files",
        "transfer_executable",
        "transfer_input_files",
        "transfer_output_files",
        "transfer_output_remaps",
        "when_to_transfer_output",
    }
)
"""What following jobs and keeping their outputs relies on."""

_OUR_ATTRIBUTES = frozenset(
    {
        "arguments",
        "args",
        "cmd",
        "env",
        "environment",
        "err",
        "iwd",
        "jobbatchname",
        "jobuniverse",
        "out",
        "shouldtransferfiles",
        "transferinput",
        "transferoutput",
        "userlog",
        "whentotransferoutput",
    }
)

_OF_COMMANDS = frozenset(
    {
        "jobstatus",
        "rank",
        "requestcpus",
        "requestdisk",
        "requestgpus",
        "requestmemory",
        "requirements",
    }
)
"""Attributes that commands make: set beside these, a job would wait for what nobody sees."""

_REQUESTS = frozenset({"request_cpus", "request_disk", "request_gpus", "request_memory"})

_UNIVERSES = {"vanilla", "container", "docker"}

OF_A_CLUSTER = frozenset({"universe", "container_image", "docker_image"})
"""Commands that HTCondor reads once for all jobs of a submission, by lower-case name."""

OF_A_SUBMISSION = frozenset({"max_materialize", "max_idle"})

EXPRESSIONS = frozenset(
    {
        "on_exit_hold",
        "on_exit_remove",
        "periodic_hold",
        "periodic_release",
        "periodic_remove",
        "periodic_vacate",
        "rank",
        "requirements",
        "retry_until",
    }
)
"""Commands whose values are ClassAd expressions, by lower-case name."""


def why_not(key: str, value: str) -> str | None:
    """Why HTCondor or gitbatch cannot take this command or attribute, and what to do; or None."""
    if _NOT_CARRIED.search(value):
        return f"HTCondor cannot carry line breaks and null characters: {key} = {value!r}"
    if not _KEY.fullmatch(key):
        return f"{key!r} = {value!r} is no HTCondor submit command"
    name, attribute = key.casefold(), is_attribute(key)
    if attribute:
        name = name.lstrip("+").removeprefix("my.")
    if name in (_OUR_ATTRIBUTES if attribute else _OURS) or name.startswith("gitbatch"):
        return (
            f"the HTCondor {'attribute' if attribute else 'submit command'} {key} is set by "
            "gitbatch itself: take it out"
        )
    if attribute and name in _OF_COMMANDS:
        return (
            f"the HTCondor attribute {key} is made from the rule's resources: set threads, mem_mb, "
            "disk_mb, gpus, rank or requirements instead"
        )
    if not attribute and name == "universe" and value.strip(' "').casefold() not in _UNIVERSES:
        return (
            f"universe = {value}: gitbatch runs jobs in the universes vanilla, container and "
            "docker; for this machine there are localrules and --gitbatch-pool local"
        )
    return None


def is_attribute(key: str) -> bool:
    """Whether `key` is an attribute of the job ad rather than a submit command."""
    return key.startswith("+") or key.casefold().startswith("my.")


def is_machine_resource(key: str) -> bool:
    """Whether the command asks for a resource that a pool has of its own. HTCondor's bindings end
    the whole process where its value is empty."""
    return key.startswith("request_") and key not in _REQUESTS


def named_alike(extra: Mapping[str, str]) -> dict[str, str]:
    """One name for each command and attribute, in a fixed order; empty values, which are nothing
    to HTCondor, left out."""
    commands = {
        "MY." + key.lstrip("+")[3 * key.casefold().startswith("my.") :]
        if is_attribute(key)
        else key.casefold(): value
        for key, value in extra.items()
        if value.strip()
    }
    return dict(sorted(commands.items()))
