"""A dry run looks at what a start would refuse, and leaves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snakemake import cli

from gitbatch_core.errors import UsageError
from snakemake_executor_plugin_gitbatch.snakemake_internals import dry_run, dry_run_traces
from snakemake_executor_plugin_gitbatch.snakemake_internals.dry_run import DryRun

SNAKEFILE = """
    rule a:
        output: "a"
        shell: "touch {output}"
"""


def test_the_next_dry_run_acts_first_and_no_other(make_workflow: Any) -> None:
    settings, seen = object(), []

    def act(workflow: Any, logger: Any) -> None:
        assert workflow.executor_settings is settings
        seen.append([job.rule.name for job in workflow.dag.needrun_jobs()])

    make_workflow(SNAKEFILE, "a")
    dry_run.watch(settings, act)
    for _ in range(2):
        make_workflow(SNAKEFILE, "a", executor="dryrun")
        assert seen == [["a"]]


def test_arguments_with_which_nothing_runs_are_refused() -> None:
    _, args = cli.parse_args(["--cores", "1"])
    for name in dry_run.OTHER_ACTIONS:
        assert hasattr(args, name), f"Snakemake calls --{name.replace('_', '-')} otherwise"
    with pytest.raises(UsageError, match="With --unlock Snakemake starts no run"):
        DryRun.of(["--unlock"])


def test_a_dry_run_goes_by_the_arguments_of_a_start(make_workflow: Any, folder: Path) -> None:
    make_workflow(SNAKEFILE, "a")
    start = DryRun.of(["--executor", "gitbatch", "--directory", "x", "--gitbatch-pool", "local"])
    assert (start.executor, start.directory) == ("gitbatch", "x")
    assert start.settings.pool == "local"
    start = DryRun.of(["--directory", "x", "--quiet", "all", "--", "a"])
    with dry_run_traces.removed(folder / "x"):
        assert start.begin()
        assert (folder / "x" / ".snakemake").exists()
    assert not (folder / "x").exists()
    assert not DryRun.of(["--quiet", "all", "--", "unheard of"]).begin()


def test_what_a_dry_run_leaves_is_forgotten(folder: Path) -> None:
    (folder / "Snakefile").write_text("rule a:\n    output: 'a'\n    shell: 'touch a'\n")
    assert DryRun.of(["--quiet", "all"]).begin()
    assert (folder / ".snakemake").exists()
    dry_run_traces.forget(folder)
    assert [path.name for path in folder.iterdir()] == ["Snakefile"]
