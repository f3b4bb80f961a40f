"""What stands around shell commands."""

from __future__ import annotations

from pathlib import Path

from snakemake.shell import shell

from snakemake_executor_plugin_gitbatch.snakemake_internals import shell_command


def test_prefix_and_suffix_are_what_snakemake_puts_around_a_command(folder: Path) -> None:
    assert shell_command.prefix() == "set -euo pipefail; " and not shell_command.suffix()
    shell.prefix("x=1; ")
    shell.suffix("; echo $y >> out")
    assert (shell_command.prefix(), shell_command.suffix()) == ("x=1; ", "; echo $y >> out")
    shell("y=$x-2")
    assert (folder / "out").read_text() == "1-2\n"
