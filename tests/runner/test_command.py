"""One command: its words, folder, environment and streams, and how it has ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHILD = """
import dataclasses, json, sys
from pathlib import Path
from gitbatch_core.model.masking import Mask
from gitbatch_core.runner.command import run
options = json.loads(sys.argv[1])
options["log"], options["mask"] = Path(options["log"]), Mask(options["mask"])
ended = run(options.pop("argv"), **options)
print(json.dumps(dataclasses.asdict(ended) | {"succeeded": ended.succeeded}))
"""
"""The runner's process: it catches signals and adopts orphans, so each test has one of its own."""

ODD_WORDS = ["", "with space", "quote'\"", "new\nline", "$(touch x)", "-rf", "ünï", "b\\ack", "*"]


def run(tmp_path: Path, *argv: str, mask: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """How the command has ended, and `log`: what it has printed."""
    options = {
        "argv": argv,
        "folder": str(tmp_path),
        "environment": {"PATH": os.environ["PATH"]},
        "log": str(tmp_path / "output.log"),
        "mask": mask or [],
        "follow_stdin": False,
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(options | more)],
        input=b"not for the command",
        capture_output=True,
        check=True,
        timeout=60,
    )
    ended: dict[str, Any] = json.loads(done.stdout)
    return ended | {"log": (tmp_path / "output.log").read_bytes()}


def test_words_environment_folder_and_input_are_as_they_are_given(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    script = (
        "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), "
        "sys.stdin.read(), os.getsid(0) == os.getpid()]))"
    )
    environment = {"ODD": "$(x) 'ü'\n", "LC_ALL": "C.UTF-8"}
    command = (sys.executable, "-c", script, *ODD_WORDS)
    ended = run(tmp_path, *command, folder=str(folder), environment=environment)
    assert (ended["succeeded"], ended["exit_code"], ended["reason"]) == (True, 0, None)
    words, variables, where, given, is_session = json.loads(ended["log"])
    assert (words, where, given, is_session) == (ODD_WORDS, str(folder), "", True)
    assert variables == environment


@pytest.mark.parametrize("missing", ["program", "folder"])
def test_what_cannot_be_started(tmp_path: Path, missing: str) -> None:
    if missing == "program":
        ended = run(tmp_path, "/nowhere/-o $(x)")
        assert ended["reason"].startswith("/nowhere/-o $(x) cannot be started: ")
    else:
        ended = run(tmp_path, "true", folder=str(tmp_path / "gone"))
        assert str(tmp_path / "gone") in ended["reason"]
    assert (ended["succeeded"], ended["exit_code"], ended["signal"]) == (False, 127, None)
    assert ended["log"] == b""


def test_a_signal_is_not_an_exit_code_and_both_streams_are_one_log(tmp_path: Path) -> None:
    ended = run(tmp_path, "sh", "-c", "echo out; echo err >&2; printf '\\377'; kill -KILL $$")
    assert (ended["exit_code"], ended["signal"], ended["succeeded"]) == (None, 9, False)
    assert ended["log"] == b"out\nerr\n\xff"


def test_secrets_do_not_reach_the_log_also_when_printed_in_pieces(tmp_path: Path) -> None:
    script = "printf 'x-s3c'; sleep 0.2; printf 'ret-y s3c'"
    ended = run(tmp_path, "sh", "-c", script, mask=["s3cret"])
    assert ended["log"] == b"x-***-y s3c", "what only begins like one is printed at the end"


def test_a_command_that_closes_its_output_goes_on(tmp_path: Path) -> None:
    ended = run(tmp_path, "sh", "-c", "echo said; exec >&- 2>&-; sleep 0.2; exit 3")
    assert (ended["exit_code"], ended["reason"], ended["log"]) == (3, None, b"said\n")
    assert ended["usage"]["wall_s"] >= 0.2


def test_the_end_of_input_ends_the_command_where_that_is_followed(tmp_path: Path) -> None:
    ended = run(tmp_path, "sleep", "60", follow_stdin=True)
    assert ended["reason"] == "ended because the controller has died"
    assert not ended["succeeded"] and ended["signal"] == 15
