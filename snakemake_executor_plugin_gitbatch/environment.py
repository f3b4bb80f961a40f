"""The environment that jobs get: what is stated, and what is secret."""

from __future__ import annotations

import os
from typing import Any

from gitbatch_core.errors import RunError
from gitbatch_core.pools.environment import start_environment
from gitbatch_core.records import redact
from gitbatch_core.runs.twin import Twin
from snakemake_executor_plugin_gitbatch import jobspec, resources

_CACHE = "SNAKEMAKE_OUTPUT_CACHE"
"""Where outputs of rules with `cache:` are kept between workflows."""
_OF_SNAKEMAKE = (_CACHE, "PYTHONHASHSEED")
_HARMLESS = frozenset({"HOSTNAME", "LOGNAME", "SHELL", "TERM"})
"""Of what `getenv` may bring; as secrets, they would be taken out of every log."""
_SEARCH_PATHS = frozenset({"PATH", "PYTHONPATH", "LD_LIBRARY_PATH"})


def secrets(workflow: Any) -> dict[str, str]:
    """What `envvars:` and storages ask for, less what every job has anyway."""
    wanted = workflow.spawned_job_args_factory.envvars()
    return {name: value for name, value in wanted.items() if name not in start_environment()}


def of_jobs(twin: Twin) -> dict[str, str]:
    """The jobs' environment, without the pool's own TMPDIR. Search paths into the user's folder
    lead to the worktree, where that has the folder: a virtual environment stays where it is."""
    found = start_environment()
    found.pop("TMPDIR", None)
    for name in _OF_SNAKEMAKE:
        if name in os.environ:
            found[name] = os.environ[name]
    if _CACHE in found:
        found[_CACHE] = os.path.abspath(found[_CACHE])
    for name in _SEARCH_PATHS & found.keys():
        folders = found[name].split(os.pathsep)
        found[name] = os.pathsep.join(_in_worktree(folder, twin) for folder in folders)
    return found


def brought(job: Any, stated: dict[str, str], *, title: str) -> dict[str, str]:
    """What the resources `getenv` and `environment` of a job bring, less what is stated anyway:
    as private as `envvars:`. What `environment` says of a stated variable goes into `stated`."""
    named = resources.variables(job, title=title)
    for name in named.keys() & (stated.keys() | _HARMLESS):
        if name not in stated or named[name] != os.environ.get(name):
            stated[name] = named[name]
    return {name: value for name, value in named.items() if name not in stated}


def check_names(member: Any, values: list[str]) -> None:
    """Raise RunError where a file that a single job writes is called by a secret."""
    for path in map(str, (*member.output, *jobspec.log_paths(member))):
        if redact(path, values) != path:
            raise RunError(
                f"The name of a file of rule {member.rule.name} holds the value of an environment "
                "variable that envvars: declares.",
                hint="Such values are secrets, and names stand in records and in git: use "
                "--config for this one.",
            )


def _in_worktree(folder: str, twin: Twin) -> str:
    inside = os.path.isabs(folder) and twin.relative(folder) is not None
    # Behind a link it may lie elsewhere all the same.
    if not inside or twin.inner(os.path.realpath(folder)) is None:
        return folder
    return str(there) if (there := twin.there(folder)).exists() else folder
