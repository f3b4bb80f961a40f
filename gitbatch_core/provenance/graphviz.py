"""A lineage as a drawing: the language of graphviz' `dot`, from left to right.

Jobs of one rule that have the same place and shape in a large graph, and their data, are one box.
"""

from __future__ import annotations

import html
import os
import textwrap
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gitbatch_core.provenance import lineage
from gitbatch_core.provenance.lineage import Datum, DatumFacts, Graph, Step

_Key = TypeVar("_Key")

MOST = 60
"""Boxes that are still drawn one by one."""
_ROUNDS = 3
_WIDTH = 40
"""Characters of a line."""
_LINES = 4
"""Of a command."""

_HEAD = """\
digraph lineage {
  graph [rankdir=LR, nodesep=0.18, ranksep=0.45, bgcolor=white]
  node [fontname="Helvetica,Arial,sans-serif", fontsize=10, margin="0.12,0.06"]
  edge [color="#607080", arrowsize=0.6, fontname="Helvetica,Arial,sans-serif", fontsize=8]
"""
_FILLS = {
    lineage.KEPT: "#ffffff",
    lineage.TEMPORARY: "#f2f2f2",
    lineage.LOST: "#fbe3e0",
    lineage.FROZEN: "#e2f1e4",
    lineage.COMMIT: "#fdf3d3",
    lineage.PARSE_TIME: "#fdf3d3",
    lineage.OUTSIDE: "#efe6f5",
}
STATES = {
    lineage.KEPT: "",
    lineage.TEMPORARY: "temporary, not kept",
    lineage.LOST: "no longer in the archive",
    lineage.FROZEN: "frozen",
    lineage.COMMIT: "in the commit",
    lineage.PARSE_TIME: "written while the workflow was read",
    lineage.OUTSIDE: "from outside",
}
"""For people."""


@dataclass(kw_only=True)
class _Boxes:
    """Which nodes are drawn as one, each by the number of its box."""

    data: dict[Datum, int] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    """By the step's place in the graph."""


def dot(
    graph: Graph, *, every: bool, is_tainted: Callable[[str], bool], size: Callable[[int], str]
) -> str:
    """The drawing. With `every`, each job has a box of its own. `size` writes bytes for people."""
    alone = every or len(graph.data) + len(graph.steps) <= MOST
    boxes = _alone(graph) if alone else _alike(graph)
    lines = [_HEAD]
    for number, some in _by_box(boxes.data).items():
        lines.append(_datum_box(number, some, graph, size))
    for number, places in _by_box(boxes.steps).items():
        lines.append(_step_box(number, [graph.steps[n] for n in places], is_tainted))
    arrows: dict[str, None] = {}
    for n, step in enumerate(graph.steps):
        for datum in step.inputs:
            arrows[f"d{boxes.data[datum]} -> j{boxes.steps[n]}"] = None
        for datum in step.outputs:
            arrows[f"j{boxes.steps[n]} -> d{boxes.data[datum]}"] = None
    for (origin, datum), how in graph.links.items():
        style = f'[style=dashed, label="{how}"]'
        arrows[f"d{boxes.data[origin]} -> d{boxes.data[datum]} {style}"] = None
    lines += [f"  {arrow}\n" for arrow in arrows]
    return "".join([*lines, "}\n"])


def _alone(graph: Graph) -> _Boxes:
    return _Boxes(
        data={datum: n for n, datum in enumerate(graph.data)},
        steps={n: n for n in range(len(graph.steps))},
    )


def _alike(graph: Graph) -> _Boxes:
    """By refinement: nodes stay together as long as their neighbours do."""
    makers, users = defaultdict(list), defaultdict(list)
    for n, step in enumerate(graph.steps):
        for datum in step.outputs:
            makers[datum].append(n)
        for datum in step.inputs:
            users[datum].append(n)
    linked = defaultdict(list)
    for (origin, datum), how in graph.links.items():
        linked[origin].append((how, datum))
        linked[datum].append((how, origin))
    start = {datum: n for n, datum in enumerate(graph.start)}
    data: dict[Datum, Hashable] = {
        datum: (facts.kind, facts.state, facts.log, graph.levels.get(datum), start.get(datum))
        for datum, facts in graph.data.items()
    }
    steps: dict[int, Hashable] = {n: step.shown.rule for n, step in enumerate(graph.steps)}
    boxes = _Boxes(data=_numbered(data), steps=_numbered(steps))
    for _ in range(_ROUNDS):
        now = boxes
        steps = {
            n: (
                now.steps[n],
                frozenset(now.data[datum] for datum in step.inputs),
                frozenset(now.data[datum] for datum in step.outputs),
            )
            for n, step in enumerate(graph.steps)
        }
        data = {
            datum: (
                now.data[datum],
                frozenset(now.steps[n] for n in makers[datum]),
                frozenset(now.steps[n] for n in users[datum]),
                frozenset((how, now.data[other]) for how, other in linked[datum]),
            )
            for datum in graph.data
        }
        boxes = _Boxes(data=_numbered(data), steps=_numbered(steps))
    return boxes


