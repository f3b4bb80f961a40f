"""Data that lies elsewhere, by way of links: it is read, recorded and written as by plain
Snakemake, and nothing else is written there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mirrors import bare_mirror
from projects import Project

from gitbatch_core.errors import RunError
from gitbatch_core.run.mirror import inputs, linked_folders

MakeProject = Callable[..., Project]

READS = {
    "Snakefile": """
        SAMPLES = sorted(glob_wildcards("data/{s}/reads.txt").s)
        DEEP = sorted(glob_wildcards("{a}/b/{c}.txt").c)
        rule all:
            input:
                "file.out", "folder.out", "through.out", "config.out",
                expand("{s}.out", s=SAMPLES)
        rule file:
            input: "data/in.txt"
            output: "file.out"
            params: samples=SAMPLES, deep=DEEP
            shell: "echo {params.samples} {params.deep} > {output}; cat {input} >> {output};"
                   "echo index > {input}.idx; git describe --always --dirty > /dev/null"
        rule sample:
            input: "data/{s}/reads.txt"
            output: "{s}.out"
            shell: "cat {input} > {output}"
        rule folder:
            input: "data/folder"
            output: "folder.out"
            shell: "cat {input}/* > {output}; ls {input} >> {output}"
        rule through:
            input: "inner/chain/deep.txt", "up/own.txt", "alias.txt"
            output: "through.out"
            shell: "cat {input} > {output}"
        rule config:
            input: "outer.txt"
            output: "config.out"
            shell: "cat {input} > {output}; git status --porcelain --untracked-files=no >> {output}"
        """,
    "own.txt": "own\n",
    "real/b/x.txt": "x\n",
    ".gitignore": ".snakemake/\n*.out\n",
}


def make_disk(folder: Path) -> Path:
    """A folder of data, part of which is linked from yet another."""
    disk = folder / "disk"
    for name in ("in.txt", "s1/reads.txt", "s2/reads.txt", "folder/1", "folder/2"):
        path = disk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    (folder / "far").mkdir()
    (folder / "far/deep.txt").write_text("deep\n")
    (folder / "near").symlink_to("far")
    (disk / "chain").symlink_to("../near")
    (disk / "nowhere").symlink_to("gone")
    (disk / "round").symlink_to(".")
    return disk


def listing(folder: Path) -> dict[str, object]:
    """All that lies below, with what it holds."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize(
    ("pool", "tracked", "absolute"),
    [("local", True, False), ("local", False, True), ("htcondor", True, True)],
    indirect=["pool"],
)
def test_inputs_behind_links(
    make_project: MakeProject, pool: str, tracked: bool, absolute: bool
) -> None:
    project = make_project(READS, pool=pool)
    disk = make_disk(project.path.parent)
    top, above = project.path, project.path.parent
    for name, target in {
        "data": disk,
        "inner": top / "data",
        "up": top / "real/..",
        "alias.txt": top / "real/b/x.txt",
        "outer.txt": disk / "in.txt",
        "unused": above / "far",
    }.items():
        (top / name).symlink_to(target if absolute else os.path.relpath(target, top))
    if not tracked:
        names = ("data", "inner", "up", "alias.txt", "outer.txt", "unused")
        project.write({".gitignore": READS[".gitignore"] + "".join(f"/{n}\n" for n in names)})
    project.commit()
    before = listing(above / "disk") | listing(above / "far")
    printed = project.snakemake().ok().text
    assert project.read("file.out") == "s1 s2 x\nin.txt\n"
    assert project.read("s2.out") == "s2/reads.txt\n"
    assert project.read("folder.out") == "folder/1\nfolder/2\n1\n2\n"
    assert project.read("through.out") == "deep\nown\nx\n"
    assert project.read("config.out") == "in.txt\n"  # and nothing is changed to git
    # What is not declared was not written there: it is kept in the archive.
    assert "data/in.txt.idx" in printed and "can be changed" in printed
    after = listing(above / "disk") | listing(above / "far")
    assert "/.gitbatch/archive/objects/" in str(after.pop("in.txt.idx"))
    assert after == before
    assert f"data/in.txt  ({disk / 'in.txt'})" in printed
    project.nothing_to_do()
    assert "Nothing to be done" in project.snakemake().ok().text
    assert project.git("status", "--porcelain") == ""
    [tag] = project.tags()
    document = project.run_document(tag)
    assert document["linked"]["data"] == str(disk)
    assert document["tainted"] == [] and str(disk / "in.txt") in document["outside"]
    assert str(above / "far/deep.txt") in document["outside"]
    again = project.gitbatch("reproduce", tag, "--pool", "local")
    assert again.returncode == 0, again.text
    assert project.leftovers() == []
    # A change is a change, wherever it is.
    (disk / "s1/reads.txt").write_text("other\n")
    assert "rule sample" in project.snakemake().ok().text
    assert project.read("s1.out") == "other\n"
    assert len(project.tags()) == 2


