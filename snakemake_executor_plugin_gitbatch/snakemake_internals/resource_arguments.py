"""What the command line says of resources, as arguments for another Snakemake.

Snakemake's own lose expressions of `mem` and `disk`: it keeps them as `mem_mb` and `disk_mb`,
without their text. And `--default-resources` with anything brings along what Snakemake has by
default for clusters, which is not what a run without it has decided.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any


def arguments(workflow: Any) -> tuple[str, ...]:
    """`--default-resources` and `--set-resources`, each only where it was given."""
    by_option = {
        "--default-resources": defaults(workflow),
        "--set-resources": overwritten(workflow),
    }
    return tuple(word for option, words in by_option.items() if words for word in (option, *words))


def defaults(workflow: Any) -> list[str]:
    """`name=value` of each default, where `--default-resources` was given."""
    settings = workflow.resource_settings
    parsed = getattr(settings, "_parsed_default_resources", None)
    if parsed is None:  # older Snakemakes keep the texts
        texts = list(settings.default_resources.args)
        coming_along = set()
    else:
        texts = list(_assignments(parsed))
        full = type(parsed).DEFAULTS["full"]
        coming_along = {f"{name}={full[name]}" for name in ("mem", "disk")}
    # There is one without the option: with it, others come along.
    return [text for text in texts if text not in coming_along] if len(texts) > 1 else []


def overwritten(workflow: Any) -> list[str]:
    """`rule:name=value` of all that `--set-resources` has set."""
    settings = workflow.resource_settings
    parsed = getattr(settings, "_parsed_overwrite_resources", None)
    rules = settings.overwrite_resources if parsed is None else parsed
    return [f"{rule}:{text}" for rule, values in rules.items() for text in _assignments(values)]


def _assignments(resources: Any) -> Iterator[str]:
    for name, value in resources.items():
        yield _assignment(name, value)


def _assignment(name: str, value: Any) -> str:
    for of_text in ("raw", "orig_arg"):  # now, and in older Snakemakes
        if (text := getattr(value, of_text, None)) is not None:
            return f"{name}={text}"
    if (function := getattr(value, "_evaluator", None)) is None:
        return f"{name}={value}"
    # `mem`, whose values may have a unit; Snakemake's function for it knows the text.
    text = inspect.getclosurevars(inspect.unwrap(function)).nonlocals["value"]
    return f"{name.removesuffix('_mb')}={text}"
