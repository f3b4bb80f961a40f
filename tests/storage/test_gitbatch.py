"""The storage under `--executor gitbatch`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from projects import Project

from gitbatch_core.archive import names
from gitbatch_core.archive.store import Archive

MakeProject = Callable[..., Project]
DEFAULT = ("--default-storage-provider", "gitbatch", "--default-storage-prefix")

SNAKEFILE = """
rule all:
    input: "summary.txt", local("plain.txt")

checkpoint letters:
    input: local("letters.txt")
    output: "found.txt"
    log: "logs/found.log"
    shell: "sort {input} > {output} 2> {log}"

def doubled(wildcards):
    with checkpoints.letters.get().output[0].open() as file:
        return expand("double/{x}.txt", x=file.read().split())

rule parts:
    input: "found.txt"
    output: directory("parts")
    shell: "mkdir {output}; for x in $(cat {input}); do echo $x > {output}/$x.txt; done"

rule double:
    input: "parts"
    output: temp("double/{x}.txt")
    shell: "cat {input}/{wildcards.x}.txt {input}/{wildcards.x}.txt > {output}"

rule summary:
    input: doubled
    output: "summary.txt"
    shell: "cat {input} > {output}"

rule plain:
    input: "summary.txt"
    output: local("plain.txt")
    shell: "wc -l < {input} > {output}"
"""


def test_a_workflow_whose_files_are_all_names(
    make_project: MakeProject, htcondor_pool: Path
) -> None:
    project = make_project({"Snakefile": SNAKEFILE, "letters.txt": "b\na\n"}, pool="htcondor")
    arguments = (*DEFAULT, "gitbatch://name/demo")
    project.snakemake(*arguments).ok()
    assert project.read("plain.txt") == "4\n"
    folder = project.archive / "names/demo"
    # Older Snakemakes leave temporary files in storages.
    found = {path.name for path in folder.iterdir()} - {"double"}
    assert found == {"found.txt", "parts", "summary.txt", "logs"}
    assert json.loads((folder / "parts").read_bytes())["object"] is None
    project.nothing_to_do(*arguments)
    assert "Nothing to be done" in project.snakemake(*arguments).ok().text

    [tag] = project.tags()
    document = project.run_document(tag)
    outputs = {output.get("storage", output["path"]): output for output in document["outputs"]}
    assert set(outputs) == {
        "gitbatch://name/demo/summary.txt",
        "gitbatch://name/demo/parts",
        "gitbatch://name/demo/found.txt",
        "plain.txt",
    }
    assert outputs["gitbatch://name/demo/parts"]["rule"] == "parts"
    summary = json.loads((folder / "summary.txt").read_bytes())
    assert outputs["gitbatch://name/demo/summary.txt"]["address"] == summary["address"]
    assert ".snakemake" not in project.git("ls-tree", "-r", "--name-only", tag)
    by_rule = {record["rule"]: record for record in project.records()}
    [used] = by_rule["plain"]["members"][0]["inputs"]
    assert used["address"] == summary["address"]
    assert not project.leftovers()
    project.gitbatch("archive", "verify").ok()

    # What a run has stored can be read by its name there.
    query = f"gitbatch://{tag}/name/demo/summary.txt"
    project.commit(
        {
            "again/Snakefile": f"rule a:\n input: storage.gitbatch('{query}')\n"
            " output: 'again.txt'\n shell: 'cp {input} {output}'\n"
        }
    )
    project.snakemake("--snakefile", "again/Snakefile", "again.txt").ok()
    assert project.read("again.txt") == "a\na\nb\nb\n"
    assert os.path.samefile(project.path / "again.txt", project.archive / summary["object"])


PLUGINS = Path(__file__).parent / "plugins"


def test_other_storages(make_project: MakeProject, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    (shelf / "folder").mkdir(parents=True)
    (shelf / "folder/x.txt").write_text("x\n")
    (shelf / "letters.txt").write_text("b\na\n")
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "summary.txt", local("last.txt")

                rule sort:
                    input: "letters.txt", "folder"
                    output: "sorted.txt", directory("made")
                    log: "logs/sort.log"
                    shell:
                        "sort {input[0]} {input[1]}/x.txt > {output[0]} 2> {log}; "
                        "mkdir {output[1]}; cp {input[0]} {output[1]}"

                rule temporary:
                    input: "sorted.txt"
                    output: temp("temporary.txt")
                    shell: "cp {input} {output}"

                rule summary:
                    input: "temporary.txt", "made"
                    output: "summary.txt"
                    shell: "cat {input[0]} {input[1]}/letters.txt > {output}"

                rule last:
                    input: "summary.txt", storage("gitbatch://name/demo/named.txt")
                    output: local("last.txt")
                    shell: "cat {input} > {output}"

                rule named:
                    input: "summary.txt"
                    output: storage("gitbatch://name/demo/named.txt")
                    shell: "head -n 1 {input} > {output}"
                """,
        }
    )
    path = f"{PLUGINS}:{os.environ.get('PYTHONPATH', '')}"
    project.environment |= {"PYTHONPATH": path}
    arguments = ("--default-storage-provider", "shelf")
    arguments += ("--default-storage-prefix", f"shelf://{shelf}")
    # As profiles for other executors have it; here, the worktree is the shared folder.
    nothing_shared = ("--shared-fs-usage", "none")
    project.snakemake(*arguments, *nothing_shared).ok()
    assert (shelf / "summary.txt").read_text() == "a\nb\nx\nb\na\n"
    assert project.read("last.txt") == "a\nb\nx\nb\na\na\n"
    assert (shelf / "made/letters.txt").exists()
    project.nothing_to_do(*arguments)
    [tag] = project.tags()
    outputs = project.run_document(tag)["outputs"]
    assert {output.get("storage", output["path"]) for output in outputs} == {
        f"shelf://{shelf}/summary.txt",
        f"shelf://{shelf}/sorted.txt",
        f"shelf://{shelf}/made",
        "gitbatch://name/demo/named.txt",
        "last.txt",
    }
    by_rule = {record["rule"]: record for record in project.records()}
    used = by_rule["sort"]["members"][0]["inputs"]
    assert all(each["address"].startswith("xxh3:") for each in used)
    # What is in the other storage stays there; what was made is in the archive too.
    texts = {p.read_text() for p in (project.archive / "objects").rglob("*") if p.is_file()}
    assert "a\nb\nx\n" in texts and "x\n" not in texts
    assert not project.leftovers()


