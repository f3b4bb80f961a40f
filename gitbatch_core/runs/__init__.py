"""Runs: where their archive is, what they leave behind, what they reuse and reproduce."""
