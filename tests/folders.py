"""A repository in which runs have made results, without Snakemake: links, documents, commits."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitbatch_core.archive import links
from gitbatch_core.archive.hashing import hash_bytes
from gitbatch_core.git import commits
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run import archive_location, run_commit
from gitbatch_core.run.code_difference import ALL, Choice
from gitbatch_core.run.run_commit import Provenance, Result


class Folder:
    """A repository with an archive, in which runs have made results."""

    def __init__(self, top: Path) -> None:
        subprocess.run(["git", "init", "--quiet", str(top)], check=True)
        self.repository = Repository.find(top)
        self.top = self.repository.top
        self.archive = archive_location.open_archive(self.repository)
        self.runs = 0

    def git(self, *args: str) -> str:
        return self.repository.git(*args).decode().strip()

    def commit(self, files: Mapping[str, str | None]) -> str:
        for name, text in files.items():
            path = self.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
            self.git("add", "-f", "--", name)
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def make(self, path: str, text: str | Mapping[str, str]) -> Result:
        """Have a link there, or a folder of links."""
        here = self.top / path
        if isinstance(text, str):
            name = self.archive.put_bytes(os.fsencode(text), name=path).name
            links.place_link(here, name, top=self.top, mtime_ns=0)
            address, found = name.address, {path: os.readlink(here)}
            return Result(path=path, kind="file", address=str(address), size=1, links=found)
        folder = self.top.parent / "made"
        for inner, content in text.items():
            (folder / inner).parent.mkdir(parents=True, exist_ok=True)
            (folder / inner).write_text(content)
        stored = self.archive.put_tree(folder)
        shutil.rmtree(folder, ignore_errors=True)
        entries = self.archive.manifest(stored.address)
        links.place_tree(self.archive, here, entries, top=self.top, mtime_ns=0)
        found = {f"{path}/{e.path}": os.readlink(here / e.path) for e in entries}
        return Result(path=path, kind="tree", address=str(stored.address), size=1, links=found)

    def run(
        self,
        made: Mapping[str, str | Mapping[str, str]],
        *,
        inputs: Mapping[str, str] | None = None,
        kept: tuple[Result, ...] = (),
        unknown: bool = False,
        code: Choice = ALL,
        **facts: Any,
    ) -> dict[str, Result]:
        """A run of HEAD whose one job has made these, from inputs (path -> text of the file)."""
        self.runs += 1
        run, commit = f"20260101-00000{self.runs}-abcd", self.git("rev-parse", "HEAD")
        source = run_commit.source_of(self.repository, commit)
        results = {path: self.make(path, text) for path, text in made.items()}
        algorithm = self.archive.algorithm
        record = {
            "run": run,
            "number": 1,
            "commit": source,
            "folder": facts.get("folder", ""),
            "rule": "make",
            "members": [
                {
                    "rule": "make",
                    "wildcards": {},
                    "outputs": list(made),
                    "logs": [],
                    "inputs": [
                        {"path": name, "address": str(hash_bytes(text.encode(), algorithm))}
                        for name, text in (inputs or {}).items()
                    ],
                }
            ],
            "outputs": [{"path": r.path, "address": r.address} for r in results.values()],
        }
        if code != ALL:
            record["code"] = code.as_json()
        provenance = Provenance()
        if not unknown:
            provenance.add_record(JobRecord.from_dict(record))
        for earlier in run_commit.earlier(self.repository):
            provenance.add_run(earlier)
        every = [*results.values(), *kept]
        told = {"run": run, "source_commit": source, "outcome": "succeeded", "folder": ""} | facts
        document = run_commit.compose(told, every, provenance)
        made_in = run_commit.write(
            self.repository,
            document=document,
            results=every,
            inputs={},
            message=f"run\n\n{run_commit.TRAILER}: {run}",
        )
        commits.tag(self.repository, f"run/{run}", made_in)
        return results
