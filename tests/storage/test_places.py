"""Which archive is asked: outside of repositories, in work trees of one, by option and setting."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from snakemake_interface_common.exceptions import WorkflowError

from gitbatch_core.archive import layout, names
from gitbatch_core.archive.store import Archive
from snakemake_storage_plugin_gitbatch import (
    StorageObject,
    StorageProvider,
    StorageProviderSettings,
)

MakeProject = Callable[..., Project]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.create(tmp_path / "archive")


def ask(query: str, archive: Any = None) -> StorageObject:
    """The query in the working directory, as Snakemake asks it."""
    provider = StorageProvider(
        logger=logging.getLogger("test"),
        local_prefix=Path(".snakemake/storage/gitbatch"),
        settings=StorageProviderSettings(archive=archive),
    )
    found: StorageObject = provider.object(query)
    return found


def get(found: StorageObject) -> Path:
    path: Path = found.local_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    found.retrieve_object()
    return path


def test_outside_of_any_repository(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    address = archive.put_bytes(b"text\n", name="a.txt").address
    link = get(ask(f"gitbatch://{address}/a.txt", archive.root))
    assert link.read_text() == "text\n"
    # A link of the one form, by which what Snakemake does to links passes over objects.
    assert layout.linked_object(os.readlink(link)) is not None
    stored = ask("gitbatch://name/p/a.txt", archive.root)
    path = stored.local_path()
    path.parent.mkdir(parents=True)
    path.write_text("new\n")
    path.parent.parent.joinpath("p").chmod(0o755)
    stored.store_object()
    assert layout.linked_object(os.readlink(path)) is not None and path.read_text() == "new\n"
    monkeypatch.setenv("GITBATCH_ARCHIVE", str(archive.root))
    assert ask("gitbatch://name/p/a.txt").exists()
    with pytest.raises(WorkflowError, match="no git repository"):
        ask("gitbatch://run/20261121-000000-0000/a.txt").exists()
    monkeypatch.delenv("GITBATCH_ARCHIVE")
    with pytest.raises(WorkflowError, match="--storage-gitbatch-archive"):
        ask("gitbatch://name/p/a.txt").exists()
    with pytest.raises(WorkflowError, match=r"There is no archive .*/missing"):
        ask("gitbatch://name/p/a.txt", tmp_path / "missing").exists()
    with pytest.raises(WorkflowError, match="is not an archive"):
        ask("gitbatch://name/p/a.txt", tmp_path).exists()


def test_work_trees_share_their_repository_s_archive(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project({"Snakefile": ""})
    Archive.create(tmp_path / "beside")
    project.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "other"))
    for setting, root in ((None, project.archive), ("../beside", tmp_path / "beside")):
        if setting:
            project.git("config", "gitbatch.archive", setting)
        for folder in (project.path, tmp_path / "other"):
            monkeypatch.chdir(folder)
            found = ask(f"gitbatch://name/p/{folder.name}.txt")
            found.local_path().parent.mkdir(parents=True, exist_ok=True)
            found.local_path().write_text("text\n")
            found.store_object()
            assert found.local_path().read_text() == "text\n"
            found.local_path().unlink()
        archive = Archive.open(root)
        assert len(list(names.listed(archive, "p"))) == 2


def test_the_link_of_a_work_tree_is_not_changed(
    make_project: MakeProject, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the run's: what it leads to is not for the storage to say."""
    project = make_project({"Snakefile": ""})
    project.gitbatch("init").ok()
    before = os.readlink(project.path / layout.LINK_PATH)
    monkeypatch.chdir(project.path)
    address = archive.put_bytes(b"text\n", name="a.txt").address
    assert get(ask(f"gitbatch://{address}/a.txt", archive.root)).read_text() == "text\n"
    assert os.readlink(project.path / layout.LINK_PATH) == before


