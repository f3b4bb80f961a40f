"""Which software is recorded: the words of a command that may name programs, and the packages."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_gitbatch.job import programs

NAMES = st.from_regex(r"tool_[a-z0-9.+-]{1,5}", fullmatch=True)
ARGUMENTS = st.lists(st.text(max_size=6).map(shlex.quote) | st.just("other"), max_size=3)
BEFORE = st.sampled_from(["", "A=1 B='x y' ", "time -p ", "nice -n 10 ", "if ", "! ", "$(", "`"])
BETWEEN = st.sampled_from(["|", " || ", "&&", " ; ", "\n", "|&", " & ", "\n# it's; another\n"])


@given(commands=st.lists(st.tuples(BEFORE, NAMES, ARGUMENTS, BETWEEN), max_size=4))
def test_the_first_word_of_each_command_is_found(
    commands: list[tuple[str, str, list[str], str]],
) -> None:
    text = "".join(
        f"{before}{name} {' '.join(args)}{between}" for before, name, args, between in commands
    )
    assert programs.shell_programs(text) - {"nice"} == {name for _, name, _, _ in commands}


@given(st.text("ab$(){}|;&<>`'\"\\# \n=E"))
def test_no_command_is_too_odd(text: str) -> None:
    programs.shell_programs(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('echo "$(a x | b "$y")" > "`c`"', {"a", "b", "c"}),
        ("a <(b x) >(c) 2>&1 {x,y} ${z}", {"a", "b", "c"}),
        ("awk '{print; x}' f \\\n  g; \"/my tools/x\"", {"awk", "/my tools/x"}),
        ("for i in a b; do c $i; done; { d; e; }", {"c", "d", "e"}),
        ("python - <<'END' | b\nimport os\nEND\nc", {"python", "b", "c"}),
        ("find . | xargs -0 -n 1 rm", {"find", "xargs", "rm"}),
        ("export PATH=/x:$PATH; a", set()),
        ("module load a && b", set()),
    ],
)
def test_commands_as_people_write_them(text: str, found: set[str]) -> None:
    assert programs.shell_programs(text) == found


def test_only_what_comes_from_the_path_counts() -> None:
    def member(kind: str, text: str, **used: str) -> dict[str, object]:
        return {"command": {"kind": kind, "text": text}, "software_used": used}

    members = [
        member("shell", "~/a; $HOME/b; $UNKNOWN/c; d"),
        member("shell", "e", container="image"),
        member("script", "x/y.py"),
        member("script", "x/y.R"),
        member("run", ""),
    ]
    found = programs.programs(members, {"HOME": "/home/me"}, prefix="p -x;")
    assert {"p", "/home/me/b", "$UNKNOWN/c", "d", sys.executable, "Rscript"} < set(found)
    assert len(found) == 7 and "e" not in found and "~/a" not in found
    assert programs.programs(members[:1], {}, prefix="source x;") == ()


def test_packages_are_those_that_can_be_imported() -> None:
    found = programs.packages()
    expected = {
        re.sub(r"[-_.]+", "-", each.name).lower(): each.version
        for each in reversed(list(metadata.distributions()))
    }
    assert found == expected and list(found) == sorted(found)


def test_a_variable_with_odd_characters_is_one_name() -> None:
    member = {"command": {"kind": "shell", "text": "$TOOL -x; ${TOOL}.py; $A$B"}}
    variables = {"TOOL": "/my tools/$x", "A": "a\n", "B": "%s"}
    named = programs.programs([member | {"software_used": {}}], variables)
    assert set(named) == {"/my tools/$x", "/my tools/$x.py", "a\n%s"}


def test_packages_are_found_whatever_else_is_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "My_Tool.x-1.0.dist-info",
        "old-2.1-py3.11.egg-info",
        "bare.egg-info",
        "none.egg-info",
    ):
        (tmp_path / "first" / name).mkdir(parents=True)
    (tmp_path / "first" / "bare.egg-info" / "PKG-INFO").write_text("Name: bare\nVersion: 3\n")
    (tmp_path / "first" / "none.egg-info" / "PKG-INFO").write_text("Name: none\n")
    (tmp_path / "second" / "my.tool-x-9.dist-info").mkdir(parents=True)
    (tmp_path / "second" / "old-9.dist-info").mkdir()
    (tmp_path / "all.zip").write_bytes(b"PK")
    folders = [tmp_path / name for name in ("missing", "all.zip", "first", "second")]
    monkeypatch.setattr(sys, "path", list(map(str, folders)))
    found = programs.packages()
    assert {name: found[name] for name in ("my-tool-x", "old", "bare", "none")} == {
        "my-tool-x": "1.0",
        "old": "2.1",  # the first on the path is the one that is imported
        "bare": "3",
        "none": "",
    }
