"""What of a commit is the code that a job depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from repositories import git

from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import UsageError
from gitbatch_core.run.code_digest import Code, check_patterns

ODD = "lib/it's \u00e9 [x]*.py"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "work"
    (top / "lib").mkdir(parents=True)
    (top / "docs").mkdir()
    for name in ("Snakefile", "lib/a.py", "lib/b.R", ODD, "docs/x.md", "README", "out.txt"):
        (top / name).write_text(name)
    git(top, "init", "--quiet")
    git(top, "add", "--all")
    return top


@pytest.fixture
def changes(top: Path) -> Callable[..., bool]:
    """Whether a file's content is part of the digest."""

    def digest(patterns: tuple[str, ...], always: tuple[str, ...], facts: dict[str, Any]) -> str:
        options = {"folder": top, "is_output": inside(["out.txt"])} | facts
        return Code(worktree=top, algorithm="xxh3", **options).digest(patterns, always)

    def changes(name: str, *patterns: str, always: tuple[str, ...] = (), **facts: Any) -> bool:
        before = digest(patterns, always, facts)
        text = (top / name).read_text()
        (top / name).write_text(f"{text} edited")
        git(top, "add", "--all")
        after = digest(patterns, always, facts)
        (top / name).write_text(text)
        git(top, "add", "--all")
        assert digest(patterns, always, facts) == before, "the same bytes are the same code"
        return before != after

    return changes


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("Snakefile", True),
        ("lib/b.R", True),
        (ODD, True),
        ("docs/x.md", False),
        ("README", False),
        ("out.txt", False),
    ],
)
def test_all_but_prose_and_outputs_counts(
    changes: Callable[..., bool], name: str, counts: bool
) -> None:
    assert changes(name) == counts


def test_what_is_chosen_counts_and_nothing_else(changes: Callable[..., bool], top: Path) -> None:
    assert changes("lib/a.py", "lib/*.py") and not changes("lib/b.R", "lib/*.py")
    assert changes("docs/x.md", "docs"), "prose, where somebody says so"
    assert changes("lib/a.py", patterns=("lib/*.py",)) and not changes(
        "Snakefile", patterns=("l*",)
    )
    assert changes("lib/b.R", "*.R", patterns=("docs",)), "the rule's go before the workflow's"
    assert changes("lib/a.py", "a.py", folder=top / "lib"), "patterns start at the folder"
    assert changes("Snakefile", "lib/*.py", always=("Snakefile", "not tracked"))


def test_a_pattern_that_matches_nothing_is_refused(top: Path) -> None:
    code = Code(worktree=top, folder=top, algorithm="xxh3", is_output=lambda path: False)
    with pytest.raises(UsageError, match=r"'lib/\*\.jl' matches no file"):
        code.digest(("lib/*.py", "lib/*.jl"))
    with pytest.raises(UsageError, match="is no pattern of git"):
        check_patterns(top, [":(nonsense)lib"])


def test_modes_and_names_are_code(top: Path) -> None:
    def digest() -> str:
        git(top, "add", "--all")
        code = Code(worktree=top, folder=top, algorithm="xxh3", is_output=lambda path: False)
        return code.digest()

    digests = [digest()]
    (top / "lib/a.py").chmod(0o755)
    digests.append(digest())
    (top / "lib/a.py").rename(top / "lib/c.py")
    digests.append(digest())
    (top / "lib/b.R").unlink()
    digests.append(digest())
    assert len(set(digests)) == 4


def test_what_a_filter_makes_of_a_file_is_code(top: Path) -> None:
    def digest(**converted: str) -> str:
        options: dict[str, Any] = {"is_output": lambda path: False, "converted": converted}
        return Code(worktree=top, folder=top, algorithm="xxh3", **options).digest()

    assert len({digest(), digest(Snakefile="xxh3:1"), digest(Snakefile="xxh3:2")}) == 3
    assert digest(README="xxh3:1") == digest()


def test_what_the_workflow_writes_while_it_is_read_is_as_if_it_were_committed(top: Path) -> None:
    def digest(*patterns: str, **written: str) -> str:
        names = {"lib/rendered.py": "xxh3:0"} | {f"lib/{n}.py": a for n, a in written.items()}
        options: dict[str, Any] = {"is_output": lambda path: False, "parse_time": names}
        return Code(worktree=top, folder=top, algorithm="xxh3", **options).digest(patterns)

    assert len({digest(), digest(rendered="xxh3:1"), digest(another="xxh3:1")}) == 3
    assert digest("lib/*.R") == digest("lib/*.R", rendered="xxh3:1")
    assert digest("lib/*.py") != digest("lib/*.py", rendered="xxh3:1")


def test_what_becomes_an_output_is_no_code_any_more(top: Path) -> None:
    code = Code(worktree=top, folder=top, algorithm="xxh3", is_output=inside(["README"]))
    first = code.digest()
    code.leave_out(inside(["out.txt"]))
    assert code.digest() != first
    assert (code.is_chosen(()), code.is_chosen(("lib",))) == (False, True)
