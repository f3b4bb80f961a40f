"""`gitbatch runs`: two runs of one workflow, looked at, marked, compared, checked out, removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from projects import Project

_FILES = {
    ".gitignore": ".snakemake/\n/data/\n/out/\n/logs/\n/bench/\n",
    "config.yaml": "n: 1\n",
    "workflow/scripts/make.py": "open(snakemake.output[0], 'w').write('made\\n')\n",
    "workflow/Snakefile": """
        import os
        from snakemake.logging import logger

        configfile: "config.yaml"
        envvars: "TOKEN"

        onstart:
            logger.info("the token is " + os.environ["TOKEN"])

        rule all:
            input: "out/last.txt", "out/updated.txt", "out/folder", "out/scripted.txt"

        rule first:
            input: "data/in.txt"
            output: temp("out/temporary.txt")
            params: n=config["n"]
            log: "logs/first.log"
            shell: "echo {params.n} > {output}; cat {input} >> {output}; echo one >> {log}"

        rule folder:
            input: "out/temporary.txt"
            output: directory("out/folder")
            log: "logs/folder.log"
            shell: "mkdir -p {output}/empty; cp {input} {output}/{config[n]}.txt; echo two > {log}"

        checkpoint parts:
            input: "data/in.txt"
            output: directory("out/parts")
            shell: "mkdir {output}; for i in 1 2; do echo $i > {output}/$i.part; done"

        rule part:
            input: "out/parts/{i}.part"
            output: protected("out/done/{i}.txt")
            benchmark: "bench/{i}.tsv"
            shell: "cat {input} > {output}"

        def done(wildcards):
            folder = checkpoints.parts.get().output[0]
            return expand("out/done/{i}.txt", i=glob_wildcards(folder + "/{i}.part").i)

        rule last:
            input: done
            output: "out/last.txt"
            shell: "cat {input} > {output}"

        rule update:
            input: "data/in.txt"
            output: update("out/updated.txt")
            shell: "cat {input} >> {output}"

        rule scripted:
            output: "out/scripted.txt"
            script: "scripts/make.py"

        rule fails:
            output: "failed.txt"
            shell: "echo said before; exit 3"
        """,
}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A project and its runs: one that succeeded, and with other configuration one that failed."""

    project: Project
    ids: tuple[str, str]

    def answer(self, *words: str) -> Any:
        return json.loads(self.project.gitbatch("runs", *words, "--json").ok().text)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Ran:
    path = tmp_path_factory.mktemp("runs") / "project"
    path.mkdir()
    project = Project(path=path, environment={"TOKEN": "s3cr3t-t0ken"})
    project.git("init", "--quiet")
    project.write({"data/in.txt": "in\n"})
    project.commit(_FILES)
    project.gitbatch("freeze", "data").ok()
    project.snakemake("--gitbatch-message", "All of it").ok()
    project.commit({"config.yaml": "n: 2\n"})
    again = project.snakemake("all", "failed.txt", "--keep-going", "--forcerun", "first")
    again.failed("exit status 3")
    runs = [ref.rpartition("/")[2] for ref in project.runs()]
    return Ran(project=project, ids=(runs[0], runs[1]))


def test_names(ran: Ran) -> None:
    first, second = ran.ids

    def runs(*names: str) -> list[str]:
        return [entry["run"] for entry in ran.answer("ls", *names)]

    tag = ran.project.git("rev-parse", f"refs/tags/run/{first}").strip()
    for name in (first, first[-4:], f"run/{first}", tag, tag[:12]):
        assert runs(name) == [first], name
    assert runs("last") == runs("@") == [second]
    assert runs() == runs("..") == runs(f"{first[:8]}..") == [first, second]
    assert runs(f"{second}..") == [second] and runs(f"..{first[-4:]}") == [first]
    assert runs(f"..{first[:8]}") == [first, second]

    def refused(*names: str) -> str:
        done = ran.project.gitbatch("runs", *names)
        assert done.returncode == 2 and "Traceback" not in done.text, done.text
        return done.text

    ambiguous = refused("show", first[:8])
    assert "fits 2" in ambiguous and all(run in ambiguous for run in ran.ids)
    assert "no run called 'nothing'" in refused("show", "nothing")
    assert "not of a run" in refused("show", "HEAD")
    assert "no run in" in refused("ls", "19990101..2000")
    assert "no run that has not ended" in refused("attach", "last")


