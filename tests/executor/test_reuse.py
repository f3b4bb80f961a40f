"""Jobs that an earlier run has done are not run again, and never where anything differs."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from projects import Project, counts, processes_with, wait_until

MakeProject = Callable[..., Project]


# ---------------------------------------------------------------- nothing stale, whatever changes

STALE = {
    "Snakefile": """
        configfile: "config.yaml"
        include: "rules/params.smk"
        rule make:
            input: "data/{x}.txt"
            output: "out/{x}.json"
            params: value=PARAM
            conda: "envs/tools.yaml"
            script: "scripts/make.py"
        """,
    "scripts/make.py": """
        import json, subprocess, sys
        from pathlib import Path
        sys.path.insert(0, snakemake.scriptdir)
        import library
        found = {
            "module": library.VALUE,
            "config": snakemake.config["value"],
            "input": Path(snakemake.input[0]).read_text(),
            "environment": Path("envs/tools.yaml").read_text(),
            "wildcard": snakemake.wildcards.x,
            "param": repr(snakemake.params.value),
            "helper": subprocess.check_output(["bash", "scripts/helper.sh"], text=True),
            "submodule": Path("sub/text").read_text(),
        }
        Path(snakemake.output[0]).write_text(json.dumps(found))
        """,
}
VALUES = {
    "module": ("1", "2"),
    "config": ("1", "2"),
    "input": ("one", "two"),
    "environment": ("a: 1\n", "a: 2\n"),
    "wildcard": ("a", "b"),
    "param": ("1", "'1'"),
    "helper": ("x", "y"),
    "submodule": ("s", "t"),
}


class Sources:
    """A workflow all of whose sources are what a state says."""

    def __init__(self, project: Project, submodule: Path) -> None:
        self.project, self.submodule = project, submodule
        self.project.write(STALE)

    def set(self, state: dict[str, str]) -> None:
        for x in VALUES["wildcard"]:
            path = self.project.path / f"data/{x}.txt"
            path.unlink(missing_ok=True)
            path.parent.mkdir(exist_ok=True)
            path.write_text(state["input"])
        self.project.gitbatch("freeze", "data")
        (self.project.path / "sub/text").write_text(state["submodule"])
        git = ["git", "-C", str(self.project.path / "sub")]
        subprocess.run([*git, "commit", "-qam", "x", "--allow-empty"], check=True)
        self.project.commit(
            {
                "scripts/library.py": f"VALUE = {state['module']}\n",
                "scripts/helper.sh": f"printf {state['helper']}\n",
                "config.yaml": f"value: {state['config']}\n",
                "envs/tools.yaml": state["environment"],
                "rules/params.smk": f"PARAM = {state['param']}\n",
            }
        )

    def expected(self, state: dict[str, str]) -> dict[str, object]:
        numbers = {name: int(state[name]) for name in ("module", "config")}
        return state | numbers


def test_nothing_stale_comes_back_whatever_is_edited(
    make_project: MakeProject, tmp_path: Path
) -> None:
    submodule = tmp_path / "module"
    subprocess.run(["git", "init", "-q", str(submodule)], check=True)
    (submodule / "text").write_text("")
    for words in (["add", "text"], ["commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(submodule), *words], check=True)
    project = make_project({"notes.md": "x", ".gitignore": "out/\n.snakemake/\n"})
    allow = ["-c", "protocol.file.allow=always"]
    project.git(*allow, "submodule", "--quiet", "add", str(submodule), "sub")
    sources = Sources(project, submodule)
    state = {name: values[0] for name, values in VALUES.items()}
    chance, seen = random.Random(5), set()
    # Every kind of edit once, in any order, and then states that are there already.
    order = chance.sample(sorted(VALUES), len(VALUES))
    for step, edit in enumerate([None, *order, order[-1]]):
        if edit is not None:
            state[edit] = next(value for value in VALUES[edit] if value != state[edit])
        sources.set(state)
        shutil.rmtree(project.path / "out", ignore_errors=True)
        printed = project.snakemake(f"out/{state['wildcard']}.json").ok().text
        found = json.loads(project.read(f"out/{state['wildcard']}.json"))
        assert found == sources.expected(state), (step, edit)
        known = tuple(sorted(state.items())) in seen
        assert counts(printed)[:2] == ((0, 1) if known else (1, 0)), (step, edit, printed)
        seen.add(tuple(sorted(state.items())))
    # What is said of it is no code.
    project.commit({"notes.md": "y", "docs/more.rst": "z"})
    shutil.rmtree(project.path / "out")
    assert counts(project.snakemake(f"out/{state['wildcard']}.json").ok().text)[:2] == (0, 1)


# ---------------------------------------------------------------- what is reused

CHAIN = {
    "Snakefile": """
        rule all:
            input: "out/last.txt", "out/pair.txt"
        rule one:
            output: temp("tmp/one")
            group: "pair"
            shell: "echo one > {output}"
        rule two:
            input: "tmp/one"
            output: "out/pair.txt"
            group: "pair"
            shell: "cat {input} > {output}"
        rule first:
            input: workflow.source_path("words.txt")
            output: temp("tmp/first.txt")
            shell: "cat {input} > {output}"
        rule second:
            input: "tmp/first.txt"
            output: temp(directory("tmp/second")), note="out/note.txt"
            resources: mem_mb=lambda wildcards, input: 100 + int(input.size_mb)
            shell: "mkdir {output[0]}; cp {input} {output[0]}/x; echo note > {output.note}"
        rule final:
            input: "tmp/second"
            output: "out/final.txt"
            log: "logs/final.log"
            benchmark: "logs/final.tsv"
            script: "scripts/final.py"
        rule folder:
            input: "out/final.txt"
            output: directory("out/dir")
            params: here=workflow.basedir
            shell: "mkdir -p {output}/empty; cp {input} {output}/a; ls {params.here} >{output}/ls"
        rule last:
            input: "out/dir"
            output: protected("out/last.txt")
            shell: "cat {input}/a > {output}"
        """,
    "words.txt": "words\n",
    "scripts/final.py": """
        from pathlib import Path
        Path(snakemake.log[0]).write_text("said\\n")
        text = Path(snakemake.input[0], "x").read_text().upper()
        Path(snakemake.output[0]).write_text(text)
        """,
    ".gitignore": ".snakemake/\n/out/\n/tmp/\n/logs/\n",
}


def test_what_was_done_is_not_done_again(make_project: MakeProject, tmp_path: Path) -> None:
    first = make_project(CHAIN)
    assert counts(first.snakemake().ok().text) == (6, 0, 0)
    [run] = [name.rpartition("/")[2] for name in first.runs()]

    # Elsewhere, after a plain checkout of the tag or without one.
    clone = Project(path=tmp_path / "a clone", environment={"GITBATCH_ARCHIVE": str(first.archive)})
    first.git("clone", "--quiet", ".", str(clone.path))
    clone.git("checkout", "--quiet", f"run/{run}")
    clone.git("update-index", "--refresh")
    shutil.rmtree(clone.path / "out")
    printed = clone.snakemake("--gitbatch-tag", "again", "--gitbatch-message", "once more").ok()
    assert counts(printed.text) == (0, 5, 1) and f"(5 of run {run})" in printed.text
    assert clone.read("out/final.txt") == clone.read("out/dir/a") == "WORDS\n"
    assert (clone.path / "out/dir/empty").is_dir() and not (clone.path / "tmp").exists()
    assert clone.read("logs/final.log") == "said\n" and "s\th:m:s" in clone.read("logs/final.tsv")
    assert "Nothing to be done" in clone.plain("-n").ok().text
    document = clone.run_document("again")
    assert document["reused"] == {run: 5} and document["left_out"] == 1
    assert document["tag"] == "again" and clone.git("log", "-1", "--format=%s", "again")
    assert {job["run"] for job in document["jobs"].values()} == {run}
    for name in ("out/final.txt", "out/dir/a", "out/note.txt"):
        link = clone.git("show", f"again:{name}")
        assert link == first.git("show", f"run/{run}:{name}") == str((clone.path / name).readlink())

    # After a checkout files have any times; what is protected may stay as it is.
    shutil.rmtree(clone.path / ".snakemake/metadata")
    os.utime(clone.path / "out/last.txt", (1, 1), follow_symlinks=False)
    assert counts(clone.snakemake("--gitbatch-tag", "none").ok().text) == (0, 1, 0)

    # What is asked for runs, and what needs temporary outputs gets them.
    forced = clone.snakemake("out/dir", "-R", "folder", "--gitbatch-tag", "none").ok().text
    assert counts(forced) == (1, 0, 0) and clone.tags() == [f"run/{run}"]
    assert counts(clone.snakemake("out/dir", "-R", "final").ok().text) == (3, 1, 0)
    off = clone.snakemake("--forceall", "tmp/first.txt").ok().text
    assert counts(off) == (1, 0, 0) and clone.read("tmp/first.txt") == "words\n"

    clone.snakemake("--gitbatch-tag", "again", "-F").failed("There is already a tag again")
    clone.snakemake("--gitbatch-tag", "a..b", "-F").failed("'a..b' is not a valid name for a tag")


PARTS = {
    "Snakefile": """
        def parts(wildcards):
            folder = checkpoints.cut.get().output[0]
            return expand("out/{n}.txt", n=glob_wildcards(folder + "/{n}.part").n)
        rule gather:
            input: parts
            output: "out/all.txt"
            shell: "cat {input} > {output}"
        rule raw:
            output: temp("tmp/raw.txt")
            shell: "seq 4 > {output}"
        rule sorted:
            input: "tmp/raw.txt"
            output: protected("out/sorted.txt")
            shell: "sort -r {input} > {output}"
        checkpoint cut:
            input: "out/sorted.txt"
            output: directory("cut")
            shell: "mkdir {output}; split -l 2 --additional-suffix .part {input} {output}/"
        rule weigh:
            input: "cut/{n}.part", "tmp/raw.txt"
            output: temp("tmp/{n}.weight")
            shell: "cat {input} | wc -l > {output}"
        rule part:
            input: "cut/{n}.part", "tmp/{n}.weight", "out/sorted.txt"
            output: "out/{n}.txt"
            resources: gitbatch_code="part.txt"
            shell: "cat {input[0]} {input[1]} part.txt > {output}"
        """,
    "part.txt": "part\n",
    ".gitignore": ".snakemake/\n/out/\n/tmp/\n/cut/\n",
}


def test_a_checkpoint_that_is_known_says_what_follows(
    make_project: MakeProject, tmp_path: Path
) -> None:
    first = make_project(PARTS)
    narrow = ("--gitbatch-code", "Snakefile")
    assert counts(first.snakemake(*narrow).ok().text) == (8, 0, 0)
    clone = Project(path=tmp_path / "clone", environment={"GITBATCH_ARCHIVE": str(first.archive)})
    first.git("clone", "--quiet", ".", str(clone.path))
    assert counts(clone.snakemake(*narrow).ok().text) == (0, 5, 3)
    assert clone.read("out/all.txt") == "4\n3\n6\npart\n2\n1\n6\npart\n"
    assert not (clone.path / "tmp").exists()
    document = clone.run_document(clone.runs()[0])
    assert {output["path"] for output in document["outputs"]} >= {"cut", "out/sorted.txt"}
    assert all("job" in output for output in document["outputs"])
    assert "Nothing to be done" in clone.snakemake(*narrow).ok().text

    # One part is another one now: what is temporary, before the checkpoint too, is made for it.
    clone.commit({"part.txt": "other\n"})
    for folder in ("out", "cut"):
        shutil.rmtree(clone.path / folder)
    assert counts(clone.snakemake(*narrow).ok().text) == (6, 2, 0)
    assert clone.read("out/all.txt") == "4\n3\n6\nother\n2\n1\n6\nother\n"
    assert "Nothing to be done" in clone.snakemake(*narrow).ok().text


NARROW = {
    "Snakefile": """
        rule make:
            output: "a.txt"
            resources: gitbatch_code="scripts/lib*"
            script: "scripts/make.py"
        rule use:
            input: "a.txt"
            output: "b.txt"
            shell: "cat {input} > {output}"
        rule never:
            input: "b.txt"
            output: "c.txt"
            resources: gitbatch_reuse="off"
            shell: "cat {input} > {output}"
        rule spoil:
            input: "b.txt"
            output: "d.txt"
            shell: "chmod u+w notes.txt; echo >> notes.txt; cat {input} > {output}"
        """,
    "scripts/make.py": """
        from pathlib import Path
        Path(snakemake.output[0]).write_text("a")
        """,
    "scripts/library.py": "",
    "notes.txt": "n\n",
    ".gitignore": ".snakemake/\n/*.txt\n!/notes.txt\n",
}


def test_what_counts_as_code_is_for_the_user_to_say(make_project: MakeProject) -> None:
    project = make_project(NARROW)
    targets = ("c.txt", "--gitbatch-code", "Snakefile", "--")

    def again(*arguments: str) -> tuple[int, int, int]:
        for name in "abcd":
            (project.path / f"{name}.txt").unlink(missing_ok=True)
        return counts(project.snakemake(*arguments or targets[:3]).ok().text)

    assert again() == (3, 0, 0)
    # Edited, but the same comes out: nothing that follows runs, but for what always wants to.
    edited = project.read("scripts/make.py") + "# an edit\n"
    project.commit({"notes.txt": "other\n", "scripts/make.py": edited})
    assert again() == (2, 1, 0)
    project.commit({"scripts/library.py": "# an edit\n"})
    assert again("a.txt", "--gitbatch-code", "Snakefile") == (1, 0, 0)
    assert again("a.txt", "--gitbatch-reuse", "off") == (1, 0, 0)
    project.commit({"Snakefile": project.read("Snakefile") + "\n# an edit\n"})
    assert again("b.txt", "--gitbatch-code", "Snakefile") == (1, 1, 0)
    refused = project.snakemake("b.txt", "-R", "use", "--gitbatch-code", "no*.py")
    assert "rule use" not in refused.failed("The pattern 'no*.py' matches no file").text
    project.commit({"Snakefile": project.read("Snakefile").replace('"off"', '"maybe"')})
    project.snakemake("c.txt").failed("gitbatch_reuse='maybe'")

    # Of a tainted run, nothing: not what the spoiler made, and not what others did.
    assert again("d.txt") == (2, 1, 0)
    assert again("d.txt") == (2, 1, 0)


SEEN = {
    "Snakefile": """
        shell.prefix("module() {{ true; }}; ")
        rule all:
            input: "out/copy.txt", "out/order.txt"
        rule say:
            output: touch("out/said")
            log: "logs/say.log"
            shell: "date +%N > {log}"
        rule copy:
            input: "logs/say.log"
            output: "out/copy.txt"
            shell: "cat {input} > {output}"
        rule order:
            output: "out/order.txt"
            envmodules: "tools"
            script: "order.py"
        """,
    "order.py": """
        from pathlib import Path
        Path(snakemake.output[0]).write_text(" ".join(snakemake.config["samples"]))
        """,
    ".gitignore": ".snakemake/\n/out/\n",
}


def test_what_stays_is_not_unfinished(make_project: MakeProject) -> None:
    """A job whose output is reused where it lies, and whose log cannot be put back."""
    project = make_project(
        {
            "Snakefile": """
                rule copy:
                    input: "data.txt"
                    output: "copy.txt"
                    log: "logs/copy.txt"
                    shell: "cat {input} > {output}; echo copied > {log}"
                rule data:
                    output: "data.txt"
                    shell: "echo data > {output}"
                """,
        }
    )
    project.snakemake().ok()
    (project.path / "logs/copy.txt").unlink()
    (project.path / "logs").chmod(0o555)
    project.snakemake("-R", "data").failed("rule copy", "could not be recorded")
    (project.path / "logs").chmod(0o755)
    project.nothing_to_do()


def test_what_only_looks_the_same_runs_again(make_project: MakeProject, tmp_path: Path) -> None:
    project, config = make_project(SEEN), tmp_path / "config.yaml"

    def again(samples: str, *arguments: str) -> tuple[int, int, int]:
        shutil.rmtree(project.path / "out", ignore_errors=True)
        config.write_text(f"samples: {samples}")
        ended = project.snakemake("--configfile", str(config), *arguments).ok()
        assert project.read("out/copy.txt") == project.read("logs/say.log")
        assert project.read("out/order.txt").split() == re.findall("[a-z]", samples)
        return counts(ended.text)

    assert again("{a: 1, b: 1}") == (3, 0, 0)
    project.commit()  # the log, too; what is read of it is what this run makes
    assert again("{b: 1, a: 1}", "--forcerun", "say") == (3, 0, 0)
    damaged = (project.path / "out/copy.txt").resolve()
    damaged.chmod(0o644)
    damaged.write_bytes(b"")
    # Environments that were only declared are not those that Snakemake provides.
    assert again("{b: 1, a: 1}", "--software-deployment-method", "env-modules") == (2, 0, 0)


def test_outputs_are_compared_where_that_is_wanted(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "steady.txt", "moving.txt"
                rule steady:
                    output: "steady.txt"
                    shell: "echo 1 > {output}"
                rule moving:
                    output: "moving.txt"
                    shell: "date +%N > {output}"
                """,
            ".gitignore": ".snakemake/\n/*.txt\n",
        }
    )
    project.snakemake().ok()
    printed = project.snakemake("--forceall", "--gitbatch-reuse", "verify").ok().text
    assert counts(printed) == (2, 0, 0)
    assert "1 output the same, 1 not" in printed and "moving.txt  (rule moving): xxh3:" in printed
    shown = project.gitbatch("archive", "show", f"{project.tags()[0]}:moving.txt").ok().text
    assert "rule moving is not deterministic" in shown
    [evidence] = (project.archive / "reproductions").glob("*/*.json")
    verdicts = [output["verdict"] for output in json.loads(evidence.read_bytes())["outputs"]]
    assert sorted(verdicts) == ["differs", "identical"]


def test_what_a_killed_run_had_finished_is_reused(make_project: MakeProject) -> None:
    sign = f"600.{os.getpid()}"
    project = make_project(
        {
            "Snakefile": f"""
                rule slow:
                    input: "quick.txt"
                    output: "slow.txt"
                    shell: "touch started; sleep {sign}; cat {{input}} > {{output}}"
                rule quick:
                    output: "quick.txt"
                    shell: "echo quick > {{output}}"
                """,
            ".gitignore": ".snakemake/\n/*.txt\n",
        }
    )
    running = project.start("slow.txt")
    worktrees = project.path / ".gitbatch/worktrees"
    wait_until(lambda: bool(list(worktrees.glob("*/started"))), "the slow job")
    os.kill(running.pid, signal.SIGKILL)
    project.end(running)
    wait_until(lambda: not processes_with(sign), "the end of all processes")
    (project.path / "quick.txt").unlink()
    project.commit({"README.md": "Another commit, with the same code."})
    project.plain("--unlock").ok()
    assert counts(project.snakemake("quick.txt").ok().text) == (0, 1, 0)
    assert project.read("quick.txt") == "quick\n" and project.leftovers() == []
