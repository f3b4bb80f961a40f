"""What goes into a submit description, without HTCondor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.base import JobSpec, Request
from gitbatch_core.pools.htcondor import submit

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text(
    st.sampled_from("$()[]{}'\"\\ \tAx"), max_size=12
)


def spec(number: int = 1, **fields: object) -> JobSpec:
    fields = {"argv": ("/bin/x", "a"), "folder": Path(f"/shared/{number}"), **fields}
    return JobSpec(number=number, name=f"rule{number}", **fields)  # type: ignore[arg-type]


def described(
    *jobs: JobSpec, secret: bool = False, **settings: object
) -> list[submit.SubmitDescription]:
    return submit.submit_descriptions(
        jobs,
        run="r1",
        private_folder=Path("/home/x/private"),
        private_files={job.number: "secrets-1.json" for job in jobs} if secret else {},
        environment={"PATH": "/bin", "LANG": "C\n"},
        **settings,  # type: ignore[arg-type]
    )


def commands(description: submit.SubmitDescription, place: int = 0) -> dict[str, str]:
    """The submit commands of one job with its item data put in."""
    item = description.items[place]
    return {key: item.get(value[2:-1], value) for key, value in description.commands.items()}


def parse_v2(raw: str) -> list[str]:
    """HTCondor's V2 syntax, by the manual: words between spaces, quotes doubled within quotes."""
    words: list[str] = []
    word: str | None = None
    place = 0
    while place < len(raw):
        character = raw[place]
        if character == "'":
            word = word or ""
            place += 1
            while raw[place] != "'" or raw[place : place + 2] == "''":
                word += raw[place]
                place += 2 if raw[place] == "'" else 1
        elif character in " \t\n\r":
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + character
        place += 1
    return [*words, word] if word is not None else words


def parse_string(expression: str) -> str:
    """Old ClassAd syntax: a string, or strcat() of some."""
    parts = re.findall(r'"((?:\\"|[^"])*)"', expression)
    text = "".join(part.replace('\\"', '"') for part in parts)
    return text[:-1] if expression.endswith(", 0, -1))") else text


@given(st.lists(text))
def test_words_come_back(words: list[str]) -> None:
    raw = " ".join(map(submit.word_v2, words))
    assert parse_v2(raw) == words
    assert "$(" not in raw
    assert not re.search(r"\$\$?[(\[{A-Za-z]", raw)


@given(text)
def test_strings_come_back_without_macros(value: str) -> None:
    expression = submit.string(value)
    assert not set(expression) & set("\n\r\0\x1f")
    assert not re.search(r"\$\(|\$[A-Za-z_]+\(|\$\$[(\[]", expression)
    shown = value
    for hidden in "\n\r\0\x1f":
        shown = shown.replace(hidden, ascii(hidden)[1:-1])
    assert parse_string(expression) == shown


def test_one_cluster_for_jobs_of_one_shape() -> None:
    jobs = [
        spec(n, request=Request(cpus=n, memory_mb=n * 100), labels={"rule": f"r{n}"})
        for n in range(1, 50)
    ]
    (only,) = described(*jobs)
    assert only.jobs == tuple(jobs)
    last = commands(only, 48)
    assert last["request_cpus"] == "49"
    assert last["MY.GitbatchMemory"].startswith("{4900, 9800, ")
    assert last["MY.GitbatchRule"] == '"r49"'
    assert last["MY.GitbatchNumber"] == "49"
    assert last["output"] == last["error"] == "/shared/49/process.log"


def test_other_extras_are_item_data_of_the_same_cluster() -> None:
    jobs = [
        spec(1, request=Request(extra={"requirements": "Memory > 1", "+Project": '"x"'})),
        spec(2, request=Request(runtime_s=60)),
        spec(3, request=Request(extra={"periodic_remove": "false"}), private={"A": "x"}),
    ]
    (only,) = described(*jobs[:2], spec(9), jobs[2])
    assert [job.number for job in only.jobs] == [9, 1, 2, 3]
    first, second, third = (commands(only, place) for place in range(1, 4))
    assert [each["requirements"] for each in (first, second, third)] == ["Memory > 1", "", ""]
    assert [each["MY.Project"] for each in (first, second)] == ['"x"', "undefined"]
    assert second["allowed_execute_duration"] == "60"
    assert third["periodic_remove"] == "false"
    assert "HoldReasonCode" in first["periodic_remove"]


def test_what_a_pool_has_of_its_own_is_never_asked_for_with_nothing() -> None:
    own = Request(extra={"Request_Licences": "1"})
    found = described(spec(1, request=own), spec(2), spec(3, request=own))
    assert [[job.number for job in part.jobs] for part in found] == [[2], [1, 3]]
    assert "request_licences" not in found[0].commands
    assert {commands(found[1], n)["request_licences"] for n in (0, 1)} == {"1"}


def test_the_first_of_a_cluster_sets_nothing_that_others_do_not() -> None:
    first, second = described(
        spec(1, request=Request(gpus=1, runtime_s=9)),
        spec(2, request=Request(gpus=2)),
        spec(3, request=Request(runtime_s=9)),
    )
    assert [job.number for job in first.jobs] == [2, 1]
    assert [job.number for job in second.jobs] == [3]


def test_what_holds_for_a_cluster_makes_another() -> None:
    jobs = [spec(n, request=Request(extra={"universe": u})) for n, u in ((1, "container"), (2, ""))]
    first, second = described(*jobs)
    assert first.commands["universe"] == "container"
    assert second.commands["universe"] == "vanilla"


