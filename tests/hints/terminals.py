"""Typing what messages say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from projects import Ended, Project

_END = re.compile(
    r"""\n|`|\ \ \#|[.,;:](?=\s|$)|\)(?=[.,;]|$)
    |\ (?:brings|creates|ends|finds|gets|goes|makes|mends|of|puts|removes|repairs|restores|resumes
        |says|shows|starts|takes|that|to|uses|and|as|for|in|or|all|it|again|see)\b
    """,
    re.VERBOSE,
)
"""Where prose goes on behind a command."""
_EDITOR = """sh -c 'echo message > "$0"'"""


@dataclass(kw_only=True)
class Terminal:
    """A shell in a project's folder, as its user has it, with an editor that writes a message."""

    project: Project
    typed: Counter[str] = field(default_factory=Counter)

    def shell(self, line: str, *, status: int = 0, folder: str | Path = ".") -> Ended:
        cwd = self.project.path / folder
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=cwd,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "GIT_EDITOR": _EDITOR,
                "PWD": str(cwd),
                **self.project.environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
        )
        ended = Ended(returncode=done.returncode, text=done.stdout + done.stderr)
        assert ended.returncode == status, f"{line}: {ended.returncode}\n{ended.text}"
        assert "Traceback" not in ended.text, f"{line}: {ended.text}"
        return ended

    def type(
        self,
        told: Ended | str,
        *starts: str,
        status: int = 0,
        folder: str | Path = ".",
        **instead: str,
    ) -> Ended:
        """Type the commands that begin so, as a message has them; `instead`: what people put in the
        place of words such as DIR."""
        text = told if isinstance(told, str) else told.text
        for start in starts:
            found = re.search(rf"(?<![\w-]){re.escape(start)}(?![\w-])", text)
            assert found, f"nobody is told {start}: {text}"
            end = _END.search(text, found.end())
            line = text[found.start() : end.start() if end else None].rstrip()
            for word, value in instead.items():
                line = re.sub(rf"\b{word}\b", lambda _, value=value: value, line)
            self.typed[line] += 1
            ended = self.shell(line, status=status, folder=folder)
        return ended

    def option(self, told: Ended | str, start: str, value: str) -> list[str]:
        """An option that a message names, for the next start."""
        text = told if isinstance(told, str) else told.text
        assert re.search(rf"{re.escape(start)}\b", text), f"nobody is told {start}: {text}"
        self.typed[start] += 1
        return [start, value]


DECLARED: Counter[str] = Counter()
"""What tests type, as `source.commands` has it."""


def types(*hints: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test that types these, `runs/mirror: gitbatch freeze`, of a module's messages."""
    DECLARED.update(hints)
    return pytest.mark.types(*hints)


def is_typed(command: str, typed: Counter[str]) -> bool:
    """Whether a command of the source is what was typed, whatever was filled in."""
    words = re.escape(command).replace(r"\{\}", ".+")
    return any(re.search(rf"(?<![\w-]){words}(?![\w-])", each) for each in typed)


GATED = {
    "Snakefile": """
        envvars: "TOKEN"
        rule gated:
            output: "{name,[abcd]}"
            shell: "while [ ! -e {config[gates]}/{wildcards.name} ]; do sleep 0.1; done; "
                "echo {wildcards.name} > {output}"
        """,
    ".gitignore": ".snakemake/\n/[abcd]\n",
}
TOKEN = "t0ken-of-the-tests"


def rewrite(project: Project, run: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Have a run be one of another version: its document changed."""
    ref = f"refs/gitbatch/runs/{run}"
    document = project.run_document(ref)
    change(document)
    (project.path / "document.json").write_text(json.dumps(document))
    blob = project.git("hash-object", "-w", "document.json").strip()
    (project.path / "document.json").unlink()
    index = project.path / ".git" / "index-of-the-test"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", str(index))
        project.git("read-tree", ref)
        entry = f"100644,{blob},.gitbatch/run.json"
        project.git("update-index", "--add", "--cacheinfo", entry)
        tree = project.git("write-tree").strip()
    message = project.git("log", "-1", "--format=%B", ref)
    commit = project.git("commit-tree", "-p", f"{ref}^", "-m", message, tree).strip()
    for name in (ref, f"refs/tags/run/{run}"):
        project.git("update-ref", name, commit)