WRITES = {
    "Snakefile": """
        def parts(wildcards):
            checkpoints.split.get()
            return expand("results/parts/{x}.out", x=glob_wildcards("results/split/{x}.txt").x)
        rule all:
            input: "results/a.txt", "results/tree", "results/kept.txt", "deep/er/b.txt", parts
        rule a:
            input: "results/raw/in.txt"
            output: "results/a.txt"
            log: "results/logs/a.log"
            benchmark: "results/a.tsv"
            shell: "cat {input} > {output}; echo said > {log}; echo more > results/a.txt.idx"
        rule part:
            output: temp("results/part.txt")
            shell: "echo part > {output}"
        rule kept:
            input: "results/part.txt", "results/a.txt"
            output: protected("results/kept.txt")
            shell: "cat {input} > {output}"
        rule tree:
            output: directory("results/tree")
            shell: "mkdir -p {output}/in; echo 1 > {output}/in/1; echo 2 > {output}/2"
        rule b:
            input: "results/kept.txt"
            output: update("deep/er/b.txt")
            shell: "cat {input} >> {output}"
        checkpoint split:
            output: directory("results/split")
            shell: "mkdir {output}; for x in p q; do echo $x > {output}/$x.txt; done"
        rule each:
            input: "results/split/{x}.txt"
            output: "results/parts/{x}.out"
            shell: "cat {input} > {output}"
        """,
    "deep/readme": "",
}
NAMES = ("results", "deep/er")


def make_results(make_project: MakeProject, *, tracked: bool, **options: str) -> Project:
    project = make_project(WRITES, **options)
    for number, name in enumerate(NAMES):
        scratch = project.path.parent / f"scratch{number}"
        (scratch / "raw").mkdir(parents=True)
        (scratch / "raw/in.txt").write_text("in\n")
        (scratch / "mine").write_text("mine\n")
        (project.path / name).symlink_to(scratch)
    if not tracked:
        project.write({".gitignore": ".snakemake/\n" + "".join(f"/{n}\n" for n in NAMES)})
    project.commit()
    return project


@pytest.mark.parametrize(
    ("pool", "tracked"),
    [("local", True), ("local", False), ("htcondor", False)],
    indirect=["pool"],
)
def test_results_behind_links(
    make_project: MakeProject, tmp_path: Path, pool: str, tracked: bool
) -> None:
    project = make_results(make_project, tracked=tracked, pool=pool)
    scratch = project.path.parent / "scratch0"
    printed = project.snakemake().ok().text
    assert all((project.path / name).is_symlink() for name in NAMES)
    for name, text in {
        "a.txt": "in\n",
        "kept.txt": "part\nin\n",
        "tree/in/1": "1\n",
        "parts/q.out": "q\n",
    }.items():
        assert (scratch / name).is_symlink() and (scratch / name).read_text() == text
    assert project.read("deep/er/b.txt") == "part\nin\n"
    for name in ("logs/a.log", "a.tsv", "mine", "raw/in.txt"):
        assert (scratch / name).is_file() and not (scratch / name).is_symlink()
    assert not os.path.lexists(scratch / "part.txt")
    if not os.path.lexists(scratch / "a.txt.idx"):
        assert "results/a.txt.idx" in printed
    project.nothing_to_do()
    assert "Nothing to be done" in project.snakemake().ok().text
    assert project.git("status", "--porcelain") == "" and project.leftovers() == []
    [tag] = project.tags()
    assert project.run_document(tag)["tainted"] == []
    listed = (line.split() for line in project.git("ls-tree", "-r", tag).splitlines())
    modes = {name: mode for mode, _, _, name in listed}
    assert {modes[n] for n in ("results/a.txt", "results/tree/in/1", "deep/er/b.txt")} == {"120000"}
    assert not {*NAMES} & modes.keys()
    status = project.gitbatch("status").ok().text
    assert "unknown" not in status and "missing" not in status, status
    # What was deleted is reused, not made again.
    before = (scratch / "a.txt").resolve()
    (scratch / "a.txt").unlink()
    (scratch / "tree/2").unlink()
    assert "2 reused" in project.snakemake().ok().text
    assert (scratch / "a.txt").resolve() == before
    # A forced job sees what lies in the folder, and replaces its own outputs only.
    project.snakemake("--force", "results/a.txt", "--gitbatch-reuse", "off").ok()
    assert (scratch / "mine").read_text() == "mine\n"
    assert "no damage" in project.gitbatch("archive", "verify").ok().text
    again = project.gitbatch("reproduce", tag, "--pool", "local")
    assert again.returncode == 0, again.text
    assert (scratch / "a.txt").resolve() == before
    # Where the link is, git cannot put what the run commit has; elsewhere it can.
    refused = project.gitbatch("runs", "checkout", tag)
    assert refused.returncode == 2 and "--into" in refused.text, refused.text
    project.gitbatch("runs", "checkout", tag, "--into", str(tmp_path / "into")).ok()
    into = Project(path=tmp_path / "into")
    assert into.read("results/kept.txt") == "part\nin\n"
    assert not (into.path / "results").is_symlink()
    project.git("clone", "--quiet", str(project.path), str(tmp_path / "clone"))
    clone = Project(path=tmp_path / "clone")
    clone.git("checkout", "--quiet", tag)
    clone.git("config", "gitbatch.archive", str(project.archive))
    clone.gitbatch("archive", "ls").ok()
    assert clone.read("results/tree/in/1") == "1\n"
    status = json.loads(clone.gitbatch("status", "--json").text)
    assert status["source"] == project.git("rev-parse", "HEAD").strip() != status["head"]


