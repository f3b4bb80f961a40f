"""Run a commit again from scratch, compare what it makes with what it made, and keep the answer."""
