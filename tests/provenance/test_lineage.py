"""The graph of data and jobs, and its drawing, from records of all shapes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

from gitbatch_core.archive import layout
from gitbatch_core.model import documents
from gitbatch_core.provenance import graphviz
from gitbatch_core.provenance.job_index import JobIndex
from gitbatch_core.provenance.lineage import MEMBER, SAME, Datum, Graph, Tracer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitbatch_core.archive.store import Archive


def of(content: object) -> str:
    return "xxh3:" + hashlib.md5(repr(content).encode()).hexdigest()


class Book:
    """Writes records."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.number = archive, 0

    def job(
        self,
        rule: str,
        inputs: Iterable[tuple[str, str]],
        outputs: Iterable[tuple[str, str]],
        *,
        run: str = "run",
        trees: Iterable[dict[str, object]] = (),
        **more: object,
    ) -> None:
        """`inputs`, `outputs`: path and address."""
        self.number += 1
        made = [{"path": p, "address": a, "kind": "file", "size": 5} for p, a in outputs]
        member = {"rule": rule, "inputs": [{"path": p, "address": a} for p, a in inputs]}
        member |= {"command": {"kind": "shell", "text": f'{rule} <it> & "that"'}, "wildcards": {}}
        minute, second = divmod(self.number, 60)
        time = f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:{second:02d}"
        document = {"run": run, "rule": rule, "members": [member], "outputs": [*made, *trees]}
        document |= {"started": f"{time}.000Z", "ended": f"{time}.500Z"}
        key = hashlib.md5(str(self.number).encode()).hexdigest()
        path = self.archive.root / layout.record_path(key, run, self.number)
        path.parent.mkdir(parents=True)  # as the archive would, without the flushing
        path.write_bytes(documents.dumps(document | more))

    def graph(
        self, path: str, address: str, *, down: bool = False, depth: int | None = None
    ) -> Graph:
        tracer = Tracer(archive=self.archive, jobs=JobIndex.read(self.archive), depth=depth)
        tracer.start(address, path)
        (tracer.downstream if down else tracer.upstream)()
        return tracer.graph


def dot(graph: Graph, *, every: bool = False) -> str:
    """The drawing, read by graphviz where it is installed."""
    text = graphviz.dot(graph, every=every, is_tainted=lambda run: run == "bad", size=str)
    if shutil.which("dot"):
        done = subprocess.run(["dot", "-Tcanon"], input=text.encode(), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
    return text


def boxes(text: str, kind: str) -> list[str]:
    return [
        line for line in text.splitlines() if line.startswith(f"  {kind}") and " -> " not in line
    ]


def test_copies_and_updates_go_in_no_circle(archive: Archive) -> None:
    book = Book(archive)
    book.job("make", [], [("a", of(1))])
    book.job("copy", [("a", of(1))], [("b", of(1))])
    book.job("touch", [("b", of(1))], [("c", of(2))], updated={"c": of(2)})
    up = book.graph("c", of(2))
    assert [step.shown.rule for step in up.steps] == ["touch", "copy", "make"]
    assert set(up.data) == {Datum("a", of(1)), Datum("b", of(1)), Datum("c", of(2))}
    down = book.graph("a", of(1), down=True)
    assert {step.shown.rule for step in down.steps} == {"copy", "touch"}
    assert {data.state for data in up.data.values()} == {"lost"}
    dot(up)


def test_makers_are_those_that_had_ended_before(archive: Archive) -> None:
    """The same bytes from other inputs, before and after they were used."""
    book = Book(archive)
    book.job("old", [("in", of("old"))], [("a", of(1))])
    book.job("use", [("a", of(1))], [("b", of(2))], run="bad")
    book.job("new", [("in", of("new"))], [("a", of(1))])
    rules = [step.shown.rule for step in book.graph("b", of(2)).steps]
    assert rules == ["use", "old"]
    assert [step.shown.rule for step in book.graph("a", of(1)).steps] == ["new"]
    assert "TAINTED" in dot(book.graph("b", of(2)))


def test_data_that_moved_and_folders(archive: Archive) -> None:
    kept = archive.put_bytes(b"member", name="m.txt")
    folder = archive.root.parent / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "m.txt").write_bytes(b"member")
    tree = archive.put_tree(folder)
    book = Book(archive)
    book.job(
        "fill",
        [("frozen.txt", of("x"))],
        [],
        trees=[{"path": "out", "kind": "tree", "address": str(tree.address), "size": 6}],
    )
    book.job("use", [("out/sub/m.txt", str(kept.address))], [("b", of(2))])
    book.job("other", [("elsewhere/b", of(2))], [("c", of(3))])
    up = book.graph("c", of(3))
    assert [step.shown.rule for step in up.steps] == ["other", "use", "fill"]
    assert sorted(up.links.values()) == [MEMBER, SAME]
    assert up.data[Datum("out/sub/m.txt", str(kept.address))].state == "kept"
    down = book.graph("out", str(tree.address), down=True)
    assert [step.shown.rule for step in down.steps] == ["use", "other"]
    assert MEMBER in dot(up) and SAME in dot(up)


def test_many_alike_are_drawn_as_one(archive: Archive) -> None:
    book = Book(archive)
    odd = 'x\n"<&\\N' + "\udcff\x1b"
    for n in range(50):
        book.job("trim", [(f"data/{n}", of(n)), ("ref", of("ref"))], [(f"t/{n}", of(("t", n)))])
        last = "t"
        if n < 3:
            book.job("fix", [(f"t/{n}", of(("t", n)))], [(f"f/{n}", of(("f", n)))])
            last = "f"
        book.job("call", [(f"{last}/{n}", of((last, n)))], [(f"c/{n}", of(("c", n)))])
    book.job(odd, [(f"c/{n}", of(("c", n))) for n in range(50)], [(odd, of("all"))])
    graph = book.graph(odd, of("all"))
    assert (len(graph.steps), len(graph.data)) == (104, 155)
    text = dot(graph)
    assert len(boxes(text, "j")) == 6  # trim, call: with fix and without; fix; the last one
    assert "trim: 47 jobs" in text and "fix: 3 jobs" in text and "47 files" in text
    assert len(boxes(dot(graph, every=True), "j")) == 104
    assert len(book.graph(odd, of("all"), depth=1).steps) == 1
    assert len(boxes(dot(book.graph("ref", of("ref"), down=True)), "j")) == 6


def test_a_long_chain(archive: Archive) -> None:
    book = Book(archive)
    for n in range(1100):
        book.job("next", [(f"{n}", of(n))], [(f"{n + 1}", of(n + 1))])
    graph = book.graph("1100", of(1100))
    assert len(graph.steps) == 1100
    assert graph.data[Datum("0", of(0))].state == "commit"
    assert len(book.graph("0", of(0), down=True, depth=7).steps) == 7
