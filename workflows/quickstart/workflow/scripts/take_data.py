"""Take the penguin measurements out of the installed package palmerpenguins, byte for byte."""

# ruff: noqa: F821, SIM115 (Snakemake defines `snakemake`; the log stays open)
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

sys.stdout = sys.stderr = open(snakemake.log[0], "w")

data = files("palmerpenguins").joinpath("data", "penguins.csv").read_bytes()
Path(snakemake.output[0]).write_bytes(data)
print(f"palmerpenguins {version('palmerpenguins')}: {len(data.splitlines()) - 1} birds")
