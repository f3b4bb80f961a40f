"""What was said of storage plugins is said again."""

from __future__ import annotations

from typing import Any

from snakemake import cli
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

from snakemake_executor_plugin_gitbatch.snakemake_internals import storage_arguments

SNAKEFILE = """
    rule a:
        output: "a"
        shell: "touch {output}"
"""


def test_only_what_was_set(make_workflow: Any) -> None:
    def explicit(*words: str) -> dict[str, list[object]]:
        _, args = cli.parse_args([*words, "--cores", "1"])
        settings = StoragePluginRegistry().get_plugin("gitbatch").get_settings(args)
        workflow = make_workflow(SNAKEFILE, "a", providers={"gitbatch": settings})
        return dict(storage_arguments.explicit(workflow))

    assert explicit() == {}
    assert list(explicit("--storage-gitbatch-archive", "x")) == ["--storage-gitbatch-archive"]
