"""What lies below a folder, on disk and by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.archive import manifests, walk

PARTS = st.sampled_from(["a", "a.b", "a b", "ab", "b", "-", "\u00e9"])
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A work tree with folders of git's, of ours and of Snakemake's, and links."""
    top = tmp_path / "top"
    for folder in (".git", ".gitbatch", ".snakemake", "inner/.snakemake", "inner/deep"):
        (top / folder).mkdir(parents=True)
        (top / folder / "link").symlink_to("anywhere")
        (top / folder / "file").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "link").symlink_to("anywhere")
    (top / "to folder").symlink_to(tmp_path / "outside")
    (top / "dangling").symlink_to("nowhere")
    (top / manifests.IGNORED).touch()
    return top


def test_links_are_found_where_users_have_them(top: Path) -> None:
    names = {"inner/deep/link", "to folder", "dangling"}
    assert {str(path.relative_to(top)) for path in walk.links_below(top)} == names
    through = {str(top / "to folder")}
    through_names = set(walk.link_names_below(top, through, besides="file"))
    assert through_names == {
        *(f"{top}/{name}" for name in names - {"to folder"}),
        *(f"{top}/to folder/link", f"{top}/inner/deep/file"),
    }


def test_folders_that_cannot_be_read_or_are_gone_are_passed_over(top: Path) -> None:
    (top / "inner").chmod(0)
    try:
        names = {path.name for path in walk.links_below(top)}
    finally:
        (top / "inner").chmod(0o755)
    assert names == {"to folder", "dangling"}
    assert list(walk.links_below(top / "missing")) == []
    assert list(walk.links_below(top / "inner" / "deep" / "file")) == []


def test_files_of_a_folder_are_what_a_tree_has(top: Path) -> None:
    (top / "inner" / "linked").symlink_to(top / ".git")
    (top / "inner" / manifests.IGNORED).touch()
    below = {str(path.relative_to(top / "inner")) for path in walk.files_below(top / "inner")}
    assert below == {"linked", "deep/link", "deep/file", ".snakemake/link", ".snakemake/file"}
    folders = {os.path.relpath(path, top / "inner") for path in walk.folders_below(top / "inner")}
    assert folders == {".", "deep", ".snakemake"}


@given(names=st.lists(NAMES, max_size=12), folder=NAMES)
def test_below_is_by_whole_names(names: list[str], folder: str) -> None:
    names = sorted(set(names))
    expected = [name for name in names if name.startswith(f"{folder}/")]
    assert list(walk.below(folder, names)) == expected


@given(paths=st.lists(NAMES, max_size=5), path=NAMES)
def test_inside_is_at_or_below(paths: list[str], path: str) -> None:
    expected = any(f"{path}/".startswith(f"{each}/") for each in paths)
    assert walk.inside(paths)(path) == expected
    assert walk.inside([*paths, "."])(path)
    above = [folder for folder, _ in walk.folders_above(path)]
    assert all(f"{folder}/{rest}" == path for folder, rest in walk.folders_above(path))
    assert walk.inside(paths)(path) == any(each in paths for each in (path, *above))
