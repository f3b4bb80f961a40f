"""Views of jobs: equal ones never differ, any other value is found; odd logs are explained."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mirrors import bare_mirror

from gitbatch_core.errors import RunError
from gitbatch_core.model import documents
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import UNSEEN, JobResult
from gitbatch_core.model.masking import redact
from gitbatch_core.pools.base import JobStatus, State
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.in_job.consistency import Comparison
from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.job.failure import explain

TOP, WORKTREE = Path("/home/it's me/project"), Path("/archive/staging/it's/worktree")

# As os.fsdecode gives names: bytes that are not UTF-8 are there too.
_text = st.text(max_size=12) | st.binary(max_size=8).map(
    lambda raw: raw.decode(errors="surrogateescape")
)
texts = _text | st.text(st.sampled_from("$(){}[]'\"\\ \n\t%,-<>TBD/é"), max_size=12)
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
keys = texts | st.integers() | st.booleans() | st.none()
values = st.recursive(
    plain | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
        | st.frozensets(plain, max_size=3)
        | texts.map(lambda text: Path(text.replace("\0", "")))
    ),
    max_leaves=8,
)


class Odd:
    """What no JSON holds."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def comparison(**fields: Any) -> Comparison:
    fields = {"top": TOP, "worktree": WORKTREE, "secrets": (), "configuration": {}, **fields}
    return Comparison(**fields)


def carried(value: Any) -> Any:
    """What a file in between makes of it."""
    return json.loads(documents.dumps(value))


def differ(one: Any, other: Any) -> bool:
    try:
        comparison().same(one, other, "It")
    except RunError as error:
        assert "It is not what it was" in str(error)
        return True
    return False


def view(**fields: Any) -> dict[str, Any]:
    seen = {
        "rule": "a",
        "wildcards": {},
        "command": {"kind": "shell", "text": ""},
        "params": {},
        "inputs": [],
        "outputs": [],
        "logs": [],
        "threads": 1,
    }
    return seen | fields


@given(values)
def test_equal_values_never_differ(value: Any) -> None:
    data = job_description.plain_config(value)
    assert not differ(carried(data), data)
    assert documents.canonical(data) == documents.canonical(carried(data))


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, (dict, list)) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            yield from leaves(inner, (*way, name))
    else:
        yield way


