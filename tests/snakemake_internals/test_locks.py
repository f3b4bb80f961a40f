"""Snakemake's locks on a folder."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snakemake_executor_plugin_gitbatch.snakemake_internals import locks

ONE, OTHER = (
    f"""
    rule {name}:
        output: "{name}"
        shell: "touch {{output}}"
"""
    for name in ("one", "other")
)


def locked(workflow: Any) -> AbstractContextManager[Any]:
    """As no dry run is."""
    lock: AbstractContextManager[Any] = type(workflow.persistence).lock(workflow.persistence)
    return lock


@pytest.mark.parametrize("is_done", [False, True])
def test_more_outputs_are_locked(make_workflow: Any, folder: Path, is_done: bool) -> None:
    other = make_workflow(OTHER, "other")
    if is_done:
        (folder / "one").touch()
    workflow = make_workflow(ONE, "one")
    assert locks.lock_files(workflow) == []
    with locked(workflow):
        before = locks.lock_files(workflow)
        assert all(map(os.path.exists, before)) and (before or is_done)
        assert not other.persistence.locked
        locks.lock_more(workflow, ["other"])
        assert other.persistence.locked
        after = locks.lock_files(workflow)
        assert after and before in ([], after), "no lock file is forgotten"
        type(workflow.persistence).unlock(workflow.persistence)
    assert not any(map(os.path.exists, after))


def test_where_nothing_is_to_be_locked_nothing_is(make_workflow: Any) -> None:
    other, workflow = make_workflow(OTHER, "other"), make_workflow(ONE, "one")
    with locked(workflow):
        workflow.execution_settings = replace(workflow.execution_settings, lock=False)
        locks.lock_more(workflow, ["other"])
        assert not other.persistence.locked
