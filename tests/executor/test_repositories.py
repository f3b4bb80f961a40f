"""The workflow's repository in all its kinds: jobs see the commit in each of them, and a second
start has nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

from projects import Project, run_twice

MakeProject = Callable[..., Project]

COPY = """
    rule copy:
        input: "data.txt"
        output: "out/{name}.txt"
        shell: "cat {input:q} > {output:q}"
    """


def add_submodule(project: Project, inner: Project, name: str) -> None:
    project.git(
        *("-c", "protocol.file.allow=always", "submodule", "--quiet", "add"),
        *("--name", name.replace(" ", "-"), str(inner.path), name),
    )


def test_submodules(make_project: MakeProject) -> None:
    """Nested, with a commit pinned that is not the branch's last one."""
    deep = make_project({"word.txt": "deep\n"}, name="deep")
    inner = make_project(
        {
            "script.py": """
                from pathlib import Path
                found = [Path(name).read_text() for name in snakemake.input]
                Path(snakemake.output[0]).write_text("pinned " + " ".join(found))
                """,
            "data file.txt": "data\n",
        },
        name="inner",
    )
    add_submodule(inner, deep, "deep er")
    pinned = inner.commit()
    inner.commit({"data file.txt": "later\n", "script.py": "raise SystemExit('later')\n"})
    project = make_project(
        {
            "Snakefile": """
                include: "libs/in ner/none.smk" if False else "rules/more.smk"
                rule scripted:
                    input: "libs/in ner/data file.txt", "libs/in ner/deep er/word.txt"
                    output: "scripted.txt"
                    script: "libs/in ner/script.py"
                """,
            "rules/more.smk": "",
        }
    )
    add_submodule(project, inner, "libs/in ner")
    sub = Project(path=project.path / "libs/in ner")
    sub.git("checkout", "--quiet", "--detach", pinned)
    sub.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
    project.commit()
    run_twice(project, "scripted.txt")
    assert project.read("scripted.txt") == "pinned data\n deep\n"
    for repository in (project, sub, Project(path=sub.path / "deep er")):
        assert len(repository.git("worktree", "list").splitlines()) == 1
    listing = project.git("ls-tree", "-r", project.tags()[0])
    assert f"160000 commit {pinned}\tlibs/in ner" in listing
    # What is edited there is no more the commit than what is edited here.
    sub.write({"script.py": "edited\n"})
    project.snakemake("scripted.txt", "--force").failed("modified:    libs/in ner")


def test_a_shallow_and_sparse_clone_behind_a_linked_folder(make_project: MakeProject) -> None:
    origin = make_project(
        {
            "workflow/Snakefile": """
                rule copy:
                    input: "data/in.txt"
                    output: "out/{name}.txt"
                    params: here=workflow.basedir
                    shell: "ls {params.here:q} > {output:q}; cat {input} not-here/* >> {output:q}"
                """,
            "data/in.txt": "data\n",
            "not-here/x": "of the commit\n",
        }
    )
    origin.commit({"data/in.txt": "data of the last commit\n"})
    clone = origin.path.parent / 'it\'s "a" $clone ü'
    origin.git("clone", "--quiet", "--depth=1", "--sparse", f"file://{origin.path}", str(clone))
    project = Project(path=clone)
    project.git("sparse-checkout", "set", "workflow", "data")
    assert not (clone / "not-here").exists() and (clone / ".git/shallow").exists()
    linked = origin.path.parent / "linked"
    linked.symlink_to(clone)
    by_link = Project(path=linked)
    run_twice(by_link, "-s", str(linked / "workflow/Snakefile"), "out/a b.txt")
    expected = "Snakefile\ndata of the last commit\nof the commit\n"
    assert project.read("out/a b.txt") == expected
    assert project.run_document(project.tags()[0])["snakefile"] == "workflow/Snakefile"
    assert not (clone / "not-here").exists()
    # And from below, by a way up.
    by_link.snakemake("-s", "../workflow/Snakefile", "-d", "..", "out/c.txt", folder="data").ok()
    assert project.read("out/c.txt") == expected


