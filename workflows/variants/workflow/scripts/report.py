"""The report: what each sample's reads gave, and which variants the samples share."""

# ruff: noqa: F821, SIM115 (Snakemake defines `snakemake`; the log stays open)
import csv
import sys
from itertools import combinations
from pathlib import Path

sys.stdout = sys.stderr = open(snakemake.log[0], "w")
samples, enough = snakemake.params.samples, snakemake.params.depth


def read(path):
    with open(path, newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def percent(part, whole):
    return round(100 * part / whole, 2) if whole else 0.0


depths = read(snakemake.input.depth)
variants = {sample: {} for sample in samples}
for row in read(snakemake.input.variants):
    variants[row["sample"]][row["chrom"], row["pos"], row["ref"], row["alt"]] = row["type"]

rows = []
for sample, counts, fasta in zip(
    samples, snakemake.input.counts, snakemake.input.consensus, strict=True
):
    with open(counts) as table:  # value, value of failed reads, name
        count = {name: value for value, _, name in csv.reader(table, delimiter="\t")}
    reads = int(count["primary"])
    depth = [int(row[sample]) for row in depths]
    found = list(variants[sample].values())
    sequence = "".join(Path(fasta).read_text().split("\n")[1:])
    rows.append(
        {
            "sample": sample,
            "reads": reads,
            "mapped_%": percent(int(count["primary mapped"]), reads),
            "duplicates_%": percent(int(count["primary duplicates"]), reads),
            "depth": round(sum(depth) / len(depth), 2),
            "covered_%": percent(sum(each >= enough for each in depth), len(depth)),
            "snps": found.count("SNP"),
            "indels": found.count("INDEL"),
            "consensus_bp": len(sequence),
            "consensus_n": sequence.count("N"),
        }
    )

with open(snakemake.output.tsv, "w", newline="") as table:
    writer = csv.DictWriter(table, rows[0], delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def markdown(header, lines):
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [header, rule, *lines]) + "\n"


text = markdown([name.replace("_", " ") for name in rows[0]], [row.values() for row in rows])
shared = []
for first, second in combinations(samples, 2):
    a, b = variants[first].keys(), variants[second].keys()
    shared.append((f"{first}, {second}", len(a & b), len(a - b), len(b - a)))
if shared:
    text += "\n" + markdown(["variants of", "both", "first only", "second only"], shared)
Path(snakemake.output.md).write_text(text, encoding="utf-8")
print(f"{len(samples)} samples, {len(set().union(*variants.values()))} variants")
