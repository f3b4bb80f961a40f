"""Whether a job is the same where it runs as where the run was started, and if not, in what it
differs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitbatch_core.archive.layout import linked_object
from gitbatch_core.archive.walk import NOT_DATA
from gitbatch_core.errors import RunError
from gitbatch_core.model import documents
from gitbatch_core.model.masking import redact
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.wording import listed
from snakemake_executor_plugin_gitbatch.job import deployment
from snakemake_executor_plugin_gitbatch.job.job_description import LATER

_NAME = "comparison.json"
_FORMAT, _VERSION = "gitbatch-comparison", 1
_ABSENT = object()
_IN_MEMORY = re.compile(r"(?<= at )0x[0-9a-f]{6,}(?=>)")
"""Where an object lies, as Python says it of those without a text of their own."""
_QUOTED_QUOTE = "'\"'\"'"
"""A quote in what `shlex.quote` has quoted."""
_PATH_ENDS = r"(?=/|$|[\s'\"`;|<>():,&])"
_MAY_END = r"[\s'\"`;|<>():,&]"
_MOST_SHOWN = 5
_LONGEST_SHOWN = 600


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Compares what a job is in the worktree with what it is in the user's folder."""

    top: Path
    """The user's."""
    worktree: Path
    secrets: tuple[str, ...]
    """Names of the environment variables whose values neither side shows."""
    configuration: Any
    """The workflow's, as JSON data without the values of secrets."""
    written: tuple[str, ...] = ()
    """Inputs outside of the repository that the workflow has written while it was read."""
    passing: tuple[str, ...] = ()
    """Paths in the worktree at which the workflow has something only while it is read."""
    renamed: tuple[str, str] = ("", "")
    """A folder as the command line names it, by way of a link, and where that leads; or nothing."""

    def write(self, staging: Path) -> None:
        """Write it for the jobs of a run."""
        document = {"format": _FORMAT, "version": _VERSION, **vars(self)}
        document |= {"top": str(self.top), "worktree": str(self.worktree)}
        documents.write(staging / _NAME, document, mode=0o600)

    @classmethod
    def read(cls, staging: Path) -> Comparison:
        """Read what `write` has written. Raises FileNotFoundError, FormatError."""
        document = documents.read(staging / _NAME, format=_FORMAT, version=_VERSION)
        return cls(
            top=Path(document["top"]),
            worktree=Path(document["worktree"]),
            secrets=tuple(document["secrets"]),
            configuration=document["configuration"],
            written=tuple(document["written"]),
            passing=tuple(document["passing"]),
            renamed=tuple(document["renamed"]),
        )

    def job(self, expected: Mapping[str, Any], seen: Mapping[str, Any]) -> None:
        """Raise RunError where the two views of a single job differ, or where what is seen in the
        worktree leads back into the user's folder."""
        self._refuse_ways_back(seen)
        seen = deployment.anywhere(seen, self.worktree, self.top)
        expected, shown = self.real(expected), self.as_user(seen)
        command, other = expected["command"], shown["command"]
        if _unquoted(str(self.top)) in _unquoted(other["text"]) and _agree(
            _unquoted(command["text"]), _unquoted(other["text"])
        ):
            # Of two paths, one may need quotes and the other not.
            shown["command"] = other | {"text": command["text"]}
        self.same(expected, shown, f"The job of rule {seen['rule']}")

    def config(self, seen: Any) -> None:
        """Raise RunError where the workflow's configuration differs."""
        expected = {"config": self.real(self.configuration)}
        self.same(expected, {"config": self.as_user(seen)}, "The configuration")

    def redacted(self, value: Any) -> Any:
        """JSON data without the values of secrets."""
        return redact(value, [os.environ[name] for name in self.secrets if name in os.environ])

    def same(self, expected: Any, seen: Any, what: str) -> None:
        """Raise RunError with the places where the two differ."""
        differences = list(_differences(expected, seen, ""))
        if not differences:
            return
        lines = (
            f"{name}\n    run: {_short(there)}\n    job: {_short(here)}"
            for name, there, here in differences
        )
        raise RunError(
            f"{what} is not what it was when the run was started:\n{listed(lines, _MOST_SHOWN)}",
            hint="It must not depend on the time, random numbers, the host, the order of a set or "
            "of a folder's listing (use sorted()), environment variables without envvars:, or "
            "files that are neither in the commit nor frozen.",
        )

    def as_user(self, seen: Any) -> Any:
        """JSON data that is seen in the worktree as it would be in the user's folder."""
        return self.redacted(self.real(_replaced(seen, str(self.worktree), str(self.top))))

    def real(self, value: Any) -> Any:
        """JSON data of the user's folder without the link by which the command line reaches it."""
        return _replaced(value, *self.renamed) if self.renamed[0] else value

    def _refuse_ways_back(self, seen: Mapping[str, Any]) -> None:
        files = {*(each["path"] for each in seen["inputs"]), *seen["outputs"], *seen["logs"]}
        for text in _strings(seen):
            way_back = self._way_back(text, is_file=text in files)
            if way_back is not None:
                raise RunError(
                    f"{way_back}, of rule {seen['rule']}, is an absolute path into the repository: "
                    "the job would use your folder, not the worktree.",
                    hint="Make it relative, or build it from workflow.basedir.",
                )

    def _way_back(self, text: str, *, is_file: bool) -> str | None:
        """What in `text` leads into the user's folder, other than to what only that one has: a
        virtual environment, say."""
        text = text.replace(_QUOTED_QUOTE, "'")
        for home in ("~/", "$HOME/", "${HOME}/"):
            text = text.replace(home, f"{os.path.expanduser('~')}/")
        text = re.sub(re.escape(str(self.worktree)) + _PATH_ENDS, "", text)
        for match in re.finditer(re.escape(str(self.top)) + _PATH_ENDS, text):
            rest = text[match.end() :]
            if not rest.startswith("/"):
                return str(self.top)
            # Nobody can tell where in a command a path ends: what is there decides.
            ends = (len(rest), *(end.start() for end in re.finditer(_MAY_END, rest)))
            for relative in (rest[1:end].rstrip("/") for end in ends):
                if relative.partition("/")[0] in NOT_DATA:
                    continue
                if not is_file and self._lies_elsewhere(relative):
                    continue
                if is_file or os.path.lexists(self.worktree / relative):
                    return f"{self.top}/{relative}"
        return None

    def _lies_elsewhere(self, relative: str) -> bool:
        """Whether it is the same for both by way of a link that leads out of the repository: a
        virtual environment, say."""
        there = self.worktree / relative
        if there.is_symlink() and linked_object(os.readlink(there)) is not None:
            return False
        real = os.path.realpath(self.top / relative)
        inside = real == str(self.top) or real.startswith(f"{self.top}/")
        return not inside and os.path.realpath(there) == real


