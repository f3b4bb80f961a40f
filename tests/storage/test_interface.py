"""Snakemake's own suite for storage plugins, once for each kind of query."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from projects import Project
from snakemake_interface_storage_plugins.tests import TestStorageBase

from gitbatch_core.archive.store import Archive, Take
from snakemake_storage_plugin_gitbatch import StorageProvider, StorageProviderSettings


class Suite(TestStorageBase):
    """With an archive of its own."""

    @pytest.fixture(autouse=True)
    def _archive(self, tmp_path: Path) -> None:
        self.archive = Archive.create(tmp_path / "archive")

    def get_storage_provider_cls(self) -> type[StorageProvider]:
        return StorageProvider

    def get_storage_provider_settings(self) -> StorageProviderSettings:
        return StorageProviderSettings(archive=self.archive.root)

    def put(self, *names: str) -> str:
        """Store a folder with these files; returns its address."""
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
            return str(self.archive.put_tree(Path(folder), take=Take.COPY).address)


class TestNames(Suite):
    __test__ = True
    touch = True
    files_only = False

    def get_query(self, tmp_path: Path) -> str:
        return "gitbatch://name/project/some folder/-x.txt"

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return "gitbatch://name/project/not there"


class TestAddresses(Suite):
    __test__ = True
    retrieve_only = True

    def get_query(self, tmp_path: Path) -> str:
        return f"gitbatch://{self.archive.put_bytes(b'1', name='a.txt').address}/other.csv"

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return f"gitbatch://xxh3:{'0' * 32}/other.csv"


class TestMembersOfTrees(Suite):
    __test__ = True
    retrieve_only = True

    def get_query(self, tmp_path: Path) -> str:
        return f"gitbatch://{self.put('inner/a.txt', 'b.txt')}/inner/a.txt"

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return f"gitbatch://{self.put('inner/a.txt', 'b.txt')}/inner/c.txt"


class TestRuns(TestStorageBase):
    __test__ = True
    retrieve_only = True

    @pytest.fixture(autouse=True)
    def _run(self, finished: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self.tag = finished.tags()[0]
        monkeypatch.chdir(finished.path)
        yield

    def get_storage_provider_cls(self) -> type[StorageProvider]:
        return StorageProvider

    def get_query(self, tmp_path: Path) -> str:
        return f"gitbatch://{self.tag}/results/a.txt"

    def get_query_not_existing(self, tmp_path: Path) -> str:
        return f"gitbatch://{self.tag}/results/missing.txt"
