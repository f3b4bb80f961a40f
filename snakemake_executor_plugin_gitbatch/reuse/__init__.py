"""Which jobs need not run: earlier results, here or in the archive, and what they are made of."""