def test_what_is_made_late_has_the_same_requirements() -> None:
    jobs = [spec(n, request=Request(extra={"requirements": f"Cpus > {n % 2}"})) for n in range(6)]
    parts = described(*jobs, most_at_once=4)
    assert [[job.number for job in part.jobs] for part in parts] == [[0, 2, 4], [1, 3, 5]]
    assert {part.commands["max_materialize"] for part in parts} == {"4"}
    assert all(part.late for part in parts)
    assert not described(*jobs)[0].late


def test_memory_grows_up_to_what_the_largest_slot_has() -> None:
    def steps(most: int | None, **asked: object) -> tuple[str, ...]:
        memory = submit.Memory(default="50", most_mb=most)
        return submit.memory_steps(Request(**asked), memory)  # type: ignore[arg-type]

    assert steps(None, memory_mb=100) == ("100", "200", "400", "800")
    assert steps(300, memory_mb=100) == ("100", "200", "300")
    assert steps(50, memory_mb=100) == ("100",)
    assert steps(300, memory_mb=100, memory_steps=("(100) * 9",)) == ("100", "(100) * 9")
    assert steps(150) == ("50", "100", "150")
    assert steps(300, extra={"request_memory": "Some + 1"}) == ()
    own = submit.Memory(default="MemoryUsage ?: 9")
    assert submit.memory_steps(Request(), own)[1] == "2 * (MemoryUsage ?: 9)"
    largest = submit.Memory(most_mb=300)
    found = commands(described(spec(request=Request(memory_mb=100)), memory=largest)[0])
    assert found["MY.GitbatchMemory"] == "{100, 200, 300}"


def test_secrets_are_sent_and_nothing_else() -> None:
    (open_,) = described(spec())
    (secret,) = described(spec(private={"TOKEN": "hidden"}), secret=True)
    assert commands(open_)["should_transfer_files"] == "IF_NEEDED"
    assert parse_v2(parse_string(commands(open_)["MY.Arguments"]))[-2:] == [
        "--private",
        "/shared/1/no-secrets.json",
    ]
    found = commands(secret)
    assert found["should_transfer_files"] == "YES"
    assert found["initialdir"] == "/home/x/private"
    assert found["transfer_input_files"] == "secrets-1.json"
    assert parse_v2(parse_string(found["MY.Arguments"]))[-2:] == ["--private", "secrets-1.json"]
    assert "hidden" not in str(found)
    # An environment variable that does not fit is left out: it is there for convenience.
    assert parse_v2(parse_string(found["MY.Environment"])) == ["PATH=/bin"]


def test_resources() -> None:
    request = Request(cpus=0, memory_mb=1, disk_mb=2, runtime_s=3, gpus=1)
    found = commands(described(spec(request=request))[0])
    assert found["request_cpus"] == "1"
    assert found["MY.GitbatchMemory"] == "{1, 2, 4, 8}"
    assert found["request_disk"] == "2048"
    assert found["request_gpus"] == "1"
    assert found["allowed_execute_duration"] == "3"


def test_extras_win_over_what_gitbatch_only_prefers() -> None:
    extra = {"Periodic_Remove": "False", "+Project": '"x"', "request_memory": "2 GB"}
    (only,) = described(spec(request=Request(memory_mb=5, extra=extra)))
    found = commands(only)
    assert found["periodic_remove"] == "False"
    assert found["MY.Project"] == '"x"'
    assert found["request_memory"] == "2 GB"


@pytest.mark.parametrize(
    "extra",
    [
        {"log": "/x"},
        {"Executable": "/x"},
        {"+GitbatchRun": '"other"'},
        {"MY.GitbatchRun": '"other"'},
        {"queue": "2"},
        {"no name": "1"},
        {"rank": "1\nqueue 5"},
        {"+Requirements": "false"},
    ],
)
def test_extras_that_would_break_it_are_refused(extra: dict[str, str]) -> None:
    with pytest.raises(PoolError, match=r"Job 1 \(rule1\)"):
        described(spec(request=Request(extra=extra)))


@pytest.mark.parametrize(
    "fields",
    [
        {"argv": ("/bin/x", "a\nb")},
        {"argv": ("/bin/x", "a\0")},
        {"argv": ("/bin/x", "a\udc80")},
        {"argv": ("x",)},
        {"folder": Path("/a/$$(b)")},
        {"folder": Path("/a\n")},
        {"folder": Path("relative")},
    ],
)
def test_what_cannot_be_carried_names_its_job(fields: dict[str, object]) -> None:
    with pytest.raises(PoolError, match=r"Job 2 \(rule2\)"):
        described(spec(1), spec(2, **fields))


def test_odd_paths_are_carried() -> None:
    (only,) = described(spec(folder=Path('/a b, "c" $(d) $ENV(HOME) $x')))
    written = commands(only)["output"]
    assert written == '/a b, "c" $(DOLLAR)(d) $(DOLLAR)ENV(HOME) $x/process.log'


def test_labels_become_attributes_but_do_not_replace_ours() -> None:
    labels = {"job_key": "k", "wildcards": "a=1", "run": "other", "": "x", "9": "nine"}
    found = commands(described(spec(labels=labels))[0])
    assert found["MY.GitbatchJobKey"] == '"k"'
    assert found["MY.GitbatchWildcards"] == '"a=1"'
    assert found["MY.GitbatchRun"] == '"r1"'
    assert found["MY.Gitbatch9"] == '"nine"'
