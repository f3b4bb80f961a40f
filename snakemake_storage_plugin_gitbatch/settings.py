"""The settings of the storage: `snakemake --storage-gitbatch-…`, or the same keys in a profile."""

# No postponed annotations: the interface makes command line arguments from the types.
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from snakemake_interface_storage_plugins.settings import StorageProviderSettingsBase

_VARIABLE = "GITBATCH_ARCHIVE"


@dataclass
class StorageProviderSettings(StorageProviderSettingsBase):
    """Settings of the gitbatch storage."""

    archive: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "The archive's folder. Default: $GITBATCH_ARCHIVE, else git config "
            "gitbatch.archive, else the archive in the repository's git folder.",
            "metavar": "DIR",
        },
    )

    def __post_init__(self) -> None:
        # Snakemake hands settings on to the jobs, which run elsewhere, with another environment.
        named = self.archive or os.environ.get(_VARIABLE)
        if named:
            self.archive = Path(os.path.expandvars(named)).expanduser().absolute()
