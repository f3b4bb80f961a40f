"""The mirror: links, files of the commit, outputs, and names that are hard to write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gitbatch_core.archive import hashing
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import RunError
from gitbatch_core.model.job_record import StoredFile
from gitbatch_core.run.mirror import inputs, output_links, user_links
from gitbatch_core.run.mirror.outside_inputs import OutsideInputs
from gitbatch_core.run.mirror.paths import Mirror

PINNED_NS = 1_000_000_000
HARD_NAMES = ("a b", "it's", 'say "x"', "line\nbreak", "ünï 🐍", "$(x)", "-x")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """Of a commit with `tracked` and `changed`, the second of which the user has otherwise."""
    top, worktree = tmp_path / "top", tmp_path / "worktree"
    for folder in (top, worktree):
        folder.mkdir()
        for name in ("tracked", "changed"):
            (folder / name).write_text("of the commit\n")
    (top / "changed").write_text("of the user\n")
    archive = Archive.create(tmp_path / "archive", "xxh3")
    for folder in (top, worktree):
        (folder / ".gitbatch").mkdir()
        (folder / ".gitbatch" / "archive").symlink_to(archive.root)
    return Mirror(
        top=top,
        folder=top,
        worktree=worktree,
        archive=archive,
        outside=OutsideInputs(archive=archive),
        tracked=frozenset({"tracked", "changed"}),
        changed=frozenset({"changed"}),
        warn=print,
        pinned_ns=PINNED_NS,
    )


def link(mirror: Mirror, name: str, text: str) -> str:
    """Freeze a file of the user's; its address."""
    path = mirror.top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    [stored] = mirror.archive.put([path])
    mirror.link(path, stored.name, stored.mtime_ns)
    return str(stored.address)


def output(mirror: Mirror, name: str, make: Callable[[Path], object]) -> StoredFile:
    """What a job makes in the worktree."""
    path = mirror.worktree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    if path.is_dir():
        tree = mirror.archive.put_tree(path)
        return StoredFile(path=name, kind="tree", address=str(tree.address), size=0)
    [stored] = mirror.archive.put([path])
    return StoredFile(
        path=name, address=str(stored.address), name=stored.name.path, size=stored.size
    )


def test_a_link_of_the_user_wins_over_the_commit(mirror: Mirror) -> None:
    address = link(mirror, "tracked", "frozen\n")
    user_links.bring(mirror)
    assert (mirror.worktree / "tracked").is_symlink()
    assert (mirror.worktree / "tracked").read_text() == "frozen\n"
    assert mirror.addresses["tracked"] == address


def test_a_file_is_the_commits_only_as_git_tracks_it(mirror: Mirror) -> None:
    inputs.bring(mirror, "tracked", "a")
    assert not (mirror.worktree / "tracked").is_symlink()
    with pytest.raises(RunError, match="neither in the commit nor in the archive") as refused:
        inputs.bring(mirror, "changed", "a")
    assert "gitbatch freeze" in str(refused.value.hint)


def test_the_address_of_a_link_is_known_without_reading(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = link(mirror, "data", "frozen\n")

    def read(*_: object) -> None:
        raise AssertionError("it was hashed")

    monkeypatch.setattr(hashing, "hash_file", read)
    inputs.bring(mirror, "data", "a")
    assert mirror.address_of("data") == address


@pytest.mark.parametrize("name", HARD_NAMES)
def test_names(mirror: Mirror, name: str) -> None:
    address = link(mirror, f"in {name}/{name}", name)
    user_links.bring(mirror)
    there = mirror.worktree / f"in {name}" / name
    assert there.read_text() == name and mirror.address_of(f"in {name}/{name}") == address
    output_links.link_output(mirror, output(mirror, name, lambda path: path.write_text("x")), 5)
    assert (mirror.top / name).is_symlink() and (mirror.top / name).read_text() == "x"


def test_what_is_updated_in_place_is_a_writable_copy(mirror: Mirror) -> None:
    address = link(mirror, "counts", "1\n")
    user_links.bring(mirror)
    assert mirror.lend("counts") == address
    copy = mirror.worktree / "counts"
    assert not copy.is_symlink() and os.access(copy, os.W_OK)
    copy.write_text("2\n")
    assert (mirror.top / "counts").read_text() == "1\n"


def test_an_output_folder_is_a_real_folder_of_links(mirror: Mirror) -> None:
    def make(folder: Path) -> None:
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "x").write_text("x")

    output_links.link_output(mirror, output(mirror, "out", make), PINNED_NS)
    for top in (mirror.top, mirror.worktree):
        assert (top / "out" / "sub").is_dir() and not (top / "out" / "sub").is_symlink()
        assert (top / "out" / "sub" / "x").is_symlink()
    assert mirror.outputs.keys() == {"out"}


def test_what_is_made_again_is_forgotten(mirror: Mirror) -> None:
    output_links.link_output(
        mirror, output(mirror, "b", lambda path: path.write_text("x")), PINNED_NS
    )
    assert mirror.address_of("b") == mirror.outputs["b"].address
    mirror.clear("b")
    assert not os.path.lexists(mirror.worktree / "b")
    assert "b" not in mirror.addresses and "b" not in mirror.outputs and "b" in mirror.placed
    assert (mirror.top / "b").is_symlink(), "the user's goes when a pool has the job"


def test_what_others_have_dated_is_not_older(mirror: Mirror) -> None:
    mirror.note_time("b", PINNED_NS - 1)
    assert output_links.date_of(mirror, ["b"]) == PINNED_NS
    mirror.note_time("b", PINNED_NS + 1)
    assert output_links.date_of(mirror, ["b"]) == PINNED_NS + 1


def test_a_link_out_of_the_worktree_is_not_followed(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (mirror.worktree / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="leads out of the run's worktree"):
        mirror.clear("out/x")
