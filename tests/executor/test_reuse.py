"""Jobs that an earlier run has done are not run again, and never where anything differs."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from .conftest import Project

MakeProject = Callable[..., Project]


def counts(text: str) -> tuple[int, int, int]:
    """Of the last line of a run: jobs done, reused, left out."""
    found = re.search(r"(\d+) jobs? done, (?:(\d+) reused \(.*?\), )?(?:(\d+) left out, )?", text)
    assert found, text
    return tuple(int(number or 0) for number in found.groups())  # type: ignore[return-value]


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
