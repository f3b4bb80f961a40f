"""Files that the workflow writes while it is read: each job reads it again, others use them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from projects import Project

MakeProject = Callable[..., Project]

IGNORED = ".snakemake/\n/results/\n/resources/\n/rendered/\n*.log\n"
WORKFLOW = """
    import json, os, shutil
    from pathlib import Path

    os.makedirs("resources/empty", exist_ok=True)
    if not os.path.isdir("resources/lists"):
        os.mkdir("resources/lists")
    Path("resources/config.json").write_text(json.dumps({"n": 3}))
    configfile: "resources/config.json"
    Path("resources/more.smk").write_text("MORE = 'more'\\n")
    include: "resources/more.smk"
    env = Path("resources/env.yaml"); env.write_text("channels: [conda-forge]\\n")
    if not os.path.exists("resources/once.txt"):
        with open("resources/once.txt", "w") as file:
            file.write("once\\n")
    Path("resources/new").write_text("renamed\\n")
    os.replace("resources/new", "resources/renamed.txt")
    shutil.rmtree("rendered", ignore_errors=True)
    os.makedirs("rendered")
    for name in "xy":
        Path("rendered", name).write_text(name + "\\n")
    shutil.copy("data.txt", "resources/lists/copied.txt")
    if not os.path.lexists("resources/link.txt"):
        os.symlink("../data.txt", "resources/link.txt")
    Path("resources/where.txt").write_text(os.path.abspath("data.txt"))
    Path("resources/undeclared.txt").write_text("undeclared\\n")
    with open("read.log", "a") as file:
        file.write("read\\n")
    assert Path("resources/undeclared.txt").read_text() == "undeclared\\n"

    onstart:
        Path("resources/start.txt").write_text("start\\n")

    rule all:
        input: "results/a.txt", "results/b.txt", "results/c.txt"
    rule a:
        input:
            "resources/once.txt", "resources/renamed.txt", "resources/lists/copied.txt",
            "resources/link.txt", "rendered/x", "resources/where.txt"
        output: "results/a.txt"
        params: config["n"], MORE
        shell:
            "cat {input[0]} {input[1]} {input[2]} {input[3]} {input[4]}"
            " $(cat resources/where.txt) resources/undeclared.txt resources/start.txt > {output};"
            " ls -d resources/empty >> {output}; echo {params} >> {output}"
    rule b:
        input: "resources/config.json"
        output: "results/b.txt"
        conda: env.absolute()
        script: "b.py"
    rule c:
        input: "resources/once.txt"
        output: "results/c.txt"
        run:
            Path(output[0]).write_text(Path(input[0]).read_text())
