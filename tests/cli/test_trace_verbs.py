"""What can be told of real results: `gitbatch archive show`, `lineage` and `log`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from projects import Ended, Project

from gitbatch_core.archive import records
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.reproduction import Reproduction

ODD = 'results/o dd\n"x.txt'

SNAKEFILE = """\
rule all:
    input: "results/two.txt"
rule part:
    input: "data/{s}.txt", "in.txt"
    output: "results/{s}.csv"
    params: factor=3, long="x" * 2000
    log: "logs/{s}.log"
    benchmark: "bench/{s}.tsv"
    shell: "cat {input} > {output}; echo done > {log}"
rule middle:
    input: "results/{s}.csv"
    output: temp("results/{s}.tmp")
    shell: "cat {input} {input} > {output}"
rule folder:
    input: "results/a.tmp"
    output: directory("results/folder")
    shell: "mkdir -p {output}/sub; cat {input} in.txt > {output}/all.txt; "
           "head -c 9 /dev/urandom > {output}/sub/random"
rule one:
    input: "results/folder"
    output: "results/one.txt", 'results/o dd\\n"x.txt'
    group: "g"
    shell: "cat {input}/all.txt in.txt > {output[0]}; cp {input}/all.txt {output[1]:q}"
rule two:
    input: "results/one.txt", 'results/o dd\\n"x.txt'
    output: "results/two.txt"
    group: "g"
    shell: "cat {input[0]} > {output}; echo 2 >> {output}"
"""


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Three runs: a beginning at another commit; all; the folder, which is random, and what comes
    of it, again. Nobody changes it."""
    project = Project(path=tmp_path_factory.mktemp("traced") / "my project")
    project.path.mkdir()
    project.git("init", "--quiet")
    project.write({"data/a.txt": "a\n", "data/sub/b.txt": "b\n"})
    project.gitbatch("freeze", "data").ok()
    project.commit(
        {
            ".gitignore": ".snakemake/\nresults/\nlogs/\nbench/\n",
            "Snakefile": SNAKEFILE,
            "in.txt": "old\n",
        }
    )
    project.snakemake("results/a.csv", "--gitbatch-message", "before all").ok()
    project.commit({"in.txt": "newer\n"})
    project.snakemake().ok()
    project.snakemake("--forcerun", "folder").ok()
    return project


def runs(project: Project) -> list[str]:
    """Ids, the earliest first."""
    return sorted(tag.removeprefix("run/") for tag in project.tags())


def ask(project: Project, *arguments: str) -> Any:
    return json.loads(project.gitbatch("archive", *arguments, "--json").ok().text)


