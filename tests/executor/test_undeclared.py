"""Files that jobs leave beside their outputs, and no rule declares."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

from projects import Project, wait_until

MakeProject = Callable[..., Project]

SNAKEFILE = """
    rule all:
        input: "results/n.txt"
    rule map:
        input: "reads.txt"
        output: "results/a.bam"
        shell:
            "cp --no-preserve=mode {input} {output}; cat {input} > {output}.bai;"
            "mkdir -p __pycache__ results/.cache; touch __pycache__/x results/.cache/y z.scratch"
    rule count:
        input: "results/a.bam"
        output: "results/n.txt"
        shell: "cat {input}.bai > {output}"
    """


ARGUMENTS = ("--gitbatch-caches", "*.scratch", "--gitbatch-code", "code.txt")


def entries(project: Project, run: str = "") -> dict[str, Any]:
    document = project.run_document(run or project.tags()[-1])
    return {entry["path"]: entry for entry in document["undeclared"]}


def folder(project: Project) -> set[str]:
    """What git does not track."""
    listed = project.git("ls-files", "--others", "--exclude=.snakemake", "--exclude=.gitbatch")
    return set(listed.split())


def states(project: Project) -> dict[str, int]:
    found = json.loads(project.gitbatch("status", "--json").text)["states"]
    return {state: number for state, number in found.items() if number}


def test_index(make_project: MakeProject, pool: str, tmp_path: Path) -> None:
    """An index beside an output, which a later rule reads: in the same run, in a later one, made
    again, after reuse, and by who checks the run out."""
    files = {"Snakefile": SNAKEFILE, "reads.txt": "1\n", "code.txt": ""}
    project = make_project(files, pool=pool)
    text = project.snakemake(*ARGUMENTS).ok().text
    assert text.count("results/a.bam.bai  (rule map)") == 1 and "1 file (2 B)" in text, text
    index = project.path / "results/a.bam.bai"
    assert index.is_symlink() and project.read("results/a.bam.bai") == "1\n"
    assert folder(project) == {"results/a.bam", "results/a.bam.bai", "results/n.txt"}
    [entry] = entries(project).values()
    [record] = [each for each in project.records() if each["rule"] == "map"]
    assert (entry["path"], entry["rule"]) == ("results/a.bam.bai", "map")
    assert entry["jobs"] == [record["number"]] and entry["size"] == 2
    assert [output["path"] for output in record["outputs"]] == ["results/a.bam"]
    assert states(project) == {"current": 2}
    shown = project.gitbatch("runs", "show", project.tags()[-1]).ok().text
    assert "results/a.bam.bai (rule map)" in shown

    # A later run: the index comes along, and nothing is said of it. Somebody has committed it.
    project.commit({"Snakefile": SNAKEFILE.replace(".bai > ", ".bai  > ")})
    text = project.snakemake(*ARGUMENTS).ok().text
    assert "rule count" in text and "rule map" not in text and "a.bam.bai" not in text, text
    assert entries(project) == {"results/a.bam.bai": entry}
    assert "results/a.bam.bai" in project.git("ls-tree", "-r", "--name-only", project.tags()[-1])
    assert states(project) == {"current": 2}

    # Made again, from something else: a new index, in the place of the old one.
    project.commit({"reads.txt": "2\n"})
    assert "results/a.bam.bai  (rule map)" in project.snakemake(*ARGUMENTS).ok().text
    assert project.read("results/a.bam.bai") == project.read("results/n.txt") == "2\n"
    assert entries(project)["results/a.bam.bai"]["address"] != entry["address"]

    # Reuse brings it, in a clone that shares the archive, too; what it has made before counts.
    tag, own = project.tags()[-1], entries(project)
    clone = Project(path=tmp_path / "clone", pool=pool)
    project.git("clone", "--quiet", "--no-tags", ".", str(clone.path))
    clone.environment["GITBATCH_ARCHIVE"] = str(project.archive)
    clone.git("rm", "-rq", "results")
    clone.commit({"Snakefile": SNAKEFILE.replace(".bai > ", ".bai   > ")})
    text = clone.snakemake(*ARGUMENTS).ok().text
    assert "1 job done, 1 reused" in text and "a.bam.bai" not in text, text
    assert clone.read("results/n.txt") == "2\n"
    assert (clone.path / "results/a.bam.bai").is_symlink()
    assert entries(clone) == own
    assert states(clone) == {"current": 2}

    # A checkout of the run has it, and goes on from there.
    project.git("reset", "--quiet", "--hard")
    project.gitbatch("runs", "checkout", tag).ok()
    assert project.read("results/a.bam.bai") == "2\n"
    assert "Nothing to be done" in project.snakemake(*ARGUMENTS).ok().text
    project.snakemake(*ARGUMENTS, "-R", "count").ok()
    assert entries(project) == own
    assert states(project) == {"current": 2}


def test_what_is_left(make_project: MakeProject, pool: str) -> None:
    """By rules without outputs, by jobs that fail, where the user has files, what is no file;
    written again, deleted, and dropped."""
    files = {
        "Snakefile": """
            rule a:
                input: "mode"
                output: "a.txt"
                resources: alone=1
                shell:
                    "cat mode | tee own.txt same.txt > {output}; ln -sf a.txt link;"
                    "ln -s nothing dangling; ln -s /etc/hostname elsewhere;"
                    "if grep -q 1 mode; then cat mode | tee a.json > other.txt; fi"
            rule idle:
                resources: alone=1
                shell: "cat mode > idle.txt"
            rule fails:
                output: "b.txt"
                resources: alone=1
                shell: "cat mode > fails.txt; grep -q 2 mode; touch {output}"
            """,
        "mode": "1\n",
        ".gitignore": ".snakemake/\n*.txt\n*.json\nlink\n",
    }
    project = make_project(files, pool=pool)
    project.write({"own.txt": "mine\n", "same.txt": "1\n"})
    all_ = ("a.txt", "idle", "fails", "--resources", "alone=1")
    text = project.snakemake(*all_, "-k").failed("exit status 1").text
    assert "Rules without outputs: idle. They run in the run's worktree" in text
    [run] = project.runs()
    found = entries(project, run)
    kept = {"a.json": "a", "other.txt": "a", "fails.txt": "fails", "idle.txt": "idle", "link": "a"}
    own = "own.txt"
    lost = {"dangling", "elsewhere"}
    assert found.keys() == {*kept, own, *lost}
    assert {path for path, entry in found.items() if "address" in entry} == {*kept, own}
    assert {path: found[path]["rule"] for path in kept} == kept
    assert found["link"]["address"] == found["a.json"]["address"]
    said = text[text.index("Jobs have left 5 files (10 B)") :]
    assert all(f"  {path}  (rule {rule})\n" in said for path, rule in kept.items()), said
    assert said.index("  own.txt  (rule a)") > said.index("Your folder has other files")
    assert said.index("  dangling  (rule a)") > said.index("deleted with the worktree")
    assert (project.read("own.txt"), project.read("same.txt")) == ("mine\n", "1\n")
    assert all((project.path / path).is_symlink() for path in kept)
    assert not any(os.path.lexists(project.path / path) for path in lost)

    # Each writes its own again; what belongs to an output, and it does no longer leave, is gone.
    # Nothing of these is a change to git, or of code.
    project.git("add", "--force", "a.json", "idle.txt")
    project.commit({"mode": "2\n"})
    project.snakemake(*all_).ok()
    assert [project.read(name) for name in ("idle.txt", "fails.txt", "link")] == ["2\n"] * 3
    assert project.read("other.txt") == "1\n"
    assert not os.path.lexists(project.path / "a.json")
    assert entries(project).keys() == {*kept, own, "same.txt", *lost} - {"a.json"}
    text = project.snakemake("a.txt", "fails", "--gitbatch-reuse", "off", "-R", "fails").ok().text
    assert "TAINTED" not in text and entries(project).keys() == kept.keys() - {"a.json"}

    # Without any of it: what is old goes with the output that is made again.
    project.commit({"mode": "22\n"})
    drop = ("--gitbatch-undeclared", "drop")
    text = project.snakemake(*all_, *drop).ok().text
    assert "deleted with the worktree" in text and "  idle.txt  (rule idle)" in text
    there = {path for path in kept if os.path.lexists(project.path / path)}
    assert there == {path for path, each in entries(project).items() if "address" in each}
    assert there == {"fails.txt", "other.txt"}  # that no job has written


def test_together(make_project: MakeProject, pool: str) -> None:
    """Of jobs that run at the same time nobody knows which one has written a file; names tell with
    which it comes along. What none of them says comes along with each."""
    both = "touch {n}.{what}; while ! [ -e 1.{what} -a -e 2.{what} ]; do sleep 0.05; done;"
    here = {n: both.format(n=n, what="here") for n in (1, 2)}
    done = {n: both.format(n=n, what="done") for n in (1, 2)}
    files = {
        "Snakefile": f"""
            rule all:
                input: "n.txt"
            rule one:
                output: "out/1.fa"
                shell: "echo 1 > {{output}}; {here[1]} echo 1 > out/1.dict; {done[1]}"
            rule two:
                output: "out/2.fa"
                shell:
                    "echo 2 > {{output}}; {here[2]} echo all | tee out/2.fa.fai all.idx;"
                    "{done[2]}"
            rule count:
                input: "out/1.fa", "out/2.fa"
                output: "n.txt"
                shell: "cat out/1.dict out/2.fa.fai all.idx > {{output}}"
            """,
        ".gitignore": "/*\n/*/*\n!Snakefile\n!code\n",
        "code": "",
    }
    project = make_project(files, pool=pool)
    arguments = ("-j2", "--gitbatch-code", "code", "--gitbatch-caches", "*.here", "*.done")
    project.snakemake(*arguments).ok()
    found = entries(project)
    numbers = {each["rule"]: each["number"] for each in project.records()}
    assert {path: entry["jobs"] for path, entry in found.items()} == {
        "out/1.dict": [numbers["one"]],
        "out/2.fa.fai": [numbers["two"]],
        "all.idx": sorted((numbers["one"], numbers["two"])),
    }
    assert not any("rule" in entry for entry in found.values())

    project.git("clean", "-fdxq", "-e", ".gitbatch", "-e", ".snakemake")
    project.snakemake("out/1.fa", *arguments).ok()
    assert folder(project) == {"out/1.fa", "out/1.dict", "all.idx"}
    project.commit({"Snakefile": dedent(files["Snakefile"]).replace("cat out/1", "cat  out/1")})
    text = project.snakemake(*arguments).ok().text
    assert "1 job done, 1 reused" in text and project.read("n.txt") == "1\nall\nall\n"
    shown = project.gitbatch("archive", "show", "all.idx").ok().text
    assert f"a job, run {found['all.idx']['run']}, beside its outputs" in shown, shown


def test_killed(make_project: MakeProject, tmp_path: Path) -> None:
    """What a killed run had left, the next one has: where it goes on, and where it is another."""
    files = {
        "Snakefile": """
            rule all:
                input: "n.txt"
            rule map:
                input: "reads"
                output: "a.bam"
                shell: "cat {input} > {output}; cat {input} > {output}.bai"
            rule count:
                input: "a.bam"
                output: "n.txt"
                shell:
                    "touch {config[begun]}; while [ -e {config[hold]} ]; do sleep 0.1; done;"
                    "cat a.bam.bai > {output}"
            """,
        "reads": "1\n",
        ".gitignore": "/*\n!Snakefile\n!reads\n!code\n",
        "code": "",
    }
    project = make_project(files)
    hold, begun = tmp_path / "hold", tmp_path / "begun"
    config = ("--config", f"hold={hold}", f"begun={begun}")

    def kill() -> str:
        hold.touch()
        begun.unlink(missing_ok=True)
        running = project.start(*config)
        wait_until(begun.exists, "the second job", unless=running)
        running.kill()
        project.end(running)
        hold.unlink()
        project.plain("--unlock", *config).ok()
        [run] = [path.name for path in (project.path / ".git/gitbatch/runs").iterdir()]
        return run

    run = kill()
    assert not os.path.lexists(project.path / "a.bam.bai")
    assert f"{run} resumed" in project.snakemake("--rerun-incomplete", *config).ok().text
    [entry] = entries(project).values()
    assert (entry["path"], entry["run"], entry["rule"]) == ("a.bam.bai", run, "map")
    assert project.read("n.txt") == project.read("a.bam.bai") == "1\n"

    project.commit({"reads": "2\n"})
    run = kill()
    assert f"{run} resumed" in project.snakemake("--rerun-incomplete", *config).ok().text
    assert project.read("n.txt") == project.read("a.bam.bai") == "2\n"

    project.commit({"reads": "3\n"})
    run = kill()
    project.commit()
    text = project.snakemake("--rerun-incomplete", *config).ok().text
    assert "rule map" not in text and project.read("n.txt") == "3\n", text
    [entry] = entries(project).values()
    assert (entry["run"], entry["rule"]) == (run, "map") != (project.tags()[-1][4:], "map")
    assert "a.bam.bai" not in project.gitbatch("status", "--json").text
