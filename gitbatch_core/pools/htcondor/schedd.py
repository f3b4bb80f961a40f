"""The schedd of this machine and its event logs: the only importer of HTCondor's bindings.

Import it late: the bindings read HTCondor's configuration when they are imported, and where that
fails they write about it to the terminal (`probe` looks from a process of its own, which runs this
module). As a program it prints one JSON object: which schedd answers, or why none does.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from typing import TYPE_CHECKING, Any

import classad2
import htcondor2

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.htcondor.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitbatch_core.pools.htcondor.submit import SubmitDescription

_CONNECT_S = 1.5

_LIMITS = {
    "-2": "MAX_JOBS_SUBMITTED",
    "-3": "MAX_JOBS_PER_OWNER",
    "-4": "MAX_JOBS_PER_SUBMISSION",
}
"""The setting that limits how many jobs may be queued, by what the schedd says instead of a job's
number."""

Ad = dict[str, Any]
"""Attributes with their values; None for what is undefined."""


class ScheddError(PoolError):
    """The schedd does not answer, or refuses."""


class Schedd:
    """The local schedd, looked for anew at each call: after a restart it has another address.

    All methods raise ScheddError.
    """

    def submit(self, description: SubmitDescription) -> list[str]:
        """Queue these jobs, all or none; their ids (`12.0`) in order."""
        try:
            result = self._schedd().submit(
                htcondor2.Submit(dict(description.commands)),
                itemdata=iter([dict(item) for item in description.items]),
            )
        except (htcondor2.HTCondorException, ValueError, TypeError) as error:
            raise _error(error) from error
        if result.num_procs() != len(description.items):
            raise ScheddError(f"the schedd took {result.num_procs()} of {len(description.items)}")
        return [f"{result.cluster()}.{result.first_proc() + n}" for n in range(result.num_procs())]

    def query(self, constraint: str, attributes: Sequence[str]) -> list[Ad]:
        """The jobs in the queue that meet `constraint`."""
        try:
            return [_ad(ad) for ad in self._schedd().query(constraint, list(attributes))]
        except htcondor2.HTCondorException as error:
            raise _error(error) from error

    def not_made(self, constraint: str) -> dict[int, int]:
        """Of clusters that meet `constraint` and whose jobs the schedd makes bit by bit: the
        number of the first that is not made yet."""
        # Before it has made any, the cluster does not say which is the next.
        sign, following = "JobMaterializeDigestFile", "JobMaterializeNextProcId"
        names = ["ClusterId", "ProcId", sign, following]
        try:
            ads = self._schedd().query(constraint, names, opts=htcondor2.QueryOpt.IncludeClusterAd)
        except htcondor2.HTCondorException as error:
            raise _error(error) from error
        clusters = [ad for ad in ads if "ProcId" not in ad and sign in ad]
        return {ad["ClusterId"]: ad.get(following, 0) for ad in clusters}

    def history(
        self, constraint: str, attributes: Sequence[str], *, since: int, most: int
    ) -> list[Ad]:
        """The jobs that left the queue after `since` (seconds since 1970), at most so many."""
        try:
            ads = self._schedd().history(
                constraint, list(attributes), match=most, since=f"EnteredCurrentStatus < {since}"
            )
            return [_ad(ad) for ad in ads]
        except htcondor2.HTCondorException as error:
            raise _error(error) from error

    def remove(self, constraint: str, reason: str) -> None:
        """Remove the jobs that meet `constraint`. A quote in `reason` would hide it from readers
        of the event log."""
        self._act(htcondor2.JobAction.Remove, constraint, reason)

    def release(self, constraint: str, reason: str) -> None:
        """Release the jobs that meet `constraint`."""
        self._act(htcondor2.JobAction.Release, constraint, reason)

    def runs_jobs_itself(self) -> bool:
        """Whether it starts jobs of the scheduler universe."""
        name = "StartSchedulerUniverse"
        try:
            location = _locate()
            [ad] = htcondor2.Collector().query(
                htcondor2.AdType.Schedd, constraint=f"Name == {classad2.quote(location['Name'])}"
            )
            return name in ad and _value(ad.eval(name)) is not False
        except (htcondor2.HTCondorException, ValueError) as error:
            raise _error(error) from error

    def _act(self, action: Any, constraint: str, reason: str) -> None:
        try:
            # A bare string as reason is lost by the bindings.
            self._schedd().act(action, constraint, (reason.replace('"', "'"), 0))
        except htcondor2.HTCondorException as error:
            raise _error(error) from error

    def _schedd(self) -> Any:
        return htcondor2.Schedd(_locate())


class EventLog:
    """Reads an event log as it grows."""

    def __init__(self, path: Path) -> None:
        """`path` must exist; it may be empty."""
        self._path = path
        self._log = htcondor2.JobEventLog(str(path))
        self._seen = 0

    def read(self) -> list[Event]:
        """The events that are new. Costs one stat where the file has not grown."""
        size = self._path.stat().st_size
        if size == self._seen:
            return []
        self._seen = size
        try:
            return [_event(event) for event in self._log.events(stop_after=0)]
        except htcondor2.HTCondorException as error:
            raise _error(error) from error

    def close(self) -> None:
        self._log.close()


def slots() -> list[SlotAd]:
    """All resources of the pool's machines, in use or not: static and partitionable slots. Raises
    ScheddError."""
    try:
        ads = htcondor2.Collector().query(
            htcondor2.AdType.Startd, constraint="DynamicSlot =!= True"
        )
    except htcondor2.HTCondorException as error:
        raise _error(error) from error
    return [SlotAd(ad) for ad in ads]


class SlotAd:
    """One slot, as if nobody used it."""

    def __init__(self, ad: Any) -> None:
        self._ad = ad
        own = str(ad.get("MachineResources") or "").split()
        for name in ("Cpus", "Memory", "Disk", "GPUs", *own):
            if (total := self.number(f"TotalSlot{name}")) is not None:
                ad[name] = int(total)

    def number(self, name: str) -> float | None:
        value = _value(self._ad.eval(name)) if name in self._ad else None
        return float(value) if isinstance(value, (int, float)) else None

    def meets(self, requirements: str, job: Mapping[str, str]) -> bool:
        """Whether it meets a job's expression; `job`: the job's other attributes. Raises
        ScheddError where that is no expression."""
        mine = classad2.ClassAd({name: _expression(text) for name, text in job.items()})
        return bool(_value(_expression(requirements).eval(mine, self._ad)))


def check_expression(text: str) -> None:
    """Raise ScheddError where `text` is no ClassAd expression."""
    _expression(text)


def _expression(text: str) -> Any:
    try:
        return classad2.ExprTree(text)
    except (classad2.ClassAdException, ValueError, SyntaxError) as error:
        raise ScheddError(f"`{text}` is no ClassAd expression") from error


def default_memory() -> str:
    """The memory that the configuration requests for jobs that request none: MiB, a ClassAd
    expression; empty if it does not say."""
    text = str(htcondor2.param.get("JOB_DEFAULT_REQUESTMEMORY") or "")
    return text if "$" not in text and "\n" not in text else ""


def bindings_version() -> str:
    return _version(htcondor2.version())


def user_admitted() -> str:
    """The name under which the schedd would queue jobs of ours; raises ScheddError where it would
    not. Asks, queues nothing."""
    try:
        answer = _ad(htcondor2.ping(_locate(), "WRITE"))
    except (htcondor2.HTCondorException, ValueError) as error:
        raise _error(error) from error
    name = str(answer.get("MyRemoteUserName") or "")
    if answer.get("AuthorizationSucceeded") is not True:
        raise ScheddError(f"the schedd does not let {name or 'you'} queue jobs")
    return name


def slot_ads(attributes: Sequence[str]) -> list[Ad]:
    """The pool's slots, as the collector knows them. Raises ScheddError."""
    try:
        ads = htcondor2.Collector().query(htcondor2.AdType.Startd, projection=list(attributes))
        return [_ad(ad) for ad in ads]
    except htcondor2.HTCondorException as error:
        raise _error(error) from error


