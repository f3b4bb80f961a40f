"""Snakemake storage plugin: `gitbatch://` queries lead to what lies in the archive, by links.

Snakemake imports this module at each start, whatever storage it uses: what is expensive is imported
when the archive is asked for the first time.
"""

from snakemake_storage_plugin_gitbatch.object import StorageObject
from snakemake_storage_plugin_gitbatch.provider import StorageProvider
from snakemake_storage_plugin_gitbatch.settings import StorageProviderSettings

__all__ = ["StorageObject", "StorageProvider", "StorageProviderSettings"]
