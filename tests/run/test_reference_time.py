"""The time of a run's results: later than what was there before, earlier than all that follows."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

from gitbatch_core.run.lease import Owner
from gitbatch_core.run.reference_time import pin


def test_what_was_written_before_is_earlier_and_what_follows_is_later(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.touch()
    time.sleep(0.1)
    since_ns = time.monotonic_ns()
    after.touch()
    pinned_ns = pin(tmp_path, since_ns)
    assert before.stat().st_mtime_ns < pinned_ns < after.stat().st_mtime_ns
    assert Fraction(pinned_ns / 10**9) * 10**9 == pinned_ns  # seconds in a float lose nothing


def test_nothing_is_left(tmp_path: Path) -> None:
    pin(tmp_path, time.monotonic_ns())
    assert not list(tmp_path.iterdir())
    (tmp_path / ".gitbatch").mkdir()
    pin(tmp_path, time.monotonic_ns())
    assert [path.name for path in tmp_path.rglob("*")] == [".gitbatch"]


def test_a_run_that_goes_on_keeps_its_time(tmp_path: Path) -> None:
    about = {"commit": "c", "snapshot": False, "begun": "first", "pinned_ns": 1, "message": ""}
    first = Owner.this(
        run="r",
        pool="local",
        worktree=tmp_path,
        staging=tmp_path,
        private=tmp_path,
        about=about | {"jobs": 1},
    )
    again = first.with_new(about | {"begun": "second", "pinned_ns": 2, "jobs": 0})
    assert again.about["pinned_ns"] == 1 and again.about["resumed"] == ["second"]
    assert Owner.read(tmp_path).about == again.about
