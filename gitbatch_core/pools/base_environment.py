"""The environment in which a job's process starts: only what the runner needs.

The job's command gets its real environment from the runner.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = frozenset(
    {"PATH", "HOME", "USER", "LANG", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR"}
)
_PREFIXES = ("LC_", "CONDA_")

_NOT_IN_A_JOB_AD = ("CONDA_", "TMPDIR")
"""Everybody may read a job ad, and conda's settings may hold tokens in URLs; TMPDIR is the
execution point's own."""


def start_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The part of this process's environment (or of `environ`) with which a runner starts."""
    source = os.environ if environ is None else environ
    return {
        name: value
        for name, value in source.items()
        if name in _NAMES or name.startswith(_PREFIXES)
    }


def public_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """As `start_environment`, without what must not stand in a job ad."""
    return {
        name: value
        for name, value in start_environment(environ).items()
        if not name.startswith(_NOT_IN_A_JOB_AD)
    }
