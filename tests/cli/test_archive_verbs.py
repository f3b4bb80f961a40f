"""The archive's verbs as a user types them: real processes in a real repository."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gitbatch_core import __version__

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class User:
    """Types commands in a repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("GITBATCH")}
        self.environment["PYTHONPATH"] = os.pathsep.join(map(str, filter(None, sys.path)))

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "gitbatch_core.cli.main", *map(os.fspath, arguments)]

    def __call__(self, *arguments: str | Path, folder: Path | None = None, **more: str) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            cwd=folder or self.folder,
            env=self.environment | more,
            capture_output=True,
            check=False,
        )
        text = [part.decode(errors="surrogateescape") for part in (done.stdout, done.stderr)]
        assert done.returncode == 3 or "Traceback" not in text[1], text[1]
        return Done(done.returncode, *text)

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout

    def write(self, name: str, data: str = "data") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)
        return path


@pytest.fixture
def user(tmp_path: Path) -> User:
    repository = tmp_path / "my repo"
    repository.mkdir()
    user = User(repository)
    user.git("init", "--quiet")
    return user


def test_version_and_help(user: User) -> None:
    assert user("--version") == Done(0, f"gitbatch {__version__}\n", "")
    shown = user("--help")
    assert shown.code == 0
    for verb in ("init", "freeze", "thaw", "archive"):
        assert f"  {verb}" in shown.out
        assert user(verb, "--help").code == 0
    for wrong in ((), ("nope",), ("freeze",), ("archive",), ("archive", "ls", "--nope")):
        done = user(*wrong)
        assert done.code == 2
        assert done.out == ""
        assert "usage" in done.err


def test_help_and_the_runner_import_little() -> None:
    for module, unwanted in (
        ("gitbatch_core.cli.main", "xxhash git subprocess tqdm gitbatch_core.archive"),
        ("gitbatch_core.archive.store", "git subprocess tqdm blake3 ctypes argparse concurrent"),
    ):
        code = f"import sys, {module}; print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        )
        assert not set(done.stdout.split()) & set(unwanted.split())


def test_init(user: User, tmp_path: Path) -> None:
    first = user("init")
    assert first.code == 0
    place = user.folder / ".git" / "gitbatch" / "archive"
    fields = dict(line.split(maxsplit=1) for line in first.out.splitlines())
    assert fields["archive"] == str(place)
    assert fields["hash"] == "xxh3"
    assert user("init").out == first.out
    assert (user.folder / ".gitbatch" / "archive").samefile(place)
    assert user.git("status", "--porcelain") == ""
    other = user("init", "--hash", "blake3")
    assert other.code == 2
    assert "xxh3, not blake3" in other.err

    away = user("init", "--archive", tmp_path / "data" / "archive", "--hash", "blake3")
    assert away.code == 0
    assert user.git("config", "gitbatch.archive").strip() == str(tmp_path / "data" / "archive")
    assert user("init").out == away.out
    assert (user.folder / ".gitbatch" / "archive").samefile(tmp_path / "data" / "archive")
    assert user("--archive", place, "init").out == first.out
    assert user("init").out == first.out


def test_outside_of_a_repository(user: User, tmp_path: Path) -> None:
    user("init", "--archive", tmp_path / "archive")
    outside = tmp_path / "outside"
    outside.mkdir()
    for arguments in (("init",), ("freeze", "x"), ("archive", "ls")):
        done = user(*arguments, folder=outside)
        assert done.code == 2
        assert "not in a git repository" in done.err
    assert user("archive", "verify", "--archive", tmp_path / "archive", folder=outside).code == 0
    assert (
        user("archive", "ls", folder=outside, GITBATCH_ARCHIVE=str(tmp_path / "archive")).code == 0
    )


