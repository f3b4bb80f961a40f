"""The table of the benchmark of pools: gitbatch against each other way."""

from __future__ import annotations

import statistics

from ways import AFTER


def table(
    figures: dict[str, dict[str, list[float]]], held: dict[str, dict[str, list[float]]]
) -> list[str]:
    """Rows for README.md: gitbatch against each other way."""
    names = {
        "raw": "raw HTCondor, without Snakemake",
        "plugin": "`snakemake-executor-plugin-htcondor` at its best",
        "plugin, defaults": "`snakemake-executor-plugin-htcondor` as it is",
        AFTER: "`snakemake-executor-plugin-htcondor` on what gitbatch has just left",
        "local": "plain Snakemake, local",
    }
    rows = ["| what | against | ratio | here | rounds |", "| --- | --- | --- | --- | --- |"]
    for workflow, ways in figures.items():
        ours = statistics.median(ways["gitbatch"])
        for way, name in names.items():
            if way in ways:
                theirs = statistics.median(ways[way])
                here = f"{ours:.1f} s : {theirs:.1f} s"
                ratio = f"{ours / theirs:.2g} : 1"
                rows.append(f"| {workflow} | {name} | {ratio} | {here} | {len(ways[way])} |")
    named = {"gitbatch": "gitbatch"} | {way: name for way, name in names.items() if way != "local"}
    seen = [
        f"| {workflow} | {named[way]} | {', '.join(f'{s:.0f} s' for s in seconds)} |"
        for workflow, ways in held.items()
        for way, seconds in ways.items()
        if seconds and way in named
    ]
    if seen:
        rows += ["", "| after | by | slots were claimed for |", "| --- | --- | --- |", *seen]
    return rows
