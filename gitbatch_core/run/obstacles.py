"""Everything that keeps a run from starting, not only the first problem."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gitbatch_core.errors import GitbatchError, RunError
from gitbatch_core.run.mirror.inputs import FREEZE
from gitbatch_core.wording import shortened

_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """One thing that is wrong."""

    kind: str
    """What it is about: `commit`, `input`, `output`, `resources`, `tag`, `archive`, `pool` …"""
    text: str
    """What is wrong, for people."""
    hint: str = ""
    """What to do."""
    names: tuple[str, ...] = ()
    """Of the files or jobs that it is about."""

    @classmethod
    def of(cls, error: Exception, *, kind: str, names: Iterable[str] = ()) -> Obstacle:
        text, hint = str(error), ""
        if isinstance(error, GitbatchError):
            text, hint = error.message, error.hint or ""
        return cls(kind=kind, text=text, hint=hint, names=tuple(names))


class ObstaclesError(RunError):
    """A run cannot start; names all known obstacles."""

    def __init__(self, obstacles: Iterable[Obstacle]) -> None:
        self.obstacles = tuple(dict.fromkeys(obstacles))
        groups = blocks(self.obstacles)
        if len(groups) == 1:
            texts, hint = groups[0]
            super().__init__("\n".join(shortened(texts, _MOST_NAMED)), hint=hint or None)
        else:
            super().__init__("The run cannot start:\n" + as_list(groups))


def refuse(obstacles: Sequence[Obstacle]) -> None:
    """Raise ObstaclesError where there are any."""
    if obstacles:
        raise ObstaclesError(obstacles)


@dataclass(kw_only=True)
class Collection:
    """Gathers what would be refused."""

    obstacles: list[Obstacle] = field(default_factory=list)

    @contextlib.contextmanager
    def of(self, kind: str, *names: str) -> Iterator[None]:
        """Collect errors raised in this block as obstacles of this kind, and continue."""
        try:
            yield
        except (GitbatchError, OSError) as error:
            self.obstacles += in_error(error, kind=kind, names=names)


def in_error(error: Exception, *, kind: str, names: Iterable[str] = ()) -> list[Obstacle]:
    """The obstacles that an error tells of."""
    if isinstance(error, ObstaclesError):
        return list(error.obstacles)
    return [Obstacle.of(error, kind=kind, names=names)]


def blocks(obstacles: Iterable[Obstacle]) -> list[tuple[list[str], str]]:
    """Groups of texts, each with the hint that they share."""
    by_hint: dict[str, tuple[list[str], list[str]]] = {}
    for each in obstacles:
        key = FREEZE if each.hint.startswith(FREEZE) else each.hint
        texts, hints = by_hint.setdefault(key, ([], []))
        texts.append(each.text)
        hints.append(each.hint)
    groups = []
    for key, (texts, hints) in by_hint.items():
        files = dict.fromkeys(hint.removeprefix(FREEZE).strip() for hint in hints)
        hint = " ".join((FREEZE, *files)) if key == FREEZE else key
        groups.append((list(dict.fromkeys(texts)), hint))
    return groups


def as_list(groups: Iterable[tuple[list[str], str]]) -> str:
    """Blocks as one text: a dash before each obstacle, what to do below."""
    lines = []
    for texts, hint in groups:
        lines += [_indented(text, "- ") for text in shortened(texts, _MOST_NAMED)]
        if hint:
            lines.append(_indented(hint, "  "))
    return "\n".join(lines)


def _indented(text: str, first: str) -> str:
    return first + text.replace("\n", "\n  ")
