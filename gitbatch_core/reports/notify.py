"""Notifies somebody of the end of a run, by mail or by a command.

Nothing that goes wrong here harms the run, or delays its end by more than half a minute.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

from gitbatch_core.errors import UsageError, readable

SMTP_VARIABLE, SMTP_KEY = "GITBATCH_SMTP", "gitbatch.smtp"
"""Environment variable and git's configuration: `host` or `host:port` of a mail server."""

_LONGEST_S = 30.0
_ANSWER_S = 10.0
"""For each answer of a mail server."""
_SENDMAIL_PLACES = ("/usr/sbin", "/usr/lib")
"""Where sendmail is on machines on which it is not on users' PATH."""
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"/]+")
_SERVER = re.compile(r"(?P<host>\[[^]]+\]|[^:]+)(:(?P<port>\d{1,5}))?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, kw_only=True)
class Message:
    """The message."""

    subject: str
    """Made one line."""
    text: str
    facts: Mapping[str, str]
    """For commands: environment variables."""


def is_address(recipient: str) -> bool:
    """Whether it is a mail address, not a command."""
    return "@" in recipient and not re.search(r"\s", recipient)


def check(recipient: str) -> None:
    """Raise UsageError if nobody can be notified that way."""
    if is_address(recipient) and not _ADDRESS.fullmatch(recipient):
        raise UsageError(
            f"--gitbatch-notify: {recipient!r} is no mail address.",
            hint="One address (name@example.org), or a shell command; a space makes it a command.",
        )
    if not recipient.strip() or "\0" in recipient:
        raise UsageError("--gitbatch-notify: neither a mail address nor a command.")


def send(
    recipient: str, message: Message, *, smtp: str | None = None, limit_s: float = _LONGEST_S
) -> str | None:
    """Notify `recipient`; returns None, or why it failed, for people. Never raises. Mail goes to
    the server `smtp` if one is named, otherwise through sendmail if it is installed, otherwise to
    the server of this machine."""
    outcome: list[str | None] = []

    def work() -> None:
        try:
            if is_address(recipient):
                _mail(recipient, message, smtp, limit_s)
            else:
                _command(recipient, message, limit_s)
            outcome.append(None)
        except Exception as error:
            outcome.append(readable(f"{error}" or type(error).__name__))

    # A thread, as a server that answers slowly, word by word, keeps within every smaller limit.
    thread = threading.Thread(target=work, name="gitbatch-notify", daemon=True)
    thread.start()
    thread.join(limit_s + 1)
    why = outcome[0] if outcome else f"no answer within {limit_s:.0f} s"
    return None if why is None else f"{recipient} could not be notified: {why}"


def mail(address: str, message: Message) -> EmailMessage:
    """The message as a mail. No header holds more than one line, whatever the texts hold."""
    host = socket.getfqdn()
    if host.startswith("localhost"):
        host = socket.gethostname()
    content = EmailMessage()
    content["Subject"] = readable(_UNPRINTABLE.sub(" ", message.subject))
    content["From"] = f"{getpass.getuser()}@{host}"
    content["To"] = address
    content["Date"] = formatdate(localtime=True)
    content["Message-ID"] = make_msgid(domain=host)
    content["Auto-Submitted"] = "auto-generated"
    text = readable(message.text).replace("\0", "")
    content.set_content(text, cte="quoted-printable")  # any server takes that
    return content


def _mail(address: str, message: Message, smtp: str | None, limit_s: float) -> None:
    content = mail(address, message)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SENDMAIL_PLACES])
    if not smtp and (sendmail := shutil.which("sendmail", path=path)):
        _run([sendmail, "-i", "-t"], content.as_bytes(), dict(os.environ), limit_s)
        return
    named = _SERVER.fullmatch(smtp or "localhost")
    if named is None:
        raise ValueError(f"{smtp} is not the host[:port] of a mail server")
    host, port = named["host"].strip("[]"), int(named["port"] or 25)
    try:
        with smtplib.SMTP(
            host,
            port,
            timeout=_ANSWER_S,
        ) as server:
            server.ehlo_or_helo_if_needed()
            if server.has_extn("starttls"):
                server.starttls()
            server.sendmail(content["From"], [address], content.as_bytes(policy=SMTP))
    except OSError as error:  # smtplib's own are such
        raise OSError(f"the mail server {host}:{port}: {error}") from error


def _command(command: str, message: Message, limit_s: float) -> None:
    facts = {name: readable(value).replace("\0", "") for name, value in message.facts.items()}
    _run(["/bin/sh", "-c", command], readable(message.text).encode(), os.environ | facts, limit_s)


def _run(argv: list[str], data: bytes, environment: Mapping[str, str], limit_s: float) -> None:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(data, timeout=limit_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise TimeoutError(f"it did not end within {limit_s:.0f} s") from None
    if process.returncode != 0:
        words = said.decode(errors="replace").strip()[-500:]
        raise OSError(f"exit status {process.returncode}{': ' if words else ''}{words}")
