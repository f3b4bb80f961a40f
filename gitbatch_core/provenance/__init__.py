"""What made what: from a path, an address or a run to jobs, versions and lineage."""
