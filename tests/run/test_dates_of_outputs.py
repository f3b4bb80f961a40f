"""What is put at an output bears the date that Snakemake expects."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mirrors import bare_mirror

from gitbatch_core.archive import hashing, links
from gitbatch_core.model.job_record import StoredFile
from gitbatch_core.run.mirror import inputs, output_links, user_links
from gitbatch_core.run.mirror.paths import Mirror


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    mirror = bare_mirror(tmp_path, pinned_ns=10**18)
    monkeypatch.chdir(mirror.top)
    return mirror


def test_an_output_folder_is_marked_in_the_worktree_as_in_the_folder(mirror: Mirror) -> None:
    """Whoever lists it there finds what those find who list it here, and may read it."""
    mark = "out/parts/.snakemake_timestamp"
    (mirror.top / mark).parent.mkdir(parents=True)
    (mirror.top / mark).touch()
    os.utime(mirror.top / mark, ns=(5 * 10**17, 5 * 10**17))
    user_links.bring(mirror)
    assert (mirror.worktree / mark).lstat().st_mtime_ns == 5 * 10**17
    assert mark in mirror.placed, "no job has written it"
    inputs.bring(mirror, mark, "each")
    assert mirror.address_of(mark) == str(hashing.hash_bytes(b"", "xxh3"))

    source = mirror.top / "new"
    source.mkdir()
    (source / "a.txt").write_text("a")
    stored = mirror.archive.put_tree(source)
    output = StoredFile(path="out/new", kind="tree", address=str(stored.address))
    output_links.link_output(mirror, output, 10**18)
    for top in (mirror.top, mirror.worktree):
        assert sorted(os.listdir(top / "out/new")) == [".snakemake_timestamp", "a.txt"]
        assert links.time_of(top / "out/new") == 10**18


def test_what_is_made_of_something_that_others_have_dated_is_as_late(mirror: Mirror) -> None:
    [stored] = mirror.archive.put([_file(mirror.top / "a.txt")])
    later = mirror.pinned_ns + 10**9
    output = StoredFile(path="b.txt", name=stored.name.path, address=str(stored.address))
    output_links.link_output(mirror, output, output_links.date_of(mirror, ["a.txt"]))
    assert links.time_of(mirror.top / "b.txt") == mirror.pinned_ns
    mirror.later["a.txt"] = later
    output_links.date_again(mirror, "b.txt", output_links.date_of(mirror, ["a.txt"]))
    assert links.time_of(mirror.top / "b.txt") == later == output_links.date_of(mirror, ["b.txt"])


def _file(path: Path) -> Path:
    path.write_text(path.name)
    return path
