"""What jobs get of the environment, what of it is secret, and what the record says of it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mirrors import bare_mirror
from workflows_here import job

from gitbatch_core.errors import RunError
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.job import environment
from snakemake_executor_plugin_gitbatch.job.order import check_names

ODD = "a 'b' \"c\"\n$(d) `e` \\ ; %s = é \udcff"
"""All that a shell, a format or an encoding may take for something else."""


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    (tmp_path / "mirror").mkdir()
    return bare_mirror(tmp_path / "mirror")


@pytest.fixture
def single(make_workflow: Any) -> Callable[..., Any]:
    """The job of a rule with these resources and this command."""

    def make(command: str = "touch a", **resources: str) -> Any:
        lines = "".join(f"        {name}={text!r},\n" for name, text in resources.items())
        rule = "rule a:\n    output: 'a'\n"
        rule += f"    resources:\n{lines}" if lines else ""
        return job(make_workflow(f"{rule}    shell: {command!r}\n", "a"), "a")

    return make


def test_jobs_get_what_is_stated_with_the_values_as_they_are(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("LC_ODD", "CONDA_ODD", "XDG_CACHE_HOME", "PYTHONHASHSEED", "BASH_FUNC_module%%")
    for name in names:
        monkeypatch.setenv(name, ODD)
    for name in ("AWS_SECRET_ACCESS_KEY", "XDG_RUNTIME_DIR", "BASH_FUNC_other%%", "TMPDIR", "LC"):
        monkeypatch.setenv(name, ODD)
    jobs = environment.of_jobs(mirror)
    assert {name for name, value in jobs.items() if value == ODD} == set(names)
    assert "TMPDIR" not in jobs, "the machine that runs the job has one of its own"


def test_the_cache_of_outputs_is_the_same_folder_wherever_a_job_works(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mirror.top)
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", "../cache")
    cache = environment.of_jobs(mirror)["SNAKEMAKE_OUTPUT_CACHE"]
    assert cache == str(mirror.top.parent / "cache")


def test_search_paths_lead_to_the_worktree_where_it_has_the_folder(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an edit of a program in the user's folder would reach a job that is to run the
    commit's."""
    for folder in ("bin", ".venv/bin", "my tools"):
        (mirror.top / folder).mkdir(parents=True)
    for folder in ("bin", "my tools"):
        (mirror.worktree / folder).mkdir()
    (tmp_path / "elsewhere").mkdir()
    for top in (mirror.top, mirror.worktree):
        (top / "linked").symlink_to(tmp_path / "elsewhere")
    top, worktree = mirror.top, mirror.worktree
    folders = [f"{top}/bin", f"{top}/.venv/bin", f"{top}/my tools", f"{top}/linked"]
    folders += [f"{top}s", "bin", "", "/usr/bin"]
    monkeypatch.setenv("PATH", ":".join(folders))
    monkeypatch.setenv("PYTHONPATH", f"{top}")
    monkeypatch.setenv("LC_PAPER", f"{top}/bin")
    jobs = environment.of_jobs(mirror)
    assert jobs["PATH"].split(":") == [
        *(f"{worktree}/bin", f"{top}/.venv/bin", f"{worktree}/my tools", f"{top}/linked"),
        *(f"{top}s", "bin", "", "/usr/bin"),
    ]
    assert jobs["PYTHONPATH"] == str(worktree)
    assert jobs["LC_PAPER"] == f"{top}/bin", "no search path"


SETTINGS = {
    # key, value -> is the key secret, is the value
    ("safe.directory", "/my repo"): (False, False),
    ("user.name", ODD): (False, False),
    ("core.sshCommand", "ssh -i key"): (False, False),
    ("credential.helper", "store"): (False, False),
    ("url.https://example.org/.insteadOf", "git@example.org:"): (False, False),
    ("url.https://me:t0ken@example.org/.insteadOf", "https://example.org/"): (True, False),
    ("url.https://example.org/.pushInsteadOf", "https://me:t0ken@example.org/"): (False, True),
    ("http.extraHeader", "Authorization: Basic bWU6dDBrZW4="): (False, True),
    ("sendemail.smtpPass", "abc"): (False, True),
    ("user.password", "1234"): (False, True),
    ("my.token", ""): (False, True),
}


