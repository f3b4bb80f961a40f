"""Scripts and environment files, wherever a rule has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workflows_here import job

from snakemake_executor_plugin_gitbatch.snakemake_internals import source_files

SNAKEFILE = """
    include: "rules/more.smk"
    rule a:
        output: "{name}.a"
        params: kind="x"
        script: "scripts/{wildcards.name}-{params.kind}.py"
    rule far:
        output: "far"
        script: github("o/r", path="s.py", tag="v1")
"""
MORE = """
rule c:
    output: "c"
    conda: "env.yaml"
    script: "c.py"
"""


def test_sources_lie_beside_the_snakefile_that_names_them(make_workflow: Any, folder: Path) -> None:
    (folder / "rules").mkdir()
    (folder / "rules" / "more.smk").write_text(MORE)
    (folder / "rules" / "env.yaml").write_text("dependencies: []\n")
    (folder / "rules" / "c.py").touch()
    (folder / "scripts").mkdir()
    (folder / "scripts" / "1-x.py").touch()
    workflow = make_workflow(SNAKEFILE, "1.a", "c")

    [script] = source_files.scripts_of(job(workflow, "a"))
    assert script == str(folder / "scripts" / "1-x.py")
    beside = job(workflow, "c")
    assert list(source_files.scripts_of(beside)) == [str(folder / "rules" / "c.py")]
    environment = source_files.environment_file(beside)
    assert list(source_files.local_path(environment)) == [str(folder / "rules" / "env.yaml")]
    assert source_files.environment_file(job(workflow, "a")) is None

    [far] = [rule for rule in workflow.rules if rule.name == "far"]
    remote = source_files.of_rule(far, far.script)
    assert list(source_files.local_path(remote)) == []
    assert not source_files.is_local(remote)
    assert "o/r" in remote.get_path_or_uri(secret_free=True)


def test_texts_become_source_files() -> None:
    assert source_files.is_local(source_files.of_text("x/y.smk"))
    assert not source_files.is_local(source_files.of_text("https://example.org/y.smk"))
    assert list(source_files.local_path("https://example.org/y.smk")) == []