def test_work_trees_of_a_git_folder_elsewhere_at_the_same_time(make_project: MakeProject) -> None:
    """Hooks that break, signatures that cannot be made, variables that lead elsewhere: nothing of
    that matters."""
    project = make_project({"Snakefile": COPY, "data.txt": "first\n"})
    project.git("init", "--quiet", "--separate-git-dir", str(project.path.parent / "git folder"))
    assert (project.path / ".git").is_file()
    other = Project(path=project.path.parent / "other work tree")
    project.git("worktree", "add", "--quiet", "--detach", str(other.path))
    other.commit({"data.txt": "second\n"})
    hooks = project.path.parent / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-commit"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    for key, value in {
        "core.hooksPath": str(hooks),
        "commit.gpgSign": "true",
        "tag.gpgSign": "true",
        "gpg.program": "/bin/false",
    }.items():
        project.git("config", key, value)
    trees = {"first": project, "second": other}
    running = [
        (tree, tree.start(f"out/{name}.txt", GIT_DIR="/nonexistent", GIT_INDEX_FILE="/nonexistent"))
        for name, tree in trees.items()
    ]
    for tree, process in running:
        tree.end(process).ok()
    for name, tree in trees.items():
        assert tree.read(f"out/{name}.txt") == f"{name}\n"
        tree.nothing_to_do(f"out/{name}.txt")
        assert not list(tree.path.glob(".gitbatch/worktrees/*"))
    sources = {project.run_document(tag)["source_commit"] for tag in project.tags()}
    assert sources == {tree.git("rev-parse", "HEAD").strip() for tree in trees.values()}
    assert len(project.git("worktree", "list").splitlines()) == 2
    archive = project.path.parent / "git folder/gitbatch/archive"
    assert (project.path / "out/first.txt").resolve().is_relative_to(archive)
    assert not list(archive.glob("staging/*")) and not list(archive.parent.glob("runs/*"))


def test_what_git_converts(make_project: MakeProject) -> None:
    """Line ends, keywords and filters: jobs get what a checkout gives, and nothing is dirty. Where
    the folder has other bytes, of which git says nothing, that is refused, or told."""
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "out/all.bin"
                rule a:
                    input: "dos.txt", "id.txt", "filtered.txt", "plain.txt"
                    output: "out/all.bin"
                    script: "script.py"
                """,
            "script.py": """
                with open(snakemake.output[0], "wb") as out:
                    for name in snakemake.input:
                        out.write(open(name, "rb").read())
                """,
            ".gitattributes": "dos.txt eol=crlf\nid.txt ident\nfiltered.txt filter=up\n",
            ".gitignore": ".snakemake/\nout/\n",
        },
        commit=False,
    )
    project.git("config", "filter.up.clean", "tr A-Z a-z")
    project.git("config", "filter.up.smudge", "tr a-z A-Z")
    project.git("config", "core.autocrlf", "true")
    (project.path / "dos.txt").write_bytes(b"dos\r\n")
    (project.path / "plain.txt").write_bytes(b"plain\n")
    project.commit({"id.txt": "$Id$\n", "filtered.txt": "FILTERED\n", "unread.txt": "unread\n"})
    assert project.git("status", "--porcelain") == ""
    files = ("Snakefile", "script.py", "id.txt", "filtered.txt", "plain.txt")
    project.snakemake().failed(
        *("not what a fresh checkout", "plain.txt  (line endings)", "id.txt  (ident)"),
        *("filtered.txt  (filter=up)", "script.py  (line endings)", "git checkout -- FILE"),
    )
    assert project.leftovers() == [] and project.runs() == []
    for name in files:
        (project.path / name).unlink()
    project.git("checkout", "--", *files)
    told = run_twice(project)
    assert "not what a fresh checkout" in told and "  unread.txt  (line endings)" in told
    blob = project.git("rev-parse", "HEAD:id.txt").strip()
    found = (project.path / "out/all.bin").read_bytes()
    assert found == f"dos\r\n$Id: {blob} $\r\nFILTERED\r\nplain\r\n".encode()
    assert "120000" in project.git("ls-tree", "-r", project.tags()[0])
    # A snapshot converts as a commit would.
    (project.path / "filtered.txt").write_bytes(b"CHANGED\r\n")
    project.snakemake("--gitbatch-dirty", "snapshot").ok()
    assert b"CHANGED" in (project.path / "out/all.bin").read_bytes()
    snapshot = project.run_document(project.tags()[1])["source_commit"]
    assert project.git("show", f"{snapshot}:filtered.txt") == "changed\n"


def test_pointers_of_git_lfs(make_project: MakeProject) -> None:
    """One that was not fetched is refused as input, in submodules too; else it is named, and no job
    can read it. A frozen file is none."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    attributes = {".gitattributes": "*.bin filter=lfs\n"}
    inner = make_project({**attributes, "big file.bin": pointer}, name="inner")
    project = make_project(
        {
            **attributes,
            "Snakefile": """
                rule copy:
                    input: "data.bin"
                    output: "copy.txt"
                    shell: "cp {input} {output}"
                rule declared:
                    input: "sub/big file.bin"
                    output: "declared.txt"
                    shell: "cp {input:q} {output}"
                rule undeclared:
                    output: "undeclared.txt"
                    shell: "cat 'sub/big file.bin' > {output}"
                """,
            "data.bin": pointer,
        }
    )
    project.snakemake("copy.txt").failed("data.bin is a Git LFS pointer", "lfs pull")
    assert project.leftovers() == [] and project.runs() == []
    project.git("rm", "--quiet", "data.bin")
    project.write({"data.bin": "fetched\n"})
    project.gitbatch("freeze", "data.bin").ok()
    project.commit()
    run_twice(project, "copy.txt")
    assert project.read("copy.txt") == "fetched\n"
    add_submodule(project, inner, "sub")
    project.commit()
    fetch = f"git -C {project.path}/sub lfs pull --include 'big file.bin'"
    project.snakemake("declared.txt").failed("sub/big file.bin is a Git LFS pointer", fetch)
    assert project.leftovers() == []
    project.snakemake("copy.txt", "undeclared.txt", "--force", "-k").failed(
        f"sub/big file.bin  ({fetch})",
        "'sub/big file.bin': Permission denied",
        f"sub/big file.bin is a Git LFS pointer whose content was not fetched: {fetch}",
        "1 job done",
    )


