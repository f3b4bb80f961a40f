"""Names, values and content that hurt, the whole way: job, log, job ad, record, run.json, link,
archive, error."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable

from projects import Project

from gitbatch_core.cli.output import printable

MakeProject = Callable[..., Project]

VALUE = '-n it\'s "a" $(touch HACK) `touch HACK` %s 100% {x} {{y}} a,b=c;d\\e\tü e\u0301\nnext #*?~'
NAME = VALUE.replace("{", "").replace("}", "")  # which Snakemake takes for wildcards
SECRET = f"secret {VALUE} \udcff"
RAW = b"not UTF-8 \xff\xfe \n line,$(touch HACK)"
INNER = (RAW, RAW + b"/" + RAW, RAW + b"/e\xcc\x81", RAW + b"/\xc3\xa9")


def test_values_that_hurt(make_project: MakeProject, pool: str) -> None:
    """As wildcard, param, configuration, environment, name of a file and in what is said of it."""
    project = make_project(
        {
            "config.yaml": json.dumps({"value": VALUE, VALUE: [VALUE]}),
            "Snakefile": f"""
                import os
                configfile: "config.yaml"
                envvars: "ODD"
                NAME, VALUE = {NAME!r}, {VALUE!r}
                deep = lambda wildcards: {{VALUE: [VALUE]}}
                wildcard_constraints: name=r"[\\s\\S]+"

                rule all:
                    input: lambda wildcards: ["folder", NAME + ".script", NAME + ".no"]
                rule shell:
                    output: "{{name}}.txt"
                    log: "log of {{name}}.log"
                    params: name="{{name}}", value=lambda wildcards: config["value"], deep=deep
                    shell:
                        "printf %s {{params.name:q}} {{params.value:q}} \\"$ODD\\" > {{output:q}};"
                        "printf %s {{wildcards.name:q}} > {{log:q}}"
                rule script:
                    input: "{{name}}.txt"
                    output: "{{name}}.script"
                    params: deep=deep
                    script: "script.py"
                rule folder:
                    output: directory("folder")
                    run:
                        os.mkdir(output[0])
                        os.mkdir(os.path.join(b"folder", {RAW!r}))
                        for name in {INNER!r}:
                            with open(b"folder/" + name + b".x", "wb") as file:
                                file.write(name)
                        os.symlink({RAW!r} + b".x", b"folder/link")
                        with open(b"undeclared \\xff", "w"):
                            pass
                rule fails:
                    input: "folder"
                    output: "{{name}}.no"
                    shell: "echo {{wildcards.name:q}} >&2; exit 3"
                """,
            "script.py": """
                import os
                value = snakemake.config["value"]
                assert value.replace("{", "").replace("}", "") == snakemake.wildcards.name
                assert snakemake.params.deep == {value: [value]}
                assert snakemake.config[value] == [value]
                with open(snakemake.output[0], "w") as out:
                    out.write(snakemake.wildcards.name)
                """,
        },
        pool=pool,
    )
    text = project.snakemake("--keep-going", ODD=SECRET).failed("exit status 3").text
    assert "Logging error" not in text and "undeclared" in text, text
    assert text.count(NAME.split("\n")[0]) > 5
    assert SECRET[:-1] not in text
    assert "HACK" not in {path.name for path in project.path.rglob("*")}
    raw = (project.path / f"{NAME}.txt").read_bytes()
    assert raw == os.fsencode(NAME + VALUE + SECRET)
    assert project.read(f"{NAME}.script") == NAME
    assert project.read(f"log of {NAME}.log") == NAME
    folder = os.fsencode(project.path / "folder")
    for name in INNER:
        with open(os.path.join(folder, name + b".x"), "rb") as file:
            assert file.read() == name
    assert os.readlink(os.path.join(folder, b"link")) == RAW + b".x"

    # What is written down of it: the record, run.json, the commit, what the archive lists.
    records = {record["rule"]: record for record in project.records()}
    [member] = records["shell"]["members"]
    assert member["wildcards"] == {"name": NAME}
    assert member["params"] == {"name": NAME, "value": VALUE, "deep": {VALUE: [VALUE]}}
    assert [each["path"] for each in records["shell"]["outputs"]] == [f"{NAME}.txt"]
    [run] = project.runs()
    document = project.run_document(run)
    assert document["config"] == {"value": VALUE, VALUE: [VALUE]}
    outputs = {output["path"]: output for output in document["outputs"]}
    assert set(outputs) == {f"{NAME}.txt", f"{NAME}.script", "folder"}
    assert document["jobs"][outputs[f"{NAME}.txt"]["job"]]["members"] == [member]
    [left] = document["undeclared"]
    assert left["path"] == "undeclared \udcff" and records["folder"]["number"] in left["jobs"]
    assert os.readlink(os.fsencode(project.path) + b"/undeclared \xff")
    names = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", run],
        cwd=project.path,
        check=True,
        capture_output=True,
    ).stdout.split(b"\0")
    assert {b"folder/" + name + b".x" for name in (*INNER, RAW)} <= set(names)
    assert {*map(os.fsencode, (f"{NAME}.txt", f"{NAME}.script")), b"folder/link"} <= set(names)
    listed = json.loads(project.gitbatch("archive", "ls", "--json", f"{NAME}.txt").ok().text)
    assert [f"{NAME}.txt" in item["names"] for item in listed] == [True]
    shown = project.gitbatch("archive", "show", f"./{NAME}.txt").ok().text
    assert printable(NAME) in shown
    assert printable(NAME) in project.gitbatch("archive", "ls").ok().text
    tree = json.loads(project.gitbatch("archive", "tree", "--json", "folder").ok().text)
    assert {os.fsencode(entry["path"]) for entry in tree} >= {name + b".x" for name in INNER}
    assert "no damage" in project.gitbatch("archive", "verify").ok().text


CONTENT = """
    import os, subprocess

    rule all:
        input: "folder", expand("many/{n}", n=range(600)), "sparse.bin"
    rule folder:
        output: directory("folder")
        shell:
            "mkdir -p {output}/in; cd {output}; seq 1500 | split -l 1 -a 4 - in/x; touch empty;"
            "cp in/xaaaa same; ln same hard; ln -s in/xaaab relative; ln -s $PWD/in/xaaac absolute;"
            "ln -s nowhere dangling; ln -s in linked; printf '#!/bin/sh\\n' > run; chmod 755 run;"
            "ln -s /nonexistent/x far"
    rule many:
        output: expand("many/{n}", n=range(600))
        run:
            for number, name in enumerate(output):
                with open(name, "w") as out:
                    out.write(str(number // 2))
    rule kinds:
        output:
            sparse="sparse.bin", linked="linked", absolute="absolute", run="run", empty="empty",
            hard="hard", twice="twice"
        shell:
            "truncate -s 2G {output.sparse}; printf end >> {output.sparse}; touch {output.empty};"
            "printf '#!/bin/sh\\n' > {output.run}; chmod 755 {output.run};"
            "ln {output.run} {output.hard}; cat {output.run} > {output.twice};"
            "ln -s {output.run} {output.linked}; ln -s $PWD/{output.empty} {output.absolute}"
    """


def test_content_of_all_kinds(make_project: MakeProject) -> None:
    project = make_project({"Snakefile": CONTENT})
    project.snakemake().ok()
    project.nothing_to_do()
    found = {name: project.path / name for name in ("sparse.bin", "run", "hard", "twice", "empty")}
    assert found["sparse.bin"].stat().st_size == (2 << 30) + 3
    assert found["sparse.bin"].stat().st_blocks * 512 < 1 << 20
    assert found["empty"].read_bytes() == b"" == (project.path / "absolute").read_bytes()
    for name in ("run", "hard", "linked"):
        path = project.path / name
        assert path.is_symlink() and path.read_text() == "#!/bin/sh\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o555 and path.stat().st_nlink == 1
    assert stat.S_IMODE(found["twice"].stat().st_mode) == 0o444
    assert [project.read(f"many/{n}") for n in (0, 1, 599)] == ["0", "0", "299"]
    folder = project.path / "folder"
    assert len(list((folder / "in").iterdir())) == 1500
    texts = {name: os.readlink(folder / name) for name in ("relative", "dangling", "linked", "far")}
    assert texts == {
        "relative": "in/xaaab",
        "dangling": "nowhere",
        "linked": "in",
        "far": "/nonexistent/x",
    }
    assert (folder / "absolute").read_text() == "3\n" and os.access(folder / "run", os.X_OK)
    assert (folder / "same").resolve() == (folder / "hard").resolve()
    outputs = project.run_document(project.tags()[0])["outputs"]
    assert len(outputs) == 608
    assert len({o["address"] for o in outputs if o["path"].startswith("many/")}) == 300
    # Sparse files are read in no time where their holes are skipped, in minutes where they fill
    # the disk: the check of the archive reads them, too.
    assert "no damage" in project.gitbatch("archive", "verify").ok().text
