"""Numbers and lists in messages."""

from __future__ import annotations

from gitbatch_core.wording import aligned, count, job_title, listed, printable, shortened, some


def test_a_few_are_named_and_the_others_counted() -> None:
    assert (count(1, "job"), count(0, "job")) == ("1 job", "0 jobs")
    assert [some("abc"[:n]) for n in range(4)] == ["", "a", "a, b", "a, b, c"]
    assert some("abcd") == "a, b, c and 1 more"
    assert some("abcd", 3, noun="file") == "a, b, c and 1 more file"
    assert some("abcd", 1, noun="file") == "a and 3 more files"
    assert shortened("ab", 2) == ["a", "b"]
    assert shortened("abc", 2, rest="left") == ["a", "b", "… and 1 left"]
    assert listed(iter("abc"), 1) == "  a\n  … and 2 more"
    assert printable("a\\b\nc\x1b[0m") == r"a\\b\nc\x1b[0m"


def test_a_job_is_called_by_rule_and_wildcards() -> None:
    assert job_title("align", {"sample": "a", "unit": 1}) == "align[sample=a,unit=1]"
    assert job_title("all", {}) == "all"


def test_columns_are_aligned() -> None:
    assert aligned([("a", "1", "x"), ("bc", "23", "")], right={1}) == ["a    1  x", "bc  23"]
    assert aligned([]) == []
