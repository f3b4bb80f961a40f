"""The run of one workflow: its start, its session, its end."""
