"""The example workflow on reads of two phages: right, and the same bytes each time."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from debian_tree import DebianTree, ToolError
from projects import Project

SOURCE = Path(__file__).parents[2] / "workflows" / "variants"
EXAMPLES = "usr/share/doc/bowtie2/examples"
DATA = ["reads/reads_1.fq.gz", "reads/reads_2.fq.gz", "reads/longreads.fq.gz"]
DATA += ["reference/lambda_virus.fa.gz"]
TREE = DebianTree(
    name="variants",
    what="tools and data of workflows/variants",
    otherwise="install them",
    suite="stable",
    packages=("bwa", "samtools", "bcftools", "bowtie2-examples"),
    programs=("bwa", "samtools", "bcftools"),
)


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data; the tools are on PATH: those of this machine, or downloaded."""
    installed = Path("/") / EXAMPLES
    if all(map(shutil.which, TREE.programs)) and all((installed / n).exists() for n in DATA):
        return installed
    try:
        TREE.get()
    except ToolError as error:
        raise pytest.fail.Exception(
            f"{error}\n"
            f"sudo apt-get install {' '.join(TREE.packages)}\n"
            "(where an image leaves out /usr/share/doc, see workflows/variants/README.md)",
            pytrace=False,
        ) from None
    monkeypatch.setenv("PATH", f"{TREE.bin}:{os.environ['PATH']}")
    return TREE.root / EXAMPLES


@pytest.fixture
def example(make_project: Callable[..., Project], examples: Path) -> Callable[[str], Project]:
    """The workflow in a folder of its own, with the data, as its README says."""

    def make(name: str) -> Project:
        project = make_project({}, name=name, commit=False)
        for folder in ("config", "workflow"):
            shutil.copytree(SOURCE / folder, project.path / folder)
        shutil.copy(SOURCE / ".gitignore", project.path)
        project.commit()
        (project.path / "data").mkdir()
        for each in DATA:
            shutil.copy(examples / each, project.path / "data")
        return project

    return make


def results(project: Project) -> dict[str, bytes]:
    """All that it made, but for the chunks that the genome was cut into."""
    files = (project.path / "results").rglob("*")
    names = {str(each.relative_to(project.path)): each for each in files if each.is_file()}
    return {n: each.read_bytes() for n, each in names.items() if "/chunks/" not in n}


def test_the_same_bytes_each_time(example: Callable[[str], Project]) -> None:
    """Here by this executor, there by plain Snakemake with fewer cores and more jobs."""
    project, plain = example("project"), example("other folder")
    project.gitbatch("freeze", "data").ok()
    project.commit()
    there = plain.start("--cores", "1", "--config", "chunk_bases=800000", gitbatch=False)
    project.snakemake().ok()
    plain.end(there).ok()
    mine, theirs = results(project), results(plain)
    assert len(mine) > 20 and mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []
    chunks, more = (len(list(each.path.glob("results/chunks/*.txt"))) for each in (project, plain))
    assert 1 < chunks < more
    assert project.read("logs/merge.log") and project.read("benchmarks/call/001.tsv")
    project.nothing_to_do()

    # Two phages, one of them with few of its reads, too.
    variants: dict[str, dict[tuple[str, ...], str]] = {"short": {}, "thin": {}, "long": {}}
    for row in csv.DictReader(project.read("results/variants.tsv").split("\n"), delimiter="\t"):
        variants[row["sample"]][row["pos"], row["ref"], row["alt"]] = row["type"]
    short, thin, long = (found.keys() for found in variants.values())
    assert 75 < len(short) < 95 and 75 < len(long) < 95 and not short & long
    assert len(thin & short) > 60 and len(thin - short) < 5

    # A consensus is the reference with the sample's variants.
    fasta = gzip.decompress((project.path / "data/lambda_virus.fa.gz").read_bytes())
    bases = len(b"".join(fasta.split(b"\n")[1:]))
    report = csv.DictReader(project.read("results/report.tsv").split("\n"), delimiter="\t")
    for row in report:
        change = sum(len(alt) - len(ref) for _, ref, alt in variants[row["sample"]])
        assert int(row["consensus_bp"]) == bases + change < bases
        assert 95 < float(row["mapped_%"]) < 100
        assert int(row["consensus_n"]) < (100 if float(row["depth"]) > 30 else 5000)
