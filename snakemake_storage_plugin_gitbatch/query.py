"""What a query means. Pure: no I/O.

gitbatch://xxh3:<32 hex>/<path>    an object (the path says what its local copy is called), or
gitbatch://blake3:<64 hex>/<path>  what a tree has at the path; without a path, the whole tree
gitbatch://<tag-or-run>/<path>     an output of a run, or what a folder that it made has there
gitbatch://name/<prefix>/<path>    a name in the archive; the one kind that can be written
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from snakemake_interface_storage_plugins.io import WILDCARD_REGEX

from gitbatch_core.archive.layout import Address, check_path, name_path
from gitbatch_core.errors import GitbatchError, UsageError

SCHEME = "gitbatch://"
_ANY = "\N{REPLACEMENT CHARACTER}"
"""Stands for a wildcard while a query is checked."""


class QueryKind(enum.Enum):
    """What the first part of a query says."""

    ADDRESS = "address"
    RUN = "run"
    NAME = "name"


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A query of this storage. It may hold wildcards."""

    kind: QueryKind
    head: str
    """The address; empty for others: how much of a tag's name there is, the repository says."""
    path: str
    """What follows: the path, the name, or tag and path."""

    @property
    def local_suffix(self) -> str:
        """Where its local copy lies: its own text, without colons, which many tools do not take
        for part of a path.

        What may be a folder, or a part of one, goes below its depth: so no local copy lies in
        another one, which Snakemake would then take for complete.
        """
        if self.kind is QueryKind.NAME:  # no name lies below another one
            return f"name/{self.path}"
        text = "/".join(filter(None, (self.head.replace(":", "-", 1), self.path)))
        return f"{text.count('/')}/{text}"


def parse(text: str) -> Query:
    """The query that `text` writes. Raises UsageError, FormatError."""
    if not text.startswith(SCHEME):
        raise UsageError(f"A query for gitbatch begins with `{SCHEME}`.")
    head, _, path = _split(text.removeprefix(SCHEME).removesuffix("/"))
    if head == "name":
        query = Query(kind=QueryKind.NAME, head="", path=path)
        name_path(_plain(path))
    elif ":" in _plain(head) or head in ("xxh3", "blake3"):
        query = Query(kind=QueryKind.ADDRESS, head=head, path=path)
        if _ANY not in _plain(head):
            Address.parse(head)
        if path:
            check_path(_plain(path))
    else:
        query = Query(kind=QueryKind.RUN, head="", path="/".join(filter(None, (head, path))))
        if not path:
            raise UsageError(
                f"{text} names no output.",
                hint=f"{SCHEME}<tag-or-run>/<path>, or {SCHEME}name/<prefix>/<path>",
            )
        check_path(_plain(query.path))
    return query


def reason_against(text: str) -> str | None:
    """Why `text` is not a query of this storage, on one line; None: it is one."""
    try:
        parse(text)
    except GitbatchError as error:
        return " ".join(filter(None, (error.message.rstrip("."), error.hint)))
    return None


def _plain(text: str) -> str:
    """`text` with a character in the place of each wildcard: what is in its braces is no path."""
    return str(WILDCARD_REGEX.sub(_ANY, text))


def _split(text: str) -> tuple[str, str, str]:
    """`text` before and after its first slash that is not part of a wildcard."""
    position = 0
    for match in WILDCARD_REGEX.finditer(text):
        slash = text.find("/", position, match.start())
        if slash >= 0:
            break
        position = match.end()
    slash = text.find("/", position)
    return (text, "", "") if slash < 0 else (text[:slash], "/", text[slash + 1 :])