def test_a_run_commit_as_head(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(
        {"Snakefile": COPY, "data.txt": "data\n", ".gitignore": ".snakemake/\nout/\n"}
    )
    source = project.git("rev-parse", "HEAD").strip()
    project.snakemake("out/a.txt").ok()
    [first] = project.tags()
    project.git("checkout", "--quiet", first)
    project.nothing_to_do("out/a.txt")
    project.snakemake("--force", "out/a.txt").ok()
    [second] = set(project.tags()) - {first}
    assert project.git("rev-parse", f"{second}^").strip() == source
    assert project.git("rev-parse", "HEAD") == project.git("rev-parse", first)
    # A clone of nothing but the tag has not the source; the run commit itself is what runs.
    clone = tmp_path / "clone"
    project.git(
        *("clone", "--quiet", "--depth=1", "--branch", first),
        *(f"file://{project.path}", str(clone)),
    )
    other = Project(path=clone)
    other.snakemake("out/b.txt").ok()
    [made] = set(other.tags()) - {first}
    assert other.read("out/b.txt") == "data\n"
    assert other.git("rev-parse", f"{made}^") == project.git("rev-parse", first)


def test_a_repository_by_sha256(make_project: MakeProject) -> None:
    """GitPython reads no objects there."""
    files = {"Snakefile": COPY, "data.txt": "data\n", ".gitignore": ".snakemake/\nout/\n"}
    project = make_project(files, object_format="sha256")
    run_twice(project, "out/a.txt")
    [first] = project.tags()
    project.git("checkout", "--quiet", first)
    project.snakemake("--force", "out/a.txt").ok()
    assert (
        project.run_document(project.tags()[-1])["source_commit"]
        == project.git("rev-parse", f"{first}^").strip()
    )
    assert first in project.gitbatch("runs", "ls").ok().text.replace("run/…", first)
    assert "current" in project.gitbatch("status").ok().text
    assert "1 identical" in project.gitbatch("reproduce", first).ok().text


def test_a_workdir_of_the_snakefile(make_project: MakeProject) -> None:
    project = make_project(
        {
            "workflow/Snakefile": "workdir: 'work dir'\n" + dedent(COPY),
            "work dir/data.txt": "in the workdir\n",
            "elsewhere/data.txt": "elsewhere\n",
        }
    )
    run_twice(project, "-s", "workflow/Snakefile", "out/a.txt")
    assert project.read("work dir/out/a.txt") == "in the workdir\n"
    project.snakemake("-s", "workflow/Snakefile", "--directory", "elsewhere", "out/a.txt").ok()
    assert project.read("elsewhere/out/a.txt") == "elsewhere\n"
