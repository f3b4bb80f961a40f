"""Which copy belongs to which script: Snakemake runs a copy, with lines of its own before it, and
removes it. Messages refer to the script itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_NAME = "scripts.jsonl"
_LINE = r"(?P<between>['\"]?(?:, line |: line |:))(?P<line>\d+)"
"""How Python, bash and others say where."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One copy of a script."""

    name: str
    """Its own, in some folder `.snakemake/scripts`."""
    script: str
    """Path or URL."""
    added: int
    """Lines that stand before the script's own."""

    def replaced(self, text: str) -> str:
        """What is said of the copy, said of the script; but not of the lines that it has not."""

        def of_script(mention: re.Match[str]) -> str:
            if mention["line"] is None:
                return self.script
            line = int(mention["line"]) - self.added
            return f"{self.script}{mention['between']}{line}" if line > 0 else mention[0]

        pattern = rf"(?:[^\s'\"]*/)?\.snakemake/scripts/{re.escape(self.name)}(?:{_LINE})?"
        return re.sub(pattern, of_script, text)


def noting(folder: Path) -> Callable[[Path, str, str], None]:
    """What notes in a job's folder that a copy was made: of this script, with this text."""

    def note(path: Path, script: str, source: str) -> None:
        lines = path.read_text(errors="replace").count("\n")
        copy = Copy(name=path.name, script=script, added=max(0, lines - source.count("\n")))
        with (folder / _NAME).open("a") as file:
            print(json.dumps(asdict(copy)), file=file)

    return note


def of_job(folder: Path) -> Iterator[Copy]:
    """What was noted in a job's folder."""
    try:
        text = (folder / _NAME).read_text()
    except OSError:
        return
    for line in text.splitlines():
        try:
            yield Copy(**json.loads(line))
        except (ValueError, TypeError):  # cut off where the job was ended
            continue
