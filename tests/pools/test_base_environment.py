"""What a job's process is started with."""

from __future__ import annotations

from gitbatch_core.pools.base_environment import public_environment, start_environment

SHELL = {
    "PATH": "/my bin:/usr/bin",
    "LC_ODD": "a\n'b' \"c\"",
    "CONDA_TOKEN": "t0ken",
    "TMPDIR": "/scratch/42",
    "AWS_SECRET_ACCESS_KEY": "t0ken",
    "PATH_OF_MINE": "x",
    "MY_LC_ALL": "x",
    "LD_PRELOAD": "x",
}


def test_it_has_what_a_runner_needs_and_nothing_else() -> None:
    assert start_environment(SHELL) == {
        name: SHELL[name] for name in ("PATH", "LC_ODD", "CONDA_TOKEN", "TMPDIR")
    }


def test_what_everybody_can_read_has_no_tokens() -> None:
    assert public_environment(SHELL) == {name: SHELL[name] for name in ("PATH", "LC_ODD")}


def test_an_empty_one_stays_empty() -> None:
    """It does not stand for this process's."""
    assert start_environment({}) == {} == public_environment({})
