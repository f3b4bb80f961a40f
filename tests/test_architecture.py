"""What docs/architecture.md says of the code is true, and each test stands by itself."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
NAMES = re.findall(r"\[`([\w.]+)`\]\(\.\./([\w/.]+)\)", PAGE)


def defined(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """Names that statements define, each with what stands in it."""
    names: dict[str, list[ast.stmt]] = {}
    for each in body:
        match each:
            case (
                ast.FunctionDef(name=name, body=inner)
                | ast.AsyncFunctionDef(name=name, body=inner)
                | ast.ClassDef(name=name, body=inner)
            ):
                names[name] = inner
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = []
    return names


@pytest.mark.parametrize(("name", "path"), sorted(set(NAMES)))
def test_each_name_is_where_the_page_says(name: str, path: str) -> None:
    body = ast.parse((REPOSITORY / path).read_text()).body
    for part in name.split("."):
        names = defined(body)
        assert part in names, (name, path)
        body = names[part]


def test_the_layers_are_those_that_are_checked() -> None:
    linter = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [each["layers"] for each in linter["contracts"] if each["type"] == "layers"]
    assert re.findall(r"```\n(.*?)\n```", PAGE, re.DOTALL) == ["\n".join(layers)]


def test_each_package_is_described() -> None:
    core = REPOSITORY / "gitbatch_core"
    packages = {path.parent.name for path in core.glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == packages


def test_no_test_imports_a_test_or_a_conftest() -> None:
    for path in sorted((REPOSITORY / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                names = [module, *(f"{module}.{each.name}" for each in node.names)]
            modules = [part for name in names for part in name.split(".")[:-1] or [name]]
            assert not [m for m in modules if m == "conftest" or m.startswith("test_")], path


def test_one_module_of_core_spells_out_snakemakes_files() -> None:
    paths = sorted((REPOSITORY / "gitbatch_core").rglob("*.py"))
    named = [path.stem for path in paths if ".snakemake" in path.read_text().replace("\\", "")]
    assert named == ["snakemake_files"]
