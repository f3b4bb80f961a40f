"""Living beside other plugins in one environment: `pip install .[beside]`, as CI does it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from projects import Project, wait_until

boto3 = pytest.importorskip("boto3", reason="needs the other plugins: pip install .[beside]")

MakeProject = Callable[..., Project]

CHAIN = {
    "Snakefile": """
        rule b:
            input: "a.txt"
            output: "b.txt"
            shell: "cat {input} > {output}"
        rule a:
            input: "data.txt"
            output: "a.txt"
            shell: "cat {input} > {output}"
        """,
    "data.txt": "data\n",
}


@pytest.mark.usefixtures("htcondor_pool")
def test_other_executors_go_on_from_links(make_project: MakeProject) -> None:
    project = make_project(CHAIN)
    project.snakemake("a.txt").ok()
    kept = (project.path / "a.txt").resolve()
    theirs = ["--executor", "htcondor", "--jobs", "2", "--seconds-between-status-checks", "1"]
    project.plain(*theirs, "b.txt").ok()
    assert project.read("b.txt") == "data\n" and (project.path / "a.txt").is_symlink()
    project.plain(*theirs, "a.txt", "--force").ok()  # replaces the link, not what it leads to
    assert not (project.path / "a.txt").is_symlink() and kept.read_bytes() == b"data\n"
    project.snakemake("b.txt").ok()
    project.plain("--executor", "slurm", "--jobs", "2", "--dry-run", "--forceall").ok()


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[str]:
    """The address of an S3 server on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (tmp_path / "s3.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(answers, "the S3 server")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_data_in_s3(make_project: MakeProject, pool: str, s3: str) -> None:
    secret = f"secret-{time.time_ns()}"
    client = boto3.client(
        "s3",
        endpoint_url=s3,
        aws_access_key_id="access",
        aws_secret_access_key=secret,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="in.txt", Body=b"from s3\n")
    project = make_project(
        {
            "Snakefile": f"""
                storage:
                    provider="s3",
                    endpoint_url="{s3}",
                rule all:
                    input: storage.s3("s3://bucket/out.txt"), "here.txt"
                rule copy:
                    input: storage.s3("s3://bucket/in.txt")
                    output: "here.txt"
                    shell: "cat {{input}} > {{output}}"
                rule store:
                    input: "here.txt"
                    output: storage.s3("s3://bucket/out.txt")
                    shell: "cat {{input}} {{input}} > {{output}}"
                """,
        },
        pool=pool,
    )
    project.environment |= {
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "access",
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": secret,
    }
    project.snakemake().ok()
    assert client.get_object(Bucket="bucket", Key="out.txt")["Body"].read() == b"from s3\n" * 2
    assert project.read("here.txt") == "from s3\n"
    outputs = project.run_document(project.tags()[-1])["outputs"]
    assert {output.get("storage") for output in outputs} == {None, "s3://bucket/out.txt"}
    assert "Nothing to be done" in project.snakemake().ok().text
    for folder, _, files in os.walk(project.path):
        for name in files:
            path = Path(folder, name)
            assert path.is_symlink() or secret.encode() not in path.read_bytes(), path
