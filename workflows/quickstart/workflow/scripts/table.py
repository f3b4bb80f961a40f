"""Put the slopes of all groups into one table: TSV for programs, Markdown for people."""

# ruff: noqa: F821, SIM115 (Snakemake defines `snakemake`; the log stays open)
import sys
from pathlib import Path

import pandas as pd

sys.stdout = sys.stderr = open(snakemake.log[0], "w")

slopes = pd.concat(pd.read_csv(f"{folder}/slopes.tsv", sep="\t") for folder in snakemake.input)
slopes.to_csv(snakemake.output.tsv, sep="\t", index=False, float_format="%.5f")

lines = ["| group | birds | n | slope | interval |", "| --- | --- | ---: | ---: | ---: |"]
for row in slopes.itertuples():
    interval = f"{row.low:+.3f} to {row.high:+.3f}"
    lines.append(f"| {row.group} | {row.sex} | {row.n} | {row.slope:+.3f} | {interval} |")
text = "\n".join(lines).replace("-0.", "\N{MINUS SIGN}0.") + "\n"
Path(snakemake.output.md).write_text(text, encoding="utf-8")
print(f"{len(slopes)} slopes of {slopes['group'].nunique()} groups")
