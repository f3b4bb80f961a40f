"""A tag's commit, run again from scratch: what is the same, what is not, and what stays of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from projects import Ended, Project, wait_until

SNAKEFILE = """
    configfile: "config.yaml"
    config["twice"] = config["twice"] * 2

    rule all:
        input: "gathered.txt", "settings.txt", "stamp.txt", "log.txt"

    rule sort:
        input: "../data/in.txt"
        output: temp("sorted.txt")
        shell: "sort {input} > {output}"

    checkpoint split:
        input: "sorted.txt"
        output: directory("parts")
        shell: "mkdir {output} && for n in $(cat {input}); do echo $n > {output}/$n.txt; done"

    def parts(wildcards):
        folder = checkpoints.split.get().output[0]
        return sorted(expand("parts/{n}.txt", n=glob_wildcards(folder + "/{n}.txt").n))

    rule gather:
        input: parts
        output: "gathered.txt"
        shell: "cat {input} > {output}"

    rule settings:
        output: "settings.txt"
        threads: 1
        params: mem=lambda w, resources: resources.mem_mb
        script: "scripts/settings.py"

    rule stamp:
        output: "stamp.txt", directory("dir")
        shell: "echo hello > {output[0]}; date +%N >> {output[0]};"
            " mkdir {output[1]}; cp {output[0]} {output[1]}/in; echo x > {output[1]}/same"

    rule append:
        output: update("log.txt")
        shell: "echo again >> {output}"
"""

SCRIPT = """
    with open(snakemake.output[0], "w") as file:
        print(snakemake.config, snakemake.threads, snakemake.params.mem, file=file)