def test_show_and_out(ran: Ran) -> None:
    first, second = ran.ids
    found = ran.answer("show", first)
    assert (found["state"], found["message"], found["subject"]) == (
        "succeeded", "All of it", "change",
    )  # fmt: skip
    assert found["tags"] == [f"run/{first}"] and found["config"] == {"n": 1}
    jobs = {row["rule"]: row for row in ran.answer("show", second)["jobs"]}
    assert jobs["first"]["done"] == jobs["folder"]["done"] == 1
    assert jobs["part"] == {"rule": "part", "done": 0, "failed": 0, "reused": {first: 2}}
    assert jobs["fails"]["failed"] == 1 and ran.answer("show", second)["state"] == "failed"
    text = ran.project.gitbatch("runs", "show", first).ok().text
    for words in ("All of it", "n=1", "out/folder", "part: 2 done", "7, "):
        assert words in text, text

    def out(*words: str, project: Project = ran.project) -> str:
        return project.gitbatch("runs", "out", *words).ok().text

    own = out(first)
    assert "rule folder:" in own and "the token is ***" in own and "s3cr3t-t0ken" not in own
    assert out(second, "folder") == out(second, "out/folder") == "two\n"
    assert out(second, "first") == "one\n"  # its output was temporary
    assert "==> bench/1.tsv (rule part, " in out(second, "part")
    assert "said before" in out(second, "fails")
    refused = ran.project.gitbatch("runs", "out", first, "nowhere")
    assert refused.returncode == 2 and "neither a rule nor an output" in refused.text


def test_diff(ran: Ran) -> None:
    first, second = ran.ids
    assert ran.answer("diff", first, first)["outputs_same"] == 7
    done = ran.project.gitbatch("runs", "diff", first, second, "--json")
    found = json.loads(done.text)
    assert done.returncode == 1 and "config.yaml" in found["code"]
    assert found["config"] == [{"what": "n", "then": 1, "now": 2}]
    assert "out/folder" in [each["what"] for each in found["outputs"]]
    assert "folder" in {each["rule"] for each in found["rules"] if each["what"] == "command.text"}
    assert [each["what"] for each in found["inputs"]] == ["out/temporary.txt"]
    assert not found["environment"]
    text = ran.project.gitbatch("runs", "diff", first, second, "--patch").text
    assert "+n: 2" in text and "differs: out/folder" in text


def test_marks(ran: Ran) -> None:
    project, (first, second) = ran.project, ran.ids
    project.gitbatch("runs", "note", second[-4:], 'it\'s "wrong" $HOME\n# ü').ok()
    assert project.gitbatch("runs", "note", second).text == 'it\'s "wrong" $HOME\n# ü\n'
    project.gitbatch("runs", "tag", first, "paper").ok()
    project.gitbatch("runs", "tag", "paper", "paper").ok()  # it has it
    assert "The tag paper exists already" in project.gitbatch("runs", "tag", second, "paper").text
    branch = project.git("branch", "--show-current").strip()
    assert "There is a branch" in project.gitbatch("runs", "tag", first, branch).text
    project.git("tag", "code", "HEAD")
    assert (
        "no tag 'code' that leads to a run"
        in project.gitbatch("runs", "tag", "--delete", "code").text
    )
    assert "is not a valid name" in project.gitbatch("runs", "tag", first, "a..b").text
    project.gitbatch("runs", "keep", "paper").ok()
    entries = {entry["run"]: entry for entry in ran.answer("ls")}
    assert (
        entries[first]["tags"] == ["paper", f"run/{first}"]
        and entries[first]["kept"]
        and not entries[second]["kept"]
    )
    assert entries[second]["note"].startswith("it's")
    listed = project.gitbatch("runs").ok().text
    assert "succeeded, kept" in listed and "paper run/…" in listed and 'it\'s "wrong"' in listed
    refused = project.gitbatch("runs", "rm", "-y", "..")
    assert refused.returncode == 2 and f"runs keep --off {first}" in refused.text
    project.gitbatch("runs", "keep", "--off", "..").ok()
    project.gitbatch("runs", "tag", "--delete", "paper").ok()
    project.gitbatch("runs", "note", "--remove", second).ok()
    assert not any(entry["kept"] or entry["note"] for entry in ran.answer("ls"))


