"""What is compared of environments, images, modules and programs: what was used, as far as records
say it; never where a clone lies."""

from __future__ import annotations

from typing import Any

from gitbatch_core.cli.archive.show import _environments
from gitbatch_core.history.document_diff import member_changes
from gitbatch_core.history.recorded_outputs import RecordedOutput
from gitbatch_core.model.job_record import JobRecord, SingleJob
from gitbatch_core.model.reproduction import Difference
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce import environment_diff

CONTENT = "0123456789abcdef0123456789abcdef"
SORT = {"sort": {"path": "/usr/bin/sort", "address": "xxh3:1"}}


def member(used: dict[str, str] | None = None, **declared: str) -> dict[str, Any]:
    """Of a record; without `used`, as an older gitbatch has written it."""
    job = {"rule": "a", "command": {}, "params": {}, "software": declared}
    return job if used is None else job | {"software_used": used}


OLD = member(conda="/home/one/project/envs/e.yaml", container="docker://image")
OLD_USED = member(conda=CONTENT)
UNUSED = member({}, conda="envs/e.yaml", container="docker://image")
USED = member({"conda": CONTENT}, conda="envs/e.yaml", container="docker://image")
OTHER = member({"conda": CONTENT[::-1]}, conda="envs/e.yaml")


def differences(
    then: dict[str, Any], now: dict[str, Any], tools: tuple[dict[str, Any], ...] = ({}, {})
) -> list[dict[str, Any]]:
    first, second = (
        [
            RecordedOutput(
                path="p",
                kind="file",
                address="1",
                member=SingleJob.from_dict(one),
                job=JobRecord.from_dict({"run": "R", "tools": found}),
            )
        ]
        for one, found in zip((then, now), tools, strict=True)
    )
    return environment_diff.differences(RunDocument(run="R"), RunDocument(run="R"), first, second)


def used_by(job: dict[str, Any]) -> dict[str, str | None]:
    return SingleJob.from_dict(job).used_software()


def test_what_older_records_leave_open() -> None:
    assert used_by(OLD) == {"conda": None, "container": None}
    assert used_by(OLD_USED) == {"conda": CONTENT}
    assert used_by({}) == used_by(UNUSED) == {}


def test_only_what_was_used_is_compared() -> None:
    def found(then: dict[str, Any], now: dict[str, Any]) -> list[Difference]:
        of_jobs = member_changes(
            SingleJob.from_dict(then), SingleJob.from_dict(now), ("command", "params")
        )
        around = differences(then, now)
        assert [each["what"] for each in of_jobs] == ["software.conda"] * len(around)
        return around

    assert found(OLD, UNUSED) == found(OLD, USED) == found(USED, OLD) == []
    assert found(OLD_USED, USED) == found(UNUSED, UNUSED) == []
    [conda] = found(USED, OTHER)
    assert conda == Difference(what="conda of rule a", then=CONTENT, now=CONTENT[::-1])
    [conda] = found(UNUSED, USED)
    assert (conda.then, conda.now) == ("-", CONTENT)
    [conda] = found(OLD_USED, OTHER)
    assert conda.now == CONTENT[::-1]


def test_programs_that_older_records_left_out() -> None:
    assert differences(OLD, UNUSED, ({}, SORT)) == differences(UNUSED, OLD, (SORT, {})) == []
    [tool] = differences(UNUSED, UNUSED, ({}, SORT))
    assert tool == Difference(what="tool sort", then="-", now="xxh3:1")


def test_values_are_told_as_their_smallest_parts() -> None:
    then, now = (
        SingleJob.from_dict({**UNUSED, "params": {"n": {"tuple": [1, n]}, "same": True}})
        for n in (1, 2)
    )
    [change] = member_changes(then, now, ("params",))
    assert change == {"what": "params.n.tuple", "then": [1, 1], "now": [1, 2]}
    runs = [RunDocument(run="R", config={"deep": {"list": [n, None]}}) for n in (1, 2)]
    [config] = environment_diff.differences(runs[0], runs[1], [], [])
    assert config.what == "config deep" and config.then == '{"list": [1, null]}'


def test_an_environment_that_was_not_used_is_not_shown() -> None:
    def shown(member: dict[str, Any]) -> list[str]:
        return _environments(SingleJob.from_dict(member))

    assert shown(UNUSED) == []
    assert shown(USED) == [f"conda envs/e.yaml ({CONTENT})"]
    assert shown(member({"modules": "b, a"}, modules="b, a")) == ["modules b, a"]
    assert shown(OLD)[1] == "container docker://image (declared)"