def test_what_cannot_be_had_is_said(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    input: "data/in.txt"
                    output: "results/a.txt"
                    shell: "cat {input} > {output}"
                rule b:
                    output: "b.txt"
                    shell: "sed -i s/in/edited/ data/in.txt; echo > {output}"
                rule c:
                    input: "data/in.txt"
                    output: "c.txt"
                    shell: "cat {input} > {output}; echo later >> {input}"
                """,
            ".gitignore": ".snakemake/\n/data\n/results\n",
        }
    )
    top, disk, scratch = (project.path.parent / name for name in ("project", "disk", "scratch"))
    disk.mkdir()
    (disk / "in.txt").write_text("in\n")
    (top / "data").symlink_to(disk)
    (top / "results").symlink_to(scratch)
    project.snakemake("results/a.txt").failed("results is a link to a folder that does not exist")
    scratch.mkdir()
    # Frozen, it is safe: in the run commit, too.
    assert "link to a folder" in project.gitbatch("freeze", "data").text
    frozen = project.gitbatch("freeze", "data/in.txt").ok().text
    assert "git add" not in frozen and (disk / "in.txt").is_symlink()
    assert "can be changed" not in project.snakemake("results/a.txt").ok().text
    assert project.read("results/a.txt") == "in\n"
    [tag] = project.tags()
    names = project.git("ls-tree", "-r", "--name-only", tag).split()
    assert {"data/in.txt", "results/a.txt"} <= set(names)
    project.gitbatch("reproduce", tag, "--pool", "local").ok()
    project.gitbatch("thaw", "data/in.txt").ok()
    assert not (disk / "in.txt").is_symlink() and (disk / "in.txt").read_text() == "in\n"
    # A job that replaces its input has replaced a link of the worktree.
    project.snakemake("b.txt").ok()
    assert (disk / "in.txt").read_text() == "in\n"
    project.snakemake("c.txt").failed("The input data/in.txt was changed during the run")


def test_two_clones_that_share_a_scratch_folder(make_project: MakeProject, tmp_path: Path) -> None:
    first = make_results(make_project, tracked=True)
    first.snakemake().ok()
    first.git("clone", "--quiet", str(first.path), str(tmp_path / "second"))
    second = Project(path=tmp_path / "second")
    scratch = first.path.parent / "scratch0"
    before = os.readlink(scratch / "a.txt")
    # What the one has made is there for the other; what that makes, for the first.
    second.snakemake("--force", "results/a.txt").ok()
    assert os.readlink(scratch / "a.txt") != before
    assert first.read("results/a.txt") == second.read("results/a.txt") == "in\n"
    for project in (first, second):
        assert project.gitbatch("archive", "verify").ok()
        assert project.git("status", "--porcelain") == ""
    first.snakemake("--force", "results/a.txt").ok()
    assert os.readlink(scratch / "a.txt") == before


def test_folders_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs come by one link, what is written does not go through one."""
    monkeypatch.setattr(linked_folders, "MOST", 3)
    mirror = bare_mirror(tmp_path.resolve())
    for name in ("disk", "scratch"):
        for number in range(5):
            path = tmp_path / name / f"{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{number}\n")
        (mirror.top / name).symlink_to(tmp_path / name)
    linked_folders.open_folders(mirror, ["disk/4.txt", "scratch/4.txt"], ["scratch/out"])
    for path in ("disk/4.txt", "scratch/4.txt"):
        inputs.bring(mirror, path, "a")
        assert (mirror.worktree / path).read_text() == "4\n"
        assert mirror.outside.addresses[str(tmp_path / path)] == mirror.address_of(path)
    assert (mirror.worktree / "disk").is_symlink() and not (
        mirror.worktree / "scratch"
    ).is_symlink()
    assert len(list((mirror.worktree / "scratch").iterdir())) in (3, 4)
    # What is done to the worktree is never done elsewhere.
    with pytest.raises(RunError, match="leads out of the run's worktree"):
        mirror.clear("disk/4.txt")
    assert (tmp_path / "disk/4.txt").read_text() == "4\n"
    # A job that is to write there has a folder for it, from then on.
    linked_folders.open_folders(mirror, [], ["disk/out"])
    mirror.clear("disk/4.txt")
    assert not (mirror.worktree / "disk/4.txt").exists() and (tmp_path / "disk/4.txt").exists()
