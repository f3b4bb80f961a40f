"""What Snakemake puts around each shell command: `shell.prefix`, `shell.suffix`, and `set -euo
pipefail` for bash."""

from __future__ import annotations

from snakemake.shell import shell


def prefix() -> str:
    """What comes before it."""
    text: str = shell._get_process_prefix()
    return text


def suffix() -> str:
    """What comes after it."""
    text: str = shell._process_suffix
    return text
