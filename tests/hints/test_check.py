"""What `gitbatch check` says to do: the next one finds nothing in the way."""

from __future__ import annotations

from .terminals import Terminal, types

SNAKEFILE = "rule a:\n    output: 'a.txt'\n    shell: 'touch {output}'\n"


@types("run/permissions: --gitbatch-archive", "run/permissions: --gitbatch-archive")
@types("run/permissions: --gitbatch-worktrees")
def test_folders_that_cannot_be(terminal: Terminal) -> None:
    project = terminal.project
    project.commit({"Snakefile": SNAKEFILE})
    project.gitbatch("init").ok()
    folder = project.path.parent / "elsewhere"
    told = project.gitbatch("check", "--gitbatch-worktrees", "/proc/no")
    assert told.returncode == 1
    option = terminal.option(told, "--gitbatch-worktrees", str(folder / "trees"))
    project.gitbatch("check", *option).ok()
    told = project.gitbatch("check", "--gitbatch-archive", "/proc/no")
    project.gitbatch("check", *terminal.option(told, "--gitbatch-archive", str(folder))).ok()
    (project.archive / "objects").chmod(0o555)
    told = project.gitbatch("check")
    (project.archive / "objects").chmod(0o755)
    assert "cannot be added to" in told.text
    project.gitbatch("check", *terminal.option(told, "--gitbatch-archive", str(folder))).ok()
    assert not folder.exists()
