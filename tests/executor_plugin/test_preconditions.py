"""What must be true before a run starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mirrors import bare_mirror
from repositories import git
from snakemake.api import ResourceSettings
from workflows_here import job

from gitbatch_core.errors import DirtyTreeError, UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.run.obstacles import ObstaclesError
from snakemake_executor_plugin_gitbatch.run import job_preconditions, preconditions
from snakemake_executor_plugin_gitbatch.run.preconditions import Source

SNAKEFILE = """\
configfile: "config.yaml"
rule a:
    input: "in.txt"
    output: "a"
    script: "scripts/a.py"
"""


@pytest.fixture
def look(make_workflow: Any, tmp_path: Path) -> Callable[..., Source]:
    """Looks at a repository with a workflow, all of it committed at first."""
    (tmp_path / "scripts").mkdir()
    for name in ("config.yaml", "in.txt", "scripts/a.py", "other.txt"):
        (tmp_path / name).touch()
    (tmp_path / "config.yaml").write_text("a: 0\n")
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / ".gitignore").write_text(".snakemake/\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "first")

    def look(snakefile: str = SNAKEFILE, *, dirty: str = "refuse") -> Source:
        workflow = make_workflow(snakefile, "a")
        repository = Repository.find(tmp_path)
        head = repository.commit_of("HEAD")
        return preconditions.clean_source(workflow, repository, head, "20250101-000000-abcd", dirty)

    return look


def test_a_clean_tree_runs_its_commit(look: Callable[..., Source], tmp_path: Path) -> None:
    found = look()
    assert found.commit == git(tmp_path, "rev-parse", "HEAD").strip()
    assert (found.snapshot, found.untracked, found.changed_outputs) == (False, (), ())
    assert found.is_output("a") and not found.is_output("in.txt")


@pytest.mark.parametrize("name", ["scripts/a.py", "config.yaml", "other.txt"])
def test_what_differs_from_the_commit_is_refused(
    look: Callable[..., Source], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("# edited\n" if name.endswith("py") else "a: 1\n")
    with pytest.raises(DirtyTreeError, match=f"modified: +{name}"):
        look()


def test_outputs_and_files_that_nobody_names_may_differ(
    look: Callable[..., Source], tmp_path: Path
) -> None:
    (tmp_path / "a").touch()
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "--message", "a result")
    (tmp_path / "a").write_text("another")
    (tmp_path / "notes.txt").touch()
    assert look().changed_outputs == ("a",)


def test_a_source_that_git_does_not_track_is_told(
    look: Callable[..., Source], tmp_path: Path
) -> None:
    git(tmp_path, "rm", "--quiet", "--cached", "scripts/a.py")
    git(tmp_path, "commit", "--quiet", "--message", "not tracked")
    assert look().untracked == ("scripts/a.py",)


def test_a_snapshot_has_the_present_state(look: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("edited")
    found = look(dirty="snapshot")
    assert found.snapshot
    assert git(tmp_path, "show", f"{found.commit}:other.txt") == "edited"
    assert git(tmp_path, "show", "HEAD:other.txt") == "", "the branch stays"


def test_the_snakefile_is_of_the_repository(make_workflow: Any, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    git(tmp_path / "inner", "init", "--quiet")
    git(tmp_path / "inner", "commit", "--quiet", "--allow-empty", "--message", "first")
    repository = Repository.find(tmp_path / "inner")
    workflow = make_workflow("rule a:\n    output: 'a'\n    shell: 'touch a'\n", "a")
    with pytest.raises(UsageError, match="is not in the git repository"):
        preconditions.changes_of(workflow, repository, "HEAD")


def test_outputs_lie_in_the_repository(make_workflow: Any, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    mirror = bare_mirror(tmp_path / "m")
    snakefile = f"rule a:\n    output: '{tmp_path}/outside', 'in'\n    shell: 'touch {{output}}'\n"
    single = job(make_workflow(snakefile, "in"), "a")
    with pytest.raises(ObstaclesError) as refused:
        job_preconditions.check_products(single, mirror)
    names = [name for each in refused.value.obstacles for name in each.names]
    assert f"{tmp_path}/outside" in names


def test_rules_without_outputs_are_told_of(make_workflow: Any, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    said: list[str] = []
    settings = SimpleNamespace(undeclared="keep")
    workflow = make_workflow("rule a:\n    shell: 'true'\n", executor_settings=settings)
    job_preconditions.check(workflow, bare_mirror(tmp_path / "m"), said.append)
    assert said and "Rules without outputs: a." in said[0] and "is kept" in said[0]


def test_no_job_has_more_threads_than_the_pool_has_cores(make_workflow: Any) -> None:
    snakefile = (
        "rule a:\n    output: 'a'\n    threads: 8\n    params: n=lambda w, threads: threads\n"
    )
    snakefile += "    shell: 'echo {params.n} > a'\n"
    workflow = make_workflow(snakefile, "a", resources=ResourceSettings(nodes=1, cores=16))
    single = job(workflow, "a")
    assert (single.threads, single.params.n) == (8, 8)
    job_preconditions.limit_threads(workflow, None)
    assert single.threads == 8
    job_preconditions.limit_threads(workflow, 2)
    assert (single.threads, single.params.n) == (2, 2)
