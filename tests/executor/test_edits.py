"""What happens in the folder after a run has begun is later than its results: no edit is missed,
and what was put back needs no work."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Ended, Project, wait_until

MakeProject = Callable[..., Project]

FILES = {
    "Snakefile": """
        rule all:
            input: "from_script.txt", "from_data.txt", "folder.txt"
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
    assert "rule script:" in planned and "rule data:" in planned and "rule wait:" not in planned
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
