"""An interrupt that arrives while Snakemake prints."""

from __future__ import annotations

import io
import logging
import os
import signal
import threading

import pytest

from snakemake_executor_plugin_gitbatch.snakemake_internals import interrupts


class Interrupted(io.StringIO):
    """A terminal at which somebody presses Ctrl-C while something is printed."""

    def write(self, text: str) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Interrupted:
    from snakemake.logging import ColorizingTextHandler

    monkeypatch.setattr(ColorizingTextHandler, "emit", ColorizingTextHandler.emit)
    interrupts.keep_while_printing()
    interrupts.keep_while_printing()  # each run of a process does so
    return Interrupted()


@pytest.fixture
def logger(stream: Interrupted) -> logging.Logger:
    from snakemake.logging import ColorizingTextHandler

    logger = logging.Logger("of Snakemake")
    logger.addHandler(ColorizingTextHandler(nocolor=True, stream=stream))
    return logger


def test_it_is_raised_when_all_is_printed(logger: logging.Logger, stream: Interrupted) -> None:
    with pytest.raises(KeyboardInterrupt):
        logger.info("12 of 12 steps done")
    assert stream.getvalue() == "12 of 12 steps done\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_end_of_a_run_is_asked_at_once(
    logger: logging.Logger, stream: Interrupted
) -> None:
    arrived: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
    try:
        logger.info("Shutting down")
    finally:
        signal.signal(signal.SIGINT, before)
    assert arrived and stream.getvalue() == "Shutting down\n"


def test_other_threads_print_as_ever(logger: logging.Logger, stream: Interrupted) -> None:
    with pytest.raises(KeyboardInterrupt):
        thread = threading.Thread(target=logger.info, args=("Finished jobid: 1",))
        thread.start()
        thread.join()
    thread.join()
    assert stream.getvalue() == "Finished jobid: 1\n"
