"""The text of an error for people, both for errors that they can do something about and for
bugs."""

from __future__ import annotations

import traceback
from typing import Any

from snakemake.exceptions import RuleException
from snakemake_interface_common.exceptions import WorkflowError

from gitbatch_core.errors import GitbatchError

EXPECTED = (GitbatchError, WorkflowError, RuleException, OSError)
"""What people can do something about."""


def text_of(error: Exception, logger: Any) -> str:
    """The error's text; for a bug also its type, with its traceback for `--verbose`."""
    if isinstance(error, EXPECTED):
        return str(error)
    logger.debug("".join(traceback.format_exception(error)))
    return (
        f"{type(error).__name__}: {error}\n"
        "This is a bug of gitbatch. Please report it with the output of --verbose."
    )
