"""The job key: all that determines what a job makes changes it, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mirrors import bare_mirror
from repositories import git
from workflows_here import job

from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.job.key import JobKey, Keys
from snakemake_executor_plugin_gitbatch.settings import ExecutorSettings

BASE = """
    rule a:
        input: "in", named="other"
        output: "out"
        log: "a.log"
        params: value=1, pairs={"a": 1, "b": 2}
        threads: 1
        resources: site="x", mem_mb=100
        shell: "cp {input[0]} {output} # {params.value}"
"""
SCRIPT = BASE.replace('shell: "cp {input[0]} {output} # {params.value}"', 'script: "a.py"')
ADDRESSES = {"in": f"xxh3:{'1' * 32}", "other": f"xxh3:{'2' * 32}"}


@pytest.fixture
def mirror(make_workflow: Any, tmp_path: Path) -> Mirror:
    for name in (*ADDRESSES, "a.py"):
        (tmp_path / name).touch()
    mirror = bare_mirror(tmp_path)
    git(mirror.worktree, "init", "--quiet")
    _commit(mirror, "code.py", "1")
    return mirror


def _commit(mirror: Mirror, name: str, text: str) -> None:
    (mirror.worktree / name).write_text(text)
    git(mirror.worktree, "add", "--all")
    git(mirror.worktree, "commit", "--quiet", "--message", "x")


@pytest.fixture
def key_of(make_workflow: Any, mirror: Mirror) -> Callable[..., JobKey]:
    def key(
        snakefile: str = BASE,
        *,
        addresses: dict[str, str] | None = None,
        config: dict[str, Any] | None = None,
        code: list[str] | None = None,
        folder: str = ".",
        updated: dict[str, str] | None = None,
    ) -> JobKey:
        settings = ExecutorSettings(code=code or [])
        workflow = make_workflow(snakefile, "out", config=config or {}, executor_settings=settings)
        keys = Keys.of(workflow, mirror, folder, {}, lambda path: False)
        single = job(workflow, "a")
        found = job_description.describe(
            single, (ADDRESSES | (addresses or {})).__getitem__, top=mirror.top
        )
        return keys.job_key(single, found, updated or {})

    return key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"in", named', '"other", named'),
        ('input: "in", named="other"', 'input: named="other", more="in"'),
        ("value=1", "value=2"),
        ("value=1", "value=1, more=None"),
        ("value=1", "other=1"),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ('log: "a.log"', 'log: "b.log"'),
        ("threads: 1", "threads: 2"),
        ("cp {input[0]}", "cat {input[0]} >"),
    ],
)
def test_what_a_rule_says_changes_it(key_of: Callable[..., JobKey], old: str, new: str) -> None:
    changed = BASE.replace(old, new).replace(" # {params.value}", "")
    assert key_of(BASE.replace(" # {params.value}", "")).key != key_of(changed).key


def test_types_of_params_differ(key_of: Callable[..., JobKey]) -> None:
    values = ("1", "'1'", "True", "1.0", "[1]", "(1,)", "None", "'None'", "{1}", "{1: 1}")
    values += ("{'1': 1}", "{'tuple': [1]}", "float('nan')")
    keys = {key_of(SCRIPT.replace("value=1", f"value={value}")).key for value in values}
    assert len(keys) == len(values)


def test_inputs_code_configuration_and_old_outputs_change_it(
    key_of: Callable[..., JobKey], mirror: Mirror
) -> None:
    base = key_of(SCRIPT).key
    others = [
        key_of(SCRIPT, addresses={"in": ADDRESSES["other"]}).key,
        key_of(SCRIPT, config={"x": 1}).key,
        key_of(SCRIPT, config={"x": "1"}).key,
        key_of(SCRIPT, folder="sub").key,
        key_of(SCRIPT, updated={"out": ADDRESSES["in"]}).key,
    ]
    _commit(mirror, "code.py", "2")
    others.append(key_of(SCRIPT).key)
    assert len({base, *others}) == len(others) + 1


def test_only_chosen_code_counts(key_of: Callable[..., JobKey], mirror: Mirror) -> None:
    before = key_of(code=["code.py"])
    assert before.choice.patterns == (("code.py",),)
    _commit(mirror, "unrelated.py", "1")
    assert key_of(code=["code.py"]).key == before.key
    _commit(mirror, "code.py", "2")
    changed = key_of(code=["code.py"])
    assert changed.key != before.key and changed.without_code == before.without_code


def test_prose_is_no_code(key_of: Callable[..., JobKey], mirror: Mirror) -> None:
    before = key_of().key
    _commit(mirror, "README.md", "words")
    assert key_of().key == before


def test_where_a_job_fits_does_not_change_it(key_of: Callable[..., JobKey]) -> None:
    base = key_of(SCRIPT).key
    for old, new in (
        ("mem_mb=100", "mem_mb=200"),
        ("mem_mb=100", "mem_mb=100, request_gpus=1, gitbatch_reuse='on', classad_X='y'"),
        ('site="x", mem_mb=100', 'mem_mb=100, site="x"'),
    ):
        assert key_of(SCRIPT.replace(old, new)).key == base, new
    assert key_of(SCRIPT.replace('site="x"', 'site="y"')).key != base, "a script sees it"
    assert key_of().key == key_of(BASE.replace('site="x"', 'site="y"')).key, "no command does"


def test_the_folder_of_the_repository_means_nothing(
    key_of: Callable[..., JobKey], mirror: Mirror
) -> None:
    inner = f"value='{mirror.top}/x'"
    elsewhere = f"value='{mirror.top}-2/x'"
    assert key_of(SCRIPT.replace("value=1", inner)).key != (
        key_of(SCRIPT.replace("value=1", elsewhere)).key
    )
    assert str(mirror.top) not in repr(key_of(SCRIPT.replace("value=1", inner)))
