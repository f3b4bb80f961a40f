"""Files of which git has a pointer or a cipher: by git-annex, Git LFS and git-crypt, as their users
have them. Jobs get the content; these programs are needed by the user's git only."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project, run_twice

pytestmark = pytest.mark.usefixtures("git_filters")


@pytest.fixture
def dataset(tmp_path: Path) -> Project:
    """A repository of git-annex with a locked and an unlocked file, both here."""
    project = Project(path=tmp_path / "dataset")
    project.path.mkdir()
    project.git("init", "--quiet")
    project.git("annex", "init", "--quiet", "here")
    project.write({"raw/locked.txt": "locked\n", "raw/unlocked.txt": "unlocked\n", "plain": "p\n"})
    project.git("annex", "add", "--quiet", "raw")
    project.git("annex", "unlock", "--quiet", "raw/unlocked.txt")
    project.commit()
    assert project.git("show", "HEAD:raw/unlocked.txt").startswith("/annex/objects/")
    return project


ALL = """
    rule all:
        input: "out/all.txt", "out/folder.txt"
    rule declared:
        input: "data/big.bin", "data/secret.key", "sets/raw/raw/locked.txt",
            "sets/raw/raw/unlocked.txt", "notes.txt"
        output: "out/all.txt"
        shell: "cat {input} data/undeclared.bin > {output}"
    rule folder:
        input: "sets/raw/raw"
        output: "out/folder.txt"
        shell: "cat {input}/* > {output}"
    """
EXPECTED = "big\nkey\nlocked\nunlocked\nnotes\nundeclared\n"


@pytest.fixture
def project(
    make_project: Callable[..., Project], dataset: Project, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A clone with all three: LFS as clusters recommend it, where nothing comes by itself;
    git-crypt unlocked; a dataset as a submodule whose git folder lies in it."""
    origin = make_project(
        {
            "Snakefile": ALL,
            "notes.txt": "notes\n",
            ".gitattributes": "*.bin filter=lfs diff=lfs -text\n*.key filter=git-crypt\n",
            ".gitignore": ".snakemake/\nout/\n",
        },
        name="origin",
    )
    origin.git("lfs", "install", "--local")
    origin.git("crypt", "init")
    origin.commit(
        {"data/big.bin": "big\n", "data/undeclared.bin": "undeclared\n", "data/secret.key": "key\n"}
    )
    key = origin.path.parent / "key"
    origin.git("crypt", "export-key", str(key))
    project = Project(path=origin.path.parent / "project")
    monkeypatch.setenv("GIT_LFS_SKIP_SMUDGE", "1")
    origin.git("clone", "--quiet", str(origin.path), str(project.path))
    monkeypatch.delenv("GIT_LFS_SKIP_SMUDGE")
    project.git("crypt", "unlock", str(key))
    project.git("lfs", "install", "--local", "--skip-smudge")
    project.git("lfs", "pull")
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    project.git("clone", "--quiet", str(dataset.path), "sets/raw")
    inner = Project(path=project.path / "sets/raw")
    inner.git("annex", "init", "--quiet", "clone")
    inner.git("annex", "get", "--quiet", ".")
    project.git(*add, str(dataset.path), "sets/raw")
    project.commit()
    assert inner.read("raw/unlocked.txt") == "unlocked\n"
    assert project.read("data/big.bin") == "big\n" and project.git("status", "--porcelain") == ""
    return project


def test_jobs_get_the_content(project: Project) -> None:
    """And so does who makes the run again; nothing in the user's folder or settings changes."""
    inner = Project(path=project.path / "sets/raw")
    settings = [(each.path / ".git/config").read_bytes() for each in (project, inner)]
    run_twice(project)
    assert project.read("out/all.txt") == EXPECTED
    assert project.read("out/folder.txt") == "locked\nunlocked\n"
    [tag] = project.tags()
    assert project.run_document(tag)["tainted"] == []
    assert [(each.path / ".git/config").read_bytes() for each in (project, inner)] == settings
    assert (inner.path / ".git").is_dir() and inner.git("status", "--porcelain") == ""
    # At another commit, with content that the folder does not have any more.
    project.git("mv", "data/big.bin", "data/elsewhere.bin")
    project.write({"data/undeclared.bin": "later\n"})
    project.commit()
    project.gitbatch("reproduce", tag, "--pool", "local").ok()
    key = subprocess.check_output(["sha256sum"], input=b"big\n").decode().split()[0]
    [stored] = project.path.glob(f".git/lfs/objects/*/*/{key}")
    stored.unlink()
    project.gitbatch("reproduce", tag, "out/folder.txt", "--pool", "local").ok()
    missing = project.gitbatch("reproduce", tag, "--pool", "local")
    assert missing.returncode == 2, missing.text
    source = project.run_document(tag)["source_commit"]
    assert "data/big.bin" in missing.text and f"lfs fetch origin {source}" in missing.text
    assert project.leftovers() == []


