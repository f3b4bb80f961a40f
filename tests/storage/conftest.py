"""A repository with one finished run, for all tests that only read."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import Project

SNAKEFILE = """
rule all:
    input: "results/a.txt", "results/folder", "tool.sh"

rule a:
    output: "results/a.txt"
    shell: "echo made > {output}"

rule folder:
    output: directory("results/folder")
    shell: "mkdir -p {output}/inner; for x in 1 2; do echo $x > {output}/inner/$x.txt; done"

rule tool:
    output: "tool.sh"
    shell: "printf '#!/bin/sh\\necho tool\\n' > {output}; chmod +x {output}"
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Project:
    """A run of SNAKEFILE; nobody writes there."""
    project = Project(path=tmp_path_factory.mktemp("finished"))
    project.git("init", "--quiet")
    project.commit({"Snakefile": SNAKEFILE, ".gitignore": ".snakemake/\n"})
    project.snakemake().ok()
    project.git("tag", "source")
    project.git("tag", "papers/2026/figure-1", project.tags()[0])
    return project