def changed(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    if not way:
        return new
    inner = dict(value) if isinstance(value, dict) else list(value)
    inner[way[0]] = changed(value[way[0]], way[1:], new)
    return inner


@given(values, plain, st.data())
def test_any_other_leaf_is_found(value: Any, new: Any, data: st.DataObject) -> None:
    one = job_description.plain_config(value)
    way = data.draw(st.sampled_from(list(leaves(one))))
    other = changed(one, way, new)
    # Snakemake's own sign for what is only known later stands for any text.
    if job_description.LATER not in str((one, other)) and documents.canonical(
        one
    ) != documents.canonical(other):
        assert differ(carried(one), other) and differ(carried(other), one)


@given(values, values)
def test_values_that_python_tells_apart_stay_apart(one: Any, other: Any) -> None:
    def typed(value: Any) -> Any:
        if isinstance(value, dict):
            return dict, [(typed(name), typed(inner)) for name, inner in value.items()]
        if isinstance(value, (list, tuple)):
            return type(value), [typed(inner) for inner in value]
        if isinstance(value, frozenset):
            return frozenset, frozenset(map(typed, value))
        return type(value), repr(value)

    if documents.canonical(job_description.plain_config(one)) == documents.canonical(
        job_description.plain_config(other)
    ):
        assert same_dicts(typed(one)) == same_dicts(typed(other))


def same_dicts(value: Any) -> Any:
    """The order of a mapping with names is none of its value."""
    if isinstance(value, tuple) and value and value[0] is dict:
        pairs = [(same_dicts(name), same_dicts(inner)) for name, inner in value[1]]
        return dict, sorted(pairs, key=repr)
    if isinstance(value, (list, tuple)):
        return type(value)(same_dicts(inner) for inner in value)
    return value


def test_what_stands_for_a_value_is_not_that_value() -> None:
    for value in ((1,), {1}, {1: 2}, Path("x"), float("nan"), float("-inf"), Odd()):
        data = job_description.plain_config(value)
        assert isinstance(data, dict) and len(data) == 1
        assert differ(data, job_description.plain_config(data))
    assert differ(job_description.plain_config(float("nan")), job_description.plain_config("nan"))


def test_what_has_no_text_is_described_by_its_kind() -> None:
    assert not differ(job_description.plain_config(Odd()), job_description.plain_config(Odd()))
    assert differ(job_description.plain_config(Odd()), job_description.plain_config(object()))


@given(values, st.lists(texts, max_size=3))
def test_a_view_of_the_worktree_is_that_of_the_user(value: Any, names: list[str]) -> None:
    def seen_in(top: Path) -> dict[str, Any]:
        paths = [f"{top}/{name}" for name in names]
        text = " ".join(map(shlex.quote, paths))
        return view(
            params={"value": job_description.plain_config(value), "paths": paths},
            command={"kind": "shell", "text": f"cat {text} $({text})"},
        )

    comparison().job(carried(seen_in(TOP)), seen_in(WORKTREE))


@pytest.mark.parametrize("top", ["/home/me", "/home/my self", "/home/it's"])
@pytest.mark.parametrize("worktree", ["/archive", "/ar chive", "/arch'ive"])
def test_paths_of_which_only_one_needs_quotes(top: str, worktree: str) -> None:
    compared = comparison(top=Path(top), worktree=Path(worktree))

    def seen(folder: str, word: str = "a") -> dict[str, Any]:
        text = f"cat {shlex.quote(folder + '/x')} > {word}"
        return view(command={"kind": "shell", "text": text})

    compared.job(seen(top), seen(worktree))
    with pytest.raises(RunError, match=r"command\.text"):
        compared.job(seen(top), seen(worktree, "b"))
    with pytest.raises(RunError, match="absolute path into the repository"):
        compared.job(
            seen(top), view(inputs=[{"path": f"{top}/x"}], command={"kind": "run", "text": ""})
        )


@given(st.lists(texts, min_size=2, max_size=8), st.lists(texts, min_size=8, max_size=8))
def test_what_is_known_later_may_be_anything(parts: list[str], between: list[str]) -> None:
    there = job_description.LATER.join(parts)
    here = parts[0] + "".join(b + a for a, b in zip(parts[1:], between, strict=False))
    assert not differ(there, here)


def test_much_that_is_known_later_takes_no_time() -> None:
    assert differ(f"{job_description.LATER} a" * 40, " a" * 200 + "b")
    assert differ(f"a{job_description.LATER}a", "a")
    assert not differ(f"a{job_description.LATER}a", "aa")


@given(values, values, st.lists(texts, max_size=4))
def test_nothing_odd_is_too_odd(one: Any, other: Any, secrets: list[str]) -> None:
    def seen(value: Any) -> dict[str, Any]:
        data = redact(job_description.plain_config(value), secrets)
        return view(params={"value": data}, inputs=[{"path": f"{TOP}/{value}"}])

    try:
        comparison().job(carried(seen(one)), seen(other))
    except RunError as error:
        assert str(error)


@given(values, st.lists(texts.filter(lambda text: "*" not in text), max_size=4))
def test_no_secret_is_left(value: Any, secrets: list[str]) -> None:
    found: list[str] = []

    def collect(item: Any) -> None:
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            for name, inner in item.items():
                collect(name)
                collect(inner)
        elif isinstance(item, list):
            for inner in item:
                collect(inner)

    collect(redact(job_description.plain_config([value, *secrets, "".join(secrets)]), secrets))
    for secret in secrets:
        if len(secret) >= 4:
            assert not any(secret in text for text in found)


odd_logs = st.lists(
    st.binary(max_size=30)
    | st.sampled_from(
        [
            b": No such file or directory\n",
            b": Permission denied\n",
            b"[Errno 2] No such file or directory: '",
            b"'\n",
            b"returned non-zero exit status 99999999999999999999",
            b"died with <Signals.SIGKILL: 9>",
            b"x" * 400,
            b"../",
            b"/",
            b"\0",
            b"out/a",
            b"Removing output files of failed job x\n",
            b'  File "/snakemake_executor_plugin_gitbatch/',
            b"\x1b[31m",
            b"\r\n",
        ]
    ),
    max_size=12,
).map(b"".join)
FAILED = JobStatus(number=1, state=State.ENDED, exit_code=1)
statuses = st.builds(
    JobStatus,
    number=st.just(1),
    state=st.sampled_from(list(State)),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 200),
    reason=st.none() | texts,
    host=st.none() | texts,
)
answers = st.none() | st.builds(
    JobResult,
    succeeded=st.just(False),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 200),
    reason=st.none() | texts,
    record=st.just({}) | st.just({"host": None}) | st.just({"host": {"name": "x"}}),
)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    found = bare_mirror(tmp_path_factory.mktemp("mirror").resolve())
    (found.top / "only here").write_text("")
    return found


@given(odd_logs, odd_logs, statuses, answers)
@example(b"\0x: Permission denied", b"", FAILED, None)
@example(b"a\0/x: No such file or directory", b"", FAILED, None)
@example(b"x" * 400 + b": No such file or directory", b"", FAILED, None)
@example(b"'" + b"x/" * 3000 + b"': Permission denied", b"", FAILED, None)
@example(b"returned non-zero exit status " + b"9" * 3000, b"", FAILED, None)
def test_any_failure_is_explained(
    mirror: Mirror, printed: bytes, said: bytes, status: JobStatus, answer: JobResult | None
) -> None:
    folder = mirror.top.parent
    (folder / "output.log").write_bytes(printed)
    (folder / "rule.log").write_bytes(said)
    (folder / "process.log").write_bytes(said)
    text = explain(
        status,
        answer,
        log=folder / "output.log",
        rule_logs=[folder / "rule.log", folder / "none", folder],
        folder=folder,
        mirror=mirror,
        outputs=["out/a"],
    )
    assert text.startswith("The job ") and str(folder / "output.log") in text


