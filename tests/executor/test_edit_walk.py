"""A walk of runs during which everything that a workflow reads is edited at random: each run's
results are of its own commit, and the next start sees each edit.

`GITBATCH_TEST_ROUNDS=200 GITBATCH_TEST_SEED=7 pytest …` walks longer, or the same way again.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest
from projects import Project, wait_until

from gitbatch_core.archive import names
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive

MakeProject = Callable[..., Project]

SNAKEFILE = """
    configfile: "config.yaml"
    samples = open("samples.txt").read().split()
    sync = "SYNC"
    hold = f"touch {sync}/began.{{rule}}; while [ ! -e {sync}/go.{{rule}} ]; do sleep 0.05; done; "
    include: "rules.smk"

    rule all:
        input: "late.txt", "lines.txt", "last.txt", "early.txt"
    rule gate:
        input: "round.txt"
        output: "gate.txt"
        shell: hold + "cp {input} {output}"
    rule early:
        input: "early_in.txt"
        output: "early.txt"
        shell: "cat {input} > {output}"
    rule made:
        input: "data.txt", "large.txt", "gate.txt"
        output: "made.txt"
        log: "made.log"
        script: "make.py"
    rule last:
        input: "made.txt", "early.txt", "made.log"
        output: "last.txt"
        shell: "cat {input} > {output}"
    rule late:
        input: "round.txt", "last.txt", "lines.txt"
        output: "late.txt"
        shell: hold + "cp {input[0]} {output}"
    """
RULES = """
    rule lines:
        input: "frozen.txt", storage.gitbatch("gitbatch://name/in/stored.txt"), "EXTERNAL",
            "gate.txt"
        output: "lines.txt"
        params: value=config["value"], samples=samples
        shell: "echo {params.value} {params.samples} CODE | cat - {input[0]} {input[1]} {input[2]}"
            " > {output}"
    """
SCRIPT = """\
import pathlib, time
sync = pathlib.Path("SYNC")
(sync / "began.made").touch()
while not (sync / "go.made").exists():
    time.sleep(0.05)
