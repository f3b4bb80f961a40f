"""What `gitbatch status` costs.

    python benchmarks/status.py [--results NUMBER] [--rounds NUMBER]

Links into an archive, a run's document that says of each by which job it was made, from what input,
and a folder that has them all; HEAD is a commit later, whose code differs in one file. Against
`git status` of the same tree with all links committed, and against an lstat and readlink of each
link by Python. All are timed in turn; the ratios are those of the medians. No job runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gitbatch_core.archive import links
from gitbatch_core.git import commits
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run import archive_location, run_commit
from gitbatch_core.run.run_commit import Provenance, Result

RUN = "20260101-000000-abcd"
WALK = """
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        os.lstat(os.path.join(folder, name)); os.readlink(os.path.join(folder, name))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gitbatch-status-") as folder:
        top, committed = Path(folder, "work"), Path(folder, "committed")
        make(top, arguments.results)
        git(top, "worktree", "add", "-q", str(committed), f"run/{RUN}")
        (committed / ".gitbatch").mkdir(exist_ok=True)
        (committed / ".gitbatch" / "archive").symlink_to(top / ".git" / "gitbatch" / "archive")
        command = [sys.executable, "-m", "gitbatch_core.cli.main", "status"]
        commands: dict[str, Callable[[], float]] = {
            "ours": lambda: run(top, *command, code=1),
            "git": lambda: run(committed, "git", "status", "--short"),
            "walk": lambda: run(top, sys.executable, "-c", WALK, str(top / "out")),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, timed in commands.items():
                times[name].append(timed())
    medians = {name: statistics.median(each) for name, each in times.items()}
    print("| what | against | ratio | here |")
    for other, against in (("git", "`git status`"), ("walk", "an lstat and readlink of each")):
        print(
            f"| `gitbatch status` of {arguments.results} results of other code | {against} "
            f"| {medians['ours'] / medians[other]:.1f} : 1 "
            f"| {medians['ours']:.2f} s : {medians[other]:.2f} s |"
        )


def make(top: Path, number: int) -> None:
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    (top / "Snakefile").write_text("")
    (top / "in.txt").write_text("in")
    (top / ".gitignore").write_text("/out/\n")
    git(top, "add", ".")
    git(top, "commit", "-qm", "one")
    repository = Repository.find(top)
    commit, archive = repository.commit_of("HEAD"), archive_location.open_archive(repository)
    results, provenance = [], Provenance()
    stored = [archive.put_bytes(f"{n}".encode(), name="x.txt") for n in range(min(number, 500))]
    source = archive.put_bytes(b"in", name="in.txt")
    for n in range(number):
        path, name = f"out/{n % 100}/{n}.txt", stored[n % len(stored)].name
        links.place_link(top / path, name, top=top, mtime_ns=0)
        text = {path: os.readlink(top / path)}
        address = str(name.address)
        results.append(Result(path=path, kind="file", address=address, size=1, links=text))
        made = record(commit, n, path, address, str(source.address))
        provenance.add_record(JobRecord.from_dict(made))
    facts = {"run": RUN, "source_commit": commit, "outcome": "succeeded", "folder": ""}
    made_in = run_commit.write(
        repository,
        document=run_commit.compose(facts, results, provenance),
        results=results,
        inputs={},
        message=f"run\n\n{run_commit.TRAILER}: {RUN}",
    )
    commits.tag(repository, f"run/{RUN}", made_in)
    (top / "Snakefile").write_text("# edited\n")
    git(top, "commit", "-qam", "two")


def record(commit: str, n: int, path: str, address: str, source: str) -> dict[str, object]:
    """As large as those of a plain shell rule."""
    return {
        "run": RUN,
        "number": n + 1,
        "key": f"{n:032x}",
        "commit": commit,
        "folder": "",
        "rule": "make",
        "members": [
            {
                "rule": "make",
                "wildcards": {"n": str(n)},
                "command": {"kind": "shell", "text": f"echo {n} > {path}"},
                "params": {},
                "inputs": [{"path": "in.txt", "address": source}],
                "outputs": [path],
                "logs": [],
                "software": {},
                "threads": 1,
                "resources": {},
            }
        ],
        "environment": {
            "names": ["HOME", "LANG", "PATH", "USER"],
            "values": {"LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        },
        "host": {"name": "host", "system": "Linux", "kernel": "6.1", "machine": "x86_64"},
        "pool": {"kind": "local"},
        "started": "2026-01-01T00:00:00.000Z",
        "ended": "2026-01-01T00:00:01.000Z",
        "usage": {"wall_s": 1.0, "cpu_s": 1.0, "memory_mb": 90.0, "read_mb": 0.0},
        "pool_usage": {"wall_s": 1.0, "cpu_s": 1.0, "memory_mb": 90.0},
        "request": {"cpus": 1},
        "tools": {},
        "updated": {},
        "waited_s": 0.1,
        "outputs": [{"path": path, "address": address}],
    }


def git(folder: Path, *args: str) -> None:
    name = ("-c", "user.name=name", "-c", "user.email=mail@example.org")
    subprocess.run(["git", *name, *args], cwd=folder, check=True)


def run(folder: Path, *command: str, code: int = 0) -> float:
    """Seconds of wall time."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    took = time.perf_counter() - began
    if done.returncode != code:
        raise SystemExit(done.stdout + done.stderr)
    return took


if __name__ == "__main__":
    main()
