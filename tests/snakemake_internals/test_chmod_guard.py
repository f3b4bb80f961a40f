"""Snakemake's chmod does not reach objects."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from workflows_here import job

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive
from snakemake_executor_plugin_gitbatch import common_settings

SNAKEFILE = """
    rule a:
        output: protected("linked"), protected("own")
        shell: "touch {output}"
"""


def test_protecting_a_link_leaves_the_object(make_workflow: Any, folder: Path) -> None:
    assert common_settings.non_local_exec, "whoever imports the plugin has the guard"
    archive = Archive.create(folder / layout.LINK_PATH)
    (folder / "source").write_text("x")
    [stored] = archive.put([folder / "source"])
    target = archive.root / stored.name.path
    target.chmod(0o644)  # what chmod would change
    (folder / "linked").symlink_to(target.relative_to(folder))
    (folder / "own").write_text("y")

    linked, own = job(make_workflow(SNAKEFILE, "linked"), "a").output
    for path in (linked, own):
        path.protect()
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert stat.S_IMODE((folder / "own").stat().st_mode) & 0o222 == 0
