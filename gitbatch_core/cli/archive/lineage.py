"""gitbatch archive lineage: the data and jobs that an object was made from, or that used it."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from gitbatch_core.cli import output
from gitbatch_core.cli.archive import path_in_folder, resolve
from gitbatch_core.errors import NotInArchiveError, UsageError
from gitbatch_core.provenance import graphviz
from gitbatch_core.provenance.job_index import JobIndex
from gitbatch_core.provenance.lineage import (
    COMMIT,
    MEMBER,
    OUTSIDE,
    SAME,
    Datum,
    Graph,
    Step,
    Tracer,
)
from gitbatch_core.wording import typed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from gitbatch_core.archive.store import Archive

_COMMAND = 60
"""Characters of a command in a line."""

_HOW = {MEMBER: "in the folder", SAME: "the same bytes"}


def lineage(archive: Archive, arguments: argparse.Namespace) -> int:
    """Print or write the graph."""
    if arguments.depth is not None and arguments.depth < 0:
        raise UsageError(f"--depth {arguments.depth} is negative: it is a number of jobs.")
    reference = resolve(archive, arguments, arguments.what)
    jobs = JobIndex.read(archive)
    tracer = Tracer(archive=archive, jobs=jobs, depth=arguments.depth)
    tracer.start(str(reference.address), reference.path, reference.run)
    upstream = arguments.upstream or not arguments.downstream
    if upstream:
        tracer.upstream()
    if arguments.downstream:
        tracer.downstream()
    graph = tracer.graph
    states = {graph.data[datum].state for datum in graph.start}
    path = path_in_folder(arguments, reference)
    if states <= {COMMIT, OUTSIDE} and str(reference.address) not in jobs.users:
        raise NotInArchiveError(
            f"The archive {archive.root} does not have {reference.what}, and no job has read or "
            "written it.",
            hint=f"gitbatch freeze {typed(path)}" if path else None,
        )
    if arguments.json:
        output.print_json(_as_json(graph, jobs))
        return 0
    if arguments.format == "text":
        lines = _text(graph, jobs, upstream, arguments.downstream)
        text = "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
    else:
        drawn = graphviz.dot(
            graph, every=arguments.all, is_tainted=jobs.is_tainted, size=output.human_size
        )
        text = drawn.encode(errors="backslashreplace")
        if arguments.format == "svg":
            text = _svg(text)
    if arguments.output is not None:
        arguments.output.write_bytes(text)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(text)
    return 0


def _svg(text: bytes) -> bytes:
    try:
        done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UsageError(
            "An SVG is drawn by the program `dot` of graphviz, which is not installed.",
            hint="Install the package graphviz (apt, dnf, conda, brew …), or use --format dot.",
        ) from error
    if done.returncode != 0 or not done.stdout:
        raise UsageError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


# ---------------------------------------------------------------------- text


def _text(graph: Graph, jobs: JobIndex, upstream: bool, downstream: bool) -> Iterator[str]:
    if upstream:
        yield from _tree(graph, jobs, _origins(graph))
    if upstream and downstream:
        yield ""
        yield "used by"
    if downstream:
        yield from _tree(graph, jobs, _uses(graph))


Node = tuple[Datum | int, str]
"""A datum or the place of a step, and how it hangs on what stands above it."""


def _origins(graph: Graph) -> Callable[[Datum | int], list[Node]]:
    above: dict[Datum | int, list[Node]] = defaultdict(list)
    for n, step in enumerate(graph.steps):
        above[n] = [(datum, "") for datum in step.inputs]
        for datum in step.outputs:
            above[datum].append((n, ""))
    for (origin, datum), how in graph.links.items():
        above[datum].append((origin, _HOW[how]))
    return lambda node: above.get(node, [])


def _uses(graph: Graph) -> Callable[[Datum | int], list[Node]]:
    above: dict[Datum | int, list[Node]] = defaultdict(list)
    for n, step in enumerate(graph.steps):
        above[n] = [(datum, "") for datum in step.outputs]
        for datum in step.inputs:
            above[datum].append((n, ""))
    for (origin, datum), how in graph.links.items():
        above[origin].append((datum, _HOW[how]))
    return lambda node: above.get(node, [])


def _tree(
    graph: Graph, jobs: JobIndex, below: Callable[[Datum | int], list[Node]]
) -> Iterator[str]:
    """Indented; a part that hangs at several places is shown at the first one."""
    seen: set[Datum | int] = set()
    waiting: list[tuple[Node, str, str]] = [((d, ""), "", "") for d in reversed(graph.start)]
    while waiting:
        (node, how), lead, indent = waiting.pop()
        label = _step(graph.steps[node], jobs) if isinstance(node, int) else _datum(node, graph)
        children = below(node)
        again = node in seen and bool(children)
        yield lead + (f"{how}: " if how else "") + label + ("  (see above)" if again else "")
        if again:
            continue
        seen.add(node)
        for number, child in enumerate(reversed(children)):
            branch, rest = ("└─ ", "   ") if number == 0 else ("├─ ", "│  ")
            waiting.append((child, indent + branch, indent + rest))


def _datum(datum: Datum, graph: Graph) -> str:
    facts = graph.data[datum]
    about = [f"{datum.address[: datum.address.index(':') + 9]}"]
    about += [output.human_size(facts.size)] if facts.size is not None else []
    about += ["folder"] if facts.kind == "tree" else []
    about += ["log"] if facts.log else []
    about += [graphviz.STATES[facts.state]] if graphviz.STATES[facts.state] else []
    return f"{output.printable(datum.path) or '(no path)'}  {', '.join(about)}"


def _step(step: Step, jobs: JobIndex) -> str:
    job = step.shown
    runs = len({each.run for each in step.jobs})
    more = f" (and {runs - 1} more)" if runs > 1 else ""
    mark = " TAINTED" if jobs.is_tainted(job.run) else ""
    command = "; ".join(member.command for member in job.members if member.command)
    return f"{output.printable(job.title)}  run {job.run}{more}{mark}, commit {job.commit[:10]}" + (
        f":  {output.cut(command, _COMMAND)}" if command else ""
    )


# ---------------------------------------------------------------------- JSON


def _as_json(graph: Graph, jobs: JobIndex) -> dict[str, Any]:
    numbers = {datum: n for n, datum in enumerate(graph.data)}
    return {
        "start": [numbers[datum] for datum in graph.start],
        "data": [
            {
                "path": datum.path,
                "address": datum.address,
                "kind": facts.kind,
                "size": facts.size,
                "state": facts.state,
                "log": facts.log,
            }
            for datum, facts in graph.data.items()
        ],
        "jobs": [
            {
                "rule": step.shown.rule,
                "members": [
                    {
                        "rule": member.rule,
                        "wildcards": member.wildcards,
                        "command": {"kind": member.command_kind, "text": member.command},
                    }
                    for member in step.shown.members
                ],
                "run": step.shown.run,
                "commit": step.shown.commit,
                "record": step.shown.record,
                "tainted": jobs.is_tainted(step.shown.run),
                "executions": [
                    {"run": job.run, "commit": job.commit, "host": job.host, "ended": job.ended}
                    for job in step.jobs
                ],
                "inputs": [numbers[datum] for datum in step.inputs],
                "outputs": [numbers[datum] for datum in step.outputs],
            }
            for step in graph.steps
        ],
        "links": [
            {"from": numbers[origin], "to": numbers[datum], "how": how}
            for (origin, datum), how in graph.links.items()
        ],
    }
