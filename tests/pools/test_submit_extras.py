"""Submit commands and attributes that users set: which can be honoured, and under what name."""

from __future__ import annotations

import pytest

from gitbatch_core.pools.htcondor import submit_extras

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rank", "Memory"),
        ("Rank", "KFlops"),
        ("request_licences", "2"),
        ("universe", "vanilla"),
        ("universe", "Docker"),
        ("universe", '" container "'),
        ("+Project", '"a b"'),
        ("MY.Project", '"it\'s; $(x) \\ -\N{GREEK SMALL LETTER ALPHA}"'),
        ("my.Input", '"no attribute of ours: that is TransferInput"'),
    ],
)
def test_what_can_be_honoured(key: str, value: str) -> None:
    assert submit_extras.why_not(key, value) is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("rank", "1\nqueue 5", "cannot carry line breaks"),
        ("rank", "1\0", "cannot carry line breaks"),
        ("rank", "a\udc80", "cannot carry line breaks"),
        ("two words", "1", "is no HTCondor submit command"),
        ("-rank", "1", "is no HTCondor submit command"),
        ("r\N{LATIN SMALL LETTER A WITH DIAERESIS}nk", "1", "is no HTCondor submit command"),
        ("", "1", "is no HTCondor submit command"),
        ("1rank", "1", "is no HTCondor submit command"),
        ("MY.", "1", "is no HTCondor submit command"),
        ("Executable", "/bin/sh", "the HTCondor submit command Executable is set by gitbatch"),
        ("log", "x", "the HTCondor submit command log is set by gitbatch"),
        ("+Iwd", '"/"', "the HTCondor attribute +Iwd is set by gitbatch"),
        ("my.UserLog", '"/"', "the HTCondor attribute my.UserLog is set by gitbatch"),
        ("MY.GitbatchRun", '"x"', "is set by gitbatch itself: take it out"),
        ("gitbatch_x", "1", "is set by gitbatch itself: take it out"),
        ("+Requirements", "true", "is made from the rule's resources"),
        ("MY.RequestMemory", "5", "is made from the rule's resources"),
        ("universe", "local", "universe = local: gitbatch runs jobs in the universes vanilla"),
        ("universe", "", "universe = : gitbatch runs jobs"),
    ],
)
def test_what_cannot_says_why(key: str, value: str, words: str) -> None:
    assert (why := submit_extras.why_not(key, value)) is not None
    assert words in why


def test_one_thing_has_one_name() -> None:
    extra = {
        "+b": "1",
        "MY.A": "2",
        "my.C": "3",
        "Rank": "Memory",
        "periodic_hold": "  ",
        "+Empty": "",
    }
    named = submit_extras.named_alike(extra)
    assert named == {"MY.A": "2", "MY.C": "3", "MY.b": "1", "rank": "Memory"}
    assert list(named) == sorted(named), "always in one order: equal jobs make one cluster"
    assert submit_extras.named_alike({}) == {}


def test_resources_that_pools_have_of_their_own() -> None:
    own = [
        key
        for key in ("request_licences", "request_cpus", "request_memory", "rank", "MY.request_x")
        if submit_extras.is_machine_resource(key)
    ]
    assert own == ["request_licences"]
