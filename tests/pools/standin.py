"""Stands in for the runner: takes `--private`, does one small thing, tells what it saw.

`python standin.py VERB [ARGUMENT ...] --private FILE|-`
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def secrets(source: str) -> dict[str, str]:
    if source == "-":
        return json.loads(sys.stdin.readline())
    return json.loads(Path(source).read_text())


def tell(file: str, document: object) -> None:
    """Written in one piece: whoever sees the file sees all of it."""
    temporary = Path(f"{file}.{os.getpid()}")
    temporary.write_text(json.dumps(document))
    temporary.replace(file)


def main(verb: str, *words: str) -> int:
    match verb:
        case "sign":  # and go on for a moment
            Path(words[0]).touch()
            time.sleep(float(words[1]))
        case "exit":
            return int(words[0])
        case "signal":
            os.kill(os.getpid(), int(words[0]))
            time.sleep(60)
        case "show":
            file, *shown = words
            tell(file, {"words": shown, "secrets": PRIVATE, "environment": dict(os.environ)})
        case "span":
            file, seconds = words
            started = time.monotonic()
            time.sleep(float(seconds))
            tell(file, [started, time.monotonic()])
        case "family":
            # A child, and a grandchild in a session of its own; all of them stay.
            code = (
                "import subprocess, sys, time;"
                "p = subprocess.Popen(['sleep', '300'], start_new_session=True);"
                "print(p.pid, flush=True); time.sleep(300)"
            )
            child = subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
            )
            assert child.stdout is not None
            tell(words[0], [os.getpid(), child.pid, int(child.stdout.readline())])
            if words[1:] == ("stubborn",):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(300)
        case "until-alone":
            # Ends when the controller does: end of file on standard input.
            tell(words[0], os.getpid())
            sys.stdin.read()
            tell(words[1], "alone")
        case "big-secret":
            tell(words[0], {name: len(value) for name, value in PRIVATE.items()})
        case "attempts":
            with Path(words[0]).open("a") as file:
                file.write("started\n")
            time.sleep(float(words[1]))
        case "memory":
            mebibytes, seconds, file = words
            held = bytearray(int(mebibytes) << 20)
            held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
            time.sleep(float(seconds))
            tell(file, len(held))
        case "print":
            print(*words)
    return 0


if __name__ == "__main__":
    ARGUMENTS = sys.argv[1:]
    assert ARGUMENTS[-2] == "--private", ARGUMENTS
    PRIVATE = secrets(ARGUMENTS[-1])
    sys.exit(main(*ARGUMENTS[:-2]))
