"""What is passed over is told to whoever asks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import git, new_repository

from gitbatch_core.errors import FormatError
from gitbatch_core.log import suppressed
from gitbatch_core.run import run_commit

ADMINISTRATORS = Path(__file__).parent.parent / "docs" / "administrators.md"


def test_an_error_that_is_passed_over_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger=__name__), suppressed(FormatError, OSError):
        raise FormatError("it is damaged")
    assert "FormatError: it is damaged" in caplog.text and __name__ in caplog.text
    with pytest.raises(KeyError), suppressed(FormatError):
        raise KeyError


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_variable_shows_it(tmp_path: Path, is_asked: bool) -> None:
    repository = new_repository(tmp_path / "project")
    document = repository.top / run_commit.PATH
    document.parent.mkdir()
    document.write_text("damaged")
    git(repository.top, "add", "--force", run_commit.PATH)
    git(repository.top, "commit", "--quiet", "-m", f"run\n\n{run_commit.TRAILER}: a")
    git(repository.top, "tag", "run/a")
    done = subprocess.run(
        [sys.executable, "-m", "gitbatch_core.cli.main", "runs"],
        cwd=repository.top,
        env=os.environ | {"GITBATCH_DEBUG": "1" if is_asked else ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    [documented] = re.findall(r"gitbatch runs\n(DEBUG .*)", ADMINISTRATORS.read_text())
    line = ".+".join(map(re.escape, documented.split("…")))
    is_shown = any(re.fullmatch(line, each) for each in done.stderr.splitlines())
    assert is_shown == is_asked, done.stderr
