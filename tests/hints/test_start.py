"""What a start that is refused, or a failed job, says to do: it goes on when that is done."""

from __future__ import annotations

import shutil

from .terminals import Terminal, types

SIMPLE = {
    "Snakefile": """
        rule all:
            input: "results/a.txt"
        rule a:
            input: "raw/my data.txt"
            output: "results/a.txt"
            shell: "cat {input:q} > {output}; ./tool.sh >> {output}"
        rule b:
            output: "results/b.txt"
            script: "local/b c.py"
        """,
    "tool.sh": "#!/bin/sh\necho tool\n",
    ".gitignore": ".snakemake/\n/results/\n/raw/\n/local/\n",
    "raw/my data.txt": "raw\n",
}


@types(
    "git/repository: git init",
    "git/repository: git add",
    "git/repository: git commit",
    "git/repository: git add",
    "git/repository: git commit",
    "run/mirror/inputs: gitbatch freeze",
    "cli/freeze: git add -f",
    "cli/freeze: git add",
    "cli/freeze: git commit",
    "run/finish: git add",
    "run/preconditions: git add",
    "run/preconditions: git commit",
    "run/preconditions: git add -f",
    "run/preconditions: --gitbatch-dirty",
    "run/preconditions: git update-index",
    "run/preconditions: git update-index --chmod",
)
def test_a_folder_becomes_a_repository_that_runs(terminal: Terminal) -> None:
    project = terminal.project
    shutil.rmtree(project.path / ".git")
    project.write(SIMPLE)
    (project.path / "tool.sh").chmod(0o755)
    told = project.snakemake().failed("is not in a git repository")
    terminal.type(told, "git init")
    told = project.snakemake().failed("has no commits yet")
    terminal.type(told, "git add", FILES="Snakefile")
    terminal.shell("git add . && git commit -qm all")
    told = project.snakemake().failed("is neither in the commit nor in the archive")
    told = terminal.type(told, "gitbatch freeze")
    told_at_end = project.snakemake().ok()
    assert project.read("results/a.txt") == "raw\ntool\n"
    terminal.type(told_at_end, "git add -f")
    terminal.shell("git reset -q")
    terminal.type(told, "git add -f", "git commit")
    assert "frozen inputs" not in project.snakemake("--force", "all").ok().text
    project.write({"notes/a b.txt": "data\n"})
    terminal.type(project.gitbatch("freeze", "notes"), "git add", "git commit")

    # Edits, seen and hidden, new and ignored files; from a folder below the top.
    project.write(
        {
            "Snakefile": project.read("Snakefile").replace("./tool.sh", "true"),
            "local/b c.py": "open(snakemake.output[0], 'w').write('b')\n",
            "below/x": "",
            "tool.sh": "#!/bin/sh\necho other\n",
            "config.yaml": "n: 1\n",
        }
    )
    project.git("update-index", "--skip-worktree", "tool.sh")
    below = ("--snakefile", "../Snakefile", "--directory", "..")
    told = project.snakemake("results/b.txt", *below, folder="below").failed("--skip-worktree")
    project.snakemake("results/b.txt", *terminal.option(told, "--gitbatch-dirty", "snapshot")).ok()
    terminal.type(
        told, "git update-index", "git add --", "git add -f", "git commit", folder="below"
    )
    project.snakemake("--force", "results/b.txt", *below, folder="below").ok()
    assert project.git("status", "--porcelain") == "?? below/\n?? config.yaml\n"

    project.git("config", "core.fileMode", "false")
    project.git("update-index", "--chmod=-x", "tool.sh")
    project.git("commit", "--quiet", "--message", "mode")
    told = project.snakemake("--force", "results/b.txt").ok()
    terminal.type(told, "git update-index --chmod", FILE="tool.sh")
    terminal.shell("git commit -qm mode")
    assert "core.fileMode" not in project.snakemake("--force", "results/b.txt").ok().text
