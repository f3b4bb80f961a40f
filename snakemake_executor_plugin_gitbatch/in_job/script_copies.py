"""Which copy was of which script: Snakemake runs a copy, with lines of its own before it, and takes
it away. Messages lead to the script itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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

        def of_script(found: re.Match[str]) -> str:
            if found["line"] is None:
                return self.script
            line = int(found["line"]) - self.added
            return f"{self.script}{found['between']}{line}" if line > 0 else found[0]

        pattern = rf"(?:[^\s'\"]*/)?\.snakemake/scripts/{re.escape(self.name)}(?:{_LINE})?"
        return re.sub(pattern, of_script, text)


def note(folder: Path) -> None:
    """Have this process note in a job's folder what it makes copies of."""
    from snakemake.script import ScriptBase

    execute = ScriptBase._execute_cmd

    def note_and_execute(script: Any, cmd: str, **kwargs: Any) -> Any:
        if (copy := kwargs.get("fname")) is not None:
            with (folder / _NAME).open("a") as file:
                print(json.dumps(asdict(_copy(script, Path(copy)))), file=file)
        return execute(script, cmd, **kwargs)

    ScriptBase._execute_cmd = note_and_execute


def _copy(script: Any, path: Path) -> Copy:
    lines = path.read_text(errors="replace").count("\n")
    return Copy(
        name=path.name,
        script=str(script.path.get_path_or_uri(secret_free=True)),
        added=max(0, lines - str(script.source).count("\n")),
    )


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
