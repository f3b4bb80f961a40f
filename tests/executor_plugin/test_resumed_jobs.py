"""What a process of a run that was killed has begun: taken over, followed, or done again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mirrors import bare_mirror
from projects import wait_until
from repositories import new_repository

from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import RunError
from gitbatch_core.model.job_order import ORDER_NAME, DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import JobRecord, PoolFacts, SingleJob, StoredFile
from gitbatch_core.model.job_result import LOG_NAME, RESULT_NAME, JobResult
from gitbatch_core.pools.local.pool import LocalPool
from gitbatch_core.run.lease import Owner
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run
from snakemake_executor_plugin_gitbatch.job.job_table import JobState, JobTable
from snakemake_executor_plugin_gitbatch.reuse import resumed_jobs
from snakemake_executor_plugin_gitbatch.reuse.resumed_jobs import ResumedJobs


class Queue(LocalPool):
    """A pool that still has some of the jobs of a process that is gone."""

    def __init__(self) -> None:
        super().__init__(cores=1)
        self.ids: dict[int, str] = {}
        self.asked: dict[int, Path | None] = {}
        self.meanwhile: Callable[[], object] = bool

    def adopt(self, jobs: Mapping[int, Path | None]) -> dict[int, str]:
        self.asked = dict(jobs)
        self.meanwhile()
        return {number: id for number, id in self.ids.items() if number in jobs}


@pytest.fixture
def queue() -> Iterator[Queue]:
    pool = Queue()
    yield pool
    pool.close()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    repository = new_repository(tmp_path / "project")
    about = {"begun": "2026-01-01", "message": "", "top": str(repository.top), "jobs": 1}
    started = Run.start(
        repository,
        Archive.create(tmp_path / "archive", "xxh3"),
        id="20260101-000000-abcd",
        commit=repository.commit_of("HEAD"),
        pool="htcondor",
        about=about,
    )
    started.ready()
    return started


def hand_over(run: Run, number: int, *, pool: str = "htcondor", rules: str = "r") -> JobRecord:
    """Have the folder of a job as it is when the job was handed to a pool."""
    record = JobRecord(
        number=number,
        key=f"key{number}",
        rule="+".join(rules),
        members=[SingleJob(rule=rule, wildcards={"n": str(number)}) for rule in rules],
        pool=PoolFacts(kind=pool),
    )
    JobOrder(
        argv=("true",),
        folder=str(run.worktree.path),
        worktree=str(run.worktree.path),
        archive=str(run.archive.root),
        environment={},
        outputs=(DeclaredOutput(path=f"out{number}"),),
        sign=str(run.sign(number)),
        record=record,
    ).write(run.job_folder(number) / ORDER_NAME)
    return record


def answer(run: Run, record: JobRecord, *, succeeded: bool = True, **facts: Any) -> None:
    path = run.job_folder(record.number) / RESULT_NAME
    JobResult(succeeded=succeeded, record=record, **facts).write(path)


def adopt(run: Run, queue: Queue) -> dict[int, JobState]:
    table = resumed_jobs.adopt(run, Owner.read(run.private), queue)
    return {state.number: state for state in table.adopted()}


def test_what_has_succeeded_is_taken_over_and_not_waited_for(run: Run, queue: Queue) -> None:
    answer(run, hand_over(run, 1))
    answer(run, hand_over(run, 2))
    queue.ids = {2: "7.0"}  # on its way out
    states = adopt(run, queue)
    assert [state.record.key for n in (1, 2) if (state := states[n]).record] == ["key1", "key2"]
    assert [states[n].id for n in (1, 2)] == ["", ""]
    assert run.sign(2).exists(), "the runner may have been ended before it could make it"
    assert not run.sign(1).exists()


def test_what_the_pool_still_has_is_followed_and_what_nobody_has_runs_again(
    run: Run, queue: Queue
) -> None:
    for number in (1, 2, 3):
        hand_over(run, number)
    (run.job_folder(2) / RESULT_NAME).write_bytes(b'{"format": "gitbatch-answer", "ver')
    queue.ids = {1: "7.0", 2: "7.1"}
    states = adopt(run, queue)
    assert {number: state.id for number, state in states.items()} == {1: "7.0", 2: "7.1"}
    assert all(state.pool is queue and state.record is None for state in states.values())
    assert queue.asked == {number: run.sign(number) for number in (1, 2, 3)}


def test_a_job_that_ends_while_the_pool_is_asked_is_not_lost(run: Run, queue: Queue) -> None:
    record = hand_over(run, 1)
    queue.meanwhile = lambda: answer(run, record)
    assert adopt(run, queue)[1].record is not None


def test_why_a_job_has_failed_is_told(run: Run, queue: Queue) -> None:
    answer(run, hand_over(run, 1), succeeded=False, reason="The archive is full.")
    answer(run, hand_over(run, 2), succeeded=False, exit_code=1)
    table = resumed_jobs.adopt(run, Owner.read(run.private), queue)
    assert [state.failure for state in table.adopted()] == ["The archive is full.", ""]
    assert table.failed() == ["r[n=1]", "r[n=2]"]
    assert table.claimable("key1") == [], "it is to run again"


@pytest.mark.parametrize(
    "order", [None, b"", b'{"format": "gitbatch-order", "vers', b'{"format": "x"}', b"\xff\xfe"]
)
def test_an_order_that_is_unreadable_costs_no_other_job(
    run: Run, queue: Queue, order: bytes | None
) -> None:
    """The process was killed while it wrote it, or the disk was full."""
    answer(run, hand_over(run, 1))
    folder = run.job_folder(2)
    if order is not None:
        (folder / ORDER_NAME).write_bytes(order)
    (folder.parent / "notes").mkdir()
    queue.ids = {2: "7.1"}
    table = resumed_jobs.adopt(run, Owner.read(run.private), queue)
    assert [state.number for state in table.adopted()] == [1]
    assert queue.asked.keys() == {1}


def test_no_number_is_used_twice(run: Run, queue: Queue, make_workflow: Any) -> None:
    run.job_folder(12)  # without an order
    hand_over(run, 9)
    table = resumed_jobs.adopt(run, Owner.read(run.private), queue)
    workflow = make_workflow("rule a:\n    output: 'a'\n    shell: 'touch a'\n", "a")
    assert table.add(next(iter(workflow.dag.jobs)), "r").number == 13


def test_groups_are_called_by_their_rules(run: Run, queue: Queue) -> None:
    answer(run, hand_over(run, 1, rules="aba"))
    assert adopt(run, queue)[1].title == "group[a,b]"


@pytest.fixture
def runner_of(run: Run) -> Iterator[Callable[..., None]]:
    """Starts a process that looks like the runner of a job on this machine."""
    processes = []

    def start(number: int, command: str) -> None:
        argv = ["/bin/sh", "-c", command, str(run.job_folder(number))]
        processes.append(process := subprocess.Popen(argv))
        owner = Owner.read(run.private)
        # A process that begins has no arguments to look at for a moment.
        wait_until(lambda: number in owner.jobs_here() or process.poll() is not None, "the runner")

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_jobs_of_this_machine_have_ended_before_they_are_looked_at(
    run: Run, queue: Queue, runner_of: Callable[..., None]
) -> None:
    record = hand_over(run, 3, pool="local")
    result, ready = run.job_folder(3) / RESULT_NAME, run.job_folder(3) / LOG_NAME
    answer(run, record)
    result.rename(ready)
    runner_of(3, f"sleep 0.5; mv {ready} {result}")
    state = adopt(run, queue)[3]
    assert state.record is not None, "it has ended well, a moment after the run was lost"
    assert queue.asked == {}, "the pool is a new one"


def test_nothing_goes_on_beside_a_job_that_does_not_end(
    run: Run,
    queue: Queue,
    runner_of: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resumed_jobs, "_ENDING_S", 0.1)
    hand_over(run, 3, pool="local")
    hand_over(run, 4)
    for number in (3, 4):
        runner_of(number, "sleep 100; true")
    with pytest.raises(RunError, match=r"still ending on this machine: 3\."):
        adopt(run, queue)


# ------------------------------------------------------------------ what is asked of them


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    (tmp_path / "mirror").mkdir()
    return bare_mirror(tmp_path / "mirror")


@pytest.fixture
def resumed(mirror: Mirror) -> ResumedJobs:
    return ResumedJobs(jobs=JobTable(), mirror=mirror)


def stored(mirror: Mirror, path: str, text: str, *, temporary: bool = False) -> StoredFile:
    """An output in the archive, as records have it."""
    name = mirror.archive.put_bytes(text.encode(), name=path).name
    return StoredFile(
        path=path,
        address=str(name.address),
        size=len(text),
        name=name.path,
        temporary=temporary,
    )


def done(number: int, *outputs: StoredFile, key: str = "k", **facts: Any) -> JobState:
    record = JobRecord(outputs=outputs, **facts)
    return JobState(number=number, title=f"r[{number}]", key=key, record=record)


def running(number: int, *paths: str) -> JobState:
    order = JobOrder(
        argv=(),
        folder="",
        worktree="",
        archive="",
        environment={},
        outputs=[DeclaredOutput(path=path) for path in paths],
    )
    return JobState(number=number, title=f"r[{number}]", key="k", order=order, id=f"7.{number}")


def test_a_job_is_claimed_once(resumed: ResumedJobs, mirror: Mirror) -> None:
    first, second = (done(number, stored(mirror, "a", "x")) for number in (1, 2))
    for state in (first, second, done(3, key="other")):
        resumed.jobs.adopt(state)
    claimed = []
    for job in ("job", "the same again", "and again"):
        if (state := resumed.find("k")) is not None:
            resumed.jobs.claim(state, job)
            claimed.append(state)
    assert claimed == [second, first], "the latest one first"
    assert resumed.find("unknown") is None


def test_a_result_whose_object_is_gone_or_cut_is_made_again(
    resumed: ResumedJobs, mirror: Mirror
) -> None:
    whole, gone, cut = (stored(mirror, name, f"text {name}") for name in ("whole", "gone", "cut"))
    for number, outputs in enumerate([(whole,), (whole, gone), (whole, cut)], 1):
        resumed.jobs.adopt(done(number, *outputs))
    os.unlink(mirror.archive.root / str(gone.name))
    path = mirror.archive.root / str(cut.name)
    path.chmod(0o644)
    path.write_text("te")
    state = resumed.find("k")
    assert state is not None and state.number == 1


def test_a_temporary_output_is_there_while_the_worktree_has_it(
    resumed: ResumedJobs, mirror: Mirror
) -> None:
    resumed.jobs.adopt(done(1, stored(mirror, "a", "x", temporary=True)))
    assert resumed.find("k") is None
    (mirror.worktree / "a").write_text("x")
    assert resumed.find("k") is not None


def test_what_was_put_in_place_is_known_where_the_user_has_not_changed_it(
    resumed: ResumedJobs, mirror: Mirror
) -> None:
    kept, edited = (stored(mirror, name, name) for name in ("kept", "edited"))
    passing = stored(mirror, "passing", "passing", temporary=True)
    (mirror.worktree / "passing").write_text("passing")
    for output in (kept, edited, passing):
        output_links.link_output(mirror, output, 1)
    (mirror.top / "edited").unlink()
    (mirror.top / "edited").write_text("mine")
    mirror.outputs.clear()
    mirror.addresses.clear()
    state = done(1, kept, edited, passing, stored(mirror, "never", "never"))
    resumed.jobs.adopt(state)
    assert resumed.recall() == [("passing", state.record)]
    assert mirror.outputs.keys() == {"kept", "passing"}


def test_an_output_that_is_updated_in_place_is_looked_up_as_it_was_before(
    resumed: ResumedJobs,
) -> None:
    """By what it is now, the job that has updated it already would do it twice."""
    resumed.jobs.adopt(done(1, StoredFile(path="table", address="one")))
    updated = {"table": "one"}
    resumed.jobs.adopt(done(2, StoredFile(path="table", address="two"), updated=updated))
    assert resumed.before_update({"table": "two", "other": "x"}) == updated | {"other": "x"}
    assert resumed.before_update({"table": "one"}) == {}, "there was none before"
    assert resumed.before_update({"table": "edited since"}) == {"table": "edited since"}


def test_jobs_in_the_pool_that_would_write_the_same(resumed: ResumedJobs) -> None:
    for state in (running(1, "a", "b"), running(2, "c"), running(3, "a")):
        resumed.jobs.adopt(state)
    assert resumed.writers({"a", None}) == [1, 3]
    [latest, *_] = resumed.jobs.claimable("k")
    resumed.jobs.claim(latest, "a job")
    assert resumed.writers({"a", "d"}) == [1]


def test_what_nothing_asks_for_is_named(resumed: ResumedJobs, mirror: Mirror) -> None:
    here, missing, lost = (stored(mirror, name, name) for name in ("here", "missing", "lost"))
    output_links.link_output(mirror, here, 1)
    os.unlink(mirror.archive.root / str(lost.name))
    for state in (done(1, here), done(2, missing), done(3, lost), running(4, "a")):
        resumed.jobs.adopt(state)
    assert resumed.not_asked_for() == ["r[4]", "r[2]"]
    assert resumed.describe() == (
        "Resuming the lost run: 3 of its jobs have finished, 1 is queued or running."
    )


def test_jobs_are_as_old_as_their_orders(run: Run, queue: Queue) -> None:
    answer(run, hand_over(run, 1))
    moment = time.time() - 3600
    os.utime(run.job_folder(1) / ORDER_NAME, (moment, moment))
    assert adopt(run, queue)[1].handed_over == pytest.approx(moment)
