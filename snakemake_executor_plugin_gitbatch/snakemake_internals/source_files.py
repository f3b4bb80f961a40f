"""Scripts, notebooks and environment files as Snakemake finds them: local ones and those of other
repositories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snakemake.sourcecache import LocalSourceFile, infer_source_file
from snakemake.utils import format as snakemake_format


def is_local(source: Any) -> bool:
    """Whether one of Snakemake's source files lies on this machine."""
    return isinstance(source, LocalSourceFile)


def local_path(source: Any) -> Iterator[str]:
    """The path of a source, if it is local: a path, or one of Snakemake's source files."""
    if isinstance(source, (str, Path)):
        source = infer_source_file(str(source))
    if is_local(source):
        yield str(source.get_path_or_uri(secret_free=True))


def of_text(source: Any) -> Any:
    """A path or URL as one of Snakemake's source files, which it may be already."""
    return infer_source_file(str(source)) if isinstance(source, (str, Path)) else source


def of_rule(rule: Any, named: Any) -> Any:
    """The file that a rule names without wildcards."""
    return infer_source_file(named, rule.basedir or None)


def of_job(job: Any, named: Any) -> Any:
    """The file that a rule names, as Snakemake finds it when it runs a single job; its own function
    for that fails where the rule is of another repository."""
    if isinstance(named, (str, Path)):
        named = snakemake_format(str(named), wildcards=job.wildcards, params=job.params)
    return of_rule(job.rule, named)


def scripts_of(job: Any) -> Iterator[str]:
    """The local script or notebook of a single job's rule."""
    for named in (job.rule.script, job.rule.notebook):
        if named is not None:
            yield from local_path(of_job(job, named))


def environment_file(job: Any) -> Any | None:
    """The file that says what a single job's conda environment is, if there is one."""
    source = getattr(job.conda_env_spec, "file", None)
    if is_local(source) and job.rule.basedir:
        return job.rule.basedir.join(source)
    return source
