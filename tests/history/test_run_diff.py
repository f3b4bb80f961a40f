"""How two runs differ, as their documents and git say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from folders import Folder

from gitbatch_core.errors import GitError
from gitbatch_core.history.run_diff import difference, differs
from gitbatch_core.history.run_names import Runs
from gitbatch_core.model.job_record import Command, Input, JobRecord, SingleJob
from gitbatch_core.model.run_document import RunDocument


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "work")
    folder.commit({"Snakefile": "one\n", ".gitignore": "out*\n"})
    return folder


def documents(folder: Folder) -> list[RunDocument]:
    runs = Runs.of(folder.repository)
    return list(runs.documents(runs.by_id.values()).values())


def test_the_same_twice_does_not_differ(folder: Folder) -> None:
    for _ in range(2):
        folder.run({"out": "x"}, inputs={"in": "y"}, config={"a": [1, {"b": None}]})
    then, now = documents(folder)
    compared = difference(folder.repository, then, now)
    assert not differs(compared) and compared["outputs_same"] == 1


def test_each_difference_is_told_where_it_belongs(folder: Folder) -> None:
    folder.run({"out": "x", "out1": "y"}, inputs={"in": "1"}, config={"a": {"b": 1}, "c": 2})
    folder.commit({"Snakefile": "two\n"})
    folder.run({"out": "z", "out2": "y"}, inputs={"in": "2"}, config={"a": {"b": 3}, "c": 2})
    then, now = documents(folder)
    compared = difference(folder.repository, then, now)
    assert "Snakefile" in compared["code"]
    assert [(each["then"], each["now"]) for each in compared["config"]] == [(1, 3)]
    assert [each["what"] for each in compared["inputs"]] == ["in"]
    outputs = {each["what"]: (each["then"], each["now"]) for each in compared["outputs"]}
    assert outputs.keys() == {"out", "out1", "out2"} and compared["outputs_same"] == 0
    assert outputs["out1"][1] is None and outputs["out2"][0] is None
    assert outputs["out1"][0] == outputs["out2"][1], "the same bytes by another name"


def document(*commands: tuple[str, str, str], **facts: Any) -> RunDocument:
    """One with jobs: rule, sample, command."""
    jobs = {
        f"r-{number}": JobRecord(
            run="r",
            number=number,
            members=[
                SingleJob(
                    rule=rule,
                    wildcards={"sample": sample},
                    command=Command(kind="shell", text=text),
                    inputs=[Input(path=f"{sample}.txt", address="xxh3:1")],
                )
            ],
        )
        for number, (rule, sample, text) in enumerate(commands, 1)
    }
    return RunDocument(run="r", jobs=jobs, **facts)


def test_a_rule_with_a_thousand_jobs_differs_once(folder: Folder) -> None:
    then = document(*(("align", f"s{n}", "bwa a") for n in range(5)), ("old", "s", "x"))
    now = document(*(("align", f"s{n}", "bwa b" if n else "bwa a") for n in range(5)))
    compared = difference(folder.repository, then, now)
    old, align = compared["rules"]
    assert old == {"rule": "old", "what": "rule", "only": "then"}
    assert (align["rule"], align["jobs"], align["wildcards"]) == ("align", 4, {"sample": "s1"})
    assert ("bwa a" in str(align["then"])) and ("bwa b" in str(align["now"]))


def test_what_earlier_versions_have_not_recorded_is_no_difference(folder: Folder) -> None:
    old, new = document(host="a"), document(host="b", packages={"numpy": "2.0"})
    [change] = difference(folder.repository, old, new)["environment"]
    assert (change["then"], change["now"]) == ("a", "b")


def test_a_commit_that_is_not_here_is_named(folder: Folder) -> None:
    missing, here = "1" * 40, folder.git("rev-parse", "HEAD")
    with pytest.raises(GitError, match=f"The source commit {missing} is not in") as refused:
        difference(folder.repository, document(source_commit=missing), document(source_commit=here))
    assert refused.value.hint
