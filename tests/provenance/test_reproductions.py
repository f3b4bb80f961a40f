"""Whether results came out the same again: from documents of attempts, and from equal jobs."""

from __future__ import annotations

from typing import Any

from gitbatch_core.archive import records
from gitbatch_core.archive.store import Archive
from gitbatch_core.model.reproduction import DIFFERS, FAILED, IDENTICAL, Reproduction
from gitbatch_core.provenance.job_index import JobIndex
from gitbatch_core.provenance.reproductions import reexecutions

A, B = f"xxh3:{'a' * 32}", f"xxh3:{'b' * 32}"
FIRST, SECOND, THIRD = (f"2026010{n}-000000-abcd" for n in (1, 2, 3))
KEY = "0123456789abcdef" * 2


def job(archive: Archive, run: str, address: str, **more: Any) -> None:
    archive.write_record(
        KEY,
        run,
        1,
        {
            "format": "gitbatch-record",
            "version": 1,
            "run": run,
            "number": 1,
            "rule": "make",
            "reusable": True,
            "host": {"name": f"host{run[7]}"},
            "started": f"{run}T00",
            "ended": f"{run}T01",
            "members": [{"rule": "make", "wildcards": {"n": "1"}, "outputs": ["out"]}],
            "outputs": [{"path": "out", "kind": "file", "address": address, "size": 1}],
        }
        | more,
    )


def attempt(archive: Archive, again: str, **output: Any) -> None:
    entry = {"path": "out", "rule": "make", "expected": A, "found": A, "verdict": IDENTICAL}
    records.write_reproduction(
        archive.root,
        Reproduction.from_dict(
            {
                "format": "gitbatch-reproduction",
                "version": 1,
                "run": FIRST,
                "again": again,
                "started": f"{again}T00",
                "outputs": [entry | output, 5],  # and what cannot be read
                "differences": [{"what": "host", "then": "host1", "now": "host2"}],
            }
        ),
    )


def of(archive: Archive, address: str) -> list[tuple[str, str, str | None, bool]]:
    makers = [job for job, _ in JobIndex.read(archive).makers.get(address, ())]
    return [
        (each.run, each.verdict, each.address, each.intended)
        for each in reexecutions(archive, address, makers)
    ]


def test_attempts_tell(archive: Archive) -> None:
    job(archive, FIRST, A)
    assert of(archive, A) == []
    attempt(archive, SECOND, hosts=["host2"])
    attempt(archive, THIRD, verdict=FAILED, found=None)
    assert of(archive, A) == [
        (SECOND, IDENTICAL, A, True),
        (THIRD, FAILED, None, True),
    ]
    # Of another output, or another address, nothing is said.
    attempt(archive, "20260104-000000-abcd", path="other")
    attempt(archive, "20260105-000000-abcd", expected=B)
    assert len(of(archive, A)) == 2


def test_equal_jobs_tell_too(archive: Archive) -> None:
    """They are compared with the first that made the address; one and the same is said once."""
    job(archive, FIRST, A)
    job(archive, SECOND, A)
    job(archive, THIRD, B)
    assert of(archive, A) == [(SECOND, IDENTICAL, A, False), (THIRD, DIFFERS, B, False)]
    assert of(archive, B) == [(FIRST, DIFFERS, A, False), (SECOND, DIFFERS, A, False)]
    attempt(archive, SECOND)
    [first, *_] = reexecutions(archive, A, [each for each, _ in JobIndex.read(archive).makers[A]])
    assert (first.intended, first.hosts) == (True, ("host2",))
    assert first.as_json()["found"] == A and "address" not in first.as_json()


def test_keys_that_do_not_cover_all_compare_nothing(archive: Archive) -> None:
    job(archive, FIRST, A, reusable=False)
    job(archive, SECOND, A, reusable=False)
    assert of(archive, A) == []
