"""No message tells people to type what no test has typed."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

from .source import commands
from .terminals import DECLARED

NOT_TYPED = Counter(
    {
        # Names of what was done, not of what to do.
        "cli/reproduce: gitbatch reproduce": 1,
        "cli/run: gitbatch run": 2,
        "cli/runs/__init__: git tag": 1,
        "cli/runs/__init__: gitbatch runs --help": 1,
        "run/finish: gitbatch run": 2,
        "run/preconditions: git status": 1,
        "run/preconditions: gitbatch run": 1,
        "pools/htcondor/submit_extras: gitbatch runs": 1,
        "doctor/trial: gitbatch doctor": 1,
        # What has a value that cannot be.
        "run/mirror/tracked_results: git config": 1,
        "reports/notify: --gitbatch-notify": 2,
    }
)


def test_every_command_of_a_message_is_typed() -> None:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"{__package__}.{path.stem}")
    told = commands()
    assert not (told - DECLARED - NOT_TYPED), "told, and typed by no test"
    assert not ((DECLARED + NOT_TYPED) - told), "typed, and told by no message"
