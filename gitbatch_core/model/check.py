"""A check of `gitbatch doctor`: what was looked at, and what to do where something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitbatch_core.errors import GitbatchError


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line for people."""

    check: str
    """What was looked at: `git`, `archive`, `pool` …"""
    ok: bool
    text: str
    hint: str | None = None
    """Where something is wrong: what to do."""


def fine(check: str, text: str) -> Check:
    return Check(check=check, ok=True, text=text)


def wrong(check: str, text: str, hint: str | None = None) -> Check:
    return Check(check=check, ok=False, text=text, hint=hint)


def failed(check: str, error: GitbatchError) -> Check:
    """What an error says."""
    return wrong(check, error.message.rstrip("."), error.hint)
