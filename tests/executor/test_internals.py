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
from gitbatch_core.run.mirror import inputs, output_links
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.snakemake_internals import patches

from .conftest import bare_mirror


def test_a_start_of_snakemake_loads_nothing_that_only_runs_need() -> None:
    """It imports each installed plugin, in each job, too."""
    code = "import sys, snakemake.cli, snakemake_executor_plugin_gitbatch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name for name in done.stdout.split() if "gitbatch" in name}
    assert "snakemake_executor_plugin_gitbatch.executor" in loaded
    assert {name.rpartition(".")[2] for name in loaded}.isdisjoint(
        {"session", "starting", "stale", "mirror", "document", "store", "htcondor2"}
    )


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    found = bare_mirror(tmp_path, pinned_ns=10**18)
    monkeypatch.chdir(found.top)
    return found


def test_environment_files_are_those_of_the_worktree(mirror: Mirror) -> None:
    (mirror.worktree / "environment.yaml").write_text("of the commit")
    (mirror.top / "environment.yaml").write_text("edited")
    (mirror.top / "Snakefile").write_text("")
    source = LocalSourceFile(str(mirror.top / "environment.yaml"))
    with SnakemakeApi() as api:
        cores = ResourceSettings(cores=1)
        workflow = api.workflow(cores, snakefile=mirror.top / "Snakefile")._workflow
        environment = Env(workflow, env_file=source, envs_dir="envs")
        patches.read_environment(environment, mirror, workflow)
    assert environment.content == b"of the commit" and environment.file is source


def test_an_output_folder_is_marked_in_the_worktree_as_in_the_folder(mirror: Mirror) -> None:
    """Whoever lists it there finds what those find who list it here, and may read it."""
    mark = "out/parts/.snakemake_timestamp"
    (mirror.top / mark).parent.mkdir(parents=True)
    (mirror.top / mark).touch()
    os.utime(mirror.top / mark, ns=(5 * 10**17, 5 * 10**17))
    mirror.bring_links()
    assert (mirror.worktree / mark).lstat().st_mtime_ns == 5 * 10**17
    assert mark in mirror.placed, "no job has written it"
    inputs.bring(mirror, mark, "each")
    assert mirror.address_of(mark) == str(hashing.hash_bytes(b"", "xxh3"))

    source = mirror.top / "new"
    source.mkdir()
    (source / "a.txt").write_text("a")
    stored = mirror.archive.put_tree(source)
    output = {"path": "out/new", "kind": "tree", "address": str(stored.address)}
    output_links.place(mirror, output, 10**18)
    for top in (mirror.top, mirror.worktree):
        assert sorted(os.listdir(top / "out/new")) == [".snakemake_timestamp", "a.txt"]
        assert links.time_of(top / "out/new") == 10**18


def test_a_workflow_knows_when_snakemake_began(mirror: Mirror) -> None:
    (mirror.top / "Snakefile").write_text("")
    before = time.monotonic_ns()
    with SnakemakeApi() as api:
        cores = ResourceSettings(cores=1)
        workflow = api.workflow(cores, snakefile=mirror.top / "Snakefile")._workflow
        assert before < patches.began_ns(workflow) < time.monotonic_ns()


def test_what_is_made_of_something_that_others_have_dated_is_as_late(mirror: Mirror) -> None:
    [stored] = mirror.archive.put([_file(mirror.top / "a.txt")])
    later = mirror.pinned_ns + 10**9
    output = {"path": "b.txt", "kind": "file", "name": stored.name.path}
    output["address"] = str(stored.address)
    output_links.place(mirror, output, output_links.date_of(mirror, ["a.txt"]))
    assert links.time_of(mirror.top / "b.txt") == mirror.pinned_ns
    mirror.later["a.txt"] = later
    output_links.date_again(mirror, "b.txt", output_links.date_of(mirror, ["a.txt"]))
    assert links.time_of(mirror.top / "b.txt") == later == output_links.date_of(mirror, ["b.txt"])


def _file(path: Path) -> Path:
    path.write_text(path.name)
    return path
