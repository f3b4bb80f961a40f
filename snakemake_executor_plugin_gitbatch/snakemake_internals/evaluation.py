"""Params and resources of a single job: Snakemake evaluates them once, when they are first asked
for, and remembers them.

The functions of a workflow that make them may look at files that are not there yet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any


@contextlib.contextmanager
def undone(job: Any) -> Iterator[None]:
    """What is evaluated within, and was not before, is evaluated again later."""
    before = job._params, job._resources
    try:
        yield
    finally:
        job._params, job._resources = before


@contextlib.contextmanager
def forgotten(job: Any) -> Iterator[None]:
    """What is evaluated within, or was before, is evaluated again later."""
    try:
        yield
    finally:
        forget(job)


def forget(job: Any) -> None:
    """Have params and resources evaluated when they are next asked for."""
    job._params = job._resources = None


def has_resources(job: Any) -> bool:
    """Whether the resources are evaluated already."""
    return job._resources is not None


def set_resources(job: Any, resources: Mapping[str, Any]) -> None:
    """Give the job these, and have its params follow them."""
    job._resources = type(job.resources)(fromdict=dict(resources))
    job._params = None
