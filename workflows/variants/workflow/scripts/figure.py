"""Draw the figure: how deep the reads of each sample are, and where its variants are."""

# ruff: noqa: F821, SIM115 (Snakemake defines `snakemake`; the log stays open)
import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

sys.stdout = sys.stderr = open(snakemake.log[0], "w")
matplotlib.rcdefaults()  # not what a matplotlibrc of the user says
plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
GREY, LIGHT, COLORS = "#666666", "#c3ccd4", {"SNP": "#d95f02", "INDEL": "#00868b"}

with open(snakemake.input.depth) as table:
    samples = table.readline().split()[2:]
    depths = np.array([line.split()[2:] for line in table], dtype=int).T
with open(snakemake.input.variants, newline="") as table:
    variants = list(csv.DictReader(table, delimiter="\t"))

kilobases = np.arange(1, depths.shape[1] + 1) / 1000
figure, panels = plt.subplots(
    len(samples), sharex=True, figsize=(10, 1.3 + 1.5 * len(samples)), squeeze=False
)
for sample, depth, axes in zip(samples, depths, panels[:, 0], strict=True):
    axes.fill_between(kilobases, depth, color=LIGHT, lw=0)
    axes.fill_between(
        kilobases, depth.max(), where=depth < snakemake.params.depth, color="#f4d9d9", lw=0
    )
    for row, (kind, color) in enumerate(COLORS.items()):
        found = [v for v in variants if v["sample"] == sample and v["type"] == kind]
        places = [int(v["pos"]) / 1000 for v in found]
        height = depth.max() * (1.12 + 0.17 * row)
        axes.plot(places, [height] * len(places), "|", color=color, ms=8, mew=1.3)
        axes.text(
            1.01, height, f"{len(found)} {kind}s", color=color, va="center", weight="bold",
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    axes.text(
        1.01, 0, f"{depth.mean():.1f} reads deep", color=GREY, transform=axes.get_yaxis_transform()
    )
    axes.set(ylim=(0, depth.max() * 1.38), xlim=(0, kilobases[-1]))
    axes.set_ylabel(sample, weight="bold")
panels[-1, 0].set_xlabel("Position in the genome of phage lambda (kb)")
figure.suptitle("Which mutations do the reads show?", x=0.02, ha="left", size=14, weight="bold")
figure.text(
    0.02, 1 - 0.62 / figure.get_figheight(), "Grey: reads at each position. Red: fewer than "
    f"{snakemake.params.depth}, N in the consensus. Marks: variants that passed.", color=GREY,
)  # fmt: skip
figure.tight_layout(rect=(0, 0, 1, 1 - 0.45 / figure.get_figheight()))
figure.savefig(snakemake.output[0], dpi=150, metadata={"Software": None})
