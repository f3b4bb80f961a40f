"""Every command that a message tells people to type works when it is typed."""
