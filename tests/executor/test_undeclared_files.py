"""Who may have written a file, and where what jobs have left goes: without Snakemake."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from mirrors import bare_mirror

from gitbatch_core.archive.layout import ObjectName
from gitbatch_core.model.job_order import ORDER_NAME, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import LOG_NAME, RESULT_NAME, JobResult
from gitbatch_core.model.run_document import RunDocument, UndeclaredBy, UndeclaredFile
from gitbatch_core.run.executions import Execution, all_of, nearest, running_at
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles


def execution(number: int, start: int = 0, end: int = 0, *outputs: str) -> Execution:
    return Execution(
        number=number,
        rule=f"r{number}",
        members=(f"r{number}",),
        outputs=outputs,
        start_ns=start,
        end_ns=end,
    )


def test_running_at() -> None:
    jobs = [execution(1, 10, 20), execution(2, 15, 30), execution(3, 40, 50)]
    moments = (9, 10, 17, 20, 21, 30, 35, 50, 51)
    found = running_at(jobs, moments)
    numbers = {moment: sorted(each.number for each in some) for moment, some in found.items()}
    expected = ([], [1], [1, 2], [1, 2], [2], [2], [], [3], [])
    assert numbers == dict(zip(moments, expected, strict=True))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("out/a.bam.bai", [1]),
        ("out/a.bai", [1]),
        ("out/ab.bai", [1, 2]),  # only the folder is the same
        ("out/a.b.idx", [1]),
        ("out/b.tar.gz.idx", [2]),
        ("other/x", [3]),
        ("other/a.bam", [3]),
        ("elsewhere/x", [1, 2, 3]),
    ],
)
def test_nearest(path: str, expected: list[int]) -> None:
    jobs = [
        execution(1, 0, 0, "out/a.bam"),
        execution(2, 0, 0, "out/b.tar.gz"),
        execution(3, 0, 0, "other/c.txt", "a"),
    ]
    assert [each.number for each in nearest(path, jobs)] == expected
    assert nearest(path, jobs[2:]) == jobs[2:]  # there is no other


def record(number: int, started: str, ended: str, host: str = "here") -> Any:
    return {
        "run": "r",
        "number": number,
        "rule": "a",
        "members": [{"rule": "a", "wildcards": {"n": "1"}}],
        "host": {"name": host},
        "started": f"2026-01-01T00:00:{started}Z",
        "ended": f"2026-01-01T00:00:{ended}Z",
        "outputs": [{"path": "a.txt"}],
    }


def test_all_of(tmp_path: Path) -> None:
    """Jobs that failed, that were ended before they could say anything, or were started twice, ran
    too. Clocks differ, and what the runner has touched tells by how much."""
    second, begin = 10**9, 1767225600 * 10**9
    for number in range(1, 6):
        folder = tmp_path / str(number)
        folder.mkdir()
        order = JobOrder(
            argv=(),
            folder="",
            worktree="",
            archive="",
            environment={},
            outputs=(),
            record=JobRecord.from_dict(
                {k: record(number, "00", "00")[k] for k in ("number", "rule", "members")}
            ),
        )
        order.write(folder / ORDER_NAME)
        os.utime(folder / ORDER_NAME, ns=(second, second))
    failed = JobResult(succeeded=False, record=JobRecord.from_dict(record(2, "10", "20")))
    failed.write(tmp_path / "2" / RESULT_NAME)
    done = [record(1, "01", "02"), record(4, "30", "40"), record(5, "41", "42", "elsewhere")]
    done.append(record(6, "43", "44", "nowhere"))
    for number, ended in ((1, 102), (5, 7)):  # 100 s ahead, 35 s behind
        (tmp_path / str(number) / LOG_NAME).touch()
        os.utime(tmp_path / str(number) / LOG_NAME, ns=(begin + ended * second,) * 2)
    found = {each.number: each for each in all_of(map(JobRecord.from_dict, done), tmp_path, {4})}
    assert {number for number, each in found.items() if each.failed} == {2, 3}
    seconds = {
        number: (round((each.start_ns - begin) / second), round((each.end_ns - begin) / second))
        for number, each in found.items()
    }
    assert {number: seconds[number] for number in (1, 2, 5, 6)} == {
        1: (101, 102),
        2: (110, 120),
        5: (6, 7),
        6: (41, 46),
    }
    assert found[3].start_ns < second < begin * 2 < found[3].end_ns
    assert found[4].start_ns < second and seconds[4][1] == 142
    assert found[5].members == ("a[n=1]",) and found[5].outputs == ("a.txt",)


def files_of(tmp_path: Path) -> UndeclaredFiles:
    files = UndeclaredFiles(mirror=bare_mirror(tmp_path, pinned_ns=10**18))
    for top in (files.mirror.top, files.mirror.worktree):
        (top / ".gitbatch").mkdir()
        (top / ".gitbatch" / "archive").symlink_to(files.mirror.archive.root)
    return files


def entry(files: UndeclaredFiles, path: str, data: bytes, *jobs: int) -> UndeclaredFile:
    stored = files.mirror.archive.put_bytes(data, name=path)
    return UndeclaredFile(
        path=path,
        run="r",
        jobs=jobs,
        kind="file",
        address=str(stored.address),
        name=stored.name.path,
        size=len(data),
    )


def link(files: UndeclaredFiles, of: UndeclaredFile, top: str = "worktree") -> Path:
    path: Path = getattr(files.mirror, top) / of.path
    files.mirror.link(path, ObjectName.parse(of.name or ""), 10**18)
    return path


def test_room(tmp_path: Path) -> None:
    """A job finds nothing of what belongs to its own outputs, may write to what else it or one of
    its rule has left, and to nothing else; others find that all the time."""
    files = files_of(tmp_path)
    own = entry(files, "a.txt.idx", b"own", 1)
    shared = entry(files, "shared", b"shared", 1, 2)
    idle = entry(files, "idle", b"idle", 2)
    other = entry(files, "c.txt.idx", b"other", 3)
    gone = entry(files, "gone", b"gone", 3)
    for each in (own, shared, idle, other, gone):
        link(files, each)
        link(files, each, "top")
        files.mirror.addresses[each.path] = each.address or ""
    jobs = {
        "r-1": {"rule": "a", "members": ["a[n=a]"], "outputs": ["a.txt"]},
        "r-2": {"rule": "idle", "members": ["idle"], "outputs": []},
        "r-3": {"rule": "a", "members": ["a[n=c]"], "outputs": ["c.txt"]},
    }
    run = RunDocument(
        run="r",
        undeclared=[own, shared, idle, other, gone],
        undeclared_jobs={name: UndeclaredBy.from_dict(job) for name, job in jobs.items()},
    )
    files.recognise([run], lambda path: False)
    there, here = files.mirror.worktree, files.mirror.top

    files.make_room(["a.txt"], ["renamed"], ["renamed"])
    assert not os.path.lexists(there / "a.txt.idx")
    assert not (there / "shared").is_symlink() and not files.is_rewritten("shared")
    assert all((there / name).is_symlink() for name in ("idle", "c.txt.idx", "gone"))
    (there / "shared").write_bytes(b"new")
    assert files.is_rewritten("shared") and not files.is_rewritten("idle")

    files.make_room([], ["idle"], ["idle"])
    (there / "idle").write_bytes(b"idle")  # the same again
    files.make_room(["d.txt"], ["a[n=d]"], ["a"])
    assert (there / "gone").is_file() and (there / "c.txt.idx").is_symlink()
    (there / "gone").unlink()
    (here / "c.txt.idx").unlink()  # by the user

    rewritten = [name for name in files.entries if files.is_rewritten(name)]
    assert rewritten == ["shared", "idle"]
    left = files.end("s", rewritten, [], {"renamed"}, lambda path: False, keep=True)
    assert left.links.keys() == {"shared", "idle"}
    assert sorted(path.name for path in here.iterdir()) == [".gitbatch", "idle", "shared"]
    assert (here / "shared").read_bytes() == b"new"


def test_room_of_a_job_that_fails(tmp_path: Path) -> None:
    """What it would have written again stays."""
    files = files_of(tmp_path)
    own = entry(files, "a.txt.idx", b"own", 1)
    job = UndeclaredBy(rule="a", members=("a",), outputs=("a.txt",))
    files.bring([own], {"r-1": job})
    here = link(files, own, "top")
    files.make_room(["a.txt"], ["a"], ["a"])
    assert not os.path.lexists(files.mirror.worktree / "a.txt.idx")
    left = files.end("s", [], [], {"b"}, lambda path: False, keep=True)
    assert here.is_symlink() and left.files == [own]


def test_what_is_declared_now(tmp_path: Path) -> None:
    """Is none of ours any more."""
    files = files_of(tmp_path)
    left = entry(files, "a.idx", b"1", 1)
    files.mirror.addresses["a.idx"] = left.address or ""
    link(files, left)
    run = RunDocument(run="r", undeclared=[left])
    files.recognise([run], lambda path: path == "a.idx")
    assert not files.entries
    older = RunDocument.from_dict({"undeclared": {"a.idx": ["rule"]}})
    files.recognise((older, run), lambda path: False)
    assert files.entries == {"a.idx": left}
    assert files.end("s", [], [], (), lambda path: True, keep=True).files == []


def test_reused(tmp_path: Path) -> None:
    """What comes along with a reused job takes the place of what it has left before, and of nothing
    else."""
    files = files_of(tmp_path)
    old, new = entry(files, "a.idx", b"old", 1), entry(files, "a.idx", b"new", 1)
    written = entry(files, "b.idx", b"1", 1)
    lost = entry(files, "c.idx", b"2", 1)
    files.mirror.archive.path(ObjectName.parse(lost.name or "")).unlink()
    files.bring([old], {})
    (files.mirror.worktree / "b.idx").write_bytes(b"by a job of this run")
    files.bring([new, written, lost], {})
    assert (files.mirror.worktree / "a.idx").read_bytes() == b"new"
    assert files.entries == {"a.idx": new}
    assert (files.mirror.worktree / "b.idx").read_bytes() == b"by a job of this run"
    assert not os.path.lexists(files.mirror.worktree / "c.idx")


def test_what_cannot_be_kept(tmp_path: Path) -> None:
    """One that cannot does not keep the others from it, nor ends the run."""
    files = files_of(tmp_path)
    there, here = files.mirror.worktree, files.mirror.top
    for name in ("good", "unreadable", "sub/below a file", "frozen", "linked/x"):
        (there / name).parent.mkdir(exist_ok=True)
        (there / name).write_text(name)
    (there / "unreadable").chmod(0)
    (here / "sub").write_text("the user's")
    frozen = entry(files, "frozen", b"the user's own", 1)
    link(files, frozen, "top")
    (tmp_path / "elsewhere").mkdir()
    (here / "linked").symlink_to(tmp_path / "elsewhere")
    paths = ["good", "unreadable", "sub/below a file", "frozen", "linked/x", "repository/", "gone"]
    left = files.end("s", paths, [], (), lambda path: False, keep=True)
    assert left.links.keys() == {"good", "linked/x"}
    addressed = {file.path for file in left.new if file.is_kept}
    assert addressed == {"good", "sub/below a file", "frozen", "linked/x"}
    assert (here / "frozen").read_bytes() == b"the user's own"
    assert (here / "sub").read_text() == "the user's"
    assert (tmp_path / "elsewhere/x").is_symlink()
    assert (tmp_path / "elsewhere/x").read_text() == "linked/x"
