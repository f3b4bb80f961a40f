"""Lists of files with names, and the flags of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snakemake.io import flag
from workflows_here import job

from snakemake_executor_plugin_gitbatch.snakemake_internals import files

SNAKEFILE = """
    rule a:
        input: "1", "2", both=["3", "4"], one="5"
        output: temp("a"), directory("d"), p=protected("p")
        shell: "touch {output}"
"""


@pytest.fixture(autouse=True)
def inputs(folder: Path) -> None:
    for name in "12345":
        (folder / name).touch()


def test_each_item_has_its_name(make_workflow: Any) -> None:
    single = job(make_workflow(SNAKEFILE, "a"), "a")
    assert files.names(single.input) == [None, None, "both", "both", "one"]
    assert files.names(single.output) == [None, None, "p"]


def test_files_are_put_into_an_order_with_their_names(make_workflow: Any) -> None:
    single = job(make_workflow(SNAKEFILE, "a"), "a")
    files.reorder(single.input, ["2", "1", "4", "3", "5"])
    assert list(map(str, single.input)) == ["2", "1", "4", "3", "5"]
    assert list(map(str, single.input.both)) == ["4", "3"] and str(single.input.one) == "5"
    files.reorder(single.input, ["1", "2"])
    assert list(map(str, single.input)) == ["2", "1", "4", "3", "5"], "they are others"


def test_flags_of_files(make_workflow: Any) -> None:
    single = job(make_workflow(SNAKEFILE, "a"), "a")
    temporary, folder, protected = single.output
    assert files.is_flagged(temporary, "temp") and not files.is_flagged(protected, "temp")
    assert folder.is_directory and not temporary.is_directory
    assert protected in single.protected_output
    assert files.storage(temporary) is None
    stored = object()
    temporary._file = flag(temporary._file, "storage_object", stored)
    assert files.storage(temporary) is stored
