"""What a job's resources ask the pool for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mirrors import bare_mirror
from workflows_here import job

from gitbatch_core.errors import RunError
from gitbatch_core.pools.base import Request
from gitbatch_core.pools.choose import kind_named
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.job import resources


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return bare_mirror(tmp_path)


def request(mirror: Mirror, threads: int = 1, *, htcondor: bool = True, **named: Any) -> Request:
    single = SimpleNamespace(resources=named, threads=threads)
    kind = kind_named("htcondor" if htcondor else "local")
    return resources.request(single, kind, title="a", secrets={}, mirror=mirror)


def test_what_every_pool_knows(mirror: Mirror) -> None:
    found = request(mirror, 3, mem_mb=1000, mem_mib=954, disk_mb=10, runtime=60, gpu=2)
    assert (found.cpus, found.memory_mb, found.disk_mb) == (3, 954, 256), "disk in steps"
    assert (found.runtime_s, found.gpus, found.extra) == (3600, 2, {})
    assert request(mirror, 0) == Request(cpus=1)
    assert request(mirror, mem_mb="<TBD>").memory_mb is None, "not known yet"


@pytest.mark.parametrize(
    ("named", "memory_mb", "disk_mb"),
    [
        ({"request_memory": "2 GB"}, 2048, None),
        ({"request_memory": 700}, 700, None),
        ({"mem_mb": 5, "request_memory": "1T"}, 1024**2, None),
        ({"request_disk": 2048}, None, 2),
        ({"request_disk": "3G"}, None, 3072),
        ({"htcondor_request_mem_mb": 9, "request_memory": "2G"}, 9, None),
        ({"htcondor_request_disk_mb": 9}, None, 9),
    ],
)
def test_units(
    mirror: Mirror, named: dict[str, Any], memory_mb: int | None, disk_mb: int | None
) -> None:
    found = request(mirror, **named)
    assert (found.memory_mb, found.disk_mb, found.extra) == (memory_mb, disk_mb, {})


@pytest.mark.parametrize(
    ("written", "memory_mb", "disk_mb"),
    [
        ('mem="2GB", disk="3GB"', 1908, 3072),
        ("mem_mb=2000, disk_mb=3000", 1908, 3072),
        ("mem_mb=lambda wildcards: 2000, disk_mb=lambda wildcards: 3000", 1908, 3072),
    ],
)
def test_megabytes_of_snakemake_become_mebibytes(
    make_workflow: Any, mirror: Mirror, written: str, memory_mb: int, disk_mb: int
) -> None:
    rule = f"rule a:\n    output: 'a'\n    resources: {written}\n    shell: 'touch a'\n"
    kind = kind_named("local")
    asked = resources.request(
        job(make_workflow(rule, "a"), "a"), kind, title="a", secrets={}, mirror=mirror
    )
    assert (asked.memory_mb, asked.disk_mb) == (memory_mb, disk_mb)


def test_expressions_are_left_to_htcondor(mirror: Mirror) -> None:
    found = request(mirror, request_memory="RequestCpus * 100", request_cpus=4, request_gpus="2")
    assert (found.cpus, found.gpus, found.memory_mb) == (4, 2, None)
    assert found.extra == {"request_memory": "RequestCpus * 100"}


def test_what_only_htcondor_knows(mirror: Mirror) -> None:
    named = {
        "classad_Project": "x y",
        "classad_Number": 3,
        "htcondor_submit_rank": "Memory",
        "accounting_group": "g",
        "nice_user": True,
        "network": 1,
    }
    assert request(mirror, **named).extra == {
        "MY.Project": '"x y"',
        "MY.Number": "3",
        "rank": "Memory",
        "accounting_group": "g",
        "nice_user": "true",
    }
    assert request(mirror, htcondor=False, **named).extra == {}
    heeds = kind_named("htcondor").heeds
    assert heeds("accounting_group") and not heeds("network")


def test_gpus(mirror: Mirror) -> None:
    assert request(mirror, gpu_model="nvidia-tesla-v100").gpus == 1
    model = request(mirror, gpu=2, gpu_model="nvidia-tesla-v100")
    assert model.extra == {"require_gpus": 'regexp("tesla.*v100", DeviceName, "i")'}
    assert request(mirror, gpu=1, gpu_manufacturer="nvidia").extra["require_gpus"].startswith("!")
    with pytest.raises(RunError, match="gpu='many' is no number"):
        request(mirror, gpu="many")


def test_memory_grows_with_each_try(mirror: Mirror) -> None:
    assert request(mirror, mem_mib=100, retry_request_memory="2G").memory_steps == ("2048",)
    steps = request(mirror, mem_mib=100, retry_request_memory="RequestMemory*2, 4G").memory_steps
    assert [each.strip() for each in steps] == ["(100)*2", "4096"]
    limited = request(
        mirror, mem_mib=100, retry_request_memory_increase="50", retry_request_memory_max="1G"
    )
    assert limited.memory_steps[0] == "min({(100) + 50, 1024})" and len(limited.memory_steps) == 5
    with pytest.raises(RunError, match="needs a number as request_memory"):
        request(mirror, retry_request_memory="2G")


@pytest.mark.parametrize(
    "named",
    [
        {"htcondor_transfer_input_files": "x"},
        {"htcondor_request_mem_mb": "2G"},
        {"universe": "docker"},
        {"htcondor_submit_executable": "/bin/sh"},
    ],
)
def test_what_cannot_be_honoured_is_refused(mirror: Mirror, named: dict[str, Any]) -> None:
    with pytest.raises(RunError, match=r"^a: "):
        request(mirror, **named)
    request(mirror, htcondor=False, **named)


def test_secrets_stand_in_no_job_ad(mirror: Mirror) -> None:
    single = SimpleNamespace(resources={"classad_X": "say s3cret"}, threads=1)
    with pytest.raises(RunError, match=r"holds the value of a secret \(TOKEN\)"):
        resources.request(
            single, kind_named("htcondor"), title="a", secrets={"TOKEN": "s3cret"}, mirror=mirror
        )


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_A", "1")
    monkeypatch.setenv("MINE_B", "2")

    def variables(**named: Any) -> dict[str, str]:
        return resources.variables(SimpleNamespace(resources=named), title="a")

    assert variables(getenv="MINE_*, !MINE_B") == {"MINE_A": "1"}
    assert variables(environment="A=1 B='x y'") == {"A": "1", "B": "x y"}
    assert variables(environment="A=1;B=2") == {"A": "1", "B": "2"}
    assert variables(environment="\"A=1 B='it''s'\"") == {"A": "1", "B": "it's"}
    with pytest.raises(RunError, match="cannot be understood"):
        variables(environment="A")


def test_functions_of_a_rule(make_workflow: Any, mirror: Mirror) -> None:
    snakefile = """
        rule a:
            output: "a"
            threads: lambda wildcards: 2
            resources:
                mem_mb=2000, runtime="2h", disk_mb=lambda wildcards, attempt: attempt * 300
            shell: "touch {output}"
    """
    single = job(make_workflow(snakefile, "a"), "a")
    found = resources.request(single, kind_named("htcondor"), title="a", secrets={}, mirror=mirror)
    assert (found.cpus, found.runtime_s, found.memory_mb) == (2, 7200, 1908)
    assert found.disk_mb == 512
