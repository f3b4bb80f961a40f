"""The runner: starts fast, runs one order, ends what it started, keeps no secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.archive.hashing import hash_bytes
from gitbatch_core.archive.store import Archive
from gitbatch_core.model.job_order import ORDER_NAME, DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import LOG_NAME, RESULT_NAME, UNSEEN, JobResult
from gitbatch_core.model.masking import Mask, redact

KEY = 32 * "a"


class Place:
    """A worktree, an archive and a job's folder."""

    def __init__(self, path: Path) -> None:
        self.worktree = path / "worktree"
        self.folder = path / "job"
        self.worktree.mkdir()
        self.folder.mkdir()
        self.archive = Archive.create(path / "archive")

    def order(self, script: str, **more: object) -> JobOrder:
        order = JobOrder(
            argv=("/bin/bash", "-c", script),
            folder=str(self.worktree),
            worktree=str(self.worktree),
            archive=str(self.archive.root),
            environment={"PATH": os.environ["PATH"]},
            outputs=(),
            record=JobRecord(key=KEY, run="r", number=1),
        )
        return order.replace(**more)

    def start(
        self, order: JobOrder, secrets: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        order.write(self.folder / ORDER_NAME)
        process = subprocess.Popen(
            [sys.executable, "-m", "gitbatch_core.runner", str(self.folder), "--private", "-"],
            stdin=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(secrets or {}).encode() + b"\n")
        process.stdin.flush()
        return process

    def run(self, order: JobOrder, secrets: dict[str, str] | None = None) -> tuple[int, JobResult]:
        process = self.start(order, secrets)
        code = process.wait(timeout=60)
        return code, JobResult.read(self.folder / RESULT_NAME)

    @property
    def log(self) -> str:
        return (self.folder / LOG_NAME).read_text()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_outputs_become_objects_and_the_record_says_how(place: Place) -> None:
    order = place.order(
        "echo said; echo 1 > a.txt; mkdir -p d/e; echo 2 > d/e/b; echo 3 > t; echo 4 > log",
        outputs=(
            DeclaredOutput(path="a.txt"),
            DeclaredOutput(path="d", folder=True),
            DeclaredOutput(path="t", temporary=True),
        ),
        logs=("log", "benchmark"),
    )
    code, answer = place.run(order)
    assert (code, answer.succeeded, place.log) == (0, True, "said\n")
    a, d, t = answer.record.outputs
    assert (place.archive.root / str(a.name)).read_text() == "1\n"
    assert (d.kind, d.size) == ("tree", 2)
    assert t.temporary and (place.worktree / "t").stat().st_mode & 0o777 == 0o444
    [log] = answer.record.logs
    assert log.path == "log" and (place.worktree / "log").read_text() == "4\n"
    assert answer.record.host.name and (answer.record.usage.wall_s or 0) > 0
    [record] = place.archive.record_paths(KEY)
    assert JobRecord.read(record) == answer.record
    # An order that was answered is not run again.
    assert place.run(place.order("exit 1"))[0] == 0


@pytest.mark.parametrize(
    ("script", "code", "exit_code", "ended_by"),
    [("exit 7", 7, 7, None), ("kill -9 $$", 137, None, 9), ("nonexistent-command", 127, 127, None)],
)
def test_the_commands_status_is_passed_on(
    place: Place, script: str, code: int, exit_code: int | None, ended_by: int | None
) -> None:
    found, answer = place.run(place.order(script))
    assert (found, answer.exit_code, answer.signal) == (code, exit_code, ended_by)
    assert not answer.succeeded and list(place.archive.record_paths()) == []


def test_a_program_that_is_not_there(place: Place) -> None:
    code, answer = place.run(place.order("", argv=("/nonexistent/program",)))
    assert code == 127 and "/nonexistent/program" in (answer.reason or "")


@pytest.mark.parametrize(
    ("script", "output", "words"),
    [
        ("true", DeclaredOutput(path="a"), "the output a is not there"),
        ("mkdir a", DeclaredOutput(path="a"), "declared as a file, but is a folder"),
        ("echo > a", DeclaredOutput(path="a", folder=True), "declared as a folder, but is a file"),
        ("mkdir a; mkfifo a/f", DeclaredOutput(path="a", folder=True), "fifo"),
    ],
)
def test_outputs_that_cannot_be_kept(
    place: Place, script: str, output: DeclaredOutput, words: str
) -> None:
    code, answer = place.run(place.order(script, outputs=(output,)))
    assert code == 1 and words in (answer.reason or "")
    assert list(place.archive.record_paths()) == []


def _living(sign: str) -> list[str]:
    found = subprocess.run(["pgrep", "-f", sign], capture_output=True, text=True).stdout
    return found.split()


def test_what_a_command_leaves_running_is_ended(place: Place) -> None:
    sign = f"1{time.time_ns() % 10**9}"
    code, answer = place.run(place.order(f"(setsid sleep {sign} &); sleep {sign} & echo > a"))
    assert code == 0 and answer.succeeded
    assert not _living(f"sleep {sign}")


@pytest.mark.parametrize("way", ["signal", "end of input"])
def test_cancelling_ends_everything(place: Place, way: str) -> None:
    sign = f"1{time.time_ns() % 10**9}"
    deaf = "trap '' TERM; " if way == "signal" else ""
    order = place.order(f"({deaf}setsid sleep {sign}) & touch go; sleep {sign}")
    process = place.start(order)
    deadline = time.monotonic() + 30
    while not (place.worktree / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    if way == "signal":
        process.send_signal(signal.SIGTERM)
    else:
        assert process.stdin is not None
        process.stdin.close()
    assert process.wait(timeout=30) != 0
    answer = JobResult.read(place.folder / RESULT_NAME)
    assert not answer.succeeded and "ended" in (answer.reason or "")
    assert not _living(f"sleep {sign}")


def test_programs_are_recorded_as_the_command_finds_them(place: Place) -> None:
    tools, own = place.worktree.parent / "tools", place.worktree / "bin"
    tools.mkdir()
    own.mkdir()
    for path in (tools / "real-s3cret", tools / "closed", own / "own"):
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    (tools / "closed").chmod(0o111)
    (tools / "linked").symlink_to("real-s3cret")
    (own / "closed").symlink_to(tools / "closed")
    names = ("linked", "closed", "own", "missing", "bin/own", str(own / "own"), "/bin/sh")
    order = place.order(
        "true", tools=names, environment={"PATH": f"{tools}:{own}:{os.environ['PATH']}"}
    )
    _, answer = place.run(order, {"TOKEN": "s3cret"})
    expected = {
        "linked": {
            "path": str(tools / "linked"),
            "real_path": str(tools / "real-***"),
            "address": str(hash_bytes(b"#!/bin/sh\n", "xxh3")),
        },
        "closed": {"path": str(tools / "closed")},
    }
    tools = answer.record.to_dict()["tools"]
    sh = tools.pop("/bin/sh")
    assert tools == expected and sh["address"].startswith("xxh3:")


def test_a_job_is_not_started_where_its_outputs_cannot_be_kept(place: Place) -> None:
    code, answer = place.run(place.order("touch started", archive=str(place.worktree)))
    assert code == 1 and not (place.worktree / "started").exists()
    assert "it was not started: " in (answer.reason or "")


def test_secrets_reach_the_command_and_nothing_else(place: Place) -> None:
    order = place.order('echo "[$TOKEN]"; echo $TOKEN > log; test ${#TOKEN} = 12', logs=("log",))
    code, answer = place.run(order, {"TOKEN": "s3cret value"})
    assert code == 0 and answer.succeeded and place.log == "[***]\n"
    for path in place.folder.parent.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path


@given(
    secrets=st.lists(st.text("abc", min_size=4, max_size=8), min_size=1, max_size=3),
    pieces=st.lists(st.text("abcd", max_size=12), max_size=8),
)
def test_no_secret_passes_in_pieces(secrets: list[str], pieces: list[str]) -> None:
    mask = Mask(secrets)
    passed = b"".join(mask.piece(piece.encode()) for piece in pieces) + mask.rest()
    assert not any(secret.encode() in passed for secret in secrets)
    if not any(secret in "".join(pieces) for secret in secrets):
        assert passed == "".join(pieces).encode()


def test_redaction_reaches_all_strings() -> None:
    data = {"a": ["x tok3n y", {"tok3n": 1}], "b": ("tok3n",), "c": 5}
    assert redact(data, ["tok3n", "x"]) == {"a": ["x *** y", {"***": 1}], "b": ["***"], "c": 5}


def test_it_starts_without_snakemake(tmp_path: Path) -> None:
    code = (
        "import sys, gitbatch_core.runner.__main__ as m;"
        "print([n for n in sys.modules if n.startswith(('snakemake', 'tqdm', 'git.', 'htcondor'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_memory_is_that_of_all_processes_together(place: Place) -> None:
    # Two processes with memory of their own, at the same time; each has a child with which it
    # shares that.
    take = (
        "import glob, os, time; x = bytearray(b'x') * 100_000_000; os.fork(); "
        "open(f'has-it.{os.getppid()}.{os.getpid()}', 'w').close()\n"
        "while len(glob.glob('has-it.*')) < 4: time.sleep(0.05)\n"
        "time.sleep(2)"
    )
    script = f'{sys.executable} -c "{take}" & {sys.executable} -c "{take}"; wait'
    _, answer = place.run(place.order(script))
    assert 195 < (answer.record.usage.memory_mb or 0) < 300


def test_a_machine_that_does_not_see_what_is_shared_says_so(place: Place) -> None:
    missing = str(place.folder.parent / "elsewhere")
    for named, what in (("archive", "archive"), ("folder", "run's worktree")):
        code, answer = place.run(place.order("true", **{named: missing}))
        assert code == 1 and not answer.succeeded
        assert f"its machine does not see the {what}, {missing}" in str(answer.reason)
    done = subprocess.run(
        [sys.executable, "-m", "gitbatch_core.runner", "/no/such/folder", "--private", "-"],
        input="{}\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == UNSEEN
    assert done.stderr.endswith("does not see /no/such/folder\n") and "Traceback" not in done.stderr
