"""Notifications, to a real mail server and real commands."""

from __future__ import annotations

import email
import email.policy
import socket
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from gitbatch_core.errors import UsageError
from gitbatch_core.reports import notify
from gitbatch_core.reports.notify import Message

MESSAGE = Message(
    subject="run 1 failed\r\nBcc: other@example.org\n\nbody \udcff",
    text="Grüße\n.\n\nFrom here: \udcff\n",
    facts={"GITBATCH_RUN": "1", "GITBATCH_SUBJECT": 'it\'s $(touch harm); "so"\nit is\0'},
)


class Inbox:
    """A mail server's, and what it answers."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        content = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
        self.mails.append((envelope.rcpt_tos, content))
        return self.answer


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, str]]:
    inbox = Inbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield inbox, f"127.0.0.1:{port}"
    controller.stop()


@pytest.fixture
def sendmail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a program sendmail the first on PATH."""

    def make(script: str) -> None:
        program = tmp_path / "sendmail"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def test_mail_by_a_server(inbox: tuple[Inbox, str]) -> None:
    box, server = inbox
    assert notify.send("someone@example.org", MESSAGE, smtp=server) is None
    [(recipients, mail)] = box.mails
    assert recipients == ["someone@example.org"] and mail["To"] == "someone@example.org"
    # One subject in one line, whatever it holds; no other recipient, no other body.
    assert mail["Subject"] == "run 1 failed Bcc: other@example.org body \\udcff"
    assert mail["Bcc"] is None and mail["Date"] and mail["Message-ID"]
    assert mail.get_content().replace("\r", "") == "Grüße\n.\n\nFrom here: \\udcff\n"


def test_a_server_that_refuses(inbox: tuple[Inbox, str]) -> None:
    box, server = inbox
    box.answer = "554 no such user here"
    why = notify.send("someone@example.org", MESSAGE, smtp=server)
    assert why is not None and "no such user here" in why and server in why


def test_servers_that_do_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        why = notify.send("a@b", MESSAGE, smtp=f"127.0.0.1:{port}", limit_s=0.5)
        assert why is not None and "no answer" in why and time.monotonic() - started < 5
    why = notify.send("a@b", MESSAGE, smtp=f"127.0.0.1:{port}")
    assert why is not None and "refused" in why
    why = notify.send("a@b", MESSAGE, smtp="host:many:colons")
    assert why is not None and "host[:port]" in why


def test_mail_by_sendmail(
    sendmail: Callable[[str], None], inbox: tuple[Inbox, str], tmp_path: Path
) -> None:
    sendmail(f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/mail')
    assert notify.send("someone@example.org", MESSAGE) is None
    assert (tmp_path / "arguments").read_text() == "-i -t\n"
    mail = email.message_from_bytes((tmp_path / "mail").read_bytes(), policy=email.policy.default)
    assert mail["To"] == "someone@example.org" and "Grüße" in mail.get_content()
    # A server that somebody has named comes first.
    (tmp_path / "mail").unlink()
    assert notify.send("someone@example.org", MESSAGE, smtp=inbox[1]) is None
    assert len(inbox[0].mails) == 1 and not (tmp_path / "mail").exists()
    sendmail("echo no way out >&2; exit 75")
    why = notify.send("someone@example.org", MESSAGE)
    assert why is not None and "exit status 75: no way out" in why


def test_a_command(tmp_path: Path) -> None:
    command = f'cd {tmp_path}; cat > text; printf %s "$GITBATCH_SUBJECT" > subject'
    assert notify.send(command, MESSAGE) is None
    assert (tmp_path / "text").read_text() == "Grüße\n.\n\nFrom here: \\udcff\n"
    assert (tmp_path / "subject").read_text() == 'it\'s $(touch harm); "so"\nit is'
    assert not (tmp_path / "harm").exists()
    assert notify.send("true", Message(subject="", text="x" * 1_000_000, facts={})) is None
    why = notify.send("echo why; exit 3", MESSAGE)
    assert why is not None and why.endswith("exit status 3: why")


def test_a_command_that_does_not_end(tmp_path: Path) -> None:
    sign = tmp_path / "late"
    why = notify.send(f"(sleep 2; touch {sign}) & sleep 100", MESSAGE, limit_s=0.5)
    assert why is not None and "did not end" in why
    time.sleep(2.5)
    assert not sign.exists()  # what it has started ended with it


@pytest.mark.parametrize(
    "recipient", ["a@", "@b", "a@b,c@d", "a@b\nc", "<a@b>", " ", "a\0b", "a@b@c"]
)
def test_who_cannot_be_told(recipient: str) -> None:
    if "\n" in recipient:  # a command, then
        assert not notify.is_address(recipient)
    else:
        with pytest.raises(UsageError, match="--gitbatch-notify"):
            notify.check(recipient)


def test_who_can_be_told() -> None:
    for recipient in ("a.b+c@example.org", "root@localhost", "echo a@b", "/usr/bin/tell"):
        notify.check(recipient)
    assert not notify.is_address("echo a@b") and notify.is_address("root@localhost")
