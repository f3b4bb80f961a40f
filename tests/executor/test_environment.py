"""The environment that jobs get: the site's modules, moved caches, git's settings. And what to do
where a job misses what only the user has."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project

from snakemake_executor_plugin_gitbatch.job import environment

MakeProject = Callable[..., Project]

MODULE = """\
module() {
    case $1 in
        purge) ;;
        load) shift; for m in "$@"; do PATH=$MODULEPATH/$m/bin:$PATH; done; export PATH ;;
        # Several lines, "quotes", a $ sign, and a tab:\t.
    esac
}
"""
SITE = {
    "Snakefile": """
        rule all:
            input: "declared.txt", "called.txt", "script.txt", "plain.txt", "git.txt"
        rule declared:
            output: "declared.txt"
            envmodules: "greet/1.0"
            shell: "greet > {output}; echo $STARTED >> {output}"
        rule called:
            output: "called.txt"
            shell: "module load greet/1.0; greet > {output}; "
                "[[ $BASH_ENV == */worktrees/*/start.sh ]] && echo $STARTED >> {output}"
        rule script:
            output: "script.txt"
            shell: "bash load.sh > {output}"
        rule plain:
            output: "plain.txt"
            shell: "echo ${{STARTED-no}} $XDG_CACHE_HOME $LOADEDMODULES > {output}"
        rule git:
            output: "git.txt"
            log: "git.log"
            shell: "git config x.setting > {output}; git config http.extraHeader > {log}"
        """,
    "start.sh": "STARTED=yes\n",
    "load.sh": "module load greet/1.0\ngreet\n",
}


def test_a_sites_environment_reaches_jobs(
    make_project: MakeProject, pool: str, tmp_path: Path
) -> None:
    program = tmp_path / "modules/greet/1.0/bin/greet"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho hello from the module\n")
    program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o555)
    token = "basic " + os.urandom(12).hex()
    exported = subprocess.run(
        ["bash", "-c", f"{MODULE}export -f module; env -0"], check=True, capture_output=True
    ).stdout
    [function] = re.findall(rb"BASH_FUNC_module%%=([^\0]*)", exported)
    project = make_project(SITE, pool=pool)
    project.environment |= {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "BASH_FUNC_module%%": function.decode(),
        "BASH_ENV": str(project.path / "start.sh"),
        "MODULEPATH": str(tmp_path / "modules"),
        "LOADEDMODULES": "site/1",
        # As CI does it: nobody else's files can be used without the first.
        "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1",
        "GIT_CONFIG_COUNT": "3",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_CONFIG_KEY_1": "x.setting",
        "GIT_CONFIG_VALUE_1": "on",
        "GIT_CONFIG_KEY_2": "http.extraHeader",
        "GIT_CONFIG_VALUE_2": f"AUTHORIZATION: {token}",
    }
    project.snakemake("--sdm", "env-modules").ok()
    assert project.read("declared.txt") == project.read("called.txt")
    assert project.read("called.txt") == "hello from the module\nyes\n"
    assert project.read("script.txt") == "hello from the module\n"
    assert project.read("plain.txt") == f"no {tmp_path}/cache site/1\n"
    assert project.read("git.txt") == "on\n" and project.read("git.log") == "***\n"

    names = {record["rule"]: {*record["environment"]["names"]} for record in project.records()}
    always = {"BASH_FUNC_module%%", "MODULEPATH", "LOADEDMODULES", "XDG_CACHE_HOME"}
    always |= {"GIT_CONFIG_COUNT", "GIT_CONFIG_VALUE_0", "GIT_CONFIG_VALUE_2"}
    assert all(always <= each for each in names.values())
    assert {rule for rule, each in names.items() if "BASH_ENV" in each} == {"declared", "called"}
    assert "GIT_TEST_ASSUME_DIFFERENT_OWNER" not in names["git"]
    places = [project.path, Path(os.environ["GITBATCH_TEST_POOL"])]
    for path in (path for place in places for path in place.rglob("*")):
        assert not path.is_file() or token.encode() not in path.read_bytes(), path
    assert token not in project.git("log", "--all", "--patch")

    # None of it is part of what a job is.
    for name in ("BASH_FUNC_module%%", "BASH_ENV", "XDG_CACHE_HOME", "HOME", "LOADEDMODULES"):
        del project.environment[name]
    project.environment["GIT_CONFIG_COUNT"] = "1"
    for path in project.path.glob("*.txt"):
        path.unlink()
    assert "0 jobs done, 5 reused" in project.snakemake("--sdm", "env-modules").ok().text


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("safe.directory", "/data/of/somebody", ""),
        ("user.name", "Some Body", ""),
        ("credential.helper", "store", ""),
        ("http.sslVerify", "false", ""),
        ("http.postBuffer", "524288000", ""),
        ("url.git@host:.insteadOf", "https://host/", ""),
        ("remote.origin.url", "https://host/a.git", ""),
        ("url.https://bot:t0ken@host/.insteadOf", "https://host/", "KEY"),
        ("http.https://host/.extraHeader", "PRIVATE-TOKEN: t0ken", "VALUE"),
        ("credential.helper", "!f() { echo password=t0ken; }; f", "VALUE"),
        ("http.proxy", "http://me:t0ken@proxy:3128", "VALUE"),
        ("sendemail.smtpPass", "hunter", "VALUE"),
    ],
)
def test_settings_of_git_that_may_hold_credentials(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str, secret: str
) -> None:
    given = {"GIT_CONFIG_KEY_7": key, "GIT_CONFIG_VALUE_7": value}
    for name, text in given.items():
        monkeypatch.setenv(name, text)
    hidden = {name: text for name, text in given.items() if name == f"GIT_CONFIG_{secret}_7"}
    assert environment.git_settings(secret=True) == hidden
    assert environment.git_settings(secret=False) == {
        name: text for name, text in given.items() if name not in hidden
    }


MISSING = {
    ".gitignore": ".snakemake/\n/ignored/\n*.cfg\n",
    "Snakefile": """
        import os
        rule all:
            input: "a.txt", "b.txt", "c.txt", "d.txt", "e.txt"
        rule a:
            output: "a.txt"
            shell: "cat local.cfg > {output}"
        rule b:
            output: "b.txt"
            shell: "echo x > empty/x; echo > {output}"
        rule c:
            output: "c.txt"
            run:
                open("ignored/inner/x", "w"); open(output[0], "w")
        rule d:
            output: "d.txt"
            shell: "echo $SITE_DATA > {output}"
        rule e:
            output: "e.txt"
            run:
                open(output[0], "w").write(os.environ["SITE_NAME"])
        """,
    "local.cfg": "local\n",
}


def test_what_only_the_user_has_is_told_with_what_to_do(
    make_project: MakeProject, pool: str
) -> None:
    project = make_project(MISSING, pool=pool)
    for folder in ("empty", "ignored/inner"):
        (project.path / folder).mkdir(parents=True)
    given = {"SITE_DATA": "/data", "SITE_NAME": "here"}
    text = project.snakemake("--keep-going", **given).failed().text
    told = [
        line
        for line in text.splitlines()
        if "exists only" in line or line.startswith("Jobs do not")
    ]
    commands = [
        command for line in told for command in re.findall(r"\(((?:touch|git add).*?)\)", line)
    ]
    assert sorted(commands) == [
        "git add -f -- local.cfg; git commit",
        "touch empty/.gitkeep; git add -- empty/.gitkeep; git commit",
        "touch ignored/inner/.gitkeep; git add -f -- ignored/inner/.gitkeep; git commit",
    ]
    # Typed, each helps.
    for command in commands:
        subprocess.run(f"{command} -qm hint", shell=True, cwd=project.path, check=True)
    variables = re.findall(r'envvars: "(\w+)", or for a rule, resources: getenv="(\w+)"', text)
    assert sorted(variables) == [("SITE_DATA", "SITE_DATA"), ("SITE_NAME", "SITE_NAME")]
    snakefile = project.read("Snakefile").replace("rule all", 'envvars: "SITE_DATA"\nrule all')
    project.commit({"Snakefile": snakefile})
    project.snakemake("--set-resources", "e:getenv=SITE_NAME", **given).ok()
    assert project.read("d.txt") == "/data\n" and project.read("e.txt") == "here"


def test_a_variable_that_the_snakefile_reads(make_project: MakeProject) -> None:
    snakefile = """
        import os
        ROOT = os.environ["DATA_ROOT"]
        rule a:
            output: "a.txt"
            shell: "echo {ROOT} > {output}"
        """
    project = make_project({"Snakefile": snakefile})
    wanted = 'envvars: "DATA_ROOT", or for a rule, resources: getenv="DATA_ROOT"'
    project.snakemake("a.txt", DATA_ROOT="/data/here").failed(wanted)
    project.snakemake("a.txt", "--set-resources", "a:getenv=DATA_ROOT", DATA_ROOT="/data").ok()
    assert project.read("a.txt") == "/data\n"
    project.commit(
        {"Snakefile": snakefile.replace("import os", 'import os\n        envvars: "DATA_ROOT"')}
    )
    project.snakemake("a.txt", "--force", DATA_ROOT="/data/here").ok()
    assert project.read("a.txt") == "/data/here\n"