def renamed(workflow: Any, mirror: Mirror) -> tuple[str, str]:
    """The folder by which the command line reaches the Snakefile, and what that is without links;
    nothing where it is the same."""
    named = Path(workflow.main_snakefile)
    real = mirror.here(str(named))
    while named.name == real.name and named != real:
        named, real = named.parent, real.parent
    return ("", "") if named == real else (str(named), str(real))


def _replaced(value: Any, old: str, new: str) -> Any:
    """JSON data with the path `old` replaced in all of its strings, also where it is quoted."""
    if isinstance(value, str):
        quoted_old, quoted_new = (path.replace("'", _QUOTED_QUOTE) for path in (old, new))
        return value.replace(old, new).replace(quoted_old, quoted_new)
    if isinstance(value, Mapping):
        return {_replaced(k, old, new): _replaced(v, old, new) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replaced(item, old, new) for item in value]
    return value


def _unquoted(text: str) -> str:
    return text.replace("'", "").replace('"', "")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)


def _differences(there: Any, here: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    """The smallest parts that differ, with their names."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys((*there, *here)):
            inner = f"{name}.{key}" if name else str(key)
            yield from _differences(there.get(key, _ABSENT), here.get(key, _ABSENT), inner)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for number, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from _differences(one, other, f"{name}[{number}]")
    elif isinstance(there, list) and isinstance(here, list):
        yield name, _without(there, here), _without(here, there)
    elif not _agree(there, here):
        yield name, there, here


def _without(items: list[Any], others: list[Any]) -> Any:
    """Of many, what shows the difference."""
    return [item for item in items if item not in others] or items


def _agree(there: Any, here: Any) -> bool:
    if isinstance(there, str) and LATER in there:
        if there == LATER:
            return True
        return isinstance(here, str) and _fits(there.split(LATER), here)
    if isinstance(there, str) and isinstance(here, str):
        return _IN_MEMORY.sub("", there) == _IN_MEMORY.sub("", here)
    return type(there) is type(here) and repr(there) == repr(here)  # of zeros, too


def _fits(parts: list[str], text: str) -> bool:
    """Whether `text` is these parts with anything between them. Of many ways to lay them out the
    first is as good as any."""
    first, *middle, last = parts
    place, end = len(first), len(text) - len(last)
    if place > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for part in middle:
        place = text.find(part, place, end) + len(part)
        if place < len(part):
            return False
    return True


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "(nothing)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.strip("\n").replace("\n", "\n         ")
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]} …"
