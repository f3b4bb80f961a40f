"""Which software is recorded: the words of a command that may name programs, and the packages."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import metadata

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
