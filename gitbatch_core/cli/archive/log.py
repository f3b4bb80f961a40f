"""gitbatch archive log: all versions of an output, the latest first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.errors import GitbatchError, NotInArchiveError
from gitbatch_core.log import suppressed
from gitbatch_core.provenance.resolve import Resolver
from gitbatch_core.provenance.versions import Version, versions
from gitbatch_core.wording import typed

if TYPE_CHECKING:
    import argparse

    from gitbatch_core.archive.store import Archive


def log(archive: Archive, arguments: argparse.Namespace) -> int:
    """One line for each version; `*` marks the one that is in the folder now."""
    repository = arguments.repository
    resolver = Resolver(archive=archive, repository=repository, folder=Path.cwd())
    every, path = [], arguments.path
    for path in resolver.paths(arguments.path):
        if every := versions(archive, repository, path):
            break
    if not every:
        raise NotInArchiveError(
            f"No run has made {arguments.path}.",
            hint="gitbatch archive ls shows what there is. What was frozen has the versions that "
            f"git knows: git log -- {typed(repository.top / path if repository else path)}",
        )
    foreign = [v for v in every if repository and v.subject is None]
    shown = every if arguments.all else [version for version in every if version not in foreign]
    now = ""
    if repository is not None and os.path.lexists(repository.top / path):
        with suppressed(GitbatchError):
            now = str(resolver.resolve(str(repository.top / path)).address)
    if arguments.json:
        output.print_json(
            [version.as_json() | {"in_folder": version.address == now} for version in shown]
        )
    else:
        output.table([_row(version, now) for version in shown], right=frozenset({5}))
    if len(shown) < len(every):
        output.message(
            f"{len(every) - len(shown)} more, of commits that this repository does not have: --all"
        )
    return 0


def _row(version: Version, now: str) -> tuple[str, ...]:
    marks = ["TAINTED"] if version.tainted else []
    marks += [version.outcome] if version.outcome not in ("", "succeeded") else []
    marks += [f"from {version.made_by}"] if version.made_by not in ("", version.run) else []
    marks += ["made without gitbatch"] if not version.made_by else []
    marks += ["temporary"] if not version.kept else []
    subject = version.subject if version.subject is not None else f"(on {version.host})"
    text = output.cut(subject, 50)
    if version.message:
        text += f"  {output.cut(version.message, 50)}"
    return (
        "*" if version.address == now else "",
        version.address[: version.address.index(":") + 9],
        version.run,
        version.time.replace("T", " ")[:16],
        output.printable(version.rule) or "-",
        output.human_size(version.size),
        version.commit[:10],
        text + (f"  [{', '.join(marks)}]" if marks else ""),
    )
