"""What runs on the execution point: one command, its outputs into the archive, its record."""