def _numbered(colours: dict[_Key, Hashable]) -> dict[_Key, int]:
    numbers: dict[Hashable, int] = {}
    return {key: numbers.setdefault(colour, len(numbers)) for key, colour in colours.items()}


def _by_box(numbers: dict[_Key, int]) -> dict[int, list[_Key]]:
    boxes: dict[int, list[_Key]] = defaultdict(list)
    for key, number in numbers.items():
        boxes[number].append(key)
    return boxes


def _datum_box(number: int, data: Sequence[Datum], graph: Graph, size: Callable[[int], str]) -> str:
    first: DatumFacts = graph.data[data[0]]
    sizes = [facts.size for facts in map(graph.data.__getitem__, data) if facts.size is not None]
    paths = list(dict.fromkeys(datum.path for datum in data))
    rows = []
    if len(data) > 1:
        what = "folders" if first.kind == "tree" else "files"
        versions = f", {len(data)} versions" if len(paths) < len(data) else ""
        rows.append(
            f"<B>{len(paths)} {what}{versions}</B>"
            if len(paths) > 1
            else f"<B>{len(data)} versions</B>"
        )
        rows += _wrapped(paths[0], 2)
        rows += _wrapped(f"… {paths[-1]}", 2) if len(paths) > 1 else []
    else:
        rows += [f"<B>{line}</B>" for line in _wrapped(paths[0] or "(no path)", 3)]
    about = [data[0].address[: data[0].address.index(":") + 9]] if len(data) == 1 else []
    about += [size(sum(sizes))] if sizes else []
    about += ["folder"] if first.kind == "tree" and len(data) == 1 else []
    about += ["log"] if first.log else []
    about += [STATES[first.state]] if STATES[first.state] else []
    rows.append(f'<FONT POINT-SIZE="8" COLOR="#505050">{_text(" · ".join(about))}</FONT>')
    styles = ["filled", "rounded"]
    styles += ["dashed"] if first.state in (lineage.TEMPORARY, lineage.LOST) else []
    width = 2.5 if data[0] in graph.start else 1
    tip = "\n".join(f"{datum.path} {datum.address}" for datum in data[:20])
    return (
        f'  d{number} [shape=box, style="{",".join(styles)}", fillcolor="{_FILLS[first.state]}", '
        f'color="#8a94a0", penwidth={width}, peripheries={1 + (len(data) > 1)}, '
        f"tooltip={_quoted(tip)}, label=<{'<BR/>'.join(rows)}>]\n"
    )


def _step_box(number: int, steps: Sequence[Step], is_tainted: Callable[[str], bool]) -> str:
    shown = steps[0].shown
    jobs = [job for step in steps for job in step.jobs]
    runs = list(dict.fromkeys(job.run for job in jobs))
    tainted = any(is_tainted(run) for run in {step.shown.run for step in steps})
    if len(steps) > 1:
        rows = [f"<B>{_text(shown.rule)}: {len(steps)} jobs</B>"]
    else:
        rows = [f"<B>{line}</B>" for line in _wrapped(shown.title, 3)]
    own = list(dict.fromkeys(step.shown.run for step in steps))
    about = own[0] if len(own) == 1 else f"{len(own)} runs"
    if len(own) == 1 and len(runs) > 1:
        about += f" (and {len(runs) - 1} more)"
    about += f" · {shown.commit[:10]}" if len(own) == 1 else ""
    about += " · TAINTED" if tainted else ""
    rows.append(f'<FONT POINT-SIZE="8" COLOR="#405570">{_text(about)}</FONT>')
    command = "; ".join(member.command for member in shown.members if member.command)
    if command:
        lines = _wrapped(" ".join(command[:4000].split()), _LINES)
        rows.append(f'<FONT POINT-SIZE="8" FACE="Courier">{_left(lines)}</FONT>')
    tip = "\n".join(f"{step.shown.id} {step.shown.title}" for step in steps[:20])
    return (
        f'  j{number} [shape=box, style=filled, fillcolor="#dce8f6", '
        f'color="{"#c0392b" if tainted else "#4a7ab5"}", '
        f"peripheries={1 + (len(steps) > 1)}, penwidth={2.5 if tainted else 1}, "
        f"tooltip={_quoted(tip + chr(10) + command[:2000])}, label=<{'<BR/>'.join(rows)}>]\n"
    )


def _wrapped(text: str, lines: int) -> list[str]:
    """At most so many lines, ready for a label."""
    wrapped = textwrap.wrap(
        _clean(text), _WIDTH, break_on_hyphens=False, drop_whitespace=False
    ) or [""]
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], wrapped[lines - 1][: _WIDTH - 1] + "…"]
    return [html.escape(line) for line in wrapped]


def _left(lines: Iterable[str]) -> str:
    return "".join(f'{line}<BR ALIGN="LEFT"/>' for line in lines)


def _text(text: str) -> str:
    return html.escape(_clean(text))


def _quoted(text: str) -> str:
    shown = _clean(text.replace("\n", "\0")).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + shown.replace("\\\\x00", "\\n") + '"'


def _clean(text: str) -> str:
    """Without what XML cannot have; bytes that are not UTF-8 become escapes."""
    safe = os.fsencode(text).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in safe)
