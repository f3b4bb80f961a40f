"""Writable names: what they mean, who may be called what, and writers that meet or die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.archive import layout, names, verify
from gitbatch_core.archive.names import Name
from gitbatch_core.archive.store import Archive, Stored
from gitbatch_core.errors import FormatError, GitbatchError, UsageError


def put(archive: Archive, text: str) -> Stored:
    return archive.put_bytes(text.encode(), name="a.txt")


def write(archive: Archive, name: str, text: str) -> Name:
    stored = put(archive, text)
    return names.write(archive, name, stored.address, object=stored.name, size=stored.size)


def meant(archive: Archive, name: str) -> str | None:
    found = names.read(archive, name)
    if found is None or found.object is None:
        return None
    return archive.path(found.object).read_text()


def leftovers(archive: Archive) -> list[Path]:
    return list((archive.root / layout.STAGING).iterdir())


def test_a_name_is_replaced(archive: Archive) -> None:
    assert names.read(archive, "p/a.txt") is None
    first = write(archive, "p/a.txt", "one")
    assert names.read(archive, "p/a.txt") == first
    assert meant(archive, "p/a.txt") == "one"
    time.sleep(0.01)
    again = write(archive, "p/a.txt", "one")
    assert again.changed_ns == first.changed_ns and again.stored_ns > first.stored_ns
    time.sleep(0.01)
    other = write(archive, "p/a.txt", "other")
    assert other.changed_ns == other.stored_ns > again.stored_ns
    assert not leftovers(archive)


def test_times_survive_as_seconds(archive: Archive) -> None:
    found = write(archive, "p/a.txt", "one")
    path = archive.root / "seconds"
    path.touch()
    os.utime(path, times=(found.stored_ns / 10**9, found.stored_ns / 10**9))
    assert path.stat().st_mtime_ns == found.stored_ns
    assert path.stat().st_mtime == found.stored_ns / 10**9


def test_what_was_removed_keeps_its_time_where_it_comes_back(archive: Archive) -> None:
    before = write(archive, "p/inner/a.txt", "one")
    names.remove(archive, "p/inner/a.txt")
    names.remove(archive, "p/inner/a.txt")
    assert names.read(archive, "p/inner/a.txt") is None
    assert not (archive.root / "names/p").exists() and (archive.root / "names").exists()
    assert before.object is not None and archive.path(before.object).exists()
    time.sleep(0.01)
    stored = put(archive, "one")
    found = names.write(
        archive, "p/inner/a.txt", stored.address, object=stored.name, size=3, before=before
    )
    assert found.changed_ns == before.changed_ns and found.stored_ns > before.stored_ns


def test_touch(archive: Archive) -> None:
    names.touch(archive, "p/a.txt")
    before = write(archive, "p/a.txt", "one")
    time.sleep(0.01)
    names.touch(archive, "p/a.txt")
    after = names.read(archive, "p/a.txt")
    assert after is not None and after.stored_ns > before.stored_ns
    assert after.changed_ns == before.changed_ns


HURTING = [
    "p/-rf",
    "p/--help",
    "p/ ",
    "p/a b\tc",
    "p/new\nline",
    "p/é/☃.txt",
    "p/e\u0301",
    "p/'quoted\" $HOME `x`",
    "p/.hidden",
    "p/...",
    "p/a.json",
    "p/bytes-\udcff",
    "p/" + "x" * 255,
    "p/" + "/".join("d" * 10 for _ in range(50)),
]


@pytest.mark.parametrize("name", HURTING)
def test_names_that_hurt(archive: Archive, name: str) -> None:
    written = write(archive, name, name.encode(errors="replace").decode())
    assert names.read(archive, name) == written
    assert list(names.listed(archive, "p")) == [written]
    assert not list(verify.check(archive, verify.plan(archive)))
    names.remove(archive, name)
    assert not list(names.listed(archive))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "p",
        "p/",
        "/p",
        "p//a",
        "p/../a",
        "../a/b",
        "p/.",
        "./p",
        "p/a\0",
        "p/\ud800",
        "é" * 128 + "/a",
    ],
)
def test_what_can_be_no_name(archive: Archive, name: str) -> None:
    for call in (names.read, names.touch, names.remove):
        with pytest.raises(UsageError):
            call(archive, name)
    with pytest.raises(UsageError):
        write(archive, name, "text")
    assert not list(names.listed(archive)) and not leftovers(archive)


@given(st.text())
def test_any_text_is_a_name_or_one_error(text: str) -> None:
    try:
        path = layout.name_path(text)
    except UsageError:
        return
    assert path == f"names/{text}" and os.path.normpath(path) == path


def test_no_name_lies_below_another(archive: Archive) -> None:
    write(archive, "p/a", "one")
    write(archive, "p/b/c", "two")
    for name in ("p/a/inner", "p/a/inner/more", "p/b"):
        with pytest.raises(UsageError, match="names above or below"):
            write(archive, name, "three")
    assert meant(archive, "p/a") == "one" and meant(archive, "p/b/c") == "two"
    (archive.root / "names/p/empty/inner").mkdir(parents=True)
    assert names.read(archive, "p/empty") is None
    names.remove(archive, "p/empty")
    write(archive, "p/empty/inner", "left behind by a kill")


def test_damage_is_named_and_can_be_written_over(archive: Archive) -> None:
    write(archive, "p/a", "one")
    path = archive.root / "names/p/a"
    for data in (b"", b"{}", path.read_bytes()[:-20], path.read_bytes().replace(b"p/a", b"p/b")):
        path.write_bytes(data)
        with pytest.raises(FormatError, match="names/p/a"):
            names.read(archive, "p/a")
        assert not list(names.listed(archive))
        [finding] = verify.check(archive, verify.plan(archive))
        assert finding.problem is verify.Problem.UNREADABLE and finding.path == "names/p/a"
        write(archive, "p/a", "two")
        assert meant(archive, "p/a") == "two"
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document | {"version": 2}))
    with pytest.raises(FormatError, match="newer gitbatch"):
        names.read(archive, "p/a")
    path.write_text(json.dumps(document | {"added later": 1}))
    assert meant(archive, "p/a") == "two"


def test_verify_finds_names_of_nothing(archive: Archive, tmp_path: Path) -> None:
    found = write(archive, "p/a", "one")
    (tmp_path / "folder").mkdir()
    tree = archive.put_tree(tmp_path / "folder")
    names.write(archive, "p/tree", tree.address, object=None, size=0)
    assert not list(verify.check(archive, verify.plan(archive)))
    assert found.object is not None
    archive.path(found.object).unlink()
    shutil.rmtree(archive.root / "manifests")
    findings = sorted(verify.check(archive, verify.plan(archive)), key=lambda each: each.path)
    assert [(each.problem.value, each.path) for each in findings] == [
        ("name of nothing", "names/p/a"),
        ("name of nothing", "names/p/tree"),
    ]
    assert findings[0].address == found.address
    # To a workflow they are not there, and are made again.
    assert names.read(archive, "p/a") is None and not list(names.listed(archive))
    write(archive, "p/a", "one")
    assert meant(archive, "p/a") == "one"


def test_verify_finds_strays(archive: Archive) -> None:
    (archive.root / "names/p").mkdir()
    (archive.root / "names/stray").touch()
    (archive.root / "names/p/link").symlink_to("nowhere")
    findings = list(verify.check(archive, verify.plan(archive), repair=True))
    assert {(each.problem, each.path, each.repaired) for each in findings} == {
        (verify.Problem.STRAY, "names/stray", True),
        (verify.Problem.STRAY, "names/p/link", True),
    }


def test_many_writers_of_one_name(archive: Archive) -> None:
    texts = [f"text {number}" for number in range(8)]
    stop = time.monotonic() + 1.0

    def writer(number: int) -> None:
        while time.monotonic() < stop:
            write(archive, "p/inner/a", texts[number])
            if number % 4 == 0:
                names.remove(archive, "p/inner/a")

    def reader(_: int) -> set[str | None]:
        found = set()
        while time.monotonic() < stop:
            found.add(meant(archive, "p/inner/a"))
        return found

    with ThreadPoolExecutor(12) as threads:
        writers = [threads.submit(writer, number) for number in range(8)]
        readers = [threads.submit(reader, number) for number in range(2)]
        for each in writers:
            each.result()
        seen = set().union(*(each.result() for each in readers))
    assert seen <= {*texts, None} and len(seen) > 2
    assert not leftovers(archive)
    assert not list(verify.check(archive, verify.plan(archive)))


WRITER = """
import sys
from pathlib import Path
from gitbatch_core.archive import names
from gitbatch_core.archive.store import Archive
archive = Archive.open(Path(sys.argv[1]))
stored = [archive.put_bytes(text, name="a.txt") for text in (b"one", b"two")]
print("ready", flush=True)
while True:
    for each in stored:
        names.write(archive, "p/a", each.address, object=each.name, size=3)
"""


def test_a_killed_writer_leaves_the_old_or_the_new(archive: Archive) -> None:
    for pause in (0.0, 0.003, 0.007, 0.011, 0.02):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(archive.root)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert meant(archive, "p/a") in ("one", "two", None)
        assert not list(verify.check(archive, verify.plan(archive)))
        assert {path.name for path in (archive.root / "names").rglob("*")} <= {"p", "a"}
    write(archive, "p/a", "three")
    assert meant(archive, "p/a") == "three"


def test_a_full_or_closed_archive(archive: Archive) -> None:
    write(archive, "p/a", "one")
    stored = put(archive, "two")
    folder = archive.root / "names/p"
    folder.chmod(0o555)
    for call in (
        lambda: names.write(archive, "p/a", stored.address, object=stored.name, size=3),
        lambda: names.write(archive, "p/b", stored.address, object=stored.name, size=3),
        lambda: names.remove(archive, "p/a"),
    ):
        with pytest.raises(GitbatchError, match=r"p/a|p/b") as caught:
            call()
        assert "ermission" in str(caught.value)
    assert meant(archive, "p/a") == "one" and not leftovers(archive)
