"""An interrupt while Snakemake prints is not lost: its own log handler would drop it."""

from __future__ import annotations

import functools
import logging
import signal
import threading
from typing import Any


def keep_while_printing() -> None:
    """From now on, raise an interrupt of the main thread after what is being printed."""
    from snakemake.logging import ColorizingTextHandler

    emit = ColorizingTextHandler.emit
    if not hasattr(emit, "__wrapped__"):

        @functools.wraps(emit)
        def emit_whole(handler: Any, record: logging.LogRecord) -> None:
            # Where another handler is set, an interrupt is no exception.
            if (
                threading.current_thread() is not threading.main_thread()
                or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            ):
                emit(handler, record)
                return
            arrived: list[int] = []
            signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
            try:
                emit(handler, record)
            finally:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            if arrived:
                raise KeyboardInterrupt

        ColorizingTextHandler.emit = emit_whole
