"""The environment of jobs: the stated variables, and the secret ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from gitbatch_core.model.documents import Document
from gitbatch_core.pools.base_environment import start_environment
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.job import deployment, job_description, resources

_CACHE = "SNAKEMAKE_OUTPUT_CACHE"
"""Where outputs of rules with `cache:` are kept between workflows."""
_OF_SNAKEMAKE = (_CACHE, "PYTHONHASHSEED")
_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
"""What the user has moved out of HOME, which may be full, or read-only where jobs run."""
_OF_GIT = ("GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM")
_OF_MODULES = re.compile(
    r"""BASH_FUNC_(module|ml|_module_raw|switchml)(%%|\(\))  # as bash exports functions
    |LOADEDMODULES|_LMFILES_\w*|MODULE\w*|\w+_modshare|__MODULES_\w*
    |(__)?LMOD_\w*|_ModuleTable\w*
    """,
    re.VERBOSE,
)
"""A site's command `module`, where it is a function of the shell that has started the run, and its
settings and state: of Environment Modules, of Lmod."""
_SHELL_START = "BASH_ENV"
"""A file that each bash reads first: where some sites define `module`."""
_CALLS_MODULE = re.compile(r"(?<![\w./-])(module|ml)\s")
_HARMLESS_SETTING = re.compile(
    r"(advice|author|color|committer|core|diff|gc|index|init|pack|protocol|safe|user)\.", re.I
)
_HARMLESS_VALUE = re.compile(r"[A-Za-z]{0,8}|\d*|[a-z+]+://[^@\s]*|git@[\w.-]+:\S*")
_URL_WITH_TOKEN = re.compile("://[^/]*@")
_PASSWORD = re.compile(r"(pass|password|token)$", re.I)
_HARMLESS = frozenset({"HOSTNAME", "LOGNAME", "SHELL", "TERM"})
"""Of what `getenv` may bring; as secrets, they would be taken out of every log."""
_SEARCH_PATHS = frozenset({"PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "MODULEPATH"})


def secrets(workflow: Any) -> dict[str, str]:
    """What `envvars:` and storages ask for, less what every job has anyway; and of git's settings
    those that may be of credentials."""
    wanted = workflow.spawned_job_args_factory.envvars() | git_settings(secret=True)
    return {name: value for name, value in wanted.items() if name not in start_environment()}


def of_jobs(mirror: Mirror) -> dict[str, str]:
    """The jobs' environment, without the pool's own TMPDIR. Search paths into the user's folder
    lead to the worktree, where that has the folder: a virtual environment stays where it is."""
    variables = start_environment()
    variables.pop("TMPDIR", None)
    for name, value in os.environ.items():
        if name in (*_OF_SNAKEMAKE, *_FOLDERS, *_OF_GIT) or _OF_MODULES.fullmatch(name):
            variables[name] = value
    variables |= git_settings(secret=False)
    if _CACHE in variables:
        variables[_CACHE] = os.path.abspath(variables[_CACHE])
    for name in _SEARCH_PATHS & variables.keys():
        folders = variables[name].split(os.pathsep)
        variables[name] = os.pathsep.join(_in_worktree(folder, mirror) for folder in folders)
    return variables


def for_record(variables: dict[str, str], secrets: Iterable[str]) -> Document:
    """The environment by name, with values only of harmless variables."""
    harmless = ("LANG", "PATH", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX")
    values = {
        name: value
        for name, value in variables.items()
        if name in harmless or name.startswith("LC_")
    }
    return {"names": sorted({*variables, *secrets}), "values": values}


def brought(job: Any, stated: dict[str, str], *, title: str, mirror: Mirror) -> dict[str, str]:
    """What the resources `getenv` and `environment` of a job bring, less what is stated anyway:
    as private as `envvars:`. What `environment` says of a stated variable goes into `stated`, and
    so does what only jobs with modules get."""
    named = resources.variables(job, title=title)
    if (start := os.environ.get(_SHELL_START)) is not None and _has_modules(job):
        if os.path.isfile(start):
            stated[_SHELL_START] = _in_worktree(start, mirror)
        else:  # bash expands it, whatever it holds
            named.setdefault(_SHELL_START, start)
    for name in named.keys() & (stated.keys() | _HARMLESS):
        if name not in stated or named[name] != os.environ.get(name):
            stated[name] = named[name]
    return {name: value for name, value in named.items() if name not in stated}


def _has_modules(job: Any) -> bool:
    """Whether a job loads modules: by `envmodules:`, or by itself."""
    return any(
        "modules" in deployment.used(member)
        or (member.is_shell and _CALLS_MODULE.search(member.shellcmd or ""))
        for member in job_description.members(job)
    )


def git_settings(*, secret: bool) -> dict[str, str]:
    """Of the settings of git that the environment gives one by one, as containers and CI allow git
    a repository of another user and give it tokens: `GIT_CONFIG_KEY_0`, `GIT_CONFIG_VALUE_0` and so
    on, what may be secret or what cannot be."""
    variables = {}
    for name, key in os.environ.items():
        if number := re.fullmatch(r"GIT_CONFIG_KEY_(\d+)", name):
            of_value = f"GIT_CONFIG_VALUE_{number[1]}"
            value = os.environ.get(of_value, "")
            if bool(_URL_WITH_TOKEN.search(key)) == secret:
                variables[name] = key
            if _is_secret(key, value) == secret:
                variables[of_value] = value
    return variables


def _is_secret(key: str, value: str) -> bool:
    """Whether the value of a setting may be. Not any word or address: it would be taken out of all
    commands, records and logs."""
    if _PASSWORD.search(key):
        return True
    return not (_HARMLESS_SETTING.match(key) or _HARMLESS_VALUE.fullmatch(value))


def _in_worktree(folder: str, mirror: Mirror) -> str:
    inside = os.path.isabs(folder) and mirror.relative(folder) is not None
    # Behind a link it may lie elsewhere all the same.
    if not inside or mirror.inner(os.path.realpath(folder)) is None:
        return folder
    return str(there) if (there := mirror.there(folder)).exists() else folder