def test_more_than_one_archive(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: storage("gitbatch://name/out/b.txt", keep_local=True), "c.txt"

                rule a:
                    input: storage("gitbatch://name/in/letters.txt")
                    output: storage("gitbatch://name/out/a.txt")
                    group: "both"
                    shell: "cp {input} {output}"

                rule b:
                    input: storage("gitbatch://name/out/a.txt")
                    output: storage("gitbatch://name/out/b.txt", keep_local=True)
                    group: "both"
                    shell: "cat {input} {input} > {output}"

                rule c:
                    input:
                        storage("gitbatch://name/in/letters.txt", retrieve=False),
                        storage("gitbatch://name/out/b.txt", keep_local=True),
                    output: "c.txt"
                    shell: "test ! -e {input[0]}; cat {input[1]} > {output}"
                """
        }
    )
    runs, stored = (Archive.create(tmp_path / name) for name in ("runs", "stored"))
    for archive in (runs, stored):
        put = archive.put_bytes(b"letters of " + archive.root.name.encode() + b"\n")
        names.write(archive, "in/letters.txt", put.address, object=put.name, size=put.size)
    arguments = ("--gitbatch-archive", os.path.relpath(runs.root, project.path))
    other = ("--storage-gitbatch-archive", os.path.relpath(stored.root, project.path))
    project.snakemake(*arguments, *other).ok()
    assert project.read("c.txt") == "letters of stored\n" * 2
    assert (stored.root / "names/out/b.txt").exists() and not (runs.root / "names/out").exists()
    [tag] = project.tags()
    by_path = {each["path"]: each for each in project.run_document(tag)["outputs"]}
    found = names.read(stored, "out/b.txt")
    copy = ".snakemake/storage/gitbatch/name/out/b.txt"
    assert found is not None and by_path[copy]["address"] == str(found.address)
    assert (project.path / copy).is_symlink()
    project.nothing_to_do(*other)

    # Where nothing else is said, the storage's archive is the run's.
    project.snakemake(*arguments).ok()
    assert project.read("c.txt") == "letters of runs\n" * 2
    assert names.read(runs, "out/b.txt") is not None
    project.nothing_to_do("--storage-gitbatch-archive", str(runs.root))
    for archive in (runs, stored):
        project.gitbatch("--archive", str(archive.root), "archive", "verify").ok()


def test_what_cannot_be_an_output(make_project: MakeProject) -> None:
    project = make_project({"Snakefile": ""})
    for query, option, words in (
        (f"gitbatch://xxh3:{'0' * 32}/a.txt", "", ("can only be read", "gitbatch://name/")),
        ("gitbatch://name/p/a.txt", ", retrieve=False", ("rule a has retrieve=False",)),
    ):
        rule = f"rule a:\n output: storage('{query}'{option})\n shell: 'touch {{output}}'\n"
        project.commit({"Snakefile": rule})
        project.snakemake("a").failed(*words)
        if not option:
            project.plain("--cores", "1", "a").failed(*words)
    assert not project.tags()


def test_names_that_hurt(make_project: MakeProject) -> None:
    words = ["two words", "-rf", "é☃", "$HOME`x`", ".hidden", "".join(map(str, range(80)))]
    project = make_project(
        {
            "Snakefile": """
                named = glob_wildcards(storage("gitbatch://name/in/{word}.txt"))

                rule all:
                    input: storage(expand("gitbatch://name/out/{word}/b.txt", word=named.word))

                rule a:
                    input: storage("gitbatch://name/in/{word}.txt")
                    output: storage("gitbatch://name/out/{word}/b.txt")
                    shell: "cat {input:q} > {output:q}"
                """
        }
    )
    project.gitbatch("init").ok()
    archive = Archive.open(project.archive)
    for word in words:
        put = archive.put_bytes(word.encode())
        names.write(archive, f"in/{word}.txt", put.address, object=put.name, size=put.size)
    project.snakemake().ok()
    for word in words:
        found = names.read(archive, f"out/{word}/b.txt")
        assert found is not None and found.object is not None
        assert archive.path(found.object).read_text() == word
    project.nothing_to_do()
