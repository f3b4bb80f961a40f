"""Snakemake's command line: what is put together for it, and what is read from it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitbatch_core import snakemake_command as command


def test_the_start_is_this_pythons_snakemake() -> None:
    assert command.argv(["-n"]) == [sys.executable, "-m", "snakemake", "-n"]
    assert command.argv([], safe_path=True) == [sys.executable, "-P", "-m", "snakemake"]


@pytest.mark.parametrize("chosen", [["-e", "slurm"], ["--executor", "slurm"], ["--executor=slurm"]])
def test_an_executor_that_the_user_chooses_stays(chosen: list[str]) -> None:
    assert command.executor(["all", *chosen]) == ()
    assert command.executor(["all", "--cores", "1"]) == ("--executor", "gitbatch")


def test_incomplete_outputs_are_made_anew_once() -> None:
    assert command.rerun_incomplete(["-j", "1"]) == ("--rerun-incomplete",)
    assert command.rerun_incomplete(["--rerun-incomplete"]) == command.rerun_incomplete(["--ri"])
    assert command.rerun_incomplete(["--ri"]) == ()


def test_a_reproduction_forces_only_the_rules_that_it_is_told() -> None:
    def words(*rules: str) -> tuple[str, ...]:
        return command.reproduction(
            "R", pool="local", snakefile=Path("/w/Snakefile"), folder=Path("/w"), rules=rules
        )

    assert "--forcerun" not in words()
    assert words("a", "b") == (*words(), "--forcerun", "a", "b")


@pytest.mark.parametrize(
    ("arguments", "cores", "jobs", "limits"),
    [
        ([], 2, None, ("--cores", "2", "--jobs", "2")),
        (["--jobs=5"], 2, None, ("--cores", "2")),
        (["--jobs=5"], None, 3, ("--jobs", "3")),
        (["--jobs=2"], 3, 5, ("--cores", "3", "--jobs", "5")),
        (["--jobs=2"], None, None, ()),
        ([], None, None, ("--jobs", str(os.cpu_count()))),
    ],
)
def test_what_the_user_limits_wins(
    arguments: list[str], cores: int | None, jobs: int | None, limits: tuple[str, ...]
) -> None:
    assert command.limits(arguments, cores=cores, jobs=jobs) == limits


def test_software_stays_where_it_is_if_any_is_used() -> None:
    prefixes = ("--conda-prefix", "/c", "--apptainer-prefix", "/i")
    folders = {"conda": Path("/c"), "images": Path("/i")}
    assert command.software_prefixes(["--deployment-method", "conda"], **folders) == prefixes
    assert command.software_prefixes(["--cores=2"], **folders) == ()


def test_the_chosen_pool() -> None:
    assert command.pool(["--gitbatch-pool", "local", "all"]) == "local"
    assert command.pool(["all", "--gitbatch-pool=htcondor"]) == "htcondor"
    assert command.pool(["all", "--gitbatch-pool"]) is None


def test_options_with_their_values() -> None:
    words = ["--cores=2", "--until", "a", "b", "--notemp"]
    assert list(command.options(words)) == [["--cores=2"], ["--until", "a", "b"], ["--notemp"]]
    assert command.is_set(words, "--cores") and command.is_set(words, "--notemp")
    assert not command.is_set(words, "--core")


def test_the_names_of_a_configuration() -> None:
    words = ["--config", "a=1", "b=x=y", "-p", "c=1", "-C", "d={e: 1}", "--config=f=2"]
    assert list(command.config_keys(words)) == ["a", "b", "d", "f"]
