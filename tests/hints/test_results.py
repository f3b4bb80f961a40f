"""What a run says of its results, of reuse and of settings that cannot be used."""

from __future__ import annotations

from pathlib import Path

from projects import Ended, Project

from .terminals import Terminal, types

FILES = {
    "Snakefile": """
        rule all:
            input: "out/a.txt", "out/b.txt"
        rule a:
            input: "in.txt"
            output: "out/{name,[ab]}.txt"
            shell: "bash 'some tools/{wildcards.name}.sh' {input} > {output}"
        """,
    "some tools/a.sh": "cat $1\n",
    "some tools/b.sh": "cat $1\n",
    "in.txt": "in\n",
    ".gitignore": ".snakemake/\n/out/\n/linked\n/local/\n/raw/\n",
}


@types(
    "run/report: git show --stat",
    "run/report: git checkout",
    "run/report: git checkout",
    "run/report: git fetch",
    "run/report: git fetch",
    "run/completion: gitbatch runs tag",
    "reuse/stale_outputs: --gitbatch-stale",
    "reuse/stale_outputs: gitbatch status",
    "reuse/missed_reuse: --gitbatch-code",
    "reuse/missed_reuse: --gitbatch-code",
    "run/code_digest: git ls-files",
    "reports/efficiency: --gitbatch-efficiency-report",
    "run/run: --gitbatch-worktrees",
)
def test_results(terminal: Terminal, tmp_path: Path) -> None:
    project = terminal.project
    project.commit(FILES)
    # A host by its name, as ssh would reach it.
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor command; do :; done\nexec sh -c "$command"\n')
    ssh.chmod(0o755)
    project.environment["GIT_SSH_COMMAND"] = str(ssh)
    clone = Project(path=tmp_path / "clone", environment=project.environment)
    project.git("clone", "--quiet", str(project.path), str(clone.path))
    project.git("tag", "run")  # no tag run/… beside it
    notify = ("--gitbatch-notify", f"cat > '{tmp_path}/note'")

    refused = project.snakemake("--gitbatch-efficiency-report", "/proc/x.csv").failed(
        "The efficiency report /proc"
    )
    report = terminal.option(refused, "--gitbatch-efficiency-report", str(tmp_path / "report.csv"))
    refused = project.snakemake("--gitbatch-worktrees", "/proc/x").failed("cannot be made")
    trees = terminal.option(refused, "--gitbatch-worktrees", str(tmp_path / "trees"))
    told = project.snakemake(*notify, *report, *trees).ok()
    assert (tmp_path / "report.csv").exists()
    terminal.type(told, "gitbatch runs tag", NAME="first")
    notes = [(tmp_path / "note").read_text()]
    project.git("tag", "--delete", "run")

    # Code that Snakemake does not look at.
    project.commit({"some tools/a.sh": "cat $1 $1\n"})
    told = project.snakemake().ok()
    assert "out/a.txt" in terminal.type(told, "gitbatch status", status=1).text
    told = project.snakemake(*terminal.option(told, "--gitbatch-stale", "rerun"), *notify).ok()
    assert project.read("out/a.txt") == "in\nin\n"
    notes.append((tmp_path / "note").read_text())

    def made_again(*options: str) -> Ended:
        for path in project.path.glob("out/*.txt"):
            path.unlink()
        return project.snakemake(*options).ok()

    project.commit({"some tools/b.sh": "cat $1 # once\n"})
    told = made_again()
    assert "Every tracked file counts" in told.text
    refused = project.snakemake("-f", "out/a.txt", "--gitbatch-code", "to/*").failed("matches no")
    pattern = "'some tools/a*'"
    assert "some tools/a.sh" in terminal.type(refused, "git ls-files", PATTERN=pattern).text
    chosen = terminal.option(told, "--gitbatch-code", "some tools/a*")
    made_again(*chosen)
    project.commit({"some tools/b.sh": "cat $1 # twice\n"})
    assert "0 jobs done, 2 reused" in made_again(*chosen).text
    project.commit({"some tools/a.sh": "cat $1 # a\n"})
    told = made_again(*chosen)
    assert "Their code is what --gitbatch-code" in told.text
    terminal.option(told, "--gitbatch-code", "some tools/b*")

    # What people are sent: of a run without a tag, and of one with.
    for text in notes:
        assert "out/a.txt" in terminal.type(text, "git show --stat").text
        terminal.type(text, "git checkout")
        terminal.project = clone
        terminal.type(text, "git fetch")
        assert "out/a.txt" in clone.git("ls-tree", "-r", "--name-only", "HEAD")
        terminal.project = project
