"""Files of secrets, which HTCondor sends along with jobs."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.htcondor.submit import NO_SECRETS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitbatch_core.pools.base import JobSpec


class PrivateFiles:
    """Those of one run, in `folder`, which is for its owner alone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder = folder
        self._lock = threading.Lock()
        self._files: dict[str, Path] = {}
        """By what is in them."""

    def file_of(self, secrets: Mapping[str, str]) -> str:
        """Name, in the folder, of the file that has these secrets."""
        content = json.dumps(dict(secrets), sort_keys=True)
        with self._lock:
            if content not in self._files:
                descriptor, name = tempfile.mkstemp(
                    prefix="secrets-", suffix=".json", dir=self._folder
                )
                with os.fdopen(descriptor, "w") as file:
                    file.write(content)
                self._files[content] = self._folder / os.path.basename(name)
            return self._files[content].name

    def remove(self) -> None:
        """Remove what was made, once no job needs it."""
        for file in self._files.values():
            file.unlink(missing_ok=True)


def write_no_secrets(spec: JobSpec) -> None:
    """For a job that has none: an empty file in its folder. Raises PoolError."""
    try:
        (spec.folder / NO_SECRETS).write_text("{}\n")
    except OSError as error:
        raise PoolError(f"Job {spec.number} ({spec.name}): its folder: {error}") from error