"""
FILES = {
    ".gitignore": IGNORED,
    "Snakefile": WORKFLOW,
    "data.txt": "data\n",
    "b.py": "open(snakemake.output[0], 'w').write(open(snakemake.input[0]).read() * 2)\n",
}
WRITTEN = {
    *("config.json", "env.yaml", "lists/copied.txt", "more.smk", "once.txt"),
    *("renamed.txt", "start.txt", "undeclared.txt", "where.txt"),
}


def test_a_workflow_that_writes_files_while_it_is_read(
    make_project: MakeProject, pool: str
) -> None:
    project = make_project(FILES, pool=pool)
    project.snakemake().ok()
    wanted = "once\nrenamed\ndata\ndata\nx\ndata\nundeclared\nstart\n"
    assert project.read("results/a.txt") == f"{wanted}resources/empty\n3 more\n"
    assert project.read("results/b.txt") == '{"n": 3}' * 2
    [tag] = project.tags()
    document = project.run_document(tag)
    written = {f"resources/{name}" for name in WRITTEN} | {"rendered/x", "rendered/y"}
    assert document["parse_time"].keys() == written
    assert not document["tainted"]
    undeclared = [entry["path"] for entry in document["undeclared"]]
    assert not [path for path in undeclared if path != "read.log"]
    for name in written:  # the folder's are as they were
        found = (project.path / name).lstat().st_mode
        assert stat.S_ISREG(found) and found & stat.S_IWUSR, name
    assert project.git("status", "--porcelain") == ""
    project.snakemake().ok()
    assert project.tags() == [tag]
    project.nothing_to_do()
    project.gitbatch("archive", "verify").ok()
    project.gitbatch("status").ok()
    shown = project.gitbatch("archive", "show", "resources/config.json").ok().text
    assert "no job: the workflow wrote it while it was read" in shown
    lines = project.gitbatch("archive", "lineage", "results/b.txt").ok().text.splitlines()
    [line] = [line for line in lines if "resources/config.json  " in line]
    assert line.endswith(", written while the workflow was read")
    frozen = project.gitbatch("freeze", "resources")
    assert frozen.returncode == 2
    assert "The workflow writes these files while it is read" in frozen.text
    assert project.leftovers() == []

    project.commit({"README.md": "more"})
    shutil.rmtree(project.path / "results")
    assert "3 reused" in project.snakemake().ok().text
    again = project.gitbatch("reproduce", "last").ok().text
    # This one names the folder, and reproduction has another.
    differing = [line for line in again.splitlines() if "while the workflow is read: " in line]
    assert [line.split(": ")[-1] for line in differing] == ["resources/where.txt"]


def test_what_is_left_alone_when_it_is_there(make_project: MakeProject) -> None:
    """What is older than the start, or what a program writes: reading the commit makes it."""
    workflow = """
        import os, subprocess
        os.makedirs("resources", exist_ok=True)
        if not os.path.exists("resources/old.txt"):
            with open("resources/old.txt", "w") as file:
                file.write("old\\n")
        if not os.path.exists("resources/undeclared.txt"):
            with open("resources/undeclared.txt", "w") as file:
                file.write("undeclared\\n")
        if not os.path.exists("resources/env.yaml"):
            subprocess.run("echo 'channels: [x]' > resources/env.yaml", shell=True, check=True)
        if EACH_TIME or not os.path.exists("resources/program.txt"):
            subprocess.run("echo program > resources/program.txt", shell=True, check=True)
        rule a:
            input: "resources/old.txt", "resources/program.txt"
            output: "results/a.txt"
            conda: "resources/env.yaml"
            shell: "cat {input} resources/undeclared.txt > {output}"
    """
    project = make_project(
        {".gitignore": IGNORED, "Snakefile": workflow.replace("EACH_TIME", "False")}
    )
    project.plain("--cores", "1", "--quiet", "all").ok()
    (project.path / "resources/undeclared.txt").unlink()  # nobody would know of it
    for name in ("old.txt", "env.yaml", "program.txt"):
        os.utime(project.path / "resources" / name, (1_500_000_000, 1_500_000_000))
    (project.path / "results/a.txt").unlink()
    project.snakemake().ok()
    assert project.read("results/a.txt") == "old\nprogram\nundeclared\n"
    [tag] = project.tags()
    names = ("env.yaml", "old.txt", "program.txt", "undeclared.txt")
    assert list(project.run_document(tag)["parse_time"]) == [f"resources/{n}" for n in names]
    assert "Nothing to be done" in project.snakemake().ok().text
    project.commit({"README.md": "more"})
    (project.path / "results/a.txt").unlink()
    assert "1 reused" in project.snakemake().ok().text

    # What somebody has edited is not what the commit makes.
    project.write({"resources/old.txt": "edited\n", "resources/env.yaml": "edited: 1\n"})
    project.snakemake("--forceall").failed(
        "not tracked: resources/env.yaml  (without it, the workflow would write another)"
    )
    (project.path / "resources/env.yaml").unlink()
    project.snakemake("--forceall").failed(
        "resources/old.txt is neither in the commit nor in the archive, and the commit's workflow "
        "writes a different file there.",
        "rm -- resources/old.txt",
    )
    (project.path / "resources/old.txt").unlink()
    project.snakemake().ok()
    assert project.read("results/a.txt") == "old\nprogram\nundeclared\n"

    # Half of what a program writes would be seen by others.
    project.commit({"Snakefile": workflow.replace("EACH_TIME", "True")})
    project.snakemake("--forceall").failed("a program that it starts", "resources/program.txt")
    assert project.leftovers() == []


def test_what_is_written_otherwise_each_time(make_project: MakeProject) -> None:
    """Jobs see what the record says; code that knows what the Snakefile knows does not run."""
    project = make_project(
        {
            ".gitignore": IGNORED,
            "Snakefile": """
                import os, time
                NOW = str(time.time_ns())
                os.makedirs("resources", exist_ok=True)
                with open("resources/now.txt", "w") as file:
                    file.write(NOW)
                rule a:
                    input: "resources/now.txt"
                    output: "results/a.txt"
                    shell: "cat {input} > {output}"
                rule b:
                    input: "resources/now.txt"
                    output: "results/b.txt"
                    run: open(output[0], "w").write(NOW)
            """,
        }
    )
    project.snakemake("results/a.txt").ok()
    assert project.read("results/a.txt") == project.read("resources/now.txt")
    [tag] = project.tags()
    [record] = project.records()
    [input] = record["members"][0]["inputs"]
    assert input["address"] == project.run_document(tag)["parse_time"]["resources/now.txt"]
    project.snakemake("results/b.txt").failed(
        "is not the same each time: resources/now.txt", "rule b", "script: instead of run:"
    )
    again = project.gitbatch("reproduce", tag)
    assert again.returncode == 1, again.text
    assert "its input differs already: resources/now.txt" in again.text
    assert "written while the workflow is read: resources/now.txt" in again.text


def test_a_file_elsewhere_that_is_written_while_the_workflow_is_read(
    make_project: MakeProject, tmp_path: Path
) -> None:
    workflow = f"""
        with open("{tmp_path}/elsewhere.txt", "w") as file:
            file.write("elsewhere\\n")
        rule a:
            input: "{tmp_path}/elsewhere.txt"
            output: "results/a.txt"
            shell: "cat {{input}} > {{output}}"
    """
    project = make_project({".gitignore": IGNORED, "Snakefile": workflow})
    project.snakemake().ok()
    assert project.read("results/a.txt") == "elsewhere\n"
    assert "Nothing to be done" in project.snakemake().ok().text


def test_a_file_of_the_commit_that_is_written_while_the_workflow_is_read(
    make_project: MakeProject,
) -> None:
    files = {
        ".gitignore": IGNORED,
        "Snakefile": """
            with open("tracked.txt", "w") as file:
                file.write("as written\\n")
            rule a:
                input: "tracked.txt"
                output: "results/a.txt"
                shell: "cat {input} > {output}"
        """,
        "tracked.txt": "as written\n",
    }
    project = make_project(files)
    project.snakemake().ok()
    assert project.read("results/a.txt") == "as written\n"
    assert "Nothing to be done" in project.snakemake().ok().text
    project.commit({"tracked.txt": "otherwise\n"})
    project.snakemake("--forceall").failed(
        "modified:    tracked.txt  (the workflow writes it while it is read)", "git rm --cached"
    )
    project.snakemake("--forceall", "--gitbatch-dirty", "snapshot").ok()
    assert len(project.tags()) == 2
    assert project.read("results/a.txt") == "as written\n"


def test_secrets_in_what_is_written_are_not_kept(make_project: MakeProject) -> None:
    project = make_project(
        {
            ".gitignore": IGNORED,
            "Snakefile": """
                import os
                envvars: "TOKEN"
                os.makedirs("resources", exist_ok=True)
                for name in ("input", "undeclared"):
                    with open(f"resources/{name}.txt", "w") as file:
                        file.write(os.environ["TOKEN"])
                rule a:
                    output: "results/a.txt"
                    shell: "wc -c < resources/undeclared.txt > {output}"
                rule b:
                    input: "resources/input.txt"
                    output: "results/b.txt"
                    shell: "wc -c < {input} > {output}"
            """,
        }
    )
    token = "kl2j34hkj2h34kj2h34"
    project.snakemake("results/a.txt", TOKEN=token).ok()
    assert project.read("results/a.txt").strip() == str(len(token))
    project.snakemake("results/b.txt", TOKEN=token).failed("resources/input.txt", "envvars:")
    found = [path for path in project.archive.rglob("*") if path.is_file()]
    assert found and not [path for path in found if token.encode() in path.read_bytes()]


def test_programs_and_listings_see_what_the_workflow_writes_for_a_moment(
    make_project: MakeProject,
) -> None:
    project = make_project(
        {
            ".gitignore": IGNORED,
            "Snakefile": """
                import os, shutil, subprocess
                with open("list.sh", "x") as file:
                    file.write("ls parts\\n")
                os.mkdir("parts")
                for name in ("1", "2"):
                    with open(f"parts/{name}", "w") as file:
                        file.write(name)
                NAMES = subprocess.check_output(["sh", "list.sh"], text=True).split()
                NAMES += sorted(os.listdir("parts"))
                os.remove("list.sh")
                shutil.rmtree("parts")
                rule all:
                    input: "results/a.txt", "results/b.txt"
                rule one:
                    output: "results/{name}.txt"
                    params: " ".join(NAMES)
                    shell: "echo {params} > {output}"
            """,
        }
    )
    ended = project.snakemake().ok()
    assert project.read("results/a.txt") == project.read("results/b.txt") == "1 2 1 2\n"
    assert "that no rule declares" not in ended.text
    assert not (project.path / "parts").exists() and not (project.path / "list.sh").exists()


def test_nobody_sees_half_of_what_another_job_writes_while_it_reads_the_workflow(
    make_project: MakeProject,
) -> None:
    """One job looks at the file all the time while others begin, one after the other."""
    project = make_project(
        {
            ".gitignore": IGNORED,
            "Snakefile": """
                import os
                os.makedirs("resources", exist_ok=True)
                for _ in range(20):
                    with open("resources/big.txt", "w") as file:
                        for n in range(2000):
                            print(n, file=file)
                NAMES = [f"results/{n}.txt" for n in range(4)]
                rule all:
                    input: "results/look.txt", NAMES
                rule look:
                    output: "results/look.txt"
                    script: "look.py"
                rule other:
                    input:
                        "resources/big.txt",
                        lambda wildcards: [f"results/{n}.txt" for n in range(int(wildcards.n))][-1:]
                    output: "results/{n}.txt"
                    shell: "tail -n 1 {input[0]} > {output}; touch ../../done-{wildcards.n}"
            """,
            "look.py": """
                import os, time
                want = "".join(f"{n}\\n" for n in range(2000))
                deadline = time.monotonic() + 100
                seen = set()
                while not os.path.exists("../../done-3") or not seen:
                    assert time.monotonic() < deadline
                    seen.add(open("resources/big.txt").read() == want)
                open(snakemake.output[0], "w").write(str(seen))
            """,
        }
    )
    project.snakemake().ok()
    assert project.read("results/look.txt") == "{True}"
