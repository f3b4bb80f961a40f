"""Regress bill depth on bill length in one group, all birds and each sex; bootstrap the slopes."""

# ruff: noqa: F821, SIM115 (Snakemake defines `snakemake`; the log stays open)
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.stdout = sys.stderr = open(snakemake.log[0], "w")
params = snakemake.params
rng = np.random.default_rng(params.seed)
tails = [50 - 50 * params.confidence, 50 + 50 * params.confidence]


def regress(length, depth):
    """Least squares along the last axis: slope and intercept, or an array of each."""
    offset = length - length.mean(axis=-1, keepdims=True)
    slope = (offset * depth).sum(axis=-1) / (offset**2).sum(axis=-1)
    return slope, depth.mean(axis=-1) - slope * length.mean(axis=-1)


birds = pd.read_csv(snakemake.input[0]).dropna(subset=["bill_length_mm", "bill_depth_mm"])
if birds.empty:
    sys.exit(f"no birds of the species {snakemake.wildcards.group} in {snakemake.input[0]}")

slopes, draws = [], {}
for sex in ["all", "female", "male"]:  # the sex of a few birds is unknown: they count in "all"
    chosen = birds if sex == "all" else birds[birds["sex"] == sex]
    length, depth = chosen["bill_length_mm"].to_numpy(), chosen["bill_depth_mm"].to_numpy()
    slope, intercept = regress(length, depth)

    # Each row of `picks` is one resample: as many birds as there are, drawn with replacement.
    picks = rng.integers(len(chosen), size=(params.resamples, len(chosen)))
    draws[sex], intercepts = regress(length[picks], depth[picks])
    low, high = np.percentile(draws[sex], tails)
    slopes.append((snakemake.wildcards.group, sex, len(chosen), slope, low, high))
    print(f"{sex}: {len(chosen)} birds, slope {slope:+.3f} [{low:+.3f}, {high:+.3f}]")

    if sex == "all":  # the fitted line and its band, for the figure
        x = np.linspace(length.min(), length.max(), 61)
        band = np.percentile(np.outer(draws[sex], x) + intercepts[:, None], tails, axis=0)
        line = {"length": x, "depth": intercept + slope * x, "low": band[0], "high": band[1]}

folder = Path(snakemake.output[0])
folder.mkdir()
tables = {
    "slopes": pd.DataFrame(slopes, columns=["group", "sex", "n", "slope", "low", "high"]),
    "draws": pd.DataFrame(draws),
    "line": pd.DataFrame(line),
}
for name, table in tables.items():
    table.to_csv(folder / f"{name}.tsv", sep="\t", index=False, float_format="%.5f")