text = "CODE\\n" + open(snakemake.input[0]).read() + open(snakemake.input[1]).read()[:20]
open(snakemake.output[0], "w").write(text)
open(snakemake.log[0], "w").write("log " + text)
"""
IGNORED = ".snakemake/\nfrozen.txt\n*.log\n" + "".join(
    f"{name}.txt\n" for name in ("gate", "late", "made", "lines", "last", "early")
)
MOMENTS = ("gate", "made", "late")
"""Rules that wait for us: before the others begin, while one of them runs, after them."""
ROUNDS = int(os.environ.get("GITBATCH_TEST_ROUNDS", "1"))
LARGE = "x" * 2**20
"""Of a file that is too large for Snakemake to compare by content."""


@dataclass(kw_only=True)
class Walk:
    """A project, and what is in its files."""

    project: Project
    random: random.Random
    number: int = 0
    values: dict[str, str] = field(default_factory=dict)
    """By name of a thing that can be edited: what it says now, in the folder."""
    committed: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    """Outputs that were deleted during the present run."""
    story: list[str] = field(default_factory=list)

    TRACKED = ("script", "rules", "config", "samples", "data", "large", "early_in")
    FREE = ("frozen", "stored")
    OUTPUTS = ("made.txt", "lines.txt", "last.txt", "early.txt")

    @property
    def sync(self) -> Path:
        return self.project.path.parent / "sync"

    @property
    def external(self) -> Path:
        return self.project.path.parent / "external.txt"

    def path(self, thing: str) -> Path:
        special = {"script": "make.py", "rules": "rules.smk", "config": "config.yaml"}
        if thing == "external":
            return self.external
        return self.project.path / special.get(thing, f"{thing}.txt")

    def text(self, thing: str) -> str:
        value = self.values[thing]
        if thing == "script":
            return SCRIPT.replace("CODE", value).replace("SYNC", str(self.sync))
        if thing == "rules":
            return dedent(RULES).replace("CODE", value).replace("EXTERNAL", str(self.external))
        if thing == "config":
            return f"value: {value}\n"
        return f"{value}\n{LARGE if thing == 'large' else ''}"

    def expected(self, values: dict[str, str]) -> dict[str, str]:
        """The results of a run from scratch."""
        large = f"{values['large']}\n{LARGE}"[:20]
        made = f"{values['script']}\n{values['data']}\n{large}"
        early = f"{values['early_in']}\n"
        of_params = f"{values['config']} {values['samples']} {values['rules']}"
        lines = [of_params, values["frozen"], values["stored"], values["external"]]
        return {
            "made.txt": made,
            "early.txt": early,
            "lines.txt": "".join(f"{line}\n" for line in lines),
            "last.txt": f"{made}{early}log {made}",
        }

    # ------------------------------------------------------------------ edits

    def new_value(self, thing: str) -> None:
        self.number += 1
        self.values[thing] = f"{thing}{self.number}"

    def write(self, thing: str) -> None:
        """Have the folder, the archive or the world have the thing's value."""
        path = self.path(thing)
        if thing == "stored":
            archive = Archive.open(self.project.archive)
            source = self.project.path.parent / "stored.txt"
            source.write_text(self.text(thing))
            [put] = archive.put([source])
            names.write(archive, "in/stored.txt", put.address, object=put.name, size=put.size)
            return
        path.unlink(missing_ok=True)
        path.write_text(self.text(thing))
        if thing == "frozen":
            self.project.gitbatch("freeze", path.name).ok()

    def edit(self, moment: str) -> None:
        thing = self.random.choice([*self.TRACKED, *self.FREE, "output"])
        if thing == "output":
            self.delete_output(moment)
            return
        kinds = ["edit", "edit", "touch"]
        if thing in self.TRACKED:
            kinds += ["restore", "delete and restore", "rename and back", "edit and restore"]
        kind = self.random.choice(kinds)
        self.story.append(f"  {moment}: {kind} {thing}")
        path = self.path(thing)
        if kind == "edit":
            self.new_value(thing)
            self.write(thing)
        elif kind == "touch":
            self.write(thing)
        elif kind == "restore":
            self.restore(thing)
        elif kind == "delete and restore":
            path.unlink()
            self.restore(thing)
        elif kind == "rename and back":
            path.rename(f"{path}.other")
            Path(f"{path}.other").rename(path)
        else:
            self.new_value(thing)
            self.write(thing)
            self.restore(thing)

    def restore(self, thing: str) -> None:
        self.values[thing] = self.committed[thing]
        self.project.git("checkout", "--quiet", "--", str(self.path(thing)))

    def delete_output(self, moment: str) -> None:
        name = self.random.choice(self.OUTPUTS)
        self.story.append(f"  {moment}: delete {name}")
        self.deleted.add(name)
        (self.project.path / name).unlink(missing_ok=True)

    # ------------------------------------------------------------------ rounds

    def begin(self) -> None:
        self.sync.mkdir()
        snakefile = SNAKEFILE.replace("SYNC", str(self.sync))
        self.project.write({"Snakefile": snakefile, ".gitignore": IGNORED})
        self.project.gitbatch("init").ok()
        for thing in (*self.TRACKED, *self.FREE):
            self.new_value(thing)
            self.write(thing)

    def commit(self) -> None:
        self.project.commit()
        self.committed = dict(self.values)

    def run(self, edits: int) -> None:
        """A run with edits in it; it must make what a run from scratch makes."""
        self.open_gates(False)
        self.number += 1
        self.project.write({"round.txt": f"{self.number}\n"})  # what waits for us runs
        self.commit()
        at = sorted(self.random.choices(MOMENTS, k=edits), key=MOMENTS.index)
        more = self.random.choice([(), ("--gitbatch-code", "make.py")])
        self.story.append(f"run {' '.join(more)}")
        self.deleted.clear()
        before = dict(self.values)
        stored = {self.stored}
        process = self.project.start(*more)
        for moment in MOMENTS:
            later = ["late"] if moment == "made" else []  # what is up to date does not begin
            signs = [self.sync / f"began.{name}" for name in (moment, *later)]
            wait_until(lambda s=signs: any(map(Path.exists, s)), moment, unless=process)
            for _ in range(at.count(moment)):
                self.edit(moment)
                stored.add(self.stored)
            (self.sync / f"go.{moment}").touch()
        ended = self.project.end(process)
        if not self.deleted:
            ended.ok()
        elif ended.returncode:  # a target is not there
            ended.failed("Missing files")
        document = self.project.run_document(max(self.project.runs()))
        made = {output["path"]: self.content(output["address"]) for output in document["outputs"]}
        # What a name means is looked up when a job begins, and then recorded.
        wanted = [self.expected(before | {"stored": value}) for value in stored]
        for name in set(self.OUTPUTS) - self.deleted:
            assert made[name] in [each[name] for each in wanted], f"{name}\n{ended.text}"

    def settle(self) -> None:
        """A start that sees what was edited: the folder has then what a run from scratch makes,
        and there is nothing to be done."""
        self.open_gates(True)
        gitbatch = self.random.random() < 0.7
        self.story.append("run without edits" if gitbatch else "plain Snakemake")
        ended = self.project.end(self.project.start("--jobs", "2", gitbatch=gitbatch)).ok()
        found = {name: self.project.read(name) for name in self.OUTPUTS}
        assert found == self.expected(self.values), ended.text
        self.project.nothing_to_do()

    def open_gates(self, are_open: bool) -> None:
        shutil.rmtree(self.sync)
        self.sync.mkdir()
        for moment in MOMENTS if are_open else ():
            (self.sync / f"go.{moment}").touch()

    def content(self, address: str) -> str:
        archive = Archive.open(self.project.archive)
        return archive.path(archive.find(Address.parse(address))).read_text()

    @property
    def stored(self) -> str:
        return self.values["stored"]

    def end_round(self) -> None:
        """Commit what was edited, or put it back."""
        if self.random.random() < 0.5:
            self.story.append("commit")
            self.commit()
        else:
            self.story.append("restore")
            self.project.git("checkout", "--quiet", ".")
            self.values |= {thing: self.committed[thing] for thing in self.TRACKED}


@pytest.mark.timeout(0)
def test_no_edit_is_missed(make_project: MakeProject, pool: str) -> None:
    seed = int(os.environ.get("GITBATCH_TEST_SEED", random.randrange(10**6)))
    project = make_project({}, pool=pool, commit=False)
    walk = Walk(project=project, random=random.Random(seed))
    try:
        walk.begin()
        for _ in range(ROUNDS):
            walk.new_value("external")
            walk.write("external")
            walk.run(edits=walk.random.randint(3, 8))
            walk.end_round()
            walk.settle()
    except BaseException:
        print(f"GITBATCH_TEST_SEED={seed}, pool {pool}:", *walk.story, sep="\n")
        raise