@pytest.mark.parametrize(("setting", "secret"), SETTINGS.items())
def test_settings_of_git_that_may_be_credentials_are_secret(
    setting: tuple[str, str], secret: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_CONFIG_")]:
        monkeypatch.delenv(name)
    names = ("GIT_CONFIG_KEY_12", "GIT_CONFIG_VALUE_12")
    for name, value in zip(names, setting, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_KEY_x", "safe.directory")
    hidden = environment.git_settings(secret=True)
    shown = environment.git_settings(secret=False)
    assert tuple(name in hidden for name in names) == secret
    assert hidden | shown == dict(zip(names, setting, strict=True))
    assert not hidden.keys() & shown.keys()


def test_secrets_are_what_the_workflow_asks_for_and_not_all_jobs_have(
    make_workflow: Any, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", ODD)
    monkeypatch.setenv("LC_MINE", "C")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.extraHeader")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Authorization: Basic bWU6dDBrZW4=")
    snakefile = "envvars: 'MY_TOKEN', 'LC_MINE'\nrule a:\n    output: 'a'\n    shell: 'touch a'\n"
    secrets = environment.secrets(make_workflow(snakefile, "a"))
    assert secrets == {
        "MY_TOKEN": ODD,
        "GIT_CONFIG_VALUE_0": "Authorization: Basic bWU6dDBrZW4=",
    }
    jobs = environment.of_jobs(mirror)
    assert jobs["LC_MINE"] == "C" and not secrets.keys() & jobs.keys()
    recorded = environment.for_record(jobs, secrets)
    text = json.dumps(recorded)
    assert "MY_TOKEN" in recorded["names"] and recorded["names"] == sorted(recorded["names"])
    assert not any(json.dumps(value)[1:-1] in text for value in secrets.values())


def test_the_record_has_the_values_of_harmless_variables_alone() -> None:
    variables = {
        **{name: name.lower() for name in ("LANG", "PATH", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX")},
        "LC_ALL": "C",
        **dict.fromkeys(("HOME", "PYTHONPATH", "CONDA_TOKEN", "PATHS", "XLC_A"), "private"),
    }
    recorded = environment.for_record(variables, ["TOKEN", "PATH"])
    assert recorded["names"] == sorted({*variables, "TOKEN"})
    assert recorded["values"] == {n: value for n, value in variables.items() if value != "private"}


def test_what_resources_bring_is_as_private_as_envvars(
    single: Callable[..., Any], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE_A", ODD)
    monkeypatch.setenv("HOSTNAME", "here")
    stated = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    named = single(getenv="MINE_*, PATH, HOSTNAME", environment="B='x y' LC_ALL=POSIX")
    private = environment.brought(named, stated, title="a", mirror=mirror)
    assert private == {"MINE_A": ODD, "B": "x y"}
    # As a secret, a word such as `here` would be taken out of every log.
    assert stated == {"PATH": os.environ["PATH"], "LC_ALL": "POSIX", "HOSTNAME": "here"}


def test_a_search_path_that_all_jobs_have_stays_the_worktrees(
    single: Callable[..., Any], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`getenv` names it as the user's shell has it: that would lead back to the user's folder."""
    for top in (mirror.top, mirror.worktree):
        (top / "lib").mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{mirror.top}/lib")
    stated = environment.of_jobs(mirror)
    environment.brought(single(getenv="PYTHONPATH"), stated, title="a", mirror=mirror)
    assert stated["PYTHONPATH"] == f"{mirror.worktree}/lib"


@pytest.mark.parametrize(
    ("command", "loads"),
    [
        ("module load x; y", True),
        ("set -u\nml x", True),
        ("touch a", False),
        ("touch my-module x", False),
        ("cat lib/module x", False),
    ],
)
def test_only_jobs_that_load_modules_get_what_each_bash_reads_first(
    single: Callable[..., Any],
    mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    loads: bool,
) -> None:
    for top in (mirror.top, mirror.worktree):
        (top / "init.sh").touch()
    monkeypatch.setenv("BASH_ENV", f"{mirror.top}/init.sh")
    stated: dict[str, str] = {}
    assert environment.brought(single(command), stated, title="a", mirror=mirror) == {}
    assert stated == ({"BASH_ENV": f"{mirror.worktree}/init.sh"} if loads else {})


def test_what_bash_makes_a_path_of_may_hold_anything(
    single: Callable[..., Any], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASH_ENV", "$(echo t0ken)")
    stated: dict[str, str] = {}
    private = environment.brought(single("ml x"), stated, title="a", mirror=mirror)
    assert (private, stated) == ({"BASH_ENV": "$(echo t0ken)"}, {})


@pytest.mark.parametrize("kind", ["output", "log", "benchmark"])
def test_no_file_is_called_by_a_secret(make_workflow: Any, kind: str) -> None:
    files = {"output": "a"} | {kind: "runs/of-s3cret/x"}
    lines = "".join(f"    {name}: {path!r}\n" for name, path in files.items())
    workflow = make_workflow(f"rule a:\n{lines}    shell: 'touch {{output}}'\n", files["output"])
    single = job(workflow, "a")
    check_names(single, ["other", "s3c", "run"])  # three are too short to tell
    with pytest.raises(RunError, match="rule a contains the value") as refused:
        check_names(single, ["other", "s3cret"])
    assert not re.search("s3cret", f"{refused.value.message}{refused.value.hint}")
