"""What Snakemake is made to do otherwise, piece by piece, without a run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from snakemake.api import ResourceSettings, SnakemakeApi
from snakemake.deployment.conda import Env
from snakemake.sourcecache import LocalSourceFile

from gitbatch_core.archive import hashing, links
from gitbatch_core.runs import results
from gitbatch_core.runs.twin import Twin
from snakemake_executor_plugin_gitbatch import snakemake_internals

from .conftest import bare_twin


def test_a_start_of_snakemake_loads_nothing_that_only_runs_need() -> None:
    """It imports each installed plugin, in each job, too."""
    code = "import sys, snakemake.cli, snakemake_executor_plugin_gitbatch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name for name in done.stdout.split() if "gitbatch" in name}
    assert "snakemake_executor_plugin_gitbatch.executor" in loaded
    assert {name.rpartition(".")[2] for name in loaded}.isdisjoint(
        {"session", "starting", "stale", "twin", "document", "store", "htcondor2"}
    )


@pytest.fixture
def twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Twin:
    found = bare_twin(tmp_path, pinned_ns=10**18)
    monkeypatch.chdir(found.top)
    return found


def test_environment_files_are_those_of_the_worktree(twin: Twin) -> None:
    (twin.worktree / "environment.yaml").write_text("of the commit")
    (twin.top / "environment.yaml").write_text("edited")
    (twin.top / "Snakefile").write_text("")
    source = LocalSourceFile(str(twin.top / "environment.yaml"))
    with SnakemakeApi() as api:
        cores = ResourceSettings(cores=1)
        workflow = api.workflow(cores, snakefile=twin.top / "Snakefile")._workflow
        environment = Env(workflow, env_file=source, envs_dir="envs")
        snakemake_internals.read_environment(environment, twin, workflow)
    assert environment.content == b"of the commit" and environment.file is source


def test_an_output_folder_is_marked_in_the_worktree_as_in_the_folder(twin: Twin) -> None:
    """Whoever lists it there finds what those find who list it here, and may read it."""
    mark = "out/parts/.snakemake_timestamp"
    (twin.top / mark).parent.mkdir(parents=True)
    (twin.top / mark).touch()
    os.utime(twin.top / mark, ns=(5 * 10**17, 5 * 10**17))
    twin.bring_links()
    assert (twin.worktree / mark).lstat().st_mtime_ns == 5 * 10**17
    assert mark in twin.placed, "no job has written it"
    twin.bring(mark, "each")
    assert twin.address_of(mark) == str(hashing.hash_bytes(b"", "xxh3"))

    source = twin.top / "new"
    source.mkdir()
    (source / "a.txt").write_text("a")
    stored = twin.archive.put_tree(source)
    output = {"path": "out/new", "kind": "tree", "address": str(stored.address)}
    results.place(twin, output, 10**18)
    for top in (twin.top, twin.worktree):
        assert sorted(os.listdir(top / "out/new")) == [".snakemake_timestamp", "a.txt"]
        assert links.time_of(top / "out/new") == 10**18


def test_a_workflow_knows_when_snakemake_began(twin: Twin) -> None:
    (twin.top / "Snakefile").write_text("")
    before = time.monotonic_ns()
    with SnakemakeApi() as api:
        cores = ResourceSettings(cores=1)
        workflow = api.workflow(cores, snakefile=twin.top / "Snakefile")._workflow
        assert before < snakemake_internals.began_ns(workflow) < time.monotonic_ns()


def test_what_is_made_of_something_that_others_have_dated_is_as_late(twin: Twin) -> None:
    [stored] = twin.archive.put([_file(twin.top / "a.txt")])
    later = twin.pinned_ns + 10**9
    output = {"path": "b.txt", "kind": "file", "name": stored.name.path}
    output["address"] = str(stored.address)
    results.place(twin, output, results.date_of(twin, ["a.txt"]))
    assert links.time_of(twin.top / "b.txt") == twin.pinned_ns
    twin.later["a.txt"] = later
    results.date_again(twin, "b.txt", results.date_of(twin, ["a.txt"]))
    assert links.time_of(twin.top / "b.txt") == later == results.date_of(twin, ["b.txt"])


def _file(path: Path) -> Path:
    path.write_text(path.name)
    return path
