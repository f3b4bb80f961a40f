"""A job that the schedd runs on its own machine, and starts again after a crash: a controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.pools.base_environment import public_environment
from gitbatch_core.pools.htcondor.submit import (
    SubmitDescription,
    environment_v2,
    path,
    string,
    word_v2,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MOST_STARTS = 20


def submit(argv: Sequence[str], *, folder: Path, name: str) -> str:
    """Start `argv` in `folder`; the job's id. It starts with the environment that any job of a run
    starts with. Raises PoolError."""
    from gitbatch_core.pools.htcondor.schedd import Schedd

    place = path(folder, of="The controller's folder")
    commands = {
        "universe": "local",
        "executable": path(argv[0], of="Python"),
        "MY.Arguments": string(" ".join(map(word_v2, argv[1:]))),
        "MY.Environment": string(environment_v2(public_environment())),
        "initialdir": place,
        "output": f"{place}/output",
        "error": f"{place}/output",
        "log": f"{place}/events.log",
        "batch_name": "gitbatch controller",
        "MY.GitbatchName": string(name),
        "MY.JobDescription": string(name),
        # condor_rm ends the run as Ctrl-C does. A schedd that goes away just ends the process: the
        # run's jobs stay, and the next start finds them.
        "remove_kill_sig": "SIGINT",
        "kill_sig": "SIGKILL",
        "on_exit_remove": f"ExitBySignal =!= true || NumJobStarts >= {_MOST_STARTS}",
        "MY.WantGracefulRemoval": "true",
        "job_max_vacate_time": "60",
    }
    [id] = Schedd().submit(SubmitDescription(commands=commands, items=({"item": "1"},), jobs=()))
    return id
