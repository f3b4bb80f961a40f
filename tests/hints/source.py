"""The commands that messages name, as the source has them: `runs/mirror: gitbatch freeze`."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_PACKAGES = (
    "gitbatch_core",
    "snakemake_executor_plugin_gitbatch",
    "snakemake_storage_plugin_gitbatch",
)
_OPTIONS = r"(?:\ --?[a-z][a-z-]*)*"
_COMMAND = re.compile(
    rf"""\bgitbatch\ (?:init|freeze|thaw|run|status|reproduce|doctor
        |archive(?:\ (?:ls|show|lineage|log|cat|tree|verify)\b)?
        |runs(?:\ (?:ls|show|out|diff|checkout|note|tag|keep|rm|attach|cancel)\b)?
        )(?![\w-]){_OPTIONS}
    |\bgit\ (?:-C\ {{}}\ )?(?:add|annex|archive|check-ref-format|checkout|clone|commit|config|fetch
        |init|lfs|log|ls-files|pull|push|show|status|submodule|switch|tag|update-index|worktree
        )(?![\w-]){_OPTIONS}
    |\b(?:annex\ get|lfs\ (?:fetch|pull)){_OPTIONS}
    |--(?:storage-)?gitbatch-[a-z-]+
    """,
    re.VERBOSE,
)
_OF_HELP = frozenset({"help", "usage", "epilog", "description", "metavar"})


def commands() -> Counter[str]:
    """How often each stands in a module's messages. Texts of `--help` are none, nor docstrings."""
    found: Counter[str] = Counter()
    for package in _PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            module = path.relative_to(REPOSITORY / package).with_suffix("")
            for text in _texts(ast.parse(path.read_text())):
                if " " in text:  # else it is one word of what we start ourselves
                    found.update(f"{module}: {each[0]}" for each in _COMMAND.finditer(text))
    return found


def _texts(tree: ast.AST) -> Iterator[str]:
    """The strings of a module; what is filled in later is {}."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.keyword(arg=name) if name in _OF_HELP:
                continue
            case ast.Dict(keys=keys) if any(_is_help(key) for key in keys):
                continue
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=values):
                yield "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in values)
            case _:
                yield from _texts(node)


def _is_help(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and key.value == "help"
