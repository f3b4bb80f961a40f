"""What the command line says of resources is said again, with nothing more and nothing less."""

from __future__ import annotations

from types import SimpleNamespace

from snakemake import cli
from snakemake.settings.types import ResourceSettings

from snakemake_executor_plugin_gitbatch.snakemake_internals.resource_arguments import arguments


def composed(*words: str) -> tuple[str, ...]:
    """What another Snakemake is given where one was given `words`."""
    _, args = cli.parse_args([*words])
    settings = ResourceSettings(
        default_resources=args.default_resources, overwrite_resources=args.set_resources
    )
    return arguments(SimpleNamespace(resource_settings=settings))


def test_what_was_given_is_given_again() -> None:
    assert composed() == ()
    given = ["--default-resources", "mem=attempt*1000", "site='a b'", "--set-resources"]
    given += ["a:mem=str(attempt)+'GB'", "a:disk_mb=3"]
    found = composed(*given)
    assert {*given} <= {*found} and composed(*found) == found
    # Even where it is nothing, others come along.
    for given in (["--default-resources", "tmpdir='/x'"], ["--default-resources"]):
        found = composed(*given)
        assert {*given} <= {*found} and composed(*found) == found
