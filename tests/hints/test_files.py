"""What is said of files that jobs do not get as the user has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from projects import Project

from .terminals import Terminal, types

FILES = {
    "Snakefile": """
        rule plain:
            input: "in.txt", "a sub/x.txt"
            output: "out/plain.txt"
            shell: "cat {input:q} > {output}"
        rule linked:
            output: "linked/x.txt"
            shell: "echo > {output}"
        rule wrapped:
            output: "out/wrapped.txt"
            resources: job_wrapper="some tools/wrap.sh"
            shell: "echo > {output}"
        rule outside:
            input: config["outside"]
            output: "out/outside.txt"
            shell: "echo >> {input:q}; touch {output}"
        rule ignored:
            output: "out/ignored.txt"
            shell: "cat 'local/a b.txt' > {output}"
        """,
    "some tools/wrap.sh": '#!/bin/sh\nexec "$@"\n',
    "in.txt": "in\n",
    ".gitignore": ".snakemake/\n/out/\n/linked\n/local/\n/raw/\n",
    "local/a b.txt": "local\n",
}


@types(
    "run/preconditions: git -C {} commit -a",
    "run/preconditions: git checkout",
    "archive/freeze: gitbatch freeze",
    "history/checkout: gitbatch runs checkout",
    "run/mirror/outside_inputs: gitbatch freeze",
    "job/resources: git add",
    "job/resources: git commit",
    "job/missing_files: git add",
    "job/missing_files: git commit",
    "job/missing_files: gitbatch freeze",
)
def test_files(terminal: Terminal, make_project: Callable[..., Project], tmp_path: Path) -> None:
    project = terminal.project
    project.commit(FILES)
    inner = make_project({"x.txt": "x\n"}, name="inner")
    allow = ("-c", "protocol.file.allow=always")
    project.git(*allow, "submodule", "--quiet", "add", str(inner.path), "a sub")
    project.commit()
    outside = tmp_path / "outside.txt"
    outside.write_text("outside\n")
    given = ("--config", f"outside={outside}")

    project.write({"a sub/x.txt": "edited\n"})
    told = project.snakemake("out/plain.txt", *given).failed("modified:    a sub")
    terminal.type(told, "git -C", "git add", "git commit")
    project.git("config", "core.autocrlf", "true")
    told = project.snakemake("out/plain.txt", *given).failed("not what a fresh checkout")
    (project.path / "in.txt").rename(tmp_path / "moved")
    terminal.type(told, "git checkout", FILE="in.txt")
    project.git("config", "core.autocrlf", "false")
    project.git("commit", "--quiet", "--all", "--message", "line ends")
    project.snakemake("out/plain.txt", *given).ok()
    assert (project.path / "out/plain.txt").read_bytes() == b"in\r\nedited\n"

    (tmp_path / "a disk").mkdir()
    (project.path / "linked").symlink_to(tmp_path / "a disk")
    project.snakemake("linked/x.txt", *given).ok()
    told = project.gitbatch("runs", "checkout", "last")
    assert told.returncode == 2 and "linked is a link" in told.text
    terminal.type(told, "gitbatch runs checkout", DIR="../into")
    assert (tmp_path / "into/linked/x.txt").read_text() == "\n"
    (tmp_path / "a disk/raw.txt").write_text("raw\n")
    (project.path / "da ta").symlink_to(tmp_path / "a disk")
    told = project.gitbatch("freeze", "da ta")
    assert told.returncode == 2 and "is a link to a folder" in told.text
    terminal.type(told, "gitbatch freeze")
    assert (tmp_path / "a disk/raw.txt").is_symlink()

    failing = ("out/wrapped.txt", "out/outside.txt", "out/ignored.txt")
    told = project.snakemake(*failing, "--keep-going", *given).failed()
    warned, _, failed = told.text.partition("Select jobs to execute")
    (project.path / "raw").mkdir()
    for name, text in (("a.txt", warned), ("b c.txt", failed.partition("changed during")[2])):
        (project.path / "raw" / name).write_text("copy\n")
        terminal.type(text, "gitbatch freeze", PATH=f"'raw/{name}'")
    wrapped = failed.partition("no program that the commit has")[2]
    terminal.type(wrapped, "chmod", "git add", "git commit")
    ignored = failed.partition("exists only in your folder")[2]
    terminal.type(ignored, "git add -f", "git commit")
    given = ("--config", "outside=raw/b c.txt")
    snakefile = project.read("Snakefile").replace("echo >> {input:q}", "true")
    project.commit({"Snakefile": snakefile})
    project.snakemake(*failing, *given).ok()
    terminal.type(ignored, "gitbatch freeze")
    assert (project.path / "local/a b.txt").is_symlink()


@types(
    "run/mirror/tracked_results: gitbatch thaw",
    "run/mirror/tracked_results: gitbatch thaw --tracked",
    "run/mirror/tracked_results: git config",
)
def test_results_that_git_tracks(terminal: Terminal) -> None:
    project = terminal.project
    several = [f"plots/{n}.txt" for n in range(10)]
    rules = f"""
        rule one:
            output: "plots/o ne.txt"
            shell: "echo one > {{output:q}}"
        rule several:
            output: {", ".join(map(repr, several))}
            shell: "touch {{output}}"
        """
    project.commit({"Snakefile": rules, **dict.fromkeys([*several, "plots/o ne.txt"], "old\n")})
    (project.path / "below").mkdir()

    def linked() -> int:
        return sum(path.is_symlink() for path in (project.path / "plots").iterdir())

    told = project.snakemake("one", "several", "--force").ok()
    assert linked() == 11
    terminal.type(told, "gitbatch thaw --tracked")
    assert linked() == 0
    terminal.shell("git commit --quiet --all --message results")
    below = ("--snakefile", "../Snakefile", "--directory", "..")
    told = project.snakemake("one", "--force", *below, folder="below").ok()
    assert linked() == 1
    terminal.type(told, "gitbatch thaw", folder="below")
    terminal.type(told, "git config", folder="below")
    assert linked() == 0
    project.snakemake("one", "--force").ok()
    assert linked() == 0 and project.read("plots/o ne.txt") == "one\n"
