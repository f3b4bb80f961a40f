"""Cut the genome into stretches that have about the same number of aligned bases, one BED file each."""

# ruff: noqa: F821, SIM115 (Snakemake defines `snakemake`; the log stays open)
import csv
import sys
from pathlib import Path

sys.stdout = sys.stderr = open(snakemake.log[0], "w")
folder = Path(snakemake.output[0])
folder.mkdir()

chunks, bases = [], 0  # chunks: [chrom, start, end]
with open(snakemake.input[0], newline="") as table:
    rows = csv.reader(table, delimiter="\t")
    next(rows)
    for chrom, pos, *depths in rows:
        if not chunks or chunks[-1][0] != chrom or bases >= snakemake.params.bases:
            chunks.append([chrom, int(pos) - 1, 0])
            bases = 0
        chunks[-1][2] = int(pos)
        bases += sum(map(int, depths))

for number, (chrom, start, end) in enumerate(chunks, 1):
    (folder / f"{number:03}.bed").write_text(f"{chrom}\t{start}\t{end}\n")
    print(f"{number:03}: {chrom}:{start + 1}-{end}")
