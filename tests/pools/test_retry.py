"""A schedd that does not answer for a while."""

from __future__ import annotations

import pytest

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.htcondor import retry
from gitbatch_core.pools.htcondor.retry import Patience


class Schedd:
    """Answers, or does not."""

    def __init__(self, *misses: bool) -> None:
        self.misses = list(misses)

    def ask(self) -> list[int]:
        if self.misses and self.misses.pop(0):
            raise PoolError("Connection refused.")
        return []


def test_it_is_said_once_that_it_is_away_and_once_that_it_is_back() -> None:
    notices: list[str] = []
    patience = Patience(limit_s=600, notice=notices.append)
    schedd = Schedd(False, True, True, False, False, True)
    answers = [patience.attempt(schedd.ask) for _ in range(6)]
    assert answers == [([],), None, None, ([],), ([],), None], "an empty answer is an answer"
    assert [notice.partition(":")[0] for notice in notices] == [
        "HTCondor's schedd does not answer (Connection refused.)",
        "HTCondor's schedd answers again",
        "HTCondor's schedd does not answer (Connection refused.)",
    ]
    assert "trying again for 10 minutes" in notices[0]


def test_patience_ends_and_says_where_the_jobs_are() -> None:
    patience = Patience(limit_s=-1, notice=lambda text: None)
    with pytest.raises(PoolError, match=r"has not answered for 0 minutes: Connection") as ended:
        patience.attempt(Schedd(True).ask)
    assert ended.value.hint and "still run" in ended.value.hint


def test_who_is_in_a_hurry_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_RETRY_S", 0)
    hurries = iter([False, False, True])
    patience = Patience(limit_s=600, notice=lambda text: None, hurried=lambda: next(hurries))
    schedd = Schedd(*[True] * 9)
    with pytest.raises(PoolError, match="has not answered"):
        patience.insist(schedd.ask)
    assert len(schedd.misses) == 6


def test_an_answer_is_waited_for_and_other_errors_are_not_its_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "_RETRY_S", 0)
    patience = Patience(limit_s=600, notice=lambda text: None)
    assert patience.insist(Schedd(True, True).ask) == []
    with pytest.raises(ZeroDivisionError):
        patience.insist(lambda: 1 // 0)
