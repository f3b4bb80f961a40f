"""Names of all kinds through links, orders, answers, records, run.json and the run commit."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitbatch_core.archive import links
from gitbatch_core.archive.layout import linked_object
from gitbatch_core.archive.store import Archive
from gitbatch_core.git.repository import Repository
from gitbatch_core.model import documents
from gitbatch_core.model.job_order import DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import JobRecord, StoredFile
from gitbatch_core.model.job_result import JobResult
from gitbatch_core.provenance import graphviz, listing
from gitbatch_core.provenance.job_index import JobIndex
from gitbatch_core.provenance.lineage import Tracer
from gitbatch_core.provenance.resolve import Resolver
from gitbatch_core.provenance.versions import versions
from gitbatch_core.run import run_commit
from gitbatch_core.run.run_commit import Provenance, Result


def _is_name(name: str) -> bool:
    raw = os.fsencode(name)
    # What git takes for its own folder, on any file system, it does not keep.
    shown = "".join(c for c in name if c.isprintable()).casefold()
    return (
        0 < len(raw) <= 100
        and raw not in (b".", b"..")
        and not {b"/", b"\0"} & {raw[i : i + 1] for i in range(len(raw))}
        and not shown.startswith((".git", "git~"))
    )


_odd = st.text(st.sampled_from("$(){}[]'\"\\ \n\r\t%,-<>~#*?:;&|ab.é\u0301"), max_size=10)
_any = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
names = (_odd | _any | st.binary(max_size=10).map(os.fsdecode)).filter(_is_name)
texts = _odd | _any | st.binary(max_size=10).map(os.fsdecode)
_count = itertools.count()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("documents") / "repository"
    folder.mkdir()
    for words in (["init"], ["commit", "--allow-empty", "--message", "first"]):
        subprocess.run(["git", *words, "--quiet"], cwd=folder, check=True)
    return Repository.find(folder)


@pytest.fixture(scope="module")
def archive(repository: Repository) -> Archive:
    return Archive.create(repository.top / ".gitbatch/archive", "xxh3")


def job(number: int, name: str, text: str, path: str) -> dict[str, Any]:
    member = {
        "rule": name,
        "wildcards": {"x": text},
        "command": {"kind": "shell", "text": text},
        "params": {text: text},
        "inputs": [{"path": path, "name": name}],
        "outputs": [path],
    }
    return {"run": "r", "number": number, "rule": name, "folder": "", "members": [member]}


@settings(max_examples=30)
@given(names=st.lists(names, min_size=1, max_size=4, unique=True), text=texts)
def test_names_come_back_from_everywhere(
    repository: Repository, archive: Archive, names: list[str], text: str
) -> None:
    number = next(_count)
    folder = f"out {number}"
    results, provenance = [], Provenance()
    for place, name in enumerate(names, start=1):
        path = f"{folder}/{name}"
        stored = archive.put_bytes(f"{number} {place}".encode(), name=path)
        links.place_link(repository.top / path, stored.name, top=repository.top, mtime_ns=1)
        found = os.readlink(repository.top / path)
        assert linked_object(found) == stored.name == archive.object_at(repository.top / path)
        size = stored.size
        output = StoredFile(
            path=path, kind="file", address=str(stored.address), size=size, name=stored.name.path
        )
        record = {**job(place, name, text, path), "outputs": [output.to_dict()]}
        provenance.add_record(JobRecord.from_dict(record))
        archive.write_record(f"{number:032x}", f"run-{number}", place, record)
        results.append(
            Result(
                path=path, kind="file", address=str(stored.address), size=size, links={path: found}
            )
        )
    found = listing.items(archive, (f"{folder}/{names[0]}",))
    assert any(f"{folder}/{names[0]}" in item.names for item in found)

    run = f"run-{number}"
    head = repository.commit_of("HEAD")
    facts = {"run": run, "source_commit": head, "command": [text], "config": {text: [text]}}
    composed = run_commit.compose(facts, results, provenance)
    by_path = {output.path: output for output in composed.outputs}
    assert [by_path[f"{folder}/{name}"].rule for name in names] == names
    commit = run_commit.write(
        repository,
        document=composed,
        results=results,
        inputs={},
        message=f"gitbatch run {run}",
    )
    assert run_commit.read(repository, commit) == composed
    assert run_commit.source_of(repository, commit) == head
    listed = repository.git("ls-tree", "-r", "-z", "--name-only", commit).split(b"\0")[:-1]
    assert set(listed) == {
        b".gitbatch/run.json",
        *(os.fsencode(f"{folder}/{name}") for name in names),
    }
    path, address = f"{folder}/{names[0]}", results[0].address
    resolver = Resolver(archive=archive, repository=repository, folder=repository.top)
    assert str(resolver.resolve(f"{run}:{path}").address) == address
    (version,) = versions(archive, repository, path)
    assert (version.address, version.rule, version.wildcards) == (address, names[0], {"x": text})
    graph = Tracer(archive=archive, jobs=JobIndex.read(archive, [path]))
    graph.start(address, path)
    graph.upstream()
    graphviz.dot(graph.graph, every=True, is_tainted=bool, size=str).encode()


@given(st.lists(texts, max_size=4), st.lists(names, max_size=4), st.dictionaries(texts, texts))
def test_orders_and_answers_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[str],
    paths: list[str],
    values: dict[str, str],
) -> None:
    folder = Path(tmp_path_factory.getbasetemp())
    order = JobOrder(
        argv=tuple(words),
        folder="/x",
        worktree="/x",
        archive="/y",
        environment=values,
        outputs=tuple(
            DeclaredOutput(path=path, folder=bool(n % 2)) for n, path in enumerate(paths)
        ),
        logs=tuple(paths),
        record=JobRecord.from_dict({"members": [values]}),
    )
    order.write(folder / "order.json")
    assert JobOrder.read(folder / "order.json") == order
    answer = JobResult(
        succeeded=False, reason="".join(words), record=JobRecord.from_dict({"outputs": [values]})
    )
    answer.write(folder / "answer.json")
    assert JobResult.read(folder / "answer.json") == answer
    assert documents.dumps(values).decode().endswith("}\n")


def test_of_many_entries_each_has_a_line() -> None:
    document = {"format": "x", "outputs": [{"b": [1, 2], "a": "ä"}, {}], "jobs": {"1": {"c": {}}}}
    text = documents.dumps(document).decode()
    assert text == (
        '{\n "format": "x",\n "jobs": {\n  "1": {"c": {}}\n },\n'
        ' "outputs": [\n  {"a": "ä", "b": [1, 2]},\n  {}\n ]\n}\n'
    )
    assert json.loads(text) == document
    assert b"\\udcff" in documents.dumps({"path": "\udcff"})
