"""A script sees the resources that the run has decided: those of plain Snakemake on one machine."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest
from projects import Project

SEEN = """\
import os, tempfile

def seen(resources, threads, params=()):
    given = {n: v for n, v in resources.items() if n != "tmpdir" or v != tempfile.gettempdir()}
    text = repr((given, list(resources.keys()), threads, list(params)))
    return text.replace(os.getcwd(), "<here>")
"""
SCRIPT = """\
import sys
sys.path.insert(0, snakemake.scriptdir)
import seen
text = seen.seen(snakemake.resources, snakemake.threads, snakemake.params)
open(snakemake.output[0], "w").write(text)
"""
SNAKEFILE = """
    import seen
    rule all:
        input: expand("out/{n}", n=["bare", "given", "tried", "sized", "first", "second"])
    rule bare:
        output: "out/bare"
        script: "script.py"
    rule given:
        output: "out/given"
        threads: 2
        resources:
            mem="0.5GB", disk_mib=10, runtime="1h", label="a b", tmpdir="/var/tmp",
            here=workflow.basedir + "/x"
        params: mem=lambda wildcards, resources: resources.mem_mb
        script: "script.py"
    rule tried:
        output: "out/tried"
        retries: 1
        resources:
            mem_mb=lambda wildcards, attempt: attempt * 100, attempt=lambda w, attempt: attempt
        script: "tried.py"
    rule sized:
        input: "in.txt"
        output: "out/sized"
        resources: mem_mb=lambda wildcards, input: input.size_mb * 1000
        script: "script.py"
    rule first:
        output: "out/first"
        group: "group"
        resources: mem_mb=30, level=1
        script: "script.py"
    rule second:
        input: "out/first"
        output: "out/second"
        group: "group"
        resources: mem_mb=lambda wildcards, input: input.size * 0 + 40
        RUN
    """
GIVEN = [
    "--default-resources", "disk_mb=70", "mem_mb=100", "site='x'", "--set-resources",
    "given:mem='2GB'", "tried:mem=attempt*300", "second:runtime=7", "--set-threads", "sized=2",
    "--resources", "level=5", "mem_mb=2500",
]  # fmt: skip


@pytest.mark.parametrize("given", [[], GIVEN], ids=["nothing", "given"])
def test_as_under_plain_snakemake(
    make_project: Callable[..., Project], given: list[str], request: pytest.FixtureRequest
) -> None:
    pool = "htcondor" if given else "local"
    if given:
        request.getfixturevalue("htcondor_pool")
    files = {
        "Snakefile": SNAKEFILE,
        "seen.py": SEEN,
        "script.py": SCRIPT,
        "tried.py": SCRIPT + "assert snakemake.resources.attempt == 2\n",
        "in.txt": "x" * 1000,
        ".gitignore": ".snakemake/\n/out/\n__pycache__/\n",
    }
    own = "run: open(output[0], 'w').write(seen.seen(resources, threads))"
    made: list[dict[str, Any]] = []
    for gitbatch, last in ((False, 'script: "script.py"'), (True, own)):
        # Plain Snakemake gives a `run:` other resources than a script: what it has for clusters.
        project = make_project(
            files | {"Snakefile": SNAKEFILE.replace("RUN", last)}, name=f"p{gitbatch}", pool=pool
        )
        start = project.snakemake if gitbatch else project.plain
        # Of memory and disk, which comes first depends on the order of a set.
        start("--cores", "2", *given, PYTHONHASHSEED="0", PYTHONPATH=str(project.path)).ok()
        found = {path.name: path.read_text() for path in (project.path / "out").iterdir()}
        made.append(found)
    for name, text in made[0].items():
        assert made[1][name] == text, name
    members = {m["rule"]: m for record in project.records() for m in record["members"]}
    for name in made[0].keys() - {"given"}:  # whose resources are not all in the record
        seen, _, threads, _ = ast.literal_eval(made[1][name])
        decided = {n: v for n, v in seen.items() if n not in ("tmpdir", "_nodes", "_cores")}
        assert members[name]["threads"] == threads
        if name != "second":  # its input is made in the job
            assert members[name]["resources"] == decided
    if not given:
        assert members["bare"]["resources"] == {}
