"""What is private to Snakemake is named in `snakemake_internals` and nowhere else; its command line
is spelled in one module of core."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

REPOSITORY = Path(__file__).parents[2]
PLUGINS = ("snakemake_executor_plugin_gitbatch", "snakemake_storage_plugin_gitbatch")
INTERNALS = REPOSITORY / PLUGINS[0] / "snakemake_internals"
FILES = [
    path
    for plugin in PLUGINS
    for path in sorted((REPOSITORY / plugin).rglob("*.py"))
    if not path.is_relative_to(INTERNALS)
]
DOCUMENTED = {
    "snakemake": {"__version__"},
    "snakemake.exceptions": {"ProtectedOutputException", "RuleException"},
}
"""What other modules may import, besides the plugin interfaces and the settings of the API."""
CORE = REPOSITORY / "gitbatch_core"
WITH_ITS_COMMAND_LINE = CORE / "snakemake_command.py"
SPEAKING_GIT = CORE / "git"
"""Some options of git have the same names."""
OF_SNAKEMAKE = {"dag", "job", "member", "rule", "workflow"}
"""Variables that hold its objects."""


def imports(tree: ast.AST) -> Iterator[str]:
    """What is imported of Snakemake itself beyond that."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if _is_snakemakes(each.name))
        elif isinstance(node, ast.ImportFrom) and _is_snakemakes(node.module or ""):
            documented = DOCUMENTED.get(node.module or "", set())
            yield from (f"{node.module}.{n.name}" for n in node.names if n.name not in documented)


def _is_snakemakes(module: str) -> bool:
    return f"{module}.".startswith("snakemake.") and not module.startswith("snakemake.settings")


def private(tree: ast.AST) -> Iterator[str]:
    """Private members of other objects than those of this module's own classes."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.AnnAssign, ast.Assign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            own |= {each.id for each in targets if isinstance(each, ast.Name)}
            own |= {each.attr for each in targets if isinstance(each, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "os")
            if not (is_own or node.attr.endswith("__") or node.attr in own):
                yield ast.unparse(node)


def replaced(tree: ast.AST) -> Iterator[str]:
    """Functions and private members of Snakemake's objects that something is put in the place of.
    Settings may be changed."""
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for each in node.targets:
                if isinstance(each, ast.Attribute):
                    owner = ast.unparse(each.value).rpartition(".")[2]
                    is_function = isinstance(node.value, ast.Lambda) or (
                        isinstance(node.value, ast.Name) and node.value.id in functions
                    )
                    if owner in OF_SNAKEMAKE and (is_function or each.attr.startswith("_")):
                        yield ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_nothing_private_is_named_elsewhere(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert [*imports(tree), *private(tree), *replaced(tree)] == []


def options(tree: ast.AST) -> Iterator[str]:
    """Words that are one option, with or without a value. Texts for users have more words, and the
    options of our own verbs are declared."""
    declared = {
        word
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".add_argument")
        for word in node.args
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in declared:
            option = re.fullmatch(r"(--[a-z][a-z-]+)(=\S*)?", node.value)
            if option:
                yield option[1]


@pytest.fixture(scope="module")
def snakemake_options() -> set[str]:
    parser = get_argument_parser()
    return {word for action in parser._actions for word in action.option_strings}


def test_core_spells_no_option_of_snakemake_elsewhere(snakemake_options: set[str]) -> None:
    spelled = {
        f"{path.relative_to(REPOSITORY)}: {option}"
        for path in sorted(CORE.rglob("*.py"))
        if path != WITH_ITS_COMMAND_LINE and not path.is_relative_to(SPEAKING_GIT)
        for option in options(ast.parse(path.read_text()))
        if option in snakemake_options or option.startswith(("--gitbatch-", "--storage-gitbatch-"))
    }
    assert spelled == set()


def test_core_spells_only_options_that_snakemake_has(snakemake_options: set[str]) -> None:
    spelled = set(options(ast.parse(WITH_ITS_COMMAND_LINE.read_text())))
    assert {"--executor", "--snakefile", "--rerun-incomplete"} < spelled <= snakemake_options


def test_each_module_has_its_tests() -> None:
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    modules = {path.stem for path in INTERNALS.glob("[!_]*.py")}
    assert modules - tests == {"files", "dry_run_traces"}, "these are in named_files and dry_run"
