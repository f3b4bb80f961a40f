"""What resources of a rule mean to HTCondor: by the manual of condor_submit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitbatch_core.errors import RunError
from gitbatch_core.pools.base import Request
from gitbatch_core.pools.htcondor import resources

pytestmark = pytest.mark.fast
PLAIN = Request(cpus=3, memory_mb=100, disk_mb=7, gpus=1)


def request(
    named: Mapping[str, Any], *, plain: Request = PLAIN, secrets: Mapping[str, str] | None = None
) -> Request:
    return resources.request(
        plain, named, title="align", secrets=secrets or {}, in_worktree=Path("/work").joinpath
    )


def test_without_any_nothing_changes() -> None:
    assert request({}) == PLAIN
    assert request({"mem_mb": 5, "runtime": 3, "tmpdir": "/tmp", "_cores": 1}) == PLAIN


@pytest.mark.parametrize(
    ("written", "memory_mb"),
    [
        ("2048", 2048),
        (" 2048 ", 2048),
        (1.5, 2),
        ("1.5 GB", 1536),
        ("1g", 1024),
        ("2GiB", 2048),
        ("1T", 1024 * 1024),
        ("1025 KB", 2),
        ("1K", 1),
        ("0", 1),
    ],
)
def test_memory_is_in_mebibytes(written: object, memory_mb: int) -> None:
    asked = request({"request_memory": written})
    assert (asked.memory_mb, asked.extra) == (memory_mb, {})


@pytest.mark.parametrize(
    ("written", "disk_mb"), [("1024", 1), ("1025", 2), (1, 1), ("1 MB", 1), ("1.5G", 1536)]
)
def test_disk_is_in_kibibytes(written: object, disk_mb: int) -> None:
    asked = request({"request_disk": written})
    assert (asked.disk_mb, asked.extra) == (disk_mb, {})


@pytest.mark.parametrize("expression", ["RequestCpus * 2000", "-5", "2 XB", "1,5 GB", "$(x)", "{}"])
def test_what_is_no_quantity_is_an_expression(expression: str) -> None:
    asked = request({"request_memory": expression})
    assert (asked.memory_mb, asked.extra) == (100, {"request_memory": expression})


def test_counts() -> None:
    asked = request({"request_cpus": 4, "request_gpus": "0", "request_licences": 2})
    assert (asked.cpus, asked.gpus, asked.extra) == (4, 0, {"request_licences": "2"})
    assert request({"request_cpus": "max(1)"}).extra == {"request_cpus": "max(1)"}


def test_attributes_have_quotes_where_they_are_texts() -> None:
    named = {
        "classad_Text": 'it\'s "so"',
        "classad_Number": 5,
        "classad_Flag": True,
        "htcondor_submit_MY__Other": "x",
        "htcondor_submit_Periodic_Hold": "NumJobStarts > 3",
    }
    assert request(named).extra == {
        "MY.Text": '"it\'s \\"so\\""',
        "MY.Number": "5",
        "MY.Flag": "true",
        "MY.Other": '"x"',
        "periodic_hold": "NumJobStarts > 3",
    }


def test_a_name_of_its_own_wins_over_the_general_form() -> None:
    for named in (
        {"rank": "Memory", "htcondor_submit_rank": "Disk"},
        {"htcondor_submit_rank": "Disk", "rank": "Memory"},
    ):
        assert request(named).extra == {"rank": "Memory"}


def test_numbers_of_mebibytes_win_over_their_commands() -> None:
    asked = request(
        {
            "htcondor_request_mem_mb": 10,
            "request_memory": "9G",
            "request_disk": "9G",
            "htcondor_request_disk_mb": 20,
            "htcondor_gpus_min_mem_mb": 30,
            "gpus_minimum_memory": "40",
        }
    )
    assert (asked.memory_mb, asked.disk_mb) == (10, 20)
    assert asked.extra == {"gpus_minimum_memory": "30"}


def test_an_image_of_the_commit_is_taken_from_the_worktree(tmp_path: Path) -> None:
    image = tmp_path / "images" / "a tool.sif"
    image.parent.mkdir()
    image.touch()

    def extra(name: str) -> Mapping[str, str]:
        return resources.request(
            PLAIN,
            {"container_image": name, "universe": "Container"},
            title="align",
            secrets={},
            in_worktree=tmp_path.joinpath,
        ).extra

    assert extra("images/a tool.sif")["container_image"] == str(image)
    assert extra("docker://python:3")["container_image"] == "docker://python:3"
    assert extra("/cvmfs/x/images")["container_image"] == "/cvmfs/x/images"
    assert extra("missing.sif")["container_image"] == "missing.sif"


@pytest.mark.parametrize(
    ("named", "condition"),
    [
        ({"gpu_model": 3090}, 'regexp("3090", DeviceName, "i")'),
        ({"gpu_model": "A100_40GB"}, 'regexp("A100.*40GB", DeviceName, "i")'),
        ({"gpu_model": 'a"b'}, 'regexp("a.*b", DeviceName, "i")'),
        ({"nvidia_gpu": 1}, '!regexp("AMD|Radeon|Instinct", DeviceName, "i")'),
        (
            {"amd_gpu": "mi210"},
            'regexp("AMD|Radeon|Instinct", DeviceName, "i") && regexp("mi210", DeviceName, "i")',
        ),
        ({"gpu_model": "a100", "require_gpus": "Capability > 7"}, "Capability > 7"),
    ],
)
def test_which_gpu(named: Mapping[str, Any], condition: str) -> None:
    assert request(named).extra == {"require_gpus": condition}


def test_more_memory_after_each_hold() -> None:
    asked = request({"retry_request_memory": "1G, MY.RequestMemory * 3, requestmemory+1"})
    assert [step.strip() for step in asked.memory_steps] == ["1024", "(100) * 3", "(100)+1"]
    more = {"retry_request_memory_increase": "RequestMemory"}
    assert request(more).memory_steps == ("(100)",), "without a limit, once"
    limited = request(more | {"retry_request_memory_max": "1G"}).memory_steps
    assert limited[:2] == ("min({(100), 1024})", "min({((100)), 1024})") and len(limited) == 5
    assert request({"retry_request_memory_max": "1G"}).memory_steps == ()
    with pytest.raises(RunError, match="align: the resource retry_request_memory needs a number"):
        request({"retry_request_memory": "1G"}, plain=Request())
    with pytest.raises(RunError, match="retry_request_memory_increase needs a number"):
        request(
            {"retry_request_memory_increase": "1G", "request_memory": "X"},
            plain=Request(),
        )


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"input": "x"}, "the resource input cannot be honoured"),
        ({"htcondor_transfer_output_files": "x"}, "cannot be honoured.\n.*declare it as output"),
        ({"htcondor_request_mem_mb": "5"}, "htcondor_request_mem_mb='5' is no number of MiB"),
        ({"htcondor_request_disk_mb": -1}, "htcondor_request_disk_mb=-1 is no number of MiB"),
        ({"gpus": "a100"}, "gpus='a100' is no number"),
        ({"universe": "Docker"}, "universe=docker needs the resource container_image"),
        ({"universe": "grid"}, "the resource universe: universe = grid"),
        ({"rank": "1\nqueue"}, "the resource rank: HTCondor cannot carry line breaks"),
        ({"classad_Iwd": "/"}, r"the resource classad_Iwd: the HTCondor attribute MY\.Iwd is set"),
        ({"classad_a b": "/"}, "is no HTCondor submit command"),
        ({"htcondor_submit_queue": 5}, "submit command queue is set by gitbatch itself"),
    ],
)
def test_what_cannot_be_honoured_names_rule_and_resource(
    named: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(RunError, match=rf"(?s)^align: .*{words}"):
        request(named)


def test_nothing_where_nothing_was_said() -> None:
    assert request({"input": "", "htcondor_transfer_input_files": None}) == PLAIN


def test_secrets_in_what_everybody_can_read() -> None:
    secrets = {"TOKEN": "abcd efgh", "PIN": "12345"}
    for named in ({"classad_X": "say abcd efgh!"}, {"classad_X": 12345}, {"rank": "12345"}):
        with pytest.raises(RunError, match=r"holds the value of a secret \((TOKEN|PIN)\)"):
            request(named, secrets=secrets)
    assert request({"message": "abcd efgh"}, secrets=secrets) == PLAIN, "is in no job ad"


def test_what_only_says_where_a_job_fits() -> None:
    """The same outputs come of it: it is no part of the job key."""
    fits = ("rank", "requirements", "request_memory", "classad_X", "accounting_group", "max_idle")
    assert all(map(resources.only_places, (*fits, "retry_request_memory", "stream_output")))
    makes = ("container_image", "docker_image", "universe", "mem_mb", "tmpdir", "shell_exec")
    assert not any(map(resources.only_places, makes))


def test_what_another_pool_ignores() -> None:
    ours = ("rank", "request_x", "classad_x", "htcondor_submit_x", "universe", "stream_error")
    assert all(map(resources.is_ours, ours))
    assert not any(map(resources.is_ours, ("mem_mb", "runtime", "slurm_account", "requests")))
