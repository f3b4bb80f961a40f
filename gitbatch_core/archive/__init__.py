"""The archive: read-only objects named by the hash of their bytes, trees, and job records."""