def outside(folder: Path, archive: Path, *arguments: str, **environment: str) -> Ended:
    """Not in a repository."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "gitbatch_core.cli.main",
            "archive",
            "--archive",
            archive,
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        capture_output=True,
        text=True,
    )
    return Ended(returncode=done.returncode, text=done.stdout + done.stderr)


def test_show(traced: Project) -> None:
    _, second, third = runs(traced)
    shown = traced.gitbatch("archive", "show", "results/a.csv").ok().text
    assert "made by     part[s=a]\n" in shown
    assert f"  run       {second}\n" in shown
    assert f"in runs     run/{third}\n            run/{second}\n" in shown
    assert "cat data/a.txt in.txt > results/a.csv; echo done > logs/a.log\n" in shown
    assert "  params    factor=3\n" in shown
    assert "characters; all of it: --json\n" in shown
    assert "used by     " in shown and "middle[s=a] -> results/a.tmp\n" in shown
    assert max(map(len, shown.splitlines())) < 300

    known = ask(traced, "show", "results/a.csv")
    assert known["address"] == next(
        o["address"]
        for o in traced.run_document(f"run/{second}")["outputs"]
        if o["path"] == "results/a.csv"
    )
    (maker,) = [each for each in known["made_by"] if each["path"] == "results/a.csv"]
    assert (maker["run"], maker["rule"], maker["wildcards"]) == (second, "part", {"s": "a"})
    assert maker["job"]["members"][0]["params"]["long"] == "x" * 2000
    assert maker["subject"] == "change"
    assert {each["rule"] for each in known["used_by"]} == {"middle"}
    # Copies have the same bytes; each has a maker of its own.
    assert [each["rule"] for each in ask(traced, "show", ODD)["made_by"]][:2] == ["one", "one"]
    assert ask(traced, "show", "results/folder/all.txt")["made_by"][0]["rule"] == "folder"
    assert r'path        results/o dd\n"x.txt' in traced.gitbatch("archive", "show", ODD).ok().text

    grouped = traced.gitbatch("archive", "show", "./results/two.txt").ok().text
    assert "two, in the group one+two\n" in grouped
    assert "cat results/one.txt > results/two.txt" in grouped
    log = ask(traced, "show", "logs/a.log")
    assert (log["made_by"][0]["path"], log["made_by"][0]["log"]) == ("logs/a.log", True)
    gone = traced.gitbatch("archive", "show", "results/a.tmp").ok().text
    assert "no: it was temporary, its bytes were not kept" in gone
    assert "made by     middle[s=a]" in gone
    assert ask(traced, "show", ask(traced, "show", "results/a.tmp")["address"][:12])["temporary"]


def test_show_what_no_job_made(traced: Project) -> None:
    frozen = ask(traced, "show", "data")
    assert (frozen["kind"], frozen["frozen"], frozen["files"]) == ("tree", True, 2)
    assert "no job: it was frozen\n" in traced.gitbatch("archive", "show", "data").ok().text
    (holder,) = ask(traced, "show", "data/a.txt")["member_of"]
    assert holder == {"address": frozen["address"], "path": "a.txt", "made_by": []}
    committed = ask(traced, "show", "in.txt")
    assert (committed["stored"], committed["made_by"]) == ([], [])
    assert {each["rule"] for each in committed["used_by"]} == {"part"}
    member = ask(traced, "show", "results/folder/sub/random")
    assert member["made_by"][0]["rule"] == "folder"
    for unknown in ("Snakefile", "nothing/here", "abcdef0123"):
        refused = traced.gitbatch("archive", "show", unknown)
        assert refused.returncode == 2
        assert unknown in refused.text and "Traceback" not in refused.text


def test_what_a_run_had_at_a_path(traced: Project) -> None:
    first, second, third = runs(traced)
    old = ask(traced, "show", f"run/{first}:results/a.csv")
    assert (old["address"], old["path"]) == (
        traced.run_document(f"run/{first}")["outputs"][0]["address"],
        "results/a.csv",
    )
    traced.git("tag", "paper", f"run/{first}")
    for name in (
        first[:-1],
        f"run/{first[:-1]}",
        "paper",
        traced.git("rev-parse", "paper").strip(),
    ):
        assert ask(traced, "show", f"{name}:./results/a.csv")["address"] == old["address"]
    for run, path, rule in (
        (first, "logs/a.log", "part"),
        (second, "results/a.tmp", "middle"),
    ):
        found = ask(traced, "show", f"{run}:{path}")
        assert (found["made_by"][0]["run"], found["made_by"][0]["rule"]) == (run, rule)
    random = [ask(traced, "show", f"{run}:results/folder/sub/random") for run in (second, third)]
    assert random[0]["address"] != random[1]["address"]
    assert random[0]["made_by"][0]["run"] == second
    frozen = ask(traced, "show", "data")["address"]
    assert ask(traced, "show", f"{first}:data")["address"] == frozen
    assert ask(traced, "show", f"{first}:in.txt")["used_by"][0]["run"] == first
    assert traced.gitbatch("archive", "cat", f"{first}:data/a.txt").ok().text == "a\n"
    ambiguous = traced.gitbatch("archive", "show", f"{first[:4]}:results/a.csv")
    assert ambiguous.returncode == 2 and "fits 3" in ambiguous.text
    last = max(runs(traced))
    for name in ("last", last[-4:]):
        found = ask(traced, "show", f"{name}:in.txt")["address"]
        assert found == ask(traced, "show", f"{last}:in.txt")["address"]
    wrong = traced.gitbatch("archive", "show", "paper:results/a.cs")
    assert wrong.returncode == 2 and "results/a.csv" in wrong.text


def test_reproductions(traced: Project, tmp_path: Path) -> None:
    _, second, third = runs(traced)
    shown = traced.gitbatch("archive", "show", f"{second}:results/folder").ok().text
    assert f"differed in run {third} on host " in shown
    assert "rule folder is not deterministic" in shown
    assert "reproduced" not in traced.gitbatch("archive", "show", "results/a.csv").ok().text

    archive = tmp_path / "archive"
    shutil.copytree(traced.archive, archive, symlinks=True)
    address = ask(traced, "show", "results/a.csv")["address"]
    for number, (verdict, hosts) in enumerate(
        (("identical", ["A"]), ("identical", ["B"]), ("identical", ["A"]), ("differs", ["C"]))
    ):
        found = "xxh3:" + "0" * 32 if verdict == "differs" else address
        output = {"path": "results/a.csv", "rule": "part", "expected": address, "found": found}
        document = {"format": "gitbatch-reproduction", "version": 1, "run": second}
        document |= {"again": f"again-{number}", "started": f"2030-01-0{number + 1}"}
        document |= {"outputs": [output | {"verdict": verdict, "hosts": hosts}, 5]}
        document |= {"differences": [{"what": "python", "then": "3.11", "now": "3.14"}]}
        records.write_reproduction(archive, Reproduction.from_dict(document))
    (archive / f"runs/{second}.json").unlink()
    records.write_run(archive, EndedRun(run=second, tainted=True))
    shown = outside(tmp_path, archive, "show", address).ok().text
    assert "reproduced  3 times, on hosts A and B\n" in shown
    assert "differed in run again-3 on host C: results/a.csv came out as xxh3:000" in shown
    assert "python" in shown
    assert f"  run       {second} TAINTED\n" in shown
    assert "TAINTED" in outside(tmp_path, archive, "lineage", "results/a.csv").ok().text

    # What a reproduction made is what its run made: that one is named first.
    first_of_all = ask(traced, "show", f"{second}:results/folder/sub/random")["address"]
    (archive / f"runs/{third}.json").unlink()
    records.write_run(archive, EndedRun(run=third, tainted=False, reproduces=second))
    shown = outside(tmp_path, archive, "show", "results/folder/sub/random").ok().text
    assert f"address     {first_of_all}\n" in shown
    assert f"  run       {second}" in shown and f"  run       {third}" not in shown


def test_elsewhere(traced: Project, tmp_path: Path) -> None:
    """From records alone, and in a fresh clone."""
    first, second, third = runs(traced)
    for what in ("results/two.txt", f"{third}:results/two.txt", f"{third[:-1]}:results/two.txt"):
        shown = outside(tmp_path, traced.archive, "show", what).ok().text
        assert f"  run       {third}\n" in shown
    assert "fits 3" in outside(tmp_path, traced.archive, "show", "20:in.txt").text
    listed = outside(tmp_path, traced.archive, "log", "results/folder/all.txt").ok().text
    assert len(listed.splitlines()) == 2

    clone = Project(path=tmp_path / "clone")
    traced.git("clone", "--quiet", ".", str(clone.path))
    (clone.path / "subfolder").mkdir()
    clone.gitbatch("init", "--archive", str(traced.archive)).ok()
    (run,) = ask(clone, "show", f"{first}:results/a.csv")["runs"]
    assert f"run/{first}" in run["tags"]
    assert ask(clone, "show", "results/two.txt")["made_by"][0]["run"] == third
    assert [version["run"] for version in ask(clone, "log", "results/a.csv")] == [second, first]
    stranger = Project(path=tmp_path / "stranger")
    stranger.path.mkdir()
    stranger.git("init", "--quiet")
    stranger.gitbatch("init", "--archive", str(traced.archive)).ok()
    assert ask(stranger, "log", "results/a.csv", "--all")[0]["subject"] is None
    hidden = stranger.gitbatch("archive", "log", "results/a.csv").ok().text
    assert hidden == "2 more, of commits that this repository does not have: --all\n"


def test_lineage(traced: Project, tmp_path: Path) -> None:
    _, second, third = runs(traced)
    shown = traced.gitbatch("archive", "lineage", "results/two.txt").ok().text
    lines = [line.lstrip("│├└─ ") for line in shown.splitlines()]
    assert lines[0].startswith("results/two.txt  xxh3:")
    assert lines[1].startswith(f"one+two  run {third}")
    assert lines[2].startswith("results/folder  xxh3:") and lines[2].endswith(", folder")
    assert sum(line.startswith("data/a.txt") and line.endswith("frozen") for line in lines) == 1
    assert sum(line.startswith("in.txt") and "in the commit" in line for line in lines) == 1
    assert sum("temporary, not kept" in line for line in lines) == 1
    short = traced.gitbatch("archive", "lineage", "results/two.txt", "--depth", "1").ok().text
    assert len(short.splitlines()) == 3

    used = ask(traced, "lineage", "data/a.txt", "--downstream")
    assert {each["rule"] for each in used["jobs"]} == {"part", "middle", "folder", "one+two"}
    folders = [each["run"] for each in used["jobs"] if each["rule"] == "folder"]
    assert sorted(folders) == [second, third]
    # The same with the same result is one, however many runs did it.
    (middle,) = [each for each in used["jobs"] if each["rule"] == "middle"]
    assert [each["run"] for each in middle["executions"]] == [second, third]
    (start,) = used["start"]
    assert used["data"][start]["path"] == "data/a.txt"
    both = traced.gitbatch("archive", "lineage", "results/a.csv", "--upstream", "--downstream")
    assert "\n\nused by\nresults/a.csv" in both.ok().text
    inner = traced.gitbatch("archive", "lineage", "results/folder/all.txt").ok().text
    assert "└─ in the folder: results/folder" in inner

    drawn = traced.gitbatch("archive", "lineage", ODD, "--format", "dot").ok().text
    assert drawn.startswith("digraph") and r"results/o dd\n&quot;x.txt" in drawn
    program = shutil.which("dot")
    target = tmp_path / "lineage.svg"
    arguments = ("lineage", "results/two.txt", "--format", "svg", "-o", str(target))
    if program is not None:
        traced.gitbatch("archive", *arguments).ok()
        assert "</svg>" in target.read_text()
    no_programs = outside(tmp_path, traced.archive, *arguments, PATH=str(tmp_path))
    assert no_programs.returncode == 2 and "Install the package graphviz" in no_programs.text


def test_log(traced: Project) -> None:
    first, second, third = runs(traced)
    lines = traced.gitbatch("archive", "log", "results/folder").ok().text.splitlines()
    assert [line.split()[1 - (line[0] == " ")] for line in lines] == [
        o["address"][:13]
        for run in (third, second)
        for o in traced.run_document(f"run/{run}")["outputs"]
        if o["path"] == "results/folder"
    ]
    assert [line[0] for line in lines] == ["*", " "]
    versions = ask(traced, "log", "results/a.csv")
    assert [(v["run"], v["in_folder"], v["message"]) for v in versions] == [
        (second, True, ""),
        (first, False, "before all"),
    ]
    assert [v["kept"] for v in ask(traced, "log", "results/a.tmp")] == [False] * 2
    assert len(ask(traced, "log", "bench/a.tsv")) == 2
    assert len(ask(traced, "log", "results/folder/sub/random")) == 2
    refused = traced.gitbatch("archive", "log", "data/a.txt")
    assert refused.returncode == 2 and "git log -- data/a.txt" in refused.text
