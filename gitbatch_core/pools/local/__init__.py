"""The pool that is this machine: each job a process."""
