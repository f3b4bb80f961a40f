"""Snakemake's command line: how it is started, and what arguments say. No other module here passes
or reads its options, or those that the executor plugin adds; messages name them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_EXECUTOR, _POOL, _JOBS = "--executor", "--gitbatch-pool", "--jobs"
_CONFIG = ("--config", "-C")
_RERUN_INCOMPLETE = ("--rerun-incomplete", "--ri")


def argv(arguments: Sequence[str], *, safe_path: bool = False) -> list[str]:
    """The command that starts it. `safe_path`: modules in the working directory are not imported
    in the place of others (option -P of Python)."""
    return [sys.executable, *(["-P"] if safe_path else []), "-m", "snakemake", *arguments]


def executor(arguments: Sequence[str]) -> tuple[str, ...]:
    """What chooses this executor, unless the arguments choose one."""
    is_chosen = is_set(arguments, _EXECUTOR) or "-e" in arguments
    return () if is_chosen else (_EXECUTOR, "gitbatch")


def archive(root: Path | str) -> tuple[str, ...]:
    """What chooses the archive."""
    return "--gitbatch-archive", str(root)


def message(text: str) -> tuple[str, ...]:
    """What says what the run is for."""
    return "--gitbatch-message", text


def rerun_incomplete(arguments: Sequence[str]) -> tuple[str, ...]:
    """What makes outputs anew that a killed process may have left unfinished, unless the arguments
    do it already."""
    return () if any(word in _RERUN_INCOMPLETE for word in arguments) else _RERUN_INCOMPLETE[:1]


def config_file(path: Path) -> tuple[str, ...]:
    """What has the configuration read from a file, too."""
    return "--configfile", str(path)


def reproduction(
    run: str, *, pool: str, snakefile: Path, folder: Path, rules: Sequence[str]
) -> tuple[str, ...]:
    """What runs everything again in `folder`, as far as it can, and reuses nothing. `rules`: those
    whose outputs may be there and are made all the same."""
    return (
        *(_EXECUTOR, "gitbatch", _POOL, pool),
        *("--gitbatch-reuse", "off", "--gitbatch-tag", "none"),
        *message(f"reproduction of {run}"),
        # A profile's arguments are among those that the run has recorded.
        *("--workflow-profile", "none"),
        *("--snakefile", str(snakefile), "--directory", str(folder)),
        "--keep-going",
        *(("--forcerun", *rules) if rules else ()),
    )


def software_prefixes(arguments: Sequence[str], *, conda: Path, images: Path) -> tuple[str, ...]:
    """Where environments and container images are, if the arguments use any."""
    if not is_set(arguments, "--deployment-method"):
        return ()
    return "--conda-prefix", str(conda), "--apptainer-prefix", str(images)


def limits(arguments: Sequence[str], *, cores: int | None, jobs: int | None) -> tuple[str, ...]:
    """What limits the cores, if they are limited, and the number of jobs: to that of the arguments
    if `jobs` is None, else to that of cores."""
    words = () if cores is None else ("--cores", str(cores))
    if jobs is None and is_set(arguments, _JOBS):
        return words
    return *words, _JOBS, str(jobs or cores or os.cpu_count() or 1)


def pool(arguments: Sequence[str]) -> str | None:
    """The pool that the arguments choose."""
    words = [part for word in arguments for part in word.split("=", 1)]
    return words[words.index(_POOL) + 1] if _POOL in words[:-1] else None


def is_set(arguments: Sequence[str], option: str) -> bool:
    """Whether the option is among the arguments, with its value in the same word or the next."""
    return any(word == option or word.startswith(f"{option}=") for word in arguments)


def options(arguments: Sequence[str]) -> Iterator[list[str]]:
    """Each option of recorded arguments with its values."""
    option: list[str] = []
    for word in arguments:
        if word.startswith("--") and option:
            yield option
            option = []
        option.append(word)
    if option:
        yield option


def config_keys(arguments: Sequence[str]) -> Iterator[str]:
    """The names of the configuration's values that the arguments set."""
    is_config = False
    for word in arguments:
        name, _, value = word.partition("=")
        if name in _CONFIG:
            is_config = True
            word = value
        elif word.startswith("-"):
            is_config = False
        if is_config and "=" in word:
            yield word.partition("=")[0]
