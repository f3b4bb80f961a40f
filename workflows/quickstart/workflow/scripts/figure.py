"""Draw the figure: one trend for all birds, one for each species, every slope with its interval."""

# ruff: noqa: F821, RUF001, SIM115 (Snakemake defines `snakemake`; the log stays open)
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

sys.stdout = sys.stderr = open(snakemake.log[0], "w")

INK, GREY, PALE = "#222222", "#666666", "#e4e4e4"
STYLES = [("#d95f02", "o"), ("#7b3f9d", "^"), ("#00868b", "s"), ("#b8860b", "D"), ("#4a4a8a", "v")]

matplotlib.rcdefaults()  # not what a matplotlibrc of the user says
plt.rcParams.update(
    {
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "svg.hashsalt": "quickstart",
    }
)

birds = pd.read_csv(snakemake.input.birds).dropna(subset=["bill_length_mm", "bill_depth_mm"])
slopes = pd.read_csv(snakemake.input.slopes, sep="\t").set_index(["group", "sex"])
folders = {Path(folder).name: Path(folder) for folder in snakemake.input.bootstrap}
species = [group for group in folders if group != "pooled"]
style = {"pooled": (INK, "o")} | dict(zip(species, STYLES, strict=False))


def signed(value):
    return f"{value:+.2f}".replace("-", "−")


def panel(left, width, title, text, margin=0.0):
    """Axes with a heading that starts `margin` to the left of them."""
    axes = figure.add_axes([left, 0.16, width, 0.57])
    figure.text(left - margin, 0.783, title, size=11, weight="bold")
    figure.text(left - margin, 0.752, text, color=GREY)
    return axes


def scatter(axes, chosen, color, marker, **kwargs):
    x, y = chosen["bill_length_mm"], chosen["bill_depth_mm"]
    axes.scatter(x, y, s=20, color=color, marker=marker, alpha=0.5, linewidths=0, **kwargs)


def trend(axes, group):
    """The fitted line of a group with its bootstrap band."""
    line = pd.read_csv(folders[group] / "line.tsv", sep="\t")
    color = style[group][0]
    axes.fill_between(line["length"], line["low"], line["high"], color=color, alpha=0.2, lw=0)
    axes.plot(line["length"], line["depth"], color="white", lw=4)
    axes.plot(line["length"], line["depth"], color=color, lw=2.2)


def density(draws, grid):
    """A Gaussian kernel estimate (Silverman's width) with a peak of 1."""
    width = 1.06 * draws.std() * len(draws) ** -0.2
    height = np.exp(-0.5 * ((grid[:, None] - draws) / width) ** 2).sum(axis=1)
    return height / height.max()


resamples, level = snakemake.params.resamples, f"{100 * snakemake.params.confidence:g} %"
years = f"{birds['year'].min()}–{birds['year'].max()}"
figure = plt.figure(figsize=(12.4, 6.6))
figure.text(
    0.05, 0.932, "Longer bills look shallower, until you ask which species", size=19, weight="bold"
)
figure.text(
    0.05,
    0.912,
    f"Bill length and depth of {len(birds)} penguins, Palmer Archipelago, Antarctica, {years}. "
    "The trend falls over all birds, yet rises in every species:\nSimpson’s paradox. "
    "For one sex of one species most slopes are flatter again: "
    "males have both longer and deeper bills than females.",
    size=10,
    color=GREY,
    va="top",
    linespacing=1.5,
)
figure.text(
    0.05,
    0.022,
    "Data: Gorman, Williams & Fraser (2014), PLoS ONE 9(3): e90081, from the Python package "
    "palmerpenguins (CC0). Least-squares lines; bands and intervals: "
    f"{level} percentile bootstrap, {resamples} resamples of birds.\n"
    "Birds of unknown sex count only in the rows in bold.",
    size=7.5,
    color=GREY,
    linespacing=1.5,
)

# A: one line for everyone
pooled = slopes.loc["pooled", "all"]
text = f"{signed(pooled.slope)} mm of depth for each mm of length"
left = panel(0.05, 0.275, "A  One line for all birds", text)
scatter(left, birds, "#8a8a8a", "o")
trend(left, "pooled")
left.set(xlabel="Bill length (mm)", ylabel="Bill depth (mm)")

# B: one line for each species
middle = panel(0.355, 0.275, "B  One line for each species", "The same birds, coloured by species")
for group in species:
    scatter(middle, birds[birds["species"] == group], *style[group], label=group)
for group in species:
    trend(middle, group)
middle.set(xlabel="Bill length (mm)", xlim=left.get_xlim(), ylim=left.get_ylim())
middle.tick_params(labelleft=False)
legend = middle.legend(loc="lower left", frameon=False, handletextpad=0.1, borderpad=0)
for group, label in zip(species, legend.get_texts(), strict=True):
    label.set(color=style[group][0], weight="bold")

# C: every slope with its interval; the hills are the bootstrap distributions
text = f"mm of depth per mm of length, with {level} intervals"
right = panel(0.735, 0.185, "C  The slopes, for each sex too", text, margin=0.075)
right.axvline(0, color=GREY, lw=1)
across = right.get_yaxis_transform()  # x: fraction of the panel, y: row
rows = [(group, sex) for group in folders for sex in ["all", "female", "male"]]
for group, sex in rows:
    row, whole = slopes.loc[group, sex], sex == "all"
    color, marker = style[group]
    y = 1.25 * list(folders).index(group) + {"all": 0, "female": 0.28, "male": 0.53}[sex]
    if whole:
        draws = pd.read_csv(folders[group] / "draws.tsv", sep="\t")["all"].to_numpy()
        x = np.linspace(draws.min(), draws.max(), 200)
        right.fill_between(x, y, y - 0.45 * density(draws, x), color=color, alpha=0.22, lw=0)
    right.plot([row.low, row.high], [y, y], color=color, lw=2.6 if whole else 1.3)
    size, face = (7, color) if whole else (5, "white")
    right.plot(row.slope, y, marker, ms=size, color=color, mfc=face)
    name = f"{sex}s" if not whole else "All birds" if group == "pooled" else group
    font = {"va": "center", "ha": "right", "transform": across, "size": 9 if whole else 8}
    font |= {"color": color, "weight": "bold"} if whole else {"color": GREY}
    right.text(-0.04, y, name, **font)
    right.text(1.19, y, signed(row.slope), **font)
    right.text(1.355, y, f"{row.n:.0f}", **font)
right.invert_yaxis()
right.set(yticks=[], xlabel="Slope (mm per mm)")
right.spines["left"].set_visible(False)
right.set_axisbelow(True)
right.grid(axis="x", color=PALE, lw=0.8)
top = {"va": "bottom", "ha": "right", "transform": right.transAxes, "size": 8, "color": GREY}
right.text(1.19, 0.98, "slope", **top)
right.text(1.355, 0.98, "n", **top)

figure.savefig(snakemake.output.png, dpi=200, metadata={"Software": None})
figure.savefig(snakemake.output.svg, metadata={"Date": None, "Creator": None})