def test_checkout_in_a_clone(ran: Ran, tmp_path: Path) -> None:
    project, (first, second) = ran.project, ran.ids
    clone = Project(path=tmp_path / "clone", environment=project.environment)
    project.git("clone", "--quiet", str(project.path), str(clone.path))
    lacking = clone.gitbatch("runs", "checkout", first)
    assert lacking.returncode == 1 and "another archive" in lacking.text, lacking.text
    assert "out/last.txt" in lacking.text and "data/in.txt" in lacking.text
    clone.git("config", "gitbatch.archive", str(project.archive))
    clone.gitbatch("runs", "checkout", first).ok()
    assert clone.read("out/folder/1.txt") == "1\nin\n" and clone.read("logs/folder.log") == "two\n"
    assert (clone.path / "out/folder/empty").is_dir() and (clone.path / "bench/1.tsv").is_file()
    clone.nothing_to_do()
    # Again: what was deleted comes back.
    shutil.rmtree(clone.path / "out")
    (clone.path / "data/in.txt").unlink()
    clone.gitbatch("runs", "checkout", first).ok()
    assert clone.read("out/folder/1.txt") == "1\nin\n" and clone.read("data/in.txt") == "in\n"
    clone.nothing_to_do()
    # Where git could not finish, the files are there, but index and HEAD are as before.
    clone.git("checkout", "--quiet", "main")
    index = {**os.environ, "GIT_INDEX_FILE": str(tmp_path / "index")}
    for words in (("read-tree", f"run/{first}"), ("checkout-index", "--all", "--force")):
        subprocess.run(["git", *words], cwd=clone.path, env=index, check=True)
    assert clone.read("config.yaml") == "n: 1\n" and "config.yaml" in clone.git("status", "-s")
    clone.gitbatch("runs", "checkout", first).ok()
    assert clone.git("rev-parse", "HEAD") == clone.git("rev-parse", f"run/{first}")
    assert clone.git("status", "--short") == ""
    clone.nothing_to_do()
    clone.git("checkout", "--quiet", "main")
    clone.write({"config.yaml": "n: 5\n"})
    refused = clone.gitbatch("runs", "checkout", first)
    assert refused.returncode == 2 and clone.read("config.yaml") == "n: 5\n", refused.text
    clone.git("checkout", "config.yaml")
    # Only those that succeeded have tags, which a clone gets by itself.
    clone.git("fetch", "--quiet", "origin", "refs/gitbatch/*:refs/gitbatch/*")
    assert clone.gitbatch("runs", "out", second, "folder").ok().text == "two\n"

    place = tmp_path / "new" / "look"
    assert (
        clone.gitbatch("runs", "checkout", second, "--into", str(place)).ok().text == f"{place}\n"
    )
    look = Project(path=place, environment=project.environment)
    assert look.read("out/folder/2.txt") == "2\nin\n"
    assert "Nothing to be done" in look.snakemake("-n").ok().text
    # What Snakemake looks at is really its time: an edit is seen.
    os.utime(place / "workflow/scripts/make.py")
    assert "scripted" in look.plain("-n").ok().text
    there = clone.gitbatch("runs", "checkout", second, "--into", str(place))
    assert there.returncode == 2 and "exists already" in there.text and look.read("out/last.txt")


def test_checkout_where_the_results_lie(ran: Ran) -> None:
    project, (first, second) = ran.project, ran.ids
    assert project.read("out/folder/2.txt") == "2\nin\n"
    mine, link = project.path / "out/last.txt", os.readlink(project.path / "out/last.txt")
    mine.unlink()
    mine.write_text("mine\n")
    refused = project.gitbatch("runs", "checkout", first)
    assert refused.returncode == 2 and "would be overwritten" in refused.text, refused.text
    assert mine.read_text() == "mine\n" and project.read("out/folder/2.txt") == "2\nin\n"
    assert project.git("branch", "--show-current").strip() == "main"
    mine.unlink()
    mine.symlink_to(link)
    project.gitbatch("runs", "checkout", first).ok()
    assert os.listdir(project.path / "out/folder") and not project.git("status", "--short")
    assert sorted(p.name for p in (project.path / "out/folder").glob("*.txt")) == ["1.txt"]
    project.nothing_to_do("--rerun-triggers", "mtime", "input")
    project.git("checkout", "--quiet", "main")
    project.gitbatch("runs", "checkout", second).ok()
    project.nothing_to_do()
    project.git("checkout", "--quiet", "main")


def test_rm(ran: Ran) -> None:
    """The last of all: it takes runs away."""
    project, (first, second) = ran.project, ran.ids
    project.gitbatch("runs", "tag", first, "name").ok()
    project.gitbatch("runs", "note", first, "note").ok()
    said = project.gitbatch("runs", "rm", "--dry-run", "name").ok().text
    # Its folder's one file and its log; all else the second run has as well.
    assert f"{first}  name run/{first}" in said and "names 2 objects" in said, said
    done = subprocess.run(
        ["git", "for-each-ref"], cwd=project.path, capture_output=True, text=True, check=True
    ).stdout
    refused = project.gitbatch("runs", "rm", first)
    assert refused.returncode == 2 and "not a terminal" in refused.text
    assert project.git("for-each-ref") == done
    objects = sorted(project.archive.glob("objects/*/*"))
    project.gitbatch("runs", "rm", "-y", f"..{first}").ok()
    assert first not in project.git("for-each-ref") and "refs/tags/name" not in done.split(first)[0]
    assert not project.git("notes", "--ref=refs/notes/gitbatch", "list")
    assert sorted(project.archive.glob("objects/*/*")) == objects
    assert [entry["run"] for entry in ran.answer("ls")] == [second]
