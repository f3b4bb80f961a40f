"""Files of secrets: for their owner alone, one for all jobs with the same secrets."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.base import JobSpec
from gitbatch_core.pools.htcondor.secret_files import PrivateFiles, write_no_secrets
from gitbatch_core.pools.htcondor.submit import NO_SECRETS

pytestmark = pytest.mark.fast


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "of" / "run"
    folder.mkdir(parents=True, mode=0o755)
    files = PrivateFiles(folder)
    secrets = {"TOKEN": "a 'b' \"c\"\n$(x) \N{GREEK SMALL LETTER ALPHA}", "EMPTY": ""}
    file = folder / files.file_of(secrets)
    assert json.loads(file.read_bytes()) == secrets
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_jobs_with_the_same_secrets_share_one(tmp_path: Path) -> None:
    files = PrivateFiles(tmp_path)
    first = files.file_of({"a": "1", "b": "2"})
    assert files.file_of({"b": "2", "a": "1"}) == first
    assert files.file_of({"a": "2", "b": "1"}) != first
    assert len(list(tmp_path.iterdir())) == 2
    PrivateFiles(tmp_path).file_of({"a": "1", "b": "2"})  # of another process of the run
    (tmp_path / first).unlink()  # somebody was faster
    files.remove()
    assert len(list(tmp_path.iterdir())) == 1, "what the other has made stays"


def test_a_job_without_secrets_has_an_empty_object(tmp_path: Path) -> None:
    write_no_secrets(JobSpec(number=3, name="align[sample=a]", argv=("/x",), folder=tmp_path))
    assert json.loads((tmp_path / NO_SECRETS).read_bytes()) == {}
    gone = JobSpec(number=3, name="align[sample=a]", argv=("/x",), folder=tmp_path / "gone")
    with pytest.raises(PoolError, match=r"^Job 3 \(align\[sample=a\]\): its folder: .*No such"):
        write_no_secrets(gone)
