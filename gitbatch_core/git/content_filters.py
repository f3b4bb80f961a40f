"""What converts a blob of git into a file: filters, and git's own conversions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.git import content_pointers
from gitbatch_core.git.repository import Repository, call, decode

_ATTRIBUTES = ("filter", "ident", "working-tree-encoding", "text", "eol", "crlf")
_NOT = ("unspecified", "unset")


@dataclass(frozen=True, kw_only=True)
class Conversions:
    """By path, relative to the top of a work tree; those of submodules are their own."""

    pointers: frozenset[str]
    """Files whose filter makes and resolves pointers."""
    others: dict[str, str]
    """Files that a checkout may give other bytes than git has: by what."""

    @classmethod
    def of(cls, repository: Repository, top: Path, paths: Iterable[str]) -> Conversions:
        """Of these files in the work tree `top` of the repository."""
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        answer = call(top, "check-attr", "-z", "--stdin", *_ATTRIBUTES, input=names).split(b"\0")
        is_crlf = _is_crlf(repository)
        resolved, others = set(), {}
        step = 3 * len(_ATTRIBUTES)
        for start in range(0, len(answer) - step, step):
            values = [value.decode() for value in answer[start + 2 : start + step : 3]]
            if values == ["unspecified"] * len(_ATTRIBUTES) and not is_crlf:
                continue
            path = decode(answer[start])
            if values[0] in content_pointers.FILTERS:
                resolved.add(path)
            elif reason := _reason(*values, is_crlf=is_crlf):
                others[path] = reason
        return cls(pointers=frozenset(resolved), others=others)


def _is_crlf(repository: Repository) -> bool:
    """Whether text gets DOS line ends where no attribute says anything of them."""
    automatic = (repository.config("core.autocrlf") or "").lower()
    ends = (repository.config("core.eol") or "").lower()
    return automatic in ("true", "yes", "on", "1") or (automatic != "input" and ends == "crlf")


def _reason(
    filter: str, ident: str, encoding: str, text: str, eol: str, crlf: str, *, is_crlf: bool
) -> str:
    """What converts a file with these attributes; nothing: no one does."""
    if filter not in (*_NOT, "set"):
        return f"filter={filter}"
    if ident == "set":
        return "ident"
    if encoding not in (*_NOT, "set"):
        return f"working-tree-encoding={encoding}"
    is_text = "unset" not in (text, crlf if text == "unspecified" else "")
    has_crlf = eol == "crlf" or (is_crlf and eol != "lf" and crlf != "input")
    return "line endings" if is_text and has_crlf else ""