def test_messages_lead_to_what_can_be_opened(mirror: Mirror) -> None:
    """To the folder where it has the file, else to the path in the commit; to the script, not to
    the copy that Snakemake has made of it."""
    folder, worktree = mirror.top.parent, mirror.worktree
    (mirror.top / "scripts").mkdir()
    (mirror.top / "scripts/here.py").touch()
    copy = f"{worktree}/.snakemake/scripts/tmp1.b.py"
    notes = [
        {"name": "tmp1.b.py", "script": f"{worktree}/scripts/here.py", "added": 3},
        {"name": "tmp2.c.R", "script": f"{worktree}/scripts/gone.R", "added": 40},
        {"name": "tmp3.wrapper.sh", "script": "https://host/wrapper.sh", "added": 9},
    ]
    lines = [json.dumps(note) for note in notes]
    (folder / "scripts.jsonl").write_text("\n".join([*lines, lines[0][:9]]))
    said = {
        f'File "{copy}", line 10, in f': f'File "{mirror.top}/scripts/here.py", line 7, in f',
        f"Command 'x {copy}' returned": f"Command 'x {mirror.top}/scripts/here.py' returned",
        f'File "{copy}", line 2': 'File ".snakemake/scripts/tmp1.b.py", line 2',
        "at .snakemake/scripts/tmp2.c.R:41": "at scripts/gone.R:1",
        ".snakemake/scripts/tmp3.wrapper.sh: line 12: x": "https://host/wrapper.sh: line 3: x",
        f"no {worktree}/scripts/here.py.": f"no {mirror.top}/scripts/here.py.",
        f"no {worktree}/out/a.txt, cd {worktree};": f"no out/a.txt, cd {mirror.top};",
    }
    (folder / "output.log").write_text("\n".join(said))
    text = explain(
        FAILED,
        None,
        log=folder / "output.log",
        rule_logs=[],
        folder=folder,
        mirror=mirror,
        outputs=[],
    )
    shown = [line.strip() for line in text.splitlines()]
    assert list(said.values()) == shown[2 : 2 + len(said)]
    assert str(worktree) not in text


@pytest.mark.parametrize(
    ("code", "said", "word"),
    [
        (UNSEEN, "gitbatch: node7 does not see /a/b", "does not see {folder}"),
        (1, "python: No module named gitbatch_core", "does not see the packages in {prefix}"),
        (1, "Traceback: else", "ended without an answer: its runner had exit status 1"),
    ],
)
def test_a_machine_that_does_not_see_the_archive(
    mirror: Mirror, code: int, said: str, word: str
) -> None:
    folder = mirror.top.parent / "job"
    folder.mkdir(exist_ok=True)
    (folder / "process.log").write_text(said)
    status = JobStatus(number=1, state=State.ENDED, exit_code=code, host="node7")
    text = explain(status, None, log=None, rule_logs=[], folder=folder, mirror=mirror, outputs=[])
    word = word.format(folder=folder, prefix=sys.prefix)
    assert word in text.splitlines()[0] and text.splitlines()[0].endswith(" on node7.")
    is_known = "does not see" in word
    assert ("at the same path" in text) == is_known and ("The runner said" in text) != is_known
    shared = "it was not started: its machine does not see the archive, /a"
    answer = JobResult(succeeded=False, reason=shared, record=JobRecord())
    text = explain(status, answer, log=None, rule_logs=[], folder=folder, mirror=mirror, outputs=[])
    assert f"failed: {shared} on node7." in text and "at the same path" in text


class Resources(dict[str, Any]):
    """As Snakemake has them, of a job without files."""

    def __init__(self, *, fromdict: dict[str, Any]) -> None:
        super().__init__(fromdict)


def test_a_job_has_what_was_decided_and_nothing_else() -> None:
    job = SimpleNamespace(input=[], output=[], resources=None, _resources=None, _params=None)
    seen = {
        "tmpdir": "/scratch", "mem_mb": 1000, "disk_mb": 50, "_nodes": 1, "later": 7, "secret": "x",
        "size_mb": 5, "size_mib": 4,
        "inside": Path(f"{WORKTREE}/a"), "outside": "/b", "fixed": f"{TOP}/c", "_cores": 4,
    }  # fmt: skip
    job.resources = Resources(fromdict=seen)
    recorded = {
        "mem_mb": 300, "size_mb": "<TBD>", "later": "<TBD>", "secret": "***", "gone": "<TBD>",
        "new": 2, "inside": f"{TOP}/a", "outside": "/other", "fixed": f"{TOP}/c",
    }  # fmt: skip
    member = {"inputs": [], "outputs": [], "resources": recorded, "threads": 2}
    job_description.take_over(job, member, as_recorded=comparison().as_user)
    assert list(job._resources.items()) == [
        ("tmpdir", "/scratch"), ("mem_mb", 300), ("_nodes", 1), ("later", 7), ("secret", "x"),
        ("size_mb", 5), ("size_mib", 4), ("inside", Path(f"{WORKTREE}/a")), ("outside", "/other"),
        ("fixed", f"{TOP}/c"), ("_cores", 2), ("new", 2),
    ]  # fmt: skip
