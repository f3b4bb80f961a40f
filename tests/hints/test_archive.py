"""What the archive's verbs, `gitbatch status` and the storage say to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from projects import Ended, Project

from gitbatch_core.archive import layout
from gitbatch_core.errors import GitbatchError
from snakemake_storage_plugin_gitbatch.content import Reader
from snakemake_storage_plugin_gitbatch.place import Place
from snakemake_storage_plugin_gitbatch.query import parse

from .terminals import Terminal, types

FILES = {
    "Snakefile": """
        rule all:
            input: "out/a b.txt", "out/folder"
        rule a:
            input: "raw/x y.txt"
            output: "out/a b.txt", directory("out/folder")
            shell: "cp {input:q} {output[0]:q}; mkdir {output[1]}; echo inner > {output[1]}/i.txt"
        """,
    ".gitignore": ".snakemake/\n/out/\n/raw/\n",
    "raw/x y.txt": "raw\n",
}


def refused(ended: Ended, code: int = 2) -> Ended:
    assert ended.returncode == code and "Traceback" not in ended.text, ended.text
    return ended


def overwrite(path: Path) -> None:
    path.chmod(0o644)
    path.write_text("damage\n")
    path.chmod(0o444)


@types(
    "provenance/object_report: gitbatch freeze",
    "cli/archive/lineage: gitbatch freeze",
    "provenance/resolve: gitbatch freeze",
    "provenance/resolve: gitbatch archive ls",
    "cli/archive/log: gitbatch archive ls",
    "cli/archive/log: git log",
    "cli/archive/cat: gitbatch archive tree --archive",
    "archive/store: git config",
    "archive/store: gitbatch archive verify --repair --archive",
    "archive/freeze: gitbatch archive verify --repair --archive",
    "archive/marker: gitbatch init --archive",
    "archive/marker: gitbatch init --archive",
    "cli/status: gitbatch init",
    "cli/status: gitbatch runs checkout",
    "cli/runs/checkout: git config",
    "cli/runs/checkout: gitbatch runs checkout",
    "content: gitbatch archive ls --names --archive",
    "content: gitbatch archive tree --archive",
    "content: gitbatch runs show",
    "place: --storage-gitbatch-archive",
)
def test_an_archive(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = terminal.project
    project.write(FILES)
    project.commit()
    project.gitbatch("freeze", "raw").ok()
    project.git("add", "--force", "raw")
    project.commit()
    project.snakemake().ok()
    show = ("archive", "show")

    # What is in none yet.
    project.write({"new file.txt": "new\n", "top file.txt": "top\n", "fold er/x": "x\n"})
    (project.path / "below").mkdir()
    told = refused(project.gitbatch(*show, "new file.txt"))
    terminal.type(told, "gitbatch freeze")
    project.gitbatch(*show, "new file.txt").ok()
    told = terminal.shell("gitbatch archive lineage 'top file.txt'", status=2, folder="below")
    terminal.type(told, "gitbatch freeze", folder="below")
    terminal.shell("gitbatch archive lineage 'top file.txt'", folder="below")
    told = refused(project.gitbatch(*show, "fold er"))
    terminal.type(told, "gitbatch freeze")
    project.gitbatch(*show, "fold er").ok()

    # What nobody knows, or is asked for otherwise.
    assert (
        "out/folder"
        in terminal.type(refused(project.gitbatch(*show, "not-there")), "gitbatch archive ls").text
    )
    told = refused(project.gitbatch("archive", "log", "raw/x y.txt"))
    terminal.type(told, "gitbatch archive ls")
    assert "change" in terminal.type(told, "git log").text
    told = refused(project.gitbatch("archive", "cat", "out/folder"))
    assert "i.txt" in terminal.type(told, "gitbatch archive tree --archive").text

    # Of the storage.
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("PWD", str(project.path))
    contents = Reader(place=Place.open(project.path / "copies", None))
    [tag] = project.tags()
    tree = project.run_document(tag)["outputs"][1]["address"]

    def not_found(query: str) -> str:
        with pytest.raises(GitbatchError) as caught:
            contents.find(parse(f"gitbatch://{query}"))
        return str(caught.value)

    terminal.type(not_found("name/some/thing"), "gitbatch archive ls --names")
    for name in (tag, tag.removeprefix("run/")):
        assert "out/a b.txt" in terminal.type(not_found(f"{name}/no"), "gitbatch runs show").text
    assert "i.txt" in terminal.type(not_found(f"{tree}/no"), "gitbatch archive tree").text
    outside = Project(path=tmp_path / "outside")
    outside.path.mkdir()
    outside.write({"Snakefile": f"rule a:\n input: storage.gitbatch('gitbatch://{tree}/i.txt')\n"})
    told = outside.plain("--cores", "1").failed("No archive was found")
    option = terminal.option(told, "--storage-gitbatch-archive", str(project.archive))
    outside.plain("--cores", "1", *option).ok()

    # What was lost, in the folder and in the archive.
    (project.path / "out/a b.txt").unlink()
    told = refused(project.gitbatch("status"), 1)
    terminal.type(told, "gitbatch runs checkout")
    assert project.read("out/a b.txt") == "raw\n"
    (project.path / ".gitbatch/archive").unlink()
    (project.path / ".gitbatch/archive").symlink_to(tmp_path)
    told = refused(project.gitbatch("status"), 1)
    terminal.type(told, "gitbatch init")
    assert "does not lead" not in project.gitbatch("status").text
    clone = Project(path=tmp_path / "clone")
    project.git("clone", "--quiet", str(project.path), str(clone.path))
    clone.gitbatch("init").ok()
    told = refused(clone.gitbatch("runs", "checkout", "last"), 1)
    terminal.project = clone
    terminal.type(told, "git config gitbatch.archive", DIR=str(project.archive))
    terminal.type(told, "gitbatch runs checkout")
    assert clone.read("out/a b.txt") == "raw\n"
    terminal.project = project

    manifest = project.archive / layout.manifest_path(tree.partition(":")[2])
    overwrite(manifest)
    told = refused(project.gitbatch("archive", "tree", tree), 1)
    terminal.type(told, "gitbatch archive verify --repair", status=1)
    assert not manifest.exists()
    stored = (project.path / "new file.txt").resolve()
    overwrite(stored)
    told = refused(project.gitbatch("thaw", "new file.txt"), 1)
    terminal.type(told, "gitbatch archive verify --repair", status=1)
    assert not stored.exists() and os.listdir(project.archive / layout.DAMAGED)
    told = refused(project.gitbatch("archive", "cat", "new file.txt"))
    terminal.type(told, "git config", DIR=str(clone.archive))
    assert "no object" in project.gitbatch("archive", "cat", "new file.txt").text
    clone.write({"new file.txt": "new\n"})
    clone.git("config", "--unset", "gitbatch.archive")
    clone.gitbatch("freeze", "new file.txt").ok()
    assert project.gitbatch("archive", "cat", "new file.txt").ok().text == "new\n"
    project.git("config", "--unset", "gitbatch.archive")

    # Another one.
    (project.path / "emp ty").mkdir()
    for name in ("emp ty", "new one"):
        listing = ("archive", "ls", "--archive", name)
        terminal.type(refused(project.gitbatch(*listing)), "gitbatch init --archive")
        project.gitbatch(*listing).ok()
    told = refused(project.gitbatch("archive", "ls", "--archive", "fold er"))
    terminal.type(told, "gitbatch init --archive", DIR="third")
    project.gitbatch("archive", "ls", "--archive", "third").ok()
