"""What is passed over so that work goes on, told to whoever wants to know: `GITBATCH_DEBUG=1`, or
Snakemake's `--verbose`, has it on stderr, by a logger of the module in question.
"""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType

VARIABLE = "GITBATCH_DEBUG"
_PACKAGES = (
    "gitbatch_core",
    "snakemake_executor_plugin_gitbatch",
    "snakemake_storage_plugin_gitbatch",
)


class suppressed(contextlib.suppress):
    """`contextlib.suppress` for errors that may matter: each is logged at debug level."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        is_suppressed = bool(super().__exit__(kind, error, traceback))
        if is_suppressed and traceback is not None:
            frame = traceback.tb_frame
            debug(
                frame.f_globals["__name__"],
                f"{frame.f_code.co_name}, line {traceback.tb_lineno}, goes on after "
                f"{type(error).__name__}: {error}",
            )
        return is_suppressed


def debug(module: str, text: str) -> None:
    """Log at debug level."""
    if os.environ.get(VARIABLE):
        show()
    # Whoever listens has imported it; else it would cost a start 5 ms.
    if "logging" in sys.modules:
        import logging

        logging.getLogger(module).debug(text)


def show() -> None:
    """Have what is logged at debug level on stderr from now on."""
    import logging

    for name in _PACKAGES:
        logger = logging.getLogger(name)
        if not any(handler.get_name() == VARIABLE for handler in logger.handlers):
            handler = logging.StreamHandler()
            handler.set_name(VARIABLE)
            handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