def test_freeze_thaw_and_look(user: User) -> None:
    user.write(".gitignore", "ignored/\n")
    user.write("data/a.csv", "a,b\n")
    user.write("data/sub/new\nline $(x).txt")
    user.write("ignored/r.tar.gz")
    frozen = user("freeze", "data", "ignored/r.tar.gz", "--json")
    assert frozen.code == 0
    tree, file = json.loads(frozen.out)
    assert (tree["path"], tree["kind"], file["kind"], file["size"]) == ("data", "tree", "file", 4)
    assert "git add -- data\n" in frozen.err
    assert "git add -f -- ignored/r.tar.gz" in frozen.err
    again = user("freeze", "data", "ignored/r.tar.gz")
    assert again.out == f"{tree['address']}  data\n{file['address']}  ignored/r.tar.gz\n"
    user.git("add", "data")
    assert "120000" in user.git("ls-files", "--stage", "data/a.csv")

    assert user("archive", "cat", "data/a.csv").out == "a,b\n"
    assert user("archive", "cat", file["address"][:11]).out == "data"
    assert user("archive", "cat", file["address"].partition(":")[2][:6]).out == "data"
    refused = user("archive", "cat", "data")
    assert (refused.code, refused.out) == (2, "")
    assert "is a tree" in refused.err
    assert user("archive", "tree", "data/a.csv").code == 2
    members = json.loads(user("archive", "tree", "data", "--json").out)
    assert [member["path"] for member in members] == ["a.csv", "sub/new\nline $(x).txt"]
    assert r"sub/new\nline $(x).txt" in user("archive", "tree", tree["address"]).out
    listed = json.loads(user("archive", "ls", "--json").out)
    assert {item["address"] for item in listed} == {
        tree["address"],
        file["address"],
        members[0]["address"],
    }
    assert len(user("archive", "ls").out.splitlines()) == 3
    assert len(user("archive", "ls", file["address"][:12]).out.splitlines()) == 1
    assert user("archive", "ls", "nothing").out == ""
    assert json.loads(user("archive", "show", "data", "--json").out)["files"] == 2
    assert "size       4 B\n" in user("archive", "show", "ignored/r.tar.gz").out
    assert user("archive", "show", "0123456789").code == 2

    thawed = user("thaw", "data")
    assert thawed.out.splitlines() == ["data/a.csv", r"data/sub/new\nline $(x).txt"]
    user.write("data/a.csv", "changed")
    assert user("archive", "cat", members[0]["address"]).out == "a,b\n"
    assert user("thaw", "data").code == 2


def test_copy_puts_in_no_links(user: User) -> None:
    path = user.write("a.csv")
    done = user("freeze", "--copy", "a.csv")
    assert done.out.endswith("  a.csv\n")
    assert not path.is_symlink()
    assert "git add" not in done.err


def test_freeze_says_what_is_wrong(user: User) -> None:
    kept = user.write("good.csv")
    user.write(".git/x")
    for name in ("missing", ".git/x", "..", "."):
        done = user("freeze", "good.csv", name)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("gitbatch: ")
    assert not kept.is_symlink()


def test_verify_finds_and_repairs(user: User) -> None:
    path = user.write("a.csv")
    user("freeze", "a.csv")
    done = user("archive", "verify")
    assert (done.code, done.out) == (0, "")
    assert "1 objects" in done.err
    stored = path.resolve()
    stored.chmod(0o644)
    stored.write_text("DATA")
    for arguments in ((), ("a.csv",)):
        done = user("archive", "verify", *arguments)
        assert done.code == 1
        assert done.out.startswith("wrong bytes: objects/")
    (finding,) = json.loads(user("archive", "verify", "--json").out)
    assert (finding["problem"], finding["repaired"]) == ("wrong bytes", False)
    assert stored.exists()
    thawed = user("thaw", "a.csv")
    assert thawed.code == 1
    assert "verify --repair" in thawed.err
    assert "(repaired)" in user("archive", "verify", "--repair").out
    assert not stored.exists()
    assert user("archive", "verify").code == 0
    done = user("archive", "cat", "a.csv")
    assert done.code == 2
    assert "has no object" in done.err or "nothing" in done.err


def test_a_lost_archive_is_named(user: User, tmp_path: Path) -> None:
    user.write("a.csv")
    user("init", "--archive", tmp_path / "archive")
    (tmp_path / "archive").rename(tmp_path / "away")
    for arguments in (("archive", "ls"), ("thaw", "a.csv")):
        done = user(*arguments)
        assert done.code == 2
        assert f"no archive {tmp_path / 'archive'}" in done.err


def test_whoever_stops_reading_gets_no_traceback(user: User) -> None:
    for number in range(300):
        user.write(f"data/{number}.csv", f"{number}")
    assert user("freeze", "data").code == 0
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        user.command("archive", "ls"),
        cwd=user.folder,
        env=user.environment,
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == 141


def test_ctrl_c(user: User) -> None:
    user("init")
    fifo = user.folder / ".git" / "gitbatch" / "archive" / "records" / "ab" / ("0" * 30)
    fifo.mkdir(parents=True)
    os.mkfifo(fifo / "run-1.json")  # reading this record takes for ever
    process = subprocess.Popen(
        user.command("archive", "ls"),
        cwd=user.folder,
        env=user.environment,
        stderr=subprocess.PIPE,
    )
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, b"gitbatch: Interrupted.\n")


def test_a_bug_of_ours(user: User) -> None:
    code = (
        "import sys; from gitbatch_core.cli import main, init\n"
        "init.run = lambda arguments: 1 / 0\n"
        "sys.exit(main.main(['init']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=user.folder,
        env=user.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "ZeroDivisionError" in done.stderr
    assert "report it" in done.stderr


def test_progress_is_shown_on_a_terminal_only(user: User) -> None:
    user.write("a.csv")
    user("freeze", "a.csv")
    ours, theirs = pty.openpty()
    done = subprocess.run(
        user.command("archive", "verify"),
        cwd=user.folder,
        env=user.environment,
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 10_000)
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no damage" in shown