def setting(name: str) -> str:
    """What HTCondor's configuration says here; nothing where it says nothing."""
    return str(htcondor2.param.get(name) or "")


def _locate() -> Any:
    try:
        location = htcondor2.Collector().locate(htcondor2.DaemonType.Schedd)
    except htcondor2.HTCondorException as error:
        raise _error(error) from error
    if location is None:
        raise ScheddError("no schedd is known")
    return location


def _error(error: Exception) -> ScheddError:
    text = " ".join(str(error).split()) or type(error).__name__
    if limit := _LIMITS.get(text.rpartition("Schedd says ")[2]):
        text = f"the schedd takes no more ({limit}): use a smaller -j"
    return ScheddError(text)


def _ad(ad: Any) -> Ad:
    return {name: _value(ad.eval(name)) for name in ad}


def _value(value: Any) -> Any:
    return None if isinstance(value, classad2.Value) else value


def _event(event: Any) -> Event:
    # Attributes that are expressions or ads of their own are nothing we need.
    facts = {k: v for k, v in event.items() if isinstance(v, (str, int, float, bool))}
    return Event(kind=event.type.name, cluster=event.cluster, proc=event.proc, facts=facts)


def _version(text: str) -> str:
    match = re.search(r"\d+\.\d+\.\d+", text)
    return match[0] if match else text.strip("$ ")


def identity() -> dict[str, str]:
    """`name`, `version` and `address` of the schedd; raises ScheddError where none answers."""
    location = _locate()
    address = str(location["MyAddress"])
    place = re.match(r"<\[?([^\]>?]+?)\]?:(\d+)", address)
    if place is None:
        raise ScheddError(f"the schedd has no address that can be understood: {address}")
    host, port = place.groups()
    try:
        socket.create_connection((host, int(port)), _CONNECT_S).close()
    except OSError as error:
        raise ScheddError(f"no schedd answers at {host}:{port} ({error.strerror})") from error
    return {
        "name": str(location.get("Name") or location.get("Machine") or host),
        "version": _version(str(location.get("CondorVersion") or "")),
        "bindings": bindings_version(),
        "address": f"{host}:{port}",
    }


if __name__ == "__main__":
    try:
        json.dump(identity(), sys.stdout)
    except ScheddError as failure:
        json.dump({"why_not": failure.message}, sys.stdout)