def test_a_relative_archive_in_a_snakefile(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                storage:
                    provider="gitbatch",
                    archive="../beside"
                rule a:
                    input: storage.gitbatch("gitbatch://name/p/a.txt")
                    output: "a.txt"
                    shell: "cp {input} {output}"
                """
        }
    )
    project.plain("-n", "a.txt").failed("../beside", "not an absolute path")


def test_storing_what_a_link_leads_to_only_writes_the_name(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stored = archive.put_bytes(b"text\n", name="a.txt")
    link = get(ask(f"gitbatch://{stored.address}/a.txt", archive.root))
    named = ask("gitbatch://name/p/other.csv", archive.root)
    named.local_path().parent.mkdir(parents=True)
    named.local_path().symlink_to(os.path.abspath(link))
    named.store_object()
    assert [p.name for p in archive.root.glob("objects/*/*")] == [Path(stored.name.path).name]
    found = names.read(archive, "p/other.csv")
    assert found is not None and found.object == stored.name


def test_a_failed_store_leaves_the_local_copy(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names_folder = archive.root / "names"
    named = ask("gitbatch://name/p/a.txt", archive.root)
    named.local_path().parent.mkdir(parents=True)
    named.local_path().write_text("text\n")
    names_folder.chmod(0o555)
    with pytest.raises(WorkflowError, match="Permission denied"):
        named.store_object()
    names_folder.chmod(0o755)
    assert named.local_path().read_text() == "text\n" and not named.exists()
    named.store_object()
    assert named.exists()


def test_only_its_own_queries_are_claimed() -> None:
    for query in ("s3://bucket/x", "http://example.org/x", "results/x", "gitbatch:/x", ""):
        found = StorageProvider.is_valid_query(query)
        assert not found and "gitbatch://" in str(found)
    for query in (
        "gitbatch://name/{prefix}/{path}",
        "gitbatch://name/p/{sample,[^/]+}.txt",
        "gitbatch://{tag}/results/{x}.txt",
        "gitbatch://xxh3:{digest,[0-9a-f]{{32}}}/{x}.txt",
        f"gitbatch://xxh3:{'0' * 32}",
        f"gitbatch://blake3:{'0' * 64}/",
        "gitbatch://run/20261121-043005-38d0/results/{x}",
    ):
        assert StorageProvider.is_valid_query(query), query


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("gitbatch://xxh3:12/a.txt", "Not a digest of xxh3"),
        ("gitbatch://md5:12/a.txt", "Unknown hash algorithm 'md5'"),
        ("gitbatch://name/demo/../a.txt", "Not a path below a folder"),
        ("gitbatch://name/demo//a.txt", "Not a path below a folder"),
        ("gitbatch://name/a.txt", "A name is PREFIX/PATH"),
        ("gitbatch://name/demo/" + "x" * 256, "has 256 bytes"),
        ("gitbatch://a.txt", "names no output"),
        ("gitbatch://", "names no output"),
    ],
)
def test_what_is_no_query(query: str, words: str) -> None:
    found = StorageProvider.is_valid_query(query)
    assert not found and found.reason is not None
    assert words in found.reason and "\n" not in found.reason


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("gitbatch://xxh3:{zeros}/a.txt", ("no object xxh3:{zeros}", "{archive}")),
        ("gitbatch://blake3:{zeros}{zeros}/a.txt", ("addresses are xxh3", "{archive}")),
        ("gitbatch://{tag}/missing.txt", ("no output 'missing.txt'", "{tag}", "{top}")),
        ("gitbatch://{tag}/results/folder/missing.txt", ("no 'missing.txt'", "{archive}")),
        ("gitbatch://name/demo/missing.txt", ("no name demo/missing.txt", "{archive}")),
        ("gitbatch://run/20000101-000000-0000/a.txt", ("no tag or run", "{top}", "git fetch")),
        ("gitbatch://source/a.txt", ("source in {top} is no run",)),
        ("gitbatch://{address}", ("is a file, which needs a name",)),
    ],
)
def test_what_leads_nowhere(
    finished: Project,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    query: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(finished.path)
    outputs = finished.run_document(finished.tags()[0])["outputs"]
    values = {
        "zeros": "0" * 32,
        "tag": finished.tags()[0],
        "archive": str(finished.archive),
        "top": str(finished.path),
        "address": next(each["address"] for each in outputs if each["kind"] == "file"),
    }
    with pytest.raises(WorkflowError) as caught:
        ask(query.format(**values)).retrieve_object()
    for word in words:
        assert word.format(**values) in str(caught.value)
