"""Terminals in which tests type what messages say."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import pytest
from projects import Project, processes_with

from .terminals import Terminal, is_typed


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "types(*hints): the commands of messages that a test types")


@pytest.fixture
def terminal(
    request: pytest.FixtureRequest, make_project: Callable[..., Project]
) -> Iterator[Terminal]:
    """In a new repository; after the test, all that it was to type was typed."""
    found = Terminal(project=make_project({}))
    top = str(found.project.path.parent)
    yield found
    for pid in processes_with(top):  # of a test that failed
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    hints = [hint for mark in request.node.iter_markers("types") for hint in mark.args]
    missing = [h for h in hints if not is_typed(h.partition(": ")[2], found.typed)]
    if not request.session.testsfailed:
        assert not missing, f"not typed: {missing}"
