"""The documents that gitbatch writes, as typed data: JSON with a format and a version."""
