"""Results that are up to date to Snakemake, but were made by other code than the commit's: an edit
of what it does not look at, an imported module, a program that a command names.

Looked for at each start, also where nothing is to be done: it costs a call of git or two, unless
there are some.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from snakemake.exceptions import RuleException
from snakemake_interface_common.exceptions import WorkflowError

from gitbatch_core.archive.layout import LINK_PATH, linked_object
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git import state
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repo import Repository
from gitbatch_core.jsonio import Document
from gitbatch_core.records import reproduced_run
from gitbatch_core.runs import document, origin_index
from gitbatch_core.runs.code_difference import CodeDifferences
from gitbatch_core.runs.origins import Origin, Origins
from gitbatch_core.runs.stale import OtherCommits
from gitbatch_core.runs.tainted import TaintedRuns
from gitbatch_core.runs.undeclared import UndeclaredPaths
from gitbatch_core.runs.walk import inside
from gitbatch_core.wording import count
from snakemake_executor_plugin_gitbatch import keys, needrun, workflowview

_MOST_DOCUMENTS = 3
"""Of runs, to be read where the index does not know what lies in the folder."""


def look(workflow: Any, logger: Any) -> None:
    """Say how many up-to-date results other code has made, or have Snakemake make them again, as
    the user wants it."""
    wish = workflow.executor_settings.stale
    if wish == "ignore":
        return
    try:
        found = _find(workflow, Repository.find(Path.cwd()))
    except (GitbatchError, WorkflowError, RuleException, OSError, ValueError) as error:
        if wish == "rerun":
            logger.warning(f"Which results other code has made cannot be told: {error}")
        return
    of_code = sum(found.makers.numbers.values())
    if not (number := of_code + found.tainted):
        return
    text = ""
    if of_code:
        text += (
            f"{count(of_code, 'result')} {'is' if of_code == 1 else 'are'} up to date to "
            f"Snakemake, but not of this commit's code: {found.makers.text()}. "
        )
    if found.tainted:
        text += (
            f"{count(found.tainted, 'result')} {'is' if found.tainted == 1 else 'are'} up to date "
            "to Snakemake, but made by a tainted run, whose jobs changed files of the commit. "
        )
    # Of a checkpoint that is done, Snakemake has no job left that could run.
    forced = "".join(f" -R {rule}" for rule in sorted(found.checkpoints))
    if wish != "rerun":
        again = "makes it again" if number == 1 else "makes them again"
        logger.warning(f"{text}--gitbatch-stale rerun{forced} {again}; gitbatch status shows more.")
        return
    if forced:
        logger.warning(f"{text}The checkpoints among what made them run again with{forced}.")
    else:
        logger.info(f"{text}{'It is' if number == 1 else 'They are'} made again.")
    if found.jobs:
        needrun.run_again(workflow, found.jobs)


@dataclass(kw_only=True)
class _Stale:
    """What other code, or a tainted run, has made."""

    jobs: list[Any] = field(default_factory=list)
    """That have made some of the results."""
    makers: OtherCommits = field(default_factory=OtherCommits)
    """Of the results."""
    tainted: int = 0
    """How many others a tainted run has made."""
    checkpoints: set[str] = field(default_factory=set)
    """Rules of which no job is there."""


def _find(workflow: Any, repository: Repository) -> _Stale:
    head = repository.commit_of("HEAD")
    source = document.source_of(repository, head)
    relative = _Relative(repository)
    origins = Origins(documents=_documents(repository, head, source))
    find = _Origins(repository, relative, origins)
    made: dict[Any, list[Origin]] = {}
    for job in workflow.dag.jobs:
        if not workflow.dag.needrun(job):
            made[job] = [o for path in job.output if (o := find(path))]
    in_dag = {str(path) for job in workflow.dag.jobs for path in job.output}
    gone = sorted(p for p in workflow.checkpoints.created_output if str(p) not in in_dag)
    done = [o for path in gone if (o := find(path))]
    if workflow.executor_settings.dirty == "snapshot":
        from snakemake_executor_plugin_gitbatch import opening

        source = opening.clean_source(workflow, repository, head, None, "snapshot").commit
    tainted = TaintedRuns(root=repository.top / LINK_PATH)
    others = {
        job: [
            origin
            for origin in some
            if origin.job and (origin.commit != source or tainted.have_made(origin.job, origin.run))
        ]
        for job, some in (*made.items(), (None, done))
    }
    result = _Stale()
    if not any(others.values()):
        return result
    declared = filter(None, map(relative, workflowview.declared(workflow)))
    is_declared, is_left = inside(declared), undeclared_paths(repository, head)
    differences = CodeDifferences(
        repository=repository, is_output=lambda path: is_declared(path) or is_left(path)
    )
    for job, some in others.items():
        choice = None if job is None or not some else keys.choice(workflow, job, relative)
        for origin in some:
            if (files := origin.files(differences, source, choice)) != ():
                result.makers.add(origin.commit, files)
            elif tainted.have_made(origin.job, origin.run):
                result.tainted += 1
            else:
                continue
            if job is None:
                result.checkpoints.add(str(origin.output.get("rule")))
            elif job not in result.jobs[-1:]:
                result.jobs.append(job)
    return result


def undeclared_paths(repository: Repository, head: str) -> UndeclaredPaths:
    """Where jobs have left something beside their outputs."""

    return UndeclaredPaths(top=repository.top, documents=lambda: latest(repository, head))


def latest(repository: Repository, head: str) -> Iterator[Document]:
    """The documents of some runs, the latest first, with what tells where results come from."""
    yield from _documents(repository, head, document.source_of(repository, head))


def _documents(repository: Repository, head: str, source: str) -> Iterator[Document]:
    """The index first; then, where that does not know all, the documents of some runs, which it
    knows from then on."""
    indexed = set()
    if source == head:
        for each in origin_index.documents(repository):
            indexed.add(each.get("run"))
            yield each
    elsewhere = worktrees.others(repository)
    for each in islice(Origins.of(repository, head, source).documents, _MOST_DOCUMENTS):
        if each.get("run") not in indexed:
            yield each
            if not reproduced_run(each) and each.get("repository") not in elsewhere:
                origin_index.write(repository, each)


class _Relative:
    """A path as the workflow names it, relative to the top; None: outside of the repository."""

    def __init__(self, repository: Repository) -> None:
        self._top, self._folder = str(repository.top), os.getcwd()

    def __call__(self, path: str) -> str | None:
        absolute = os.path.normpath(os.path.join(self._folder, path))
        if absolute == self._top:
            return ""
        inside_top = absolute.startswith(f"{self._top}/")
        return absolute[len(self._top) + 1 :] if inside_top else None


class _Origins:
    """Where an output comes from that lies in the folder as a link, as a folder of links, or as a
    file that git tracks."""

    def __init__(self, repository: Repository, relative: _Relative, origins: Origins) -> None:
        self._repository, self._relative, self._origins = repository, relative, origins

    def __call__(self, path: Any) -> Origin | None:
        name = self._relative(str(path))
        if name is None or workflowview.storage(path) is not None:
            return None
        if path.is_directory:
            return self._origins.tree(name) if os.path.isdir(path) else None
        try:
            linked = linked_object(os.readlink(path))
        except OSError:  # a file, or nothing
            return self._of_file(path, name) if os.path.isfile(path) else None
        return None if linked is None else self._origins.find(name, str(linked.address))

    def _of_file(self, path: Any, name: str) -> Origin | None:
        """That of the latest result, where the file has the same bytes: it was thawed."""
        if name not in self._tracked or (latest := self._origins.file(name)) is None:
            return None
        if os.path.getsize(path) != latest.output.get("size"):
            return None
        from gitbatch_core.archive import hashing
        from gitbatch_core.archive.layout import Address

        address = Address.parse(latest.output["address"])
        return latest if hashing.hash_file(Path(path), address.algorithm)[0] == address else None

    @cached_property
    def _tracked(self) -> frozenset[str]:
        return state.tracked(self._repository.top)