"""


def reproduce(folder: Path, *args: str, **environment: str) -> tuple[Ended, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "gitbatch_core.cli.main", "reproduce", *args],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    return Ended(returncode=done.returncode, text=done.stdout + done.stderr), found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {each["path"]: each["verdict"] for each in found["outputs"]}


def is_clean(project: Project) -> bool:
    """Whether nothing is left of attempts, and the user's folder is as it was."""
    again = project.path / ".gitbatch" / "again"
    return not again.exists() and not project.leftovers() and not project.git("status", "--short")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A run of a workflow with all that is hard to start alike, in a subfolder."""
    made = Project(path=tmp_path / "it's mine")
    made.path.mkdir()
    made.git("init", "--quiet")
    made.write({"data/in.txt": "2\n1\n", "flow/log.txt": "first\n", ".gitignore": "/data\n"})
    made.gitbatch("freeze", "data/in.txt").ok()  # and not tracked
    ignored = ".snakemake/\n/data/\n/flow/*.txt\n/flow/dir\n/flow/parts\n!/flow/log.txt\n"
    made.commit(
        {
            ".gitignore": ignored,
            "flow/Snakefile": SNAKEFILE,
            "flow/scripts/settings.py": SCRIPT,
            "flow/config.yaml": "twice: 1\nfixed: 1\n",
        }
    )
    given = ["--config", "twice=3", "day={a: [1, 2.5]}", "--set-threads", "settings=2"]
    given += [
        "--set-resources",
        "settings:mem_mb=3 * threads",
        "--retries",
        "1",
        "--forcerun",
        "append",
    ]
    made.snakemake(*given, folder="flow").ok()
    made.git("checkout", "flow/log.txt")
    return made


def test_here_and_by_somebody_else_on_htcondor(
    project: Project, htcondor_pool: Path, tmp_path: Path
) -> None:
    [tag] = project.tags()
    made = {
        path: os.readlink(path) for path in project.path.glob("flow/*.txt") if path.is_symlink()
    }
    ended, found = reproduce(project.path, tag, "--pool", "local", "--json")
    assert ended.returncode == 1, ended.text
    same = dict.fromkeys(
        ["flow/gathered.txt", "flow/log.txt", "flow/parts", "flow/settings.txt", "flow/sorted.txt"],
        "identical",
    )
    assert verdicts(found) == same | {"flow/stamp.txt": "differs", "flow/dir": "differs"}, (
        ended.text
    )
    [stamp] = [each for each in found["outputs"] if each["path"] == "flow/stamp.txt"]
    then, now = (project.run_document(f"refs/gitbatch/runs/{found[n]}") for n in ("run", "again"))
    assert "'twice': 6" in project.read("flow/settings.txt"), project.read("flow/settings.txt")
    assert project.read("flow/settings.txt").endswith("} 2 6\n"), project.read("flow/settings.txt")
    assert stamp["rule"] == "stamp" and 7 <= stamp["contents"]["first"] <= 15
    assert [line[0] for line in stamp["contents"]["diff"]] == ["-", "+"]
    assert now["message"] == f"reproduction of {then['run']}"
    # It is a run, but not the last one, and not the one that made what is the same.
    [first, again] = json.loads(project.gitbatch("runs", "ls", "--json").ok().text)
    assert (first["run"], first["reproduces"]) == (then["run"], None)
    assert (again["run"], again["reproduces"]) == (now["run"], then["run"])
    last = json.loads(project.gitbatch("runs", "show", "last", "--json").ok().text)
    assert (last["run"], last["reproduces"]) == (then["run"], None)
    shown = project.gitbatch("archive", "show", "flow/sorted.txt", "--json").ok().text
    makers = [(each["run"], each["reproduces"]) for each in json.loads(shown)["made_by"]]
    assert list(dict.fromkeys(makers)) == [(then["run"], None), (now["run"], then["run"])]
    (project.path / "flow/stamp.txt").unlink()
    shown = project.gitbatch("archive", "show", "flow/stamp.txt", "--json").ok().text
    assert json.loads(shown)["made_by"][0]["run"] == then["run"]
    os.symlink(made[project.path / "flow/stamp.txt"], project.path / "flow/stamp.txt")
    kept = project.archive / "reproductions" / then["run"] / f"{now['run']}.json"
    document = json.loads(kept.read_bytes())
    assert verdicts(document) == verdicts(found) and document["differences"] == []
    assert stamp["hosts"] == [os.uname().nodename]
    assert is_clean(project)
    assert made == {path: os.readlink(path) for path in made}

    # In a fresh clone that can reach the archive; one that cannot, and one without history.
    clone = Project(path=tmp_path / "clone")
    subprocess.run(["git", "clone", "--quiet", project.path, clone.path], check=True)
    ended, _ = reproduce(clone.path, tag)
    assert ended.returncode == 2 and "  data/in.txt\n" in ended.text, ended.text
    archive = str(project.archive)
    ended, _ = reproduce(clone.path, tag, "sorted.csv", "--archive", archive)
    assert ended.returncode == 2 and f"Run {tag[4:]} has made no flow/sorted.csv" in ended.text
    ended, _ = reproduce(
        clone.path, tag, "gathered.txt", "stamp", "--archive", archive, "--pool", "htcondor"
    )
    assert ended.returncode == 1, ended.text
    assert "identical  flow/gathered.txt\n" in ended.text
    assert "identical  flow/sorted.txt  (needed for what was asked for)\n" in ended.text
    assert "differs    flow/dir\n" in ended.text and "not the same: in" in ended.text
    assert "rule stamp has differed before, in 2" in ended.text
    assert "\n  pool: local then, htcondor now\n" in ended.text
    assert "flow/settings.txt" not in ended.text
    assert is_clean(clone)

    shallow = tmp_path / "shallow"
    url = f"file://{project.path}"
    subprocess.run(["git", "clone", "-q", "--depth=1", "--branch", tag, url, shallow], check=True)
    ended, _ = reproduce(shallow, tag, "--archive", archive)
    assert ended.returncode == 2 and "git fetch --unshallow" in ended.text, ended.text


def test_what_fails_what_is_secret_and_what_is_stored_elsewhere(tmp_path: Path) -> None:
    project = Project(path=tmp_path / "project")
    project.path.mkdir()
    project.git("init", "--quiet")
    project.commit(
        {
            ".gitignore": ".snakemake/\n*.txt\n",
            "Snakefile": """
                envvars: "TOKEN"
                rule all:
                    input: "good.txt", "after.txt", storage.gitbatch("gitbatch://name/mine/out.txt")
                rule good:
                    output: "good.txt"
                    params: length=len(config["token"])
                    shell: "echo {params.length} > {output}"
                rule bad:
                    output: "bad.txt"
                    shell: "test ! -e {config[sign]}/fail || exit 1; "
                        "if test -e {config[sign]}/slow; then touch {config[sign]}/started; "
                        "sleep 100; fi; echo 1 > {output}"
                rule after:
                    input: "bad.txt"
                    output: "after.txt"
                    shell: "cat {input} > {output}"
                rule store:
                    output: storage.gitbatch("gitbatch://name/mine/out.txt")
                    shell: "echo stored > {output}"
                """,
        }
    )
    sign, secret = tmp_path / "sign", "open-sesame"
    sign.mkdir()
    project.snakemake("--config", f"token={secret}", f"sign={sign}", TOKEN=secret).ok()
    [tag] = project.tags()
    given = ["--pool", "local", "--json", "--", "--config", f"token={secret}"]

    ended, _ = reproduce(project.path, tag, *given, TOKEN=secret)
    assert ended.returncode == 2 and "  gitbatch://name/mine/out.txt" in ended.text, ended.text
    ended, _ = reproduce(project.path, tag, "good.txt", TOKEN=secret)
    assert ended.returncode == 2 and "--config token=" in ended.text, ended.text

    (sign / "fail").touch()
    kept = tmp_path / "kept"
    wanted = [tag, "good.txt", "bad.txt", "after.txt", "--keep", str(kept)]
    ended, found = reproduce(project.path, *wanted, *given, TOKEN=secret)
    assert ended.returncode == 1, ended.text
    expected = {"good.txt": "identical", "bad.txt": "failed", "after.txt": "not run"}
    assert verdicts(found) == expected, ended.text
    assert (kept / "good.txt").is_symlink() and not (kept / "after.txt").exists()
    project.git("worktree", "remove", "--force", "--force", str(kept))

    (sign / "fail").unlink()
    ended, found = reproduce(project.path, tag, "good.txt", "after.txt", *given, TOKEN=secret)
    assert ended.returncode == 0, ended.text
    assert found["reproduced"] and set(verdicts(found).values()) == {"identical"}

    (sign / "slow").touch()
    command = [sys.executable, "-m", "gitbatch_core.cli.main", "reproduce", tag, "bad.txt", *given]
    process = subprocess.Popen(
        command, cwd=project.path, env=os.environ | {"TOKEN": secret}, stderr=subprocess.DEVNULL
    )
    wait_until((sign / "started").exists, "the job")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert is_clean(project)
    everywhere = subprocess.run(["grep", "-rl", secret, project.path / ".git"], capture_output=True)
    assert not everywhere.stdout, everywhere.stdout
