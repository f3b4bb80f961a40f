"""What a process writes while it reads the workflow, and what others see of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_executor_plugin_gitbatch.in_job.parse_overlay import Overlay
from snakemake_executor_plugin_gitbatch.run import parse_writes


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worktree, as the working directory."""
    top = tmp_path / "worktree"
    (top / "folder").mkdir(parents=True)
    for name in ("one", "two", "folder/three"):
        (top / name).write_text(f"{name}\n")
        (top / name).chmod(0o444)
    (top / "object").symlink_to(top / "one")
    monkeypatch.chdir(top)
    return top


@contextlib.contextmanager
def unchanged(top: Path) -> Iterator[Overlay]:
    """What the process does to the worktree's files, others do not see."""
    before = {path: _state(path) for path in top.rglob("*")}
    overlay = Overlay(top)
    functions = (open, os.open, os.unlink, os.replace, os.mkdir)
    overlay.begin()
    try:
        yield overlay
    finally:
        overlay.end()
    assert (open, os.open, os.unlink, os.replace, os.mkdir) == functions
    assert {path: _state(path) for path in top.rglob("*")} == before


def _state(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(found.st_mode) else b""
    return found.st_ino, found.st_mode, found.st_mtime_ns, content


def test_the_same_again(top: Path, tmp_path: Path) -> None:
    with unchanged(top) as overlay:
        Path("one").write_text("one\n")
        with open("two", "r+") as file:
            assert file.read() == "two\n"
        (tmp_path / "new").write_text("folder/three\n")
        os.replace(tmp_path / "new", "folder/three")
        os.chmod("two", 0o600)
        Path("two").touch()
        assert overlay.end() == []


def test_something_else(top: Path) -> None:
    with unchanged(top) as overlay:
        Path("one").write_text("other\n")
        with open(top / "one") as file:
            assert Path("one").read_text() == file.read() == "other\n"
        with open("object", "a") as file:
            file.write("more\n")
        assert Path("object").read_text() == "one\nmore\n"
        descriptor = os.open("two", os.O_WRONLY | os.O_TRUNC)
        os.write(descriptor, b"2")
        os.close(descriptor)
        Path("folder/three").unlink()
        with pytest.raises(FileNotFoundError):
            Path("folder/three").read_text()
        assert overlay.end() == ["folder/three", "object", "one", "two"]
        assert overlay.end() == ["folder/three", "object", "one", "two"]


def test_folders_and_links_that_are_made_again(top: Path, tmp_path: Path) -> None:
    with unchanged(top) as overlay:
        shutil.rmtree("folder")
        os.makedirs("folder")
        shutil.copy("one", "folder/three")
        Path("folder/three").write_text("folder/three\n")
        Path("folder").mkdir()
        shutil.rmtree("folder")
        (tmp_path / "other").mkdir()
        (tmp_path / "other/three").write_text("folder/three\n")
        os.rename(tmp_path / "other", "folder")
        assert not (tmp_path / "other").exists()
        os.unlink("object")
        os.symlink(top / "one", "object")
        assert overlay.end() == []
    with pytest.raises(FileExistsError):
        os.mkdir("folder")


def test_what_is_moved_away(top: Path, tmp_path: Path) -> None:
    with unchanged(top) as overlay:
        os.rename("one", tmp_path / "moved")
        assert (tmp_path / "moved").read_text() == "one\n"
        assert overlay.end() == ["one"]


def test_what_is_there_for_a_moment_only(top: Path) -> None:
    """Two processes at once: neither sees what the other has under the same name."""
    (top / "latest").symlink_to("one")
    names = (
        "new",
        "renamed",
        "link",
        "removed",
        "stays",
        "parts",
        "parts/three",
        "parts/inner/two",
    )
    overlay = Overlay(top, passing=[str(top / name) for name in names])
    before = {path: _state(path) for path in top.rglob("*")}
    overlay.begin()
    try:
        Path("new").write_text("one\n")
        os.replace("new", "renamed")
        assert os.path.exists("renamed") and not os.path.exists("new")
        os.rename("renamed", "one")
        with pytest.raises(FileNotFoundError):
            Path("new").read_text()
        os.symlink("one", "link")
        os.replace("link", "latest")
        assert Path("latest").readlink() == Path("one")
        Path("removed").touch(0o600)
        assert Path("removed").stat().st_size == 0
        Path("removed").unlink()
        assert not Path("removed").exists()
        seen = subprocess.run(["ls", "-A"], check=True, capture_output=True, text=True)
        assert seen.stdout.split() == ["folder", "latest", "object", "one", "two"]
        for _ in range(2):  # as others do meanwhile
            os.makedirs("parts/inner")
        Path("parts/three").write_text("folder/three\n")
        Path("parts/inner/two").write_text("two\n")
        assert Path("parts/inner/two").read_text() == "two\n"
        os.replace("parts/inner/two", "two")
        shutil.rmtree("folder")
        os.rename("parts", "folder")
        assert Path("folder/three").read_text() == "folder/three\n"
        Path("stays").write_text("here\n")
        assert overlay.end() == []
    finally:
        overlay.end()
    assert (top / "stays").read_text() == "here\n"
    after = {path: _state(path) for path in top.rglob("*") if path.is_symlink() or path.is_file()}
    del after[top / "stays"]
    assert after == {path: state for path, state in before.items() if path in after}
    assert before.keys() - after.keys() == {top / "folder"}


def test_what_is_there_for_a_moment_is_seen_by_programs_and_listings(top: Path) -> None:
    """Another process that is about to use it, too, does not lose it."""
    names = ("script", "listed", "linked", "link", "parts", "parts/three")
    overlay = Overlay(top, passing=[str(top / name) for name in names])
    (top / "script").write_text("of another process\n")
    overlay.begin()
    try:
        with open("script", "x") as file:
            file.write("echo seen > found\n")
        subprocess.run(["sh", "script"], check=True)
        Path("script").unlink()
        assert not os.path.exists("script")
        Path("listed").write_text("")
        assert "listed" in os.listdir() and os.access("listed", os.R_OK)
        os.unlink("listed")
        Path("linked").write_text("linked\n")
        os.link("linked", "stays")
        os.unlink("linked")
        os.symlink("one", "link")
        assert os.readlink("link") == "one" and os.path.islink("link")
        os.unlink("link")
        os.mkdir("parts")
        Path("parts/three").write_text("")
        assert [path.name for path in Path("parts").glob("*")] == ["three"]
        shutil.rmtree("parts")
        assert not os.path.exists("parts/three")
    finally:
        assert overlay.end() == []
    assert (top / "found").read_text() == "seen\n"
    assert (top / "stays").read_text() == "linked\n"
    assert (top / "script").read_text() == "echo seen > found\n"


def test_what_anybody_may_write_is_written(top: Path, tmp_path: Path) -> None:
    (top / "free").write_text("free\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("elsewhere\n")
    elsewhere.chmod(0o444)
    written = tmp_path / "written"
    written.write_text("written\n")
    overlay = Overlay(top, [str(written)])
    overlay.begin()
    try:
        Path("free").write_text("more\n")
        Path("new").write_text("new\n")
        os.mkdir("made")
        written.write_text("otherwise\n")
        elsewhere.unlink()
    finally:
        assert overlay.end() == [str(written)]
    assert (top / "free").read_text() == "more\n"
    assert (top / "new").read_text() == "new\n"
    assert (top / "made").is_dir()
    assert written.read_text() == "written\n"
    assert not elsewhere.exists()


def test_what_python_tells_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("before").write_text("")
    parse_writes.listen()
    try:
        Path("one").write_text("")
        with open("log", "a"):
            pass
        Path("one").read_text()
        with parse_writes.unheard():
            Path("other").write_text("")
        os.rename("one", "two")
        os.mkdir(b"folder")
        os.symlink("two", "link")
        os.close(os.open("three", os.O_WRONLY | os.O_CREAT))
        os.mkdir("parts")
        Path("parts/four").write_text("")
        shutil.rmtree("parts")
        subprocess.run(["rm", "three"], check=True)
    finally:
        parse_writes.stop()
    Path("after").write_text("")
    names = ("one", "two", "folder", "link", "three", "parts", "parts/four")
    assert parse_writes.paths() == [str(tmp_path / name) for name in names]
    passing = ("one", "parts", "parts/four")
    assert parse_writes.passing() == [str(tmp_path / name) for name in passing]
