"""What HTCondor's bindings are asked for, where no daemon needs to answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.fast

SUBMITTED = """\
000 (012.003.000) 2026-11-28 10:00:00 Job submitted from host: <10.0.0.1:9618>
...
"""
HELD = """\
012 (012.003.000) 2026-11-28 10:01:00 Job was held.
\tError from slot1@ep: memory usage exceeded "it's"
\tCode 34 Subcode 5
...
"""
TERMINATED = """\
005 (012.003.000) 2026-11-28 10:02:00 Job terminated.
\t(0) Abnormal termination (signal 9)
\t(0) No core file
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Remote Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Local Usage
\t0  -  Run Bytes Sent By Job
\t0  -  Run Bytes Received By Job
\t0  -  Total Bytes Sent By Job
\t0  -  Total Bytes Received By Job
...
"""


@pytest.fixture
def schedd(tmp_path: Path) -> Iterator[ModuleType]:
    """The module, with a configuration that names no daemon that answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDOR_CONFIG", str(tmp_path / "condor_config"))
        (tmp_path / "condor_config").write_text(
            "COLLECTOR_HOST = 127.0.0.1:1\nJOB_DEFAULT_REQUESTMEMORY = 256\nMINE = a b\n"
        )
        import htcondor2

        from gitbatch_core.pools.htcondor import schedd

        htcondor2.reload_config()
        yield schedd
    htcondor2.reload_config()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_an_event_log_as_it_grows(schedd: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "events 'of' $(x).log"
    path.touch()
    log = schedd.EventLog(path)
    assert log.read() == []
    append(path, SUBMITTED)
    [submitted] = log.read()
    assert (submitted.kind, submitted.cluster, submitted.proc) == ("SUBMIT", 12, 3)
    assert log.read() == [], "each event once"
    append(path, HELD + TERMINATED[:20])  # written in two pieces
    [held] = log.read()
    assert held.kind == "JOB_HELD"
    assert (held.number("HoldReasonCode"), held.number("HoldReasonSubCode")) == (34, 5)
    assert held.text("HoldReason") == 'Error from slot1@ep: memory usage exceeded "it\'s"'
    append(path, TERMINATED[20:])
    [ended] = log.read()
    assert ended.kind == "JOB_TERMINATED"
    assert (ended.facts["TerminatedNormally"], ended.facts["TerminatedBySignal"]) == (False, 9)
    log.close()
    again = schedd.EventLog(path)
    assert [event.kind for event in again.read()] == ["SUBMIT", "JOB_HELD", "JOB_TERMINATED"]
    again.close()


def slot(schedd: ModuleType, **attributes: Any) -> Any:
    import classad2

    return schedd.SlotAd(classad2.ClassAd(attributes))


def test_a_slot_counts_as_if_nobody_used_it(schedd: ModuleType) -> None:
    ad = slot(
        schedd,
        Cpus=1,
        TotalSlotCpus=8,
        Memory=100,
        TotalSlotMemory=4000,
        MachineResources="Cpus Memory Licences",
        Licences=0,
        TotalSlotLicences=3,
        Machine="ep",
    )
    assert [ad.number(name) for name in ("Cpus", "Memory", "Licences")] == [8, 4000, 3]
    assert ad.number("GPUs") is None and ad.number("Machine") is None
    job = {"RequestCpus": "8", "RequestMemory": "2 * 1024"}
    assert ad.meets("TARGET.Cpus >= RequestCpus && Memory >= RequestMemory", job)
    assert not ad.meets("Memory >= RequestMemory", {"RequestMemory": "4001"})
    assert ad.meets('TARGET.Machine =?= "ep"', {})
    assert not ad.meets("HasSuchAThing", {}), "undefined is no match"
    with pytest.raises(schedd.ScheddError, match=r"^`\(` is no ClassAd expression$"):
        ad.meets("(", {})


@pytest.mark.parametrize("text", ['a == "b c"', "ifThenElse(x, 1, 2)", "member(1, {1, 2})", "-1"])
def test_expressions(schedd: ModuleType, text: str) -> None:
    schedd.check_expression(text)


@pytest.mark.parametrize("text", ["", "a b", "1 +", "a;b", '"open', "$(x)"])
def test_no_expressions(schedd: ModuleType, text: str) -> None:
    with pytest.raises(schedd.ScheddError, match="is no ClassAd expression"):
        schedd.check_expression(text)


def test_the_configuration(schedd: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import htcondor2

    assert (schedd.setting("MINE"), schedd.setting("NO_SUCH_THING")) == ("a b", "")
    assert schedd.default_memory() == "256"
    for unusable in ("$(DETECTED_MEMORY", "$$(x)"):
        monkeypatch.setenv("_CONDOR_JOB_DEFAULT_REQUESTMEMORY", unusable)
        htcondor2.reload_config()
        assert schedd.default_memory() == "", "macros of jobs are nothing that we can work out"


def test_errors_are_one_line_that_says_what_to_do(schedd: ModuleType) -> None:
    def message(text: str) -> str:
        return str(schedd._error(RuntimeError(text)))

    assert message(" Failed\n  to connect ") == "Failed to connect"
    assert message("") == "RuntimeError"
    assert message("Failed to create new proc ID. Schedd says -3") == (
        "the schedd takes no more (MAX_JOBS_PER_OWNER): use a smaller -j"
    )
    assert message("x. Schedd says -9") == "x. Schedd says -9"


def test_no_schedd_is_an_error_of_ours(schedd: ModuleType) -> None:
    for ask in (
        schedd.identity,
        schedd.user_admitted,
        schedd.slots,
        lambda: schedd.Schedd().query("true", ["ClusterId"]),
        lambda: schedd.Schedd().not_made("true"),
        lambda: schedd.Schedd().remove("true", "why"),
        lambda: schedd.Schedd().runs_jobs_itself(),
    ):
        with pytest.raises(schedd.ScheddError):
            ask()


def test_versions(schedd: ModuleType) -> None:
    assert schedd._version("$CondorVersion: 25.14.1 2026-10-01 BuildID: 1.2 $") == "25.14.1"
    assert schedd._version("$Unknown $") == "Unknown"
    assert schedd.bindings_version().count(".") == 2
