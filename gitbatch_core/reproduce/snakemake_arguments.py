"""What a run was given, its configuration and arguments, in a form to be given again.

The configuration is what --config and --configfile gave, not what the Snakefile made of it: that
changes it anew while it is read. Values of secrets were not kept and have to come from the user.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from gitbatch_core import snakemake_command
from gitbatch_core.errors import UsageError
from gitbatch_core.model import param_values
from gitbatch_core.model.masking import REDACTED
from gitbatch_core.reproduce.original_run import OriginalRun


def config(original: OriginalRun, more: Sequence[str]) -> str:
    """The text of a config file; empty where nothing was given. `more`: arguments of the user,
    which win. Raises UsageError naming the keys whose values were secrets and are not in `more`."""
    import yaml

    values = original.document.given_config or {}
    own = set(snakemake_command.config_keys(more))
    masked = [key for key in values if key not in own and REDACTED in repr((key, values[key]))]
    if masked:
        raise UsageError(
            f"The configuration of run {original.run} held values of secrets, which are not kept: "
            f"{', '.join(masked)}.",
            hint=f"Give them again: gitbatch reproduce {original.run} -- --config "
            + " ".join(f"{name}=VALUE" for name in masked),
        )
    return yaml.safe_dump(_given(values, own)) if values else ""


def arguments(original: OriginalRun, more: Sequence[str]) -> list[str]:
    """Snakemake's own arguments. Raises UsageError naming one that held a secret's value."""
    settings = [str(word) for word in original.document.settings or ()]
    passed_on: list[str] = []
    for words in snakemake_command.options(settings):
        option = words[0].partition("=")[0]
        if snakemake_command.is_set(more, option):
            continue
        if any(REDACTED in word for word in words):
            raise UsageError(
                f"The argument {option} of run {original.run} held the value of a secret, which is "
                "not kept.",
                hint=f"Give it again: gitbatch reproduce {original.run} -- {option} VALUE",
            )
        passed_on += words
    return passed_on


def targets(original: OriginalRun, chosen: Sequence[str]) -> list[str]:
    """The targets as the run had them, or those `given`. Raises UsageError."""
    names = [str(target) for target in chosen or original.document.targets]
    if any(REDACTED in target for target in names):
        raise UsageError(
            f"A target of run {original.run} held the value of a secret, which is not kept.",
            hint=f"Name the targets again: gitbatch reproduce {original.run} TARGETS",
        )
    return names


def _given(values: dict[str, Any], own: Container[str]) -> Any:
    """The values of a configuration, but for those that nobody can tell and that are in `own`."""
    if values.keys() == {"mapping"}:
        return _value(values, "config")
    result = {}
    for name, data in values.items():
        try:
            result[name] = _value(data, name)
        except UsageError:
            if name not in own:
                raise
    return result


def _value(data: Any, name: str) -> Any:
    """The value that JSON data of a run's document stands for. Raises UsageError where it says less
    than there was."""
    try:
        return param_values.decode(data, name)
    except param_values.InexactValueError as error:
        raise UsageError(
            f"The value of {error.name} cannot be given again: it was a {error.type}.",
            hint=f"Give it after --: gitbatch reproduce RUN -- --config {error.name}=VALUE",
        ) from error
