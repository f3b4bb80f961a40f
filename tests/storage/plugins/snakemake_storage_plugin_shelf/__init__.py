"""A storage of the simplest kind, `shelf://PATH`: files and folders of a folder that are copied."""

import shutil
from pathlib import Path

from snakemake_interface_storage_plugins.storage_object import (
    StorageObjectRead,
    StorageObjectWrite,
)
from snakemake_interface_storage_plugins.storage_provider import (
    StorageProviderBase,
    StorageQueryValidationResult,
)

SCHEME = "shelf://"


class StorageObject(StorageObjectRead, StorageObjectWrite):
    @property
    def path(self):
        return Path("/", self.query.removeprefix(SCHEME))

    async def inventory(self, cache):
        pass

    def get_inventory_parent(self):
        return None

    def local_suffix(self):
        return self.query.removeprefix(SCHEME).lstrip("/")

    def cleanup(self):
        pass

    def exists(self):
        return self.path.exists()

    def mtime(self):
        return self.path.stat().st_mtime

    def size(self):
        return self.path.stat().st_size

    def retrieve_object(self):
        _copy(self.path, self.local_path())

    def store_object(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _copy(self.local_path(), self.path)

    def remove(self):
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink()


class StorageProvider(StorageProviderBase):
    StorageObject = StorageObject

    @classmethod
    def example_queries(cls):
        return []

    @classmethod
    def is_valid_query(cls, query):
        return StorageQueryValidationResult(query=query, valid=query.startswith(SCHEME))

    def use_rate_limiter(self):
        return False

    def rate_limiter_key(self, query, operation):
        return None

    def default_max_requests_per_second(self):
        return 1.0


def _copy(source, target):
    # With the times of what is copied, as most storages do.
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
