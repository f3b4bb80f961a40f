"""Snakemake's features, each as plain Snakemake runs it: the same files with the same bytes, on
every pool, and nothing left to do."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project

MakeProject = Callable[..., Project]

FILES = {
    "Snakefile": """
        rule all:
            input:
                "made/links", "made/links.txt", "made/protected.txt", "made/ensured.txt",
                "made/updated.txt", "made/several.a", "made/empty", "made/executable",
                "made/same-1", "made/same-2", "made/touched", "made/chained.txt", "made/sparse",
                "made/from-folder.txt", "made/ancient.txt", "made/nested/1", "made/wanted.tmp"

        rule chain_1:
            output: temp("made/chain-1.txt"), temp(directory("made/chain-folder"))
            shell: "echo 1 > {output[0]}; mkdir {output[1]}; echo inner > {output[1]}/inner"
        rule chain_2:
            input: "made/chain-1.txt", "made/chain-folder"
            output: "made/chained.txt"
            shell: "cat {input[0]} {input[1]}/inner > {output}"
        rule nested:
            output: "made/nested/1", "made/nested/deep/2", directory("made/nested")
            shell:
                "mkdir -p {output[2]}/deep; for i in {output[0]} {output[1]}; do echo $i > $i; done"
        rule target_that_is_temporary:
            output: temp("made/wanted.tmp"), temp(directory("made/unused.tmp"))
            shell: "echo > {output[0]}; mkdir {output[1]}; echo > {output[1]}/x"
        rule links:
            output: directory("made/links")
            shell:
                "mkdir -p {output}/deep/er {output}/empty; cd {output}; echo x > deep/er/x;"
                "ln -s deep/er/x relative; ln -s deep folder; ln -s nowhere dangling;"
                "ln deep/er/x hard; ln -s $PWD/deep/er/x absolute"
        rule linked:
            output: "made/links.txt", "made/target.txt"
            shell: "echo target > {output[1]}; ln -s target.txt {output[0]}"
        rule protected:
            output: protected("made/protected.txt")
            shell: "echo > {output}"
        rule ensured:
            output: ensure("made/ensured.txt", md5="d8e8fca2dc0f896fd7cb4cb0031ba249")
            shell: "echo test > {output}"
        rule updated:
            input: "made/base.txt"
            output: update("made/updated.txt")
            shell: "cat {input} >> {output}"
        rule base:
            output: "made/base.txt"
            shell: "echo base > {output}"
        rule several:
            output: multiext("made/several", a=".a", b=".b", x=".x.gz")
            log: out="logs/several.log", more="logs/several.more"
            benchmark: repeat("benchmarks/several.tsv", 2)
            shell: "for i in {output}; do echo $i > $i; done; echo > {log.out}; echo > {log.more}"
        rule kinds:
            output: "made/empty", "made/executable", "made/same-1", "made/same-2", "made/sparse"
            shell:
                "touch {output[0]}; printf '#!/bin/sh' > {output[1]}; chmod 755 {output[1]};"
                "echo same > {output[2]}; echo same > {output[3]}; truncate -s 3000000 {output[4]}"
        rule touched:
            input: "made/several.x.gz"
            output: touch("made/touched")
        rule from_folder:
            input: "made/links"
            output: "made/from-folder.txt"
            shell: "find -L {input} -type f | sort | xargs cat > {output}"
        rule ancient:
            input: ancient("data.txt")
            output: "made/ancient.txt"
            shell: "cp {input} {output}"
        """,
    "data.txt": "data\n",
}

FLOW = {
    "Snakefile": """
        import random

        rule all:
            input:
                "made/collected.txt", "made/grouped-1.txt", "made/grouped-2.txt", "made/piped.txt",
                "made/local.txt", "made/retried.txt", "made/gathered.txt", "made/asked.txt",
                "made/shadowed.txt", "made/handed.txt", "made/chosen.txt"

        checkpoint unknown:
            output: directory("made/unknown")
            shell: "mkdir {output}; for i in a b 'c d'; do echo $i > \\"{output}/$i.txt\\"; done"
        rule middle:
            input: "made/unknown/{name}.txt"
            output: "made/middle/{name}.txt"
            shell: "tr a-z A-Z < {input:q} > {output:q}"
        def collected(wildcards):
            found = checkpoints.unknown.get().output[0]
            return sorted(expand("made/middle/{n}.txt", n=glob_wildcards(found + "/{n}.txt").n))
        rule collect:
            input: collected
            output: "made/collected.txt"
            shell: "cat {input:q} > {output}"

        rule group_1:
            output: temp("made/in-group-{n}.txt")
            group: "together"
            shell: "echo {wildcards.n} > {output}"
        rule group_2:
            input: "made/in-group-{n}.txt"
            output: "made/grouped-{n}.txt"
            group: "together"
            run:
                shell("cat {input} > {output}")

        rule pipe_1:
            output: pipe("made/pipe")
            shell: "seq 1000 > {output}"
        rule pipe_2:
            input: "made/pipe"
            output: "made/piped.txt"
            shell: "wc -l < {input} > {output}"

        rule service:
            output: service("made/service")
            shell: "echo answer > {output}.new; mv {output}.new {output}; sleep 1000"
        rule asks:
            input: "made/service"
            output: "made/asked.txt"
            shell: "cat {input} > {output}"

        localrules: local
        rule local:
            output: "made/local.txt"
            shell: "echo local > {output}"
        rule retried:
            output: "made/retried.txt"
            retries: 3
            resources: attempt=lambda wildcards, attempt: attempt
            shell: "test {resources.attempt} = 3; echo > {output}"

        scattergather: parts=3
        rule scatter:
            output: scatter.parts("made/parts/{scatteritem}.txt")
            shell: "for i in {output}; do echo $i > $i; done"
        rule gather:
            input: gather.parts("made/parts/{scatteritem}.txt")
            output: "made/gathered.txt"
            shell: "cat {input} > {output}"

        rule shadow:
            input: "data.txt"
            output: "made/shadowed.txt"
            shadow: "minimal"
            shell: "cp {input} undeclared.txt; cat undeclared.txt > {output}"
        rule shallow:
            input: "made/shadowed.txt"
            output: "made/handed.txt"
            shadow: "shallow"
            shell: "cp {input} more.txt; cp more.txt {output}"

        rule general:
            output: "made/chosen.{ending}"
            shell: "echo general > {output}"
        rule special:
            input: branch(lambda wildcards: True, then="data.txt", otherwise="nothing.txt")
            output: "made/chosen.txt"
            shell: "cp {input} {output}"
        ruleorder: special > general
        """,
    "data.txt": "data\n",
}

CODE = {
    "workflow/Snakefile": """
        configfile: "config/config.yaml"
        include: "rules/included.smk"
        module near:
            snakefile: "modules/near.smk"
            config: {"word": config["word"], "near": True}
            prefix: "near"
        use rule * from near as near_*
        use rule included as again with:
            output: "made/again.txt"
            params: "again"
        module far:
            snakefile: config["far"]
        use rule * from far as far_*

        rule all:
            default_target: True
            input:
                "made/included.txt", "near/made/module.txt", "made/again.txt", "made/far.txt",
                "made/script.txt", "made/bash.txt", "made/run.txt", "made/rendered.txt",
                "made/wrapped.txt", "made/notebook.txt", "made/sourced.txt",
                expand("made/{n}.glob", n=glob_wildcards("data/{n}.txt").n)
        rule script:
            input: a="data/1.txt", b=["data/2.txt"]
            output: "made/script.txt"
            params: deep={"x": [1, 2]}
            threads: 2
            log: "logs/script.log"
            script: "scripts/script.py"
        rule bash:
            input: "data/1.txt"
            output: "made/bash.txt"
            script: "scripts/script.sh"
        rule run:
            input: "data/1.txt"
            output: "made/run.txt"
            run:
                import sys
                sys.path.insert(0, workflow.basedir)
                from library.words import shout
                with open(output[0], "w") as out:
                    out.write(shout(config["word"]))
                shell("cat {input} >> {output}")
        rule template:
            input: "templates/page.txt"
            output: "made/rendered.txt"
            params: word=config["word"]
            template_engine: "jinja2"
        rule wrapped:
            input: "data/1.txt"
            output: "made/wrapped.txt"
            wrapper: f"file://{workflow.basedir}/wrappers/copy"
        rule notebook:
            input: "data/1.txt"
            output: "made/notebook.txt"
            log: notebook="logs/notebook.ipynb"
            notebook: "notebooks/copy.py.ipynb"
        rule sourced:
            input: workflow.source_path("scripts/words.txt")
            output: "made/sourced.txt"
            shell: "cp {input} {output}"
        rule globbed:
            input: "data/{n}.txt"
            output: "made/{n}.glob"
            message: "globbing {wildcards.n}"
            priority: 7
            shell: "cp {input} {output}"
        onsuccess: shell("echo ended > ended.log")
        """,
    "workflow/rules/included.smk": """
        rule included:
            output: "made/included.txt"
            params: config["word"]
            shell: "echo {params} > {output}"
        """,
    "workflow/modules/near.smk": """
        rule module:
            output: "made/module.txt"
            params: word=config["word"], near=config["near"]
            script: "module.py"
        """,
    "workflow/modules/module.py": """
        with open(snakemake.output[0], "w") as out:
            print(snakemake.params.word, snakemake.params.near, snakemake.config, file=out)
        """,
    "workflow/scripts/script.py": """
        import sys
        from pathlib import Path
        sys.path.append(str(Path(__file__).parent))
        said = [
            *snakemake.input, snakemake.input.b, snakemake.params.deep, snakemake.threads,
            snakemake.rule, dict(snakemake.wildcards), sorted(snakemake.config.items())[-1],
        ]
        Path(snakemake.output[0]).write_text(repr(said))
        Path(snakemake.log[0]).write_text("script")
        """,
    "workflow/scripts/script.sh": """
        echo "${snakemake_input[0]} ${snakemake[rule]}" > "${snakemake_output[0]}"
        """,
    "workflow/scripts/words.txt": "words\n",
    "workflow/library/words.py": "def shout(word):\n    return word.upper() + '\\n'\n",
    "workflow/wrappers/copy/wrapper.py": """
        from snakemake.shell import shell
        shell("cp {snakemake.input} {snakemake.output}")
        """,
    "workflow/wrappers/copy/environment.yaml": "dependencies: []\n",
    "workflow/notebooks/copy.py.ipynb": """
        {"cells": [{"cell_type": "code", "execution_count": null, "id": "1", "metadata": {},
          "outputs": [],
          "source": ["open(snakemake.output[0], 'w').write(open(snakemake.input[0]).read())"]}],
         "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python",
           "name": "python3"}, "language_info": {"name": "python"}},
         "nbformat": 4, "nbformat_minor": 5}
        """,
    "templates/page.txt": "Say {{ params.word }}.\n",
    "config/config.yaml": "word: file\nkept: true\nzz: {deep: [1, 2.5, null, 'text']}\n",
    "config/more.yaml": "zz: {deeper: 1}\n",
    "profiles/ours/config.yaml": "config:\n  - word=profile\n",
    **{f"data/{n}.txt": f"{n}\n" for n in (1, 2)},
}


def far_module(folder: Path) -> str:
    """A workflow in another git repository, by its URL."""
    folder.mkdir()

    def git(*args: str) -> None:
        subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True)

    git("init", "--quiet")
    (folder / "Snakefile").write_text(
        'rule away:\n    output: "made/far.txt"\n    shell: "echo far > {output}"\n'
    )
    git("add", "--all")
    git("commit", "--quiet", "--message", "far")
    git("tag", "v1")
    return f"git+file://{folder}/Snakefile@v1"


def made(project: Project) -> dict[str, Any]:
    """All that a run has left in the work tree, and git has not: content and x-bit."""
    tracked = set(project.git("ls-files", "-z").split("\0"))
    found: dict[str, Any] = {}
    for folder, folders, files in os.walk(project.path):
        own = (".git", ".snakemake", ".gitbatch", "__pycache__")
        folders[:] = [name for name in folders if name not in own]
        for name in (*files, *folders):
            path = Path(folder, name)
            relative = str(path.relative_to(project.path))
            if relative in tracked or name == ".snakemake_timestamp":
                continue
            if not path.exists():
                found[relative] = os.readlink(path)
            elif path.is_dir():
                found[relative] = "folder"
            else:
                content = path.read_bytes()
                if relative.startswith("benchmarks/"):
                    content = content.partition(b"\n")[0]
                elif relative.endswith(".ipynb"):
                    content = b"notebook"
                found[relative] = bool(path.stat().st_mode & stat.S_IXUSR), content
    return found


@pytest.mark.parametrize(
    ("name", "pools"),
    # Only what jobs wait for, and are grouped by, is a matter of the pool.
    [("files", ["local"]), ("flow", ["local", "htcondor"]), ("code", ["htcondor"])],
)
def test_as_plain_snakemake(
    make_project: MakeProject, htcondor_pool: Any, tmp_path: Path, name: str, pools: list[str]
) -> None:
    files = {"files": FILES, "flow": FLOW, "code": CODE}[name]
    args = ["--cores", "4"]
    if name == "code":
        # The command line wins over the profile, which wins over files.
        args += ["--configfile", "config/more.yaml", "--workflow-profile", "profiles/ours"]
        args += ["--config", f"far={far_module(tmp_path / 'far')}", "word=line"]
    plain = make_project(files, name="plain")
    expected = made_by(plain, args, lambda *a, **k: plain_snakemake(plain, *a, **k))
    for pool in pools:
        project = make_project(files, name=pool, pool=pool)
        found = made_by(project, args, project.snakemake)
        assert found == expected
        assert project.leftovers() == []


def plain_snakemake(project: Project, *args: str, **options: Any) -> Any:
    """Again where it forgets a job that it has to try again while a checkpoint changes its DAG."""
    ended = project.plain(*args, **options)
    return project.plain(*args, **options) if "issues/823" in ended.text else ended


def made_by(project: Project, args: list[str], run: Callable[..., Any]) -> dict[str, Any]:
    """What is there after one start; a second one has nothing to do."""
    run(*args).ok()
    found = made(project)
    assert "Nothing to be done" in run(*args).ok().text
    assert made(project) == found
    return found


def test_inputs_from_a_queue(make_project: MakeProject) -> None:
    """The Snakefile's thread, which is in each job too, holds no job up."""
    project = make_project(
        {
            "Snakefile": """
                import queue, threading, time
                found, end = queue.Queue(), object()

                def look():
                    for name in ("1.txt", "2.txt", end):
                        found.put(name)
                        time.sleep(0.5)
                    found.join()

                threading.Thread(target=look).start()

                rule all:
                    input: from_queue(found, finish_sentinel=end)
                rule one:
                    output: "{n}.txt"
                    shell: "echo {wildcards.n} > {output}"
                """
        }
    )
    project.snakemake("--queue-input-wait-time", "1").ok()
    assert project.read("1.txt") == "1\n" and project.read("2.txt") == "2\n"
    assert project.leftovers() == []
