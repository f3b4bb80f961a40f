"""Software that is neither code of the commit nor declared by a rule, for the record: the Python
packages beside Snakemake, and the programs that commands name."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from string import Template
from typing import Any

_INTERPRETERS = {
    ".py": sys.executable,
    ".R": "Rscript",
    ".Rmd": "Rscript",
    ".jl": "julia",
    ".rs": "rust-script",
    ".sh": "bash",
    ".xsh": "xonsh",
    ".hy": "hy",
}
"""What Snakemake runs scripts with, by the end of their names."""

_HERE_DOCUMENT = re.compile(
    r"(?<!<)(<<-?[ \t]*(['\"]?)(\w+)\2[^\n]*\n).*?^\s*\3[ \t]*$", re.DOTALL | re.MULTILINE
)
_PIECE = re.compile(
    r"""
      (?P<start> [;|\n`] | (?<![<>])&(?!>) | \$?\( | (?<![$\w]){(?=\s) )
    | (?<![^\s;&|(]) \# [^\n]*
    | (?P<word> (?: \\. | '[^']*' | "(?:\\.|[^"\\])*" | [^\s;&|()`'"\\] )+ )
    | .
    """,
    re.DOTALL | re.VERBOSE,
)
_DOUBLE_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_SUBSTITUTION = re.compile(r"\$\(|`")
_NO_COMMAND = re.compile(r"-|\w+\+?=|[\d.]+[smhd]?$|.*[<>]", re.DOTALL)
"""Assignments, redirections, and what stands between `nice` or `timeout` and their command."""
_BEFORE_COMMANDS = """
! do elif else env exec command if nice nohup setsid stdbuf then time timeout until while xargs
"""
_OF_THE_SHELL = """
! . : [ [[ ]] alias bg bind break builtin caller case cd command compgen complete compopt continue
coproc declare dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi
for function getopts hash help history if in jobs kill let local logout mapfile popd printf pushd
pwd read readarray readonly return select set shift shopt source suspend test then time times trap
true type typeset ulimit umask unalias unset until wait while { }
"""
_BRING_OTHERS = ". conda eval mamba micromamba ml module source spack"
_SETS_PATH = re.compile(r"\bPATH\+?=")


def packages() -> dict[str, str]:
    """Name -> version of the Python packages that this interpreter finds, sorted. Names as on
    package indexes, in lower case with hyphens."""
    versions: dict[str, str] = {}
    for folder in sys.path:
        try:
            entries = os.listdir(folder or ".")
        except OSError:  # an archive, or not there
            continue
        for entry in entries:
            stem, end = os.path.splitext(entry)
            if end in (".dist-info", ".egg-info"):
                # What the folder is called, as opening each would take long on a shared disk.
                name, _, rest = stem.partition("-")
                version = rest.partition("-")[0] or _version(Path(folder, entry))
                versions.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return dict(sorted(versions.items()))


def _version(path: Path) -> str:
    try:
        return metadata.Distribution.at(path).version or ""  # None where it is not stated
    except KeyError:
        return ""


def programs(
    members: Iterable[Mapping[str, Any]], variables: Mapping[str, str], *, prefix: str = ""
) -> tuple[str, ...]:
    """Names and paths of what may be programs in the commands of single jobs, as a job record's
    `members` has these; `prefix` is what Snakemake puts before shell commands.

    Nothing of those whose programs come from elsewhere than the `PATH` of `variables`.
    """
    words: dict[str, None] = {}
    for member in members:
        kind, text = member["command"]["kind"], member["command"]["text"]
        if member["software_used"]:
            continue
        if kind == "shell":
            for word in shell_programs(f"{prefix}\n{text}"):
                expanded = os.path.expanduser(Template(word).safe_substitute(variables))
                words.setdefault(expanded)
        elif kind == "script" and (program := _INTERPRETERS.get(os.path.splitext(text)[1])):
            words.setdefault(program)
    return tuple(words)


def shell_programs(text: str) -> set[str]:
    """The words of a shell command that may name programs: more than do, rather than fewer. None
    where the command itself says where its programs come from."""
    words = set(_first_words(_HERE_DOCUMENT.sub(r"\1", text.replace("\\\n", " "))))
    if words.intersection(_BRING_OTHERS.split()) or _SETS_PATH.search(text):
        return set()
    return words.difference(_OF_THE_SHELL.split())


def _first_words(text: str) -> Iterator[str]:
    """The first word of each simple command."""
    at_start, before = True, _BEFORE_COMMANDS.split()
    for piece in _PIECE.finditer(text):
        if piece["start"]:
            at_start = True
        elif word := piece["word"]:
            for quoted in _DOUBLE_QUOTED.findall(word):
                for inner in _SUBSTITUTION.split(quoted)[1:]:
                    yield from _first_words(inner)
            plain = re.sub(r"\\(.)|['\"]", r"\1", word, flags=re.DOTALL)
            if at_start and plain and not _NO_COMMAND.match(plain):
                yield plain
                at_start = plain in before
