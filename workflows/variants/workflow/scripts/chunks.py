"""Cut the genome into chunks that have about the same number of aligned bases.

For each there is a file with two regions: its own, and the wider one to be read for it.
"""

# ruff: noqa: F821, SIM115 (Snakemake defines `snakemake`; the log stays open)
import csv
import sys
from pathlib import Path

sys.stdout = sys.stderr = open(snakemake.log[0], "w")
size, margin = snakemake.params.bases, snakemake.params.margin
folder = Path(snakemake.output[0])
folder.mkdir()

chunks, bases = [], 0  # chunks: [chrom, first, last]
with open(snakemake.input[0], newline="") as table:
    rows = csv.reader(table, delimiter="\t")
    next(rows)
    for chrom, pos, *depths in rows:
        if not chunks or chunks[-1][0] != chrom or bases >= size:
            chunks.append([chrom, int(pos), 0])
            bases = 0
        chunks[-1][2] = int(pos)
        bases += sum(map(int, depths))

for number, (chrom, first, last) in enumerate(chunks, 1):
    own, wide = f"{first}-{last}", f"{max(1, first - margin)}-{last + margin}"
    (folder / f"{number:03}.txt").write_text(f"{chrom}:{own} {chrom}:{wide}\n")
    print(f"{number:03}: {chrom}:{own}")
