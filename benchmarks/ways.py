"""The ways in which the benchmark of pools runs a workflow: gitbatch and its peers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import phases

SLOTS = 8
LONGEST_S = 1200
"""For one workflow, once."""
AFTER = "plugin, right after gitbatch"
"""A way of its own: on a pool that is as gitbatch has left it."""

SCRIPT = '#!/bin/bash\nmkdir -p "${1%/*}" && echo $EPOCHREALTIME > "$1"\n'

WAYS = {
    "raw": None,
    "gitbatch": ["--executor", "gitbatch", "--gitbatch-pool", "htcondor"],
    "plugin": ["--executor", "htcondor", "--seconds-between-status-checks", "1"],
    "plugin, defaults": ["--executor", "htcondor"],
    AFTER: ["--executor", "htcondor", "--seconds-between-status-checks", "1"],
    "local": ["--cores", str(SLOTS)],
}


def snakemake(place: Path, options: list[str]) -> list[phases.Line]:
    """Run Snakemake to its end; its lines with the moments they came at."""
    command = [sys.executable, "-m", "snakemake", "--nocolor", "--max-jobs-per-timespan", "1000/1s"]
    jobs = [] if "--cores" in options else ["--jobs", "1000"]
    process = subprocess.Popen(
        [*command, *options, *jobs],
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    limit = threading.Timer(LONGEST_S, process.kill)
    limit.start()
    lines = [phases.Line(at=time.time(), text=line.rstrip()) for line in process.stdout]
    code = process.wait()
    limit.cancel()
    if code != 0:
        sys.exit("\n".join(line.text for line in lines[-40:]))
    return lines


def raw(place: Path, levels: list[int], *, keep_claim_idle_s: int) -> list[phases.Moment]:
    """The same commands without Snakemake: one cluster per level, followed by the event log.

    When each level was handed over, and when it was seen to have ended.
    """
    # Here, as they read the configuration when they are imported.
    import htcondor2

    script = place / "job.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    log = place / "events.log"
    log.touch()
    reader = htcondor2.JobEventLog(str(log))
    description = htcondor2.Submit(
        {
            "universe": "vanilla",
            "executable": str(script),
            "transfer_executable": "false",
            "should_transfer_files": "IF_NEEDED",
            "arguments": "$(target)",
            "log": str(log),
            "keep_claim_idle": str(keep_claim_idle_s),
        }
    )
    schedd = htcondor2.Schedd()
    moments = []
    for level, number in enumerate(levels):
        handed_over = time.time()
        targets = [{"target": str(place / f"out/{level}/{n}.txt")} for n in range(number)]
        schedd.submit(description, itemdata=iter(targets))
        left = number
        while left:
            time.sleep(0.01)
            if time.time() - handed_over > LONGEST_S:
                sys.exit("HTCondor does not run the jobs")
            seen = reader.events(stop_after=0)
            left -= sum(event.type == htcondor2.JobEventType.JOB_TERMINATED for event in seen)
        moments.append(phases.Moment(handed_over=handed_over, seen=time.time()))
    reader.close()
    return moments
