"""Whether HTCondor is available here: answers soon, never hangs, prints nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from gitbatch_core.pools.base import Availability

_LONGEST_S = 5.0
"""Only reached where HTCondor is configured and its machines do not answer."""

_CONFIGURATIONS = ("/etc/condor/condor_config", "/usr/local/etc/condor_config")


@dataclass(frozen=True, kw_only=True)
class Probe(Availability):
    """Which schedd there is, or why there is none."""

    name: str = ""
    version: str = ""
    bindings: str = ""
    address: str = ""


def probe() -> Probe:
    """Look for the local schedd.

    In a process of its own: HTCondor's library would write to the terminal, and might wait for
    long, for a machine that does not answer.
    """
    if importlib.util.find_spec("htcondor2") is None:
        return Probe(answers=False, text="the package htcondor is not installed")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gitbatch_core.pools.htcondor.schedd"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        return Probe(answers=False, text=f"no schedd answers within {_LONGEST_S:.0f} s{_where()}")
    except OSError as error:
        return Probe(answers=False, text=f"the search for a schedd cannot be started: {error}")
    try:
        facts = json.loads(done.stdout)
    except ValueError:
        words = " ".join(done.stderr.split())[:300]
        return Probe(answers=False, text=f"HTCondor's bindings do not work: {words}{_where()}")
    if "why_not" in facts:
        return Probe(answers=False, text=f"{facts['why_not'].rstrip('.')}{_where()}")
    text = f"schedd {facts['name']} at {facts['address']}, HTCondor {facts['version']}"
    return Probe(answers=True, text=text, **facts)


def _where() -> str:
    """Where the configuration was looked for."""
    named = os.environ.get("CONDOR_CONFIG")
    if named:
        return f"; CONDOR_CONFIG is {named}"
    existing = [path for path in _CONFIGURATIONS if os.path.exists(path)]
    if existing:
        return f"; the configuration is {existing[0]}"
    return f"; CONDOR_CONFIG is not set and there is no {_CONFIGURATIONS[0]}"
