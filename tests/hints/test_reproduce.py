"""What `gitbatch reproduce` says to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from projects import Ended

from .terminals import Terminal, rewrite, types

FILES = {
    "Snakefile": """
        rule a:
            output: "a.txt"
            shell: "echo {config[word]} > {output}"
        """,
    ".gitignore": ".snakemake/\n/*.txt\n",
}


@types(
    "reproduce/reproduction: git show --stat",
    "reproduce/snakemake_arguments: gitbatch reproduce",
    "reproduce/snakemake_arguments: gitbatch reproduce",
    "reproduce/snakemake_arguments: gitbatch reproduce",
    "reproduce/snakemake_arguments: gitbatch reproduce",
    "cli/reproduce: git worktree",
)
def test_reproduce(terminal: Terminal, tmp_path: Path) -> None:
    project = terminal.project
    project.commit(FILES)
    project.snakemake("a.txt", "--config", "word=hello").ok()
    [run] = [tag.removeprefix("run/") for tag in project.tags()]
    kept = project.run_document(f"run/{run}")

    def refused(**changes: Any) -> Ended:
        rewrite(project, run, lambda document: document.update(kept | changes))
        ended = project.gitbatch("reproduce", run)
        assert ended.returncode == 2 and "Traceback" not in ended.text, ended.text
        return ended

    ended = project.gitbatch("reproduce", run, "b.txt")
    assert "a.txt" in terminal.type(ended, "git show --stat").text
    told = refused(targets=["***"])
    ended = terminal.type(told, "gitbatch reproduce", TARGETS="a.txt --keep 'kept here'")
    terminal.type(ended, "git worktree remove --force")
    assert not (project.path / "kept here").exists()
    for changes in ({"word": "***"}, {"word": {"object": "some.Class"}}):
        told = refused(given_config=changes)
        terminal.type(told, "gitbatch reproduce", RUN=run, VALUE="hello")
    told = refused(settings=[*kept["settings"], "--set-threads", "a=***"])
    terminal.type(told, "gitbatch reproduce", VALUE="a=1")
