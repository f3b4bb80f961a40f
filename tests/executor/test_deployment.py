"""Environments, images and modules: what a rule declares, what a job used, what it found on PATH.

Conda and environment modules are stand-ins: programs that are called as those are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from projects import Project

CONDA = """\
#!/bin/bash
case "$*" in
    "info --json") echo '{"conda_prefix": "ROOT", "platform": "linux-64"}' ;;
    "--version") echo conda 24.9.0 ;;
    "env export"*) echo "name: a-name" ;;
    config*) echo '{"get": {"channel_priority": "strict"}}' ;;
    clean*) ;;
    *)
        while [ "$1" != --prefix ] && [ $# != 0 ]; do shift; done
        mkdir -p "$2/bin"; cp ROOT/of-conda "$2/bin/tool" ;;
esac
"""
STAND_INS = {
    "bin/conda": CONDA,
    "bin/activate": 'export PATH="$1/bin:$PATH"\n',
    "bin/module": "#!/bin/sh\nexit 0\n",
    "bin/tool": "#!/bin/sh\necho from the path\n",
    "of-conda": "#!/bin/sh\necho from conda\n",
}
SNAKEFILE = """
    containerized: "docker://everything"
    rule all:
        input: "file.txt", "many.txt", "wrapped.txt"
    rule file:
        output: "file.txt"
        conda: "envs/e.yaml"
        shell: "tool > {output}"
    rule many:
        output: "many.txt"
        conda: workflow.basedir + "/envs/../envs/e.yaml"
        container: "images/x.sif"
        envmodules: "b/2", "a"
        shell: "tool > {output}"
    rule named:
        output: "named.txt"
        group: "group"
        container: None
        conda: "a-name"
        shell: "tool > {output}"
    rule wrapped:
        input: "named.txt"
        output: "wrapped.txt"
        group: "group"
        wrapper: f"file:{workflow.basedir}/wrapper"
    """


def of_last_run(project: Project) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By rule: a job's record, and what that says of the single job."""
    last = max(record["run"] for record in project.records())
    records = [record for record in project.records() if record["run"] == last]
    return {member["rule"]: (record, member) for record in records for member in record["members"]}


def test_three_things_are_recorded(make_project: Callable[..., Project], tmp_path: Path) -> None:
    for name, text in STAND_INS.items():
        (tmp_path / "tools" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tools" / name).write_text(text.replace("ROOT", str(tmp_path / "tools")))
        (tmp_path / "tools" / name).chmod(0o755)
    project = make_project(
        {
            "Snakefile": SNAKEFILE,
            "envs/e.yaml": "channels: [conda-forge]\n",
            "wrapper/environment.yaml": "channels: [bioconda]\n",
            "wrapper/wrapper.py": "open(snakemake.output[0], 'w').write('wrapped')\n",
            ".gitignore": ".snakemake/\n/*.txt\n",
        }
    )
    project.environment["PATH"] = f"{tmp_path}/tools/bin:{os.environ['PATH']}"

    project.snakemake().ok()
    by_rule = of_last_run(project)
    declared = {rule: member["software"] for rule, (_, member) in by_rule.items()}
    assert declared == {
        "file": {"conda": "envs/e.yaml", "container": "docker://everything"},
        "many": {"conda": "envs/e.yaml", "container": "images/x.sif", "modules": "b/2, a"},
        "named": {"conda": "a-name"},
        "wrapped": {"conda": "wrapper/environment.yaml", "container": "docker://everything"},
    }
    assert all(member["software_used"] == {} for _, member in by_rule.values())
    tool = by_rule["many"][0]["tools"]["tool"]
    assert tool["path"] == f"{tmp_path}/tools/bin/tool" and "address" in tool
    assert all("tool" in record["tools"] for record, _ in by_rule.values())
    assert project.read("many.txt") == "from the path\n"
    shown = project.gitbatch("archive", "show", "many.txt").ok().text
    assert "conda" not in shown and re.search(r"software .*\btool\b", shown)

    # Another environment makes another job.
    for path in project.path.glob("*.txt"):
        path.unlink()
    ended = project.snakemake("--sdm", "conda", "env-modules").ok()
    assert "3 jobs done, 4 outputs" in ended.text
    by_rule = of_last_run(project)
    assert {rule: member["software"] for rule, (_, member) in by_rule.items()} == declared
    used = {rule: member["software_used"] for rule, (_, member) in by_rule.items()}
    content = used["file"]["conda"]
    assert re.fullmatch("[0-9a-f]{32}", content) and used["wrapped"].keys() == {"conda"}
    assert used["many"] == {"conda": content, "modules": "b/2, a"}
    assert used["named"] == {"conda": "a-name"}
    assert "tool" not in by_rule["many"][0]["tools"]
    assert project.read("many.txt") == "from conda\n"
    assert f"conda envs/e.yaml ({content})" in project.gitbatch("archive", "show", "many.txt").text
    ended = project.gitbatch("runs", "diff", *project.tags())
    assert f'many: software.conda: - -> "{content}"' in ended.text
    assert 'many: software.modules: - -> "b/2, a"' in ended.text
    assert "container" not in ended.text and ended.returncode == 1
