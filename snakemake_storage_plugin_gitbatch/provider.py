"""The storage as a whole, as Snakemake sees it: the queries that it takes, and their archive."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.storage_provider import (
    ExampleQuery,
    QueryType,
    StorageProviderBase,
    StorageQueryValidationResult,
)

from gitbatch_core.errors import GitbatchError
from snakemake_storage_plugin_gitbatch.object import StorageObject
from snakemake_storage_plugin_gitbatch.query import SCHEME, reason_against

if TYPE_CHECKING:
    from gitbatch_core.archive.names import Name
    from snakemake_storage_plugin_gitbatch.content import Reader

_MOST_SAID = 5
"""Queries that lead nowhere."""

__all__ = ["StorageObject", "StorageProvider"]  # Snakemake looks for the object's class here


class StorageProvider(StorageProviderBase):
    """Leads queries to an archive, which is opened at first use."""

    def __post_init__(self) -> None:
        self._readers: dict[str, Reader] = {}
        self.removed: dict[str, Name] = {}
        """What names meant that this process has removed: Snakemake removes an output before the
        job that makes it again."""
        self._missing: set[str] = set()
        if self.settings is not None and self.settings.archive is not None:
            # Named by somebody: said at once, where Snakemake shows it in one piece.
            from snakemake_storage_plugin_gitbatch.place import open_named

            try:
                open_named(self.settings.archive)
            except GitbatchError as error:
                raise WorkflowError(str(error)) from error

    @property
    def reader(self) -> Reader:
        """Answers queries. Raises GitbatchError."""
        folder = os.getcwd()  # `workdir:` may change it
        if folder not in self._readers:
            from snakemake_storage_plugin_gitbatch.content import Reader
            from snakemake_storage_plugin_gitbatch.place import Place

            chosen = None if self.settings is None else self.settings.archive
            self._readers[folder] = Reader(place=Place.open(self.local_prefix, chosen))
        return self._readers[folder]

    def say_missing(self, query: str, why: Exception) -> None:
        """Tell the user once why a query leads nowhere, for the first few: Snakemake only names
        them."""
        if query not in self._missing and len(self._missing) < _MOST_SAID:
            self._missing.add(query)
            self.logger.warning(f"{query}: {why}")

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        return [
            ExampleQuery(
                query=f"{SCHEME}name/my-project/results/table.csv",
                description="A name in the archive: what it leads to is replaced when the rule "
                "that makes it runs again, and is never lost.",
                type=QueryType.ANY,
            ),
            ExampleQuery(
                query=f"{SCHEME}xxh3:99aa06d3014798d86001c324468d497f/reads.fastq.gz",
                description="An object of the archive by its address, with the name of the local "
                "copy; for a folder, the path of a member, or nothing for all of it.",
                type=QueryType.INPUT,
            ),
            ExampleQuery(
                query=f"{SCHEME}run/20261121-043005-38d0/results/table.csv",
                description="An output of an earlier run, by the run's id or a tag.",
                type=QueryType.INPUT,
            ),
        ]

    @classmethod
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        reason = reason_against(query)
        return StorageQueryValidationResult(query=query, valid=reason is None, reason=reason)

    def postprocess_query(self, query: str) -> str:
        return query.removesuffix("/")

    def use_rate_limiter(self) -> bool:
        return False

    def rate_limiter_key(self, query: str, operation: Any) -> Any:
        return None

    def default_max_requests_per_second(self) -> float:
        return 1e6
