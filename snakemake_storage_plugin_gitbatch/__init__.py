"""Snakemake storage plugin: `gitbatch://` queries lead by links to data in the archive.

Snakemake imports this module at each start, whatever storage it uses: expensive modules are
imported when the archive is first used.
"""

from snakemake_storage_plugin_gitbatch.object import StorageObject
from snakemake_storage_plugin_gitbatch.provider import StorageProvider
from snakemake_storage_plugin_gitbatch.settings import StorageProviderSettings

__all__ = ["StorageObject", "StorageProvider", "StorageProviderSettings"]
