"""What becomes of the files that a job has made: objects, manifests and the record."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import xxhash

from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import ArchiveError, RunError
from gitbatch_core.model.job_order import DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.masking import Mask
from gitbatch_core.runner import outputs

ODD_NAMES = [
    "with space.csv",
    "quote'\".csv",
    "new\nline.csv",
    "$(touch x).csv",
    "-rf.csv",
    "ünï.csv",
    "b\\ack.csv",
]
NO_SECRETS = Mask([])
RECORD = JobRecord(run="20260101-000000-abcd", number=3, key="ab" * 16)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "work tree"
    folder.mkdir()
    return folder


def address(text: str) -> str:
    return f"xxh3:{xxhash.xxh3_128_hexdigest(text.encode())}"


def publish(
    archive: Archive,
    top: Path,
    *declared: DeclaredOutput,
    logs: tuple[str, ...] = (),
    mask: Mask = NO_SECRETS,
) -> JobRecord:
    order = JobOrder(
        argv=("true",),
        folder=str(top),
        worktree=str(top),
        archive=str(archive.root),
        environment={},
        outputs=declared,
        logs=logs,
    )
    return outputs.publish(archive, order, mask, RECORD)


def objects(archive: Archive) -> list[Path]:
    return [path for path in (archive.root / "objects").rglob("*") if path.is_file()]


def test_files_become_objects_in_the_order_in_which_they_are_declared(
    archive: Archive, top: Path
) -> None:
    for name in ODD_NAMES:
        (top / name).write_text(f"in {name}")
    record = publish(archive, top, *(DeclaredOutput(path=name) for name in ODD_NAMES))
    assert [each.path for each in record.outputs] == ODD_NAMES
    for name, output in zip(ODD_NAMES, record.outputs, strict=True):
        text = f"in {name}"
        assert (output.kind, output.address) == ("file", address(text))
        assert output.size == len(text.encode()) and not output.temporary
        stored = archive.root / str(output.name)
        assert stored.read_text() == text and stat.S_IMODE(stored.stat().st_mode) == 0o444
        assert not os.path.lexists(top / name), "it was moved, not copied"


def test_an_empty_file_and_a_program_and_two_files_with_the_same_bytes(
    archive: Archive, top: Path
) -> None:
    for name, text in {"empty": "", "tool": "run", "one.txt": "same", "two.txt": "same"}.items():
        (top / name).write_text(text)
    (top / "tool").chmod(0o755)
    declared = [DeclaredOutput(path=name) for name in ("empty", "tool", "one.txt", "two.txt")]
    empty, tool, one, two = publish(archive, top, *declared).outputs
    assert (empty.size, empty.address) == (0, address(""))
    assert stat.S_IMODE((archive.root / str(tool.name)).stat().st_mode) == 0o555
    assert one.name == two.name and len(objects(archive)) == 3


def test_a_folder_is_a_tree_with_the_size_of_its_files(archive: Archive, top: Path) -> None:
    (top / "tree" / "deep" / "none").mkdir(parents=True)
    (top / "tree" / "a b").write_text("four")
    (top / "tree" / "deep" / "x").write_text("sixsix")
    (top / "tree" / ".snakemake_timestamp").write_text("never part of a tree")
    [tree] = publish(archive, top, DeclaredOutput(path="tree", folder=True)).outputs
    assert (tree.kind, tree.size, tree.name) == ("tree", 10, None)
    entries = archive.manifest(Address.parse(tree.address))
    assert {(each.kind, each.path) for each in entries} == {
        ("f", "a b"),
        ("f", "deep/x"),
        ("d", "deep/none"),
    }


def test_a_file_in_an_output_folder_is_an_output_of_its_own_too(
    archive: Archive, top: Path
) -> None:
    (top / "tree").mkdir()
    (top / "tree" / "x").write_text("both")
    declared = [DeclaredOutput(path="tree/x"), DeclaredOutput(path="tree", folder=True)]
    x, tree = publish(archive, top, *declared).outputs
    assert x.address == address("both") and tree.size == 4
    [entry] = archive.manifest(Address.parse(tree.address))
    assert entry.digest == x.address.partition(":")[2] and len(objects(archive)) == 1


def test_what_is_temporary_stays_read_only_and_is_not_in_the_archive(
    archive: Archive, top: Path
) -> None:
    (top / "file").write_text("passing")
    (top / "tree").mkdir()
    (top / "tree" / "x").write_text("passes")
    (top / "tree" / "x").chmod(0o770)
    (top / "user's").write_text("the user's own")
    (top / "tree" / "link").symlink_to("x")
    (top / "link").symlink_to("user's")
    record = publish(
        archive,
        top,
        DeclaredOutput(path="file", temporary=True),
        DeclaredOutput(path="tree", folder=True, temporary=True),
        DeclaredOutput(path="link", temporary=True),
        DeclaredOutput(path="gone within a group", temporary=True),
    )
    file, tree, link = record.outputs
    assert (file.address, file.size, file.name) == (address("passing"), 7, None)
    assert tree.kind == "tree" and all(each.temporary for each in record.outputs)
    assert link.address == address("the user's own")
    modes = {
        name: stat.S_IMODE((top / name).stat().st_mode) for name in ("file", "tree/x", "user's")
    }
    assert modes["file"] & 0o222 == 0 and modes["tree/x"] == 0o550
    assert modes["user's"] & 0o200, "what a link leads to is not the job's"
    assert objects(archive) == [] and not list((archive.root / "manifests").rglob("*.txt"))


@pytest.mark.parametrize(
    ("is_folder", "words"),
    [
        (None, "the output -o $(x) is not there"),
        (True, "the output -o $(x) is declared as a file, but is a folder"),
    ],
)
def test_where_one_output_is_not_right_no_file_has_moved(
    archive: Archive, top: Path, is_folder: bool | None, words: str
) -> None:
    (top / "first").write_text("first")
    if is_folder:
        (top / "-o $(x)").mkdir()
    with pytest.raises(RunError) as raised:
        publish(archive, top, DeclaredOutput(path="first"), DeclaredOutput(path="-o $(x)"))
    assert raised.value.message == words
    assert (top / "first").read_text() == "first" and objects(archive) == []


def test_a_link_that_leads_nowhere_is_no_output(archive: Archive, top: Path) -> None:
    (top / "dangling").symlink_to("nowhere")
    with pytest.raises(RunError, match="the output dangling is not there"):
        publish(archive, top, DeclaredOutput(path="dangling"))


def test_an_archive_that_cannot_be_written_leaves_the_outputs_where_they_are(
    archive: Archive, top: Path
) -> None:
    (top / "a").write_text("made")
    folders = [archive.root / name for name in ("staging", "objects")]
    for folder in folders:
        folder.chmod(0o555)
    try:
        with pytest.raises(ArchiveError):
            publish(archive, top, DeclaredOutput(path="a"))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert (top / "a").read_text() == "made"


def test_logs_are_copied_without_secrets_and_those_that_are_not_there_are_none(
    archive: Archive, top: Path
) -> None:
    (top / "clean.log").write_bytes(b"\xff bytes\n")
    (top / "said.log").write_text("the token is s3cret, s3cret!\n")
    (top / "folder").mkdir()
    logs = ("clean.log", "said.log", "missing.log", "folder")
    record = publish(archive, top, logs=logs, mask=Mask(["s3cret"]))
    clean, said = record.logs
    assert (clean.path, said.path) == ("clean.log", "said.log")
    assert (top / "clean.log").read_bytes() == b"\xff bytes\n"
    assert (archive.root / str(clean.name)).read_bytes() == b"\xff bytes\n"
    masked = "the token is ***, ***!\n"
    assert (top / "said.log").read_text() == (archive.root / str(said.name)).read_text() == masked
    assert said.address == address(masked) and said.size == len(masked)


def test_the_record_lies_under_its_key(archive: Archive, top: Path) -> None:
    (top / "a").write_text("1")
    record = publish(archive, top, DeclaredOutput(path="a"))
    assert not list(archive.record_paths()), "the record comes last"
    outputs.keep_record(archive, record)
    [path] = archive.record_paths()
    key = RECORD.key
    assert path == archive.root / "records" / key[:2] / key[2:] / f"{RECORD.run}-3.json"
    document = json.loads(path.read_bytes())
    assert document["outputs"][0]["address"] == address("1")
    assert (document["run"], document["number"], document["key"]) == (RECORD.run, 3, key)