def test_content_that_was_not_fetched(make_project: Callable[..., Project]) -> None:
    """An input is refused; nobody reads the pointer of anything else; what does not need it runs,
    and is the same when it is there."""
    project = make_project(
        {
            "Snakefile": """
                rule declared:
                    input: "data/far away.txt"
                    output: "declared.txt"
                    shell: "cat {input:q} > {output}"
                rule undeclared:
                    output: "undeclared.txt"
                    shell: "cat 'data/far away.txt' > {output}"
                rule neither:
                    output: "neither.txt"
                    shell: "ls data > {output}"
                """,
        }
    )
    project.git("annex", "init", "--quiet", "here")
    project.write({"data/far away.txt": "far\n"})
    project.git("annex", "add", "--quiet", "data")
    project.git("annex", "unlock", "--quiet", "data")
    project.commit()
    clone = Project(path=project.path.parent / "clone")
    project.git("clone", "--quiet", str(project.path), str(clone.path))
    clone.git("annex", "init", "--quiet", "clone")
    assert clone.read("data/far away.txt").startswith("/annex/objects/")
    get = f"git -C {clone.path} annex get 'data/far away.txt'"
    clone.snakemake("declared.txt").failed("data/far away.txt is a git-annex pointer", get)
    clone.snakemake("undeclared.txt", "neither.txt", "-k").failed(
        f"  data/far away.txt  ({get})", f"whose content was not fetched: {get}", "1 job done"
    )
    subprocess.run(get, shell=True, check=True)
    clone.snakemake("declared.txt", "undeclared.txt").ok()
    assert clone.read("declared.txt") == clone.read("undeclared.txt") == "far\n"


def test_the_same_blob_in_other_bytes_is_not_reused(make_project: Callable[..., Project]) -> None:
    """What a filter makes of it is code, too; a job that changes it is seen."""
    project = make_project(
        {
            "Snakefile": """
                rule use:
                    input: script="main.sh"
                    output: "out.txt"
                    shell: "sh {input.script} > {output}"
                rule spoil:
                    output: "spoilt.txt"
                    shell: "chmod u+w word.up; echo wOrD > word.up; touch {output}"
                """,
            "main.sh": "cat word.up\n",
            ".gitattributes": "*.up filter=up\n",
        },
        commit=False,
    )
    project.git("config", "filter.up.clean", "tr A-Z a-z")
    project.git("config", "filter.up.smudge", "tr a-z A-Z")
    project.commit({"word.up": "WORD\n"})
    project.snakemake("out.txt").ok()
    assert project.read("out.txt") == "WORD\n"
    project.git("config", "filter.up.smudge", "cat")
    project.write({"word.up": "word\n"})
    project.git("add", "word.up")
    assert project.git("status", "--porcelain", "--untracked-files=no") == ""
    (project.path / "out.txt").unlink()
    assert "reused" not in project.snakemake("out.txt").ok().text
    assert project.read("out.txt") == "word\n"
    tainted = project.snakemake("spoilt.txt").ok().text
    assert "TAINTED" in tainted and "  word.up" in tainted


def test_hidden_edits(make_project: Callable[..., Project]) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule copy:
                    input: "config.yaml"
                    output: "copy.txt"
                    shell: "cat {input} tool.sh > {output}"
                """,
            "config.yaml": "threshold: 1\n",
            "tool.sh": "one\n",
        }
    )
    project.git("update-index", "--skip-worktree", "config.yaml")
    project.git("update-index", "--assume-unchanged", "tool.sh")
    project.snakemake("copy.txt").ok()
    project.write({"config.yaml": "threshold: 2\n", "tool.sh": "two\n"})
    project.snakemake("copy.txt", "--force").failed(
        "config.yaml  (hidden from git status: --skip-worktree)",
        "tool.sh  (hidden from git status: --assume-unchanged)",
        "git update-index --no-skip-worktree",
    )
    project.snakemake("copy.txt", "--force", "--gitbatch-dirty", "snapshot").ok()
    assert project.read("copy.txt") == "threshold: 2\ntwo\n"
