"""The entry point: imports only the module of the verb, and turns errors into exit codes.

0: success. 1: a difference or damage was found. 2: the command, or what it works on, has to change.
3: a bug of ours. 130: Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

from gitbatch_core import __version__
from gitbatch_core.errors import GitbatchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Verb(Protocol):
        """What a verb's module has."""

        __doc__: str | None

        def add_arguments(self, parser: argparse.ArgumentParser) -> None:
            """Declare the arguments."""

        def run(self, arguments: argparse.Namespace) -> int:
            """Do it; the exit code. Raises GitbatchError."""


VERBS = {
    "init": "create the archive of this repository",
    "freeze": "move data into the archive and put links in its place",
    "thaw": "replace links by writable copies",
    "check": "report what would make a start fail, without starting anything",
    "run": "run a workflow independently of the terminal, or resume one",
    "status": "show which results in the folder match HEAD and which are stale",
    "reproduce": "run the commit of a run again from scratch and compare its outputs",
    "runs": "inspect and manage runs: ls, show, out, diff, checkout, note, rm …",
    "doctor": "check whether runs can work here: git, archive, pool",
    "archive": "trace results (show, lineage, log), list and verify the archive",
}
"""Verb, which is also the name of its module, and what it does."""

_DISTRIBUTION = "snakemake-executor-plugin-gitbatch"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code and never raises."""
    for stream in (sys.stdout, sys.stderr):
        # File names may be any bytes.
        cast("TextIO", stream).reconfigure(errors="surrogateescape")  # type: ignore[attr-defined]
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except GitbatchError as error:
        _say(f"gitbatch: {error.message}" + (f"\n{error.hint}" if error.hint else ""))
        return error.exit_code
    except KeyboardInterrupt:
        _say("gitbatch: Interrupted.")
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        _say(f"gitbatch: {error}")
        return 2
    except Exception:
        import traceback

        _say(traceback.format_exc() + f"gitbatch: This is a bug. Please report it {_where()}")
        return 3
    return code


def _run(argv: Sequence[str]) -> int:
    parser = _Parser(
        prog="gitbatch",
        usage="gitbatch [--version] [--archive PATH] VERB ...",
        description="Trace and reproduce the results of Snakemake workflows.",
        epilog="verbs:\n"
        + "".join(f"  {verb:<9} {text}\n" for verb, text in VERBS.items())
        + "\nSee `gitbatch VERB --help` for details.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gitbatch {__version__}")
    add_archive_option(parser)
    parser.add_argument("verb", metavar="VERB", choices=VERBS, help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    try:
        before = parser.parse_args(argv)
        verb = cast("Verb", importlib.import_module(f"gitbatch_core.cli.{before.verb}"))
        parser = _Parser(
            prog=f"gitbatch {before.verb}", description=verb.__doc__, allow_abbrev=False
        )
        verb.add_arguments(parser)
        first = len(argv) - len(before.rest)
        # argparse drops this one where it follows the verb.
        words = [*(["--"] if argv[first - 1] == "--" else []), *before.rest]
        more: list[str] = []
        if getattr(verb, "TAKES_MORE", False) and "--" in words:
            words, more = words[: words.index("--")], words[words.index("--") + 1 :]
        if getattr(verb, "TAKES_REST", False):
            arguments, more = parser.parse_known_args(words)
            arguments.more = more[1:] if more[:1] == ["--"] else more
        else:
            arguments = parser.parse_args(words, argparse.Namespace(more=more))
    except SystemExit as done:
        return int(done.code or 0)
    if getattr(arguments, "archive", None) is None:
        arguments.archive = before.archive
    return verb.run(arguments)


def add_archive_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--archive PATH`, which may stand before or after the verb."""
    parser.add_argument(
        "--archive",
        metavar="PATH",
        type=Path,
        help="the archive's folder; default: $GITBATCH_ARCHIVE, else git config gitbatch.archive, "
        "else the archive in the repository's git folder",
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"gitbatch: {message}\n")


def _say(text: str) -> None:
    # Where stderr is gone too, nobody is left to tell.
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = None


def _where() -> str:
    from importlib import metadata

    try:
        urls = metadata.metadata(_DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    for url in urls:
        label, _, address = url.partition(", ")
        if label.lower() in ("issues", "bug tracker"):
            return f"with the text above: {address}"
    return "to its authors, with the text above."


if __name__ == "__main__":
    sys.exit(main())
