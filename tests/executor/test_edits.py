"""What happens in the folder after a run has begun is later than its results: no edit is missed,
and what was put back needs no work."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from textwrap import dedent

from projects import Ended, Project, wait_until

from gitbatch_core.archive import links

MakeProject = Callable[..., Project]

FILES = {
    "Snakefile": """
        rule all:
            input: "from_script.txt", "from_data.txt", "folder.txt",
                storage.gitbatch("gitbatch://name/out/from_data.txt")
        rule wait:
            output: "begun.txt"
            shell: "touch {config[sync]}/begun; echo begun > {output};"
                " while [ ! -e {config[sync]}/go ]; do sleep 0.05; done"
        rule script:
            input: "begun.txt"
            output: "from_script.txt"
            script: "make.py"
        rule data:
            input: "data.txt", "begun.txt"
            output: "from_data.txt"
            log: "data.log"
            benchmark: "data.tsv"
            shell: "cat {input[0]} | tee {log} > {output}"
        rule named:
            input: "data.txt", "begun.txt"
            output: storage.gitbatch("gitbatch://name/out/from_data.txt")
            shell: "cp {input[0]} {output}"
        rule folder:
            input: "data.txt", "begun.txt"
            output: directory("folder")
            shell: "mkdir {output}; cp {input[0]} {output}/copy.txt"
        rule of_folder:
            input: "folder", "data.log", "data.tsv"
            output: "folder.txt"
            shell: "cat {input[0]}/copy.txt {input[1]} > {output}"
        """,
    "make.py": "open(snakemake.output[0], 'w').write('one\\n')\n",
    "data.txt": "one\n",
}
EDITED = {
    "make.py": "open(snakemake.output[0], 'w').write('two\\n')\n",
    "data.txt": "two\n",
}


def run(project: Project, during: Callable[[], object] | None = None) -> Ended:
    """A run that `during` happens in, when its first job has begun."""
    sync = project.path.parent / "sync"
    sync.mkdir(exist_ok=True)
    for sign in ("begun", "go"):
        (sync / sign).unlink(missing_ok=True)
    if during is None:
        (sync / "go").touch()
    running = project.start("--config", f"sync={sync}")
    if during is not None:
        wait_until((sync / "begun").exists, "the first job", unless=running)
        during()
        (sync / "go").touch()
    return project.end(running).ok()


def results(project: Project) -> list[str]:
    return [project.read(f"{name}.txt") for name in ("from_script", "from_data", "folder")]


def test_what_is_edited_during_a_run_and_committed_is_made_again(
    make_project: MakeProject, pool: str
) -> None:
    project = make_project(FILES, pool=pool)
    run(project, lambda: project.write(EDITED))
    assert results(project) == ["one\n", "one\n", "one\none\n"]
    project.git("commit", "--quiet", "--all", "--message", "edited")
    config = ("--config", f"sync={project.path.parent / 'sync'}")
    planned = project.plain("-n", *config).ok().text
    assert all(f"rule {name}:" in planned for name in ("script", "data", "named", "folder"))
    assert "rule wait:" not in planned
    run(project)
    assert results(project) == ["two\n", "two\n", "two\ntwo\n"]
    project.nothing_to_do(*config)


def test_what_is_edited_during_a_run_and_restored_needs_no_work(
    make_project: MakeProject, pool: str
) -> None:
    project = make_project(FILES, pool=pool)

    def edit_and_restore() -> None:
        project.write(EDITED)
        project.git("checkout", "--quiet", ".")

    run(project, edit_and_restore)
    assert results(project) == ["one\n", "one\n", "one\none\n"]
    project.nothing_to_do("--config", f"sync={project.path.parent / 'sync'}")


EVERYTHING = {
    "Snakefile": """
        rule all:
            input: "second.txt", "updated.txt", "protected.txt", "touched", "of_parts.txt",
                "kept.txt"
        rule temporary:
            output: temp("temporary.txt"), temp(directory("temporary"))
            shell: "echo 1 > {output[0]}; mkdir {output[1]}; echo 2 > {output[1]}/x"
        rule first:
            input: "temporary.txt", "temporary"
            output: "first.txt"
            group: "pair"
            shell: "cat {input[0]} {input[1]}/x > {output}"
        rule second:
            input: "first.txt"
            output: "second.txt", temp("kept.txt")
            log: "second.log"
            benchmark: "second.tsv"
            group: "pair"
            shell: "cat {input} | tee {log} {output[1]} > {output[0]}"
        rule updated:
            output: update("updated.txt")
            shell: "echo 3 >> {output}"
        rule protected:
            output: protected("protected.txt")
            shell: "echo 4 > {output}"
        rule touched:
            output: touch("touched")
        checkpoint parts:
            output: directory("parts")
            shell: "mkdir {output}; echo 5 > {output}/a.txt"
        def parts(wildcards):
            return sorted(Path(checkpoints.parts.get().output[0]).glob("*.txt"))
        rule of_parts:
            input: parts
            output: "of_parts.txt"
            shell: "cat {input} > {output}"
        """,
}


def test_all_that_a_run_makes_has_one_time(make_project: MakeProject) -> None:
    project = make_project(EVERYTHING)
    running = project.start("--notemp")
    written = project.path.parent / "written after the start"
    project.wait_for(".gitbatch/archive")
    written.touch()
    project.end(running).ok()
    names = ["first.txt", "second.txt", "kept.txt", "updated.txt", "protected.txt", "touched"]
    names += ["parts", "of_parts.txt", "second.log", "second.tsv"]
    times = {links.time_of(project.path / name) for name in [*names, "temporary", "temporary.txt"]}
    assert len(times) == 1
    assert project.path.joinpath("Snakefile").stat().st_mtime_ns < min(times)
    assert links.time_of(project.path / "parts") < written.stat().st_mtime_ns
    project.nothing_to_do("--notemp")
    # So have those of jobs that are reused.
    for name in names:
        project.git("clean", "-ffdq", "--", name)
    printed = project.snakemake("--notemp").ok().text
    assert "reused" in printed
    again = {links.time_of(project.path / name) for name in names if name != "updated.txt"}
    assert len(again) == 1 and again != times
    project.nothing_to_do("--notemp")


def test_edits_between_the_reading_of_the_workflow_and_the_look_at_the_tree(
    make_project: MakeProject,
) -> None:
    reading = """
        import os, pathlib, time
        samples = open("samples.txt").read().split()
        sync = pathlib.Path(os.environ.get("SYNC", "."))
        if sync.is_absolute():
            (sync / "read").touch()
            while not (sync / "go").exists():
                time.sleep(0.05)
        """
    rules = """
        rule all:
            input: "from_script.txt", "from_data.txt"
        rule script:
            output: "from_script.txt"
            params: samples=samples
            script: "make.py"
        rule data:
            input: "data.txt"
            output: "from_data.txt"
            shell: "cat {input} > {output}"
        """
    project = make_project(
        FILES
        | {
            ".gitignore": ".snakemake/\nfrom_*\n",
            "Snakefile": dedent(reading) + dedent(rules),
            "samples.txt": "a\n",
        }
    )

    def start(edit: Callable[[], object]) -> Ended:
        sync = project.path.parent / "sync"
        shutil.rmtree(sync, ignore_errors=True)
        sync.mkdir()
        running = project.start(SYNC=str(sync))
        wait_until((sync / "read").exists, "the Snakefile's end", unless=running)
        edit()
        (sync / "go").touch()
        return project.end(running)

    # What the jobs read is what was committed last.
    start(lambda: project.commit(EDITED)).ok()
    assert project.read("from_script.txt") == project.read("from_data.txt") == "two\n"
    project.nothing_to_do()
    # What this process has read is not what its jobs would read.
    project.write({"make.py": EDITED["make.py"] + "# more\n"})
    project.commit()
    start(lambda: project.commit({"samples.txt": "a b\n"})).failed("not what it was when the run")
    start(lambda: project.write({"samples.txt": "a\n"})).failed("samples.txt", "modified")
    project.git("checkout", "--quiet", ".")
    assert "rule script:" in project.plain("-n").ok().text
