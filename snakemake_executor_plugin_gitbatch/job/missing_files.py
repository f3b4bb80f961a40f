"""Files, folders or environment variables that a failed job lacked and the user has, and how jobs
can get them."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator

from gitbatch_core.git import work_tree_status
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.wording import typed


def _error(words: str) -> re.Pattern[str]:
    """As Python and as programs say it of a file."""
    name = r"""(?:'([^'\n]+)'|([^\s:'"]+)['"]?)"""
    return re.compile(rf"""{words}: ['"](.+?)['"]$|{name}: {words}""", re.MULTILINE)


_MISSING, _DENIED = _error("No such file or directory"), _error("Permission denied")
_UNSET = re.compile(
    r"""\bKeyError(?:\ in\ file\ .*)?:\s'(\w+)'  # as Python and Snakemake say it
    |\b(\w+):\ unbound\ variable  # as bash does
    """,
    re.VERBOSE,
)


def denied(said: Iterable[str]) -> set[str]:
    """Files that could not be opened, as programs name them."""
    return _named(_DENIED, said)


def explained(said: Iterable[str], mirror: Mirror, stated: Container[str]) -> Iterator[str]:
    """`said`: the last words of the job; `stated`: the names of its environment variables."""
    said = list(said)
    paths = sorted({each for name in _named(_MISSING, said) if (each := _only_here(name, mirror))})
    to_add = {path: path if is_needed else f"{path}/.gitkeep" for path, is_needed in paths}
    ignored = work_tree_status.ignored(mirror.top, to_add.values())
    for path, is_needed in paths:
        name = typed(to_add[path])
        add = f"git add {'-f ' if to_add[path] in ignored else ''}-- {name}; git commit"
        if is_needed:
            yield (
                f"{_shown(path)} exists only in your folder; jobs see the commit and their inputs. "
                f"Commit it ({add}), or declare it as input and freeze it (gitbatch freeze {name})."
            )
        else:
            yield (
                f"The folder {_shown(path)} exists only in your folder; jobs see the commit, and "
                "git cannot store empty folders. Create it in the rule (mkdir -p), or commit a "
                "file in it "
                f"(touch {name}; {add})."
            )
    for name in sorted(_named(_UNSET, said)):
        if name in os.environ and name not in stated:
            yield (
                f"Jobs do not get the environment variable {name}, which you have. Declare it in "
                f'the Snakefile, envvars: "{name}", or for a rule, resources: getenv="{name}".'
            )


def _named(pattern: re.Pattern[str], said: Iterable[str]) -> set[str]:
    names = {name for text in said for groups in pattern.findall(text) for name in groups if name}
    return {name for name in names if "\0" not in name}


def _only_here(name: str, mirror: Mirror) -> tuple[str, bool] | None:
    """What only the user's folder has of a path, absolute: itself, and whether it was to be read;
    else the folder that it was to be written in."""
    if mirror.relative(name) is None or os.path.lexists(mirror.there(name)):
        return None
    here = mirror.here(name)
    if os.path.exists(here):  # also for what is too long to be a name
        return str(here), not os.path.isdir(here) or bool(os.listdir(here))
    folder = os.path.dirname(here)
    if os.path.isdir(folder) and not os.path.lexists(mirror.there(folder)):
        return folder, False
    return None


def _shown(path: str) -> str:
    """As in the working directory, where it lies there."""
    shown = os.path.relpath(path)
    return path if shown.startswith("../") else shown
