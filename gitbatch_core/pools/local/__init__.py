"""This machine as a pool: each job is a process."""
