"""What users say of runs: notes, tags, and the mark that keeps one from being removed."""

from __future__ import annotations

from gitbatch_core.errors import UsageError
from gitbatch_core.git import commits, refs
from gitbatch_core.history.run_names import KEPT, NOTES, ListedRun, Runs


def note(runs: Runs, run: ListedRun) -> str:
    """The run's note; empty where there is none."""
    return refs.notes(runs.repository, NOTES).get(run.ended(), "")


def write_note(runs: Runs, run: ListedRun, text: str) -> None:
    """Replace the run's note. Raises UsageError for one that says nothing."""
    if not text.strip():
        raise UsageError(
            "The note is empty.", hint=f"gitbatch runs note --remove {run.run} removes the note."
        )
    refs.write_note(runs.repository, NOTES, run.ended(), text.rstrip("\n") + "\n")


def remove_note(runs: Runs, run: ListedRun) -> None:
    """Take the run's note away, where there is one."""
    refs.remove_note(runs.repository, NOTES, run.ended())


def tag(runs: Runs, run: ListedRun, name: str) -> None:
    """Have the tag `name` lead to the run commit. Raises UsageError where it leads elsewhere."""
    commit = run.ended()
    ref = refs.check_tag(runs.repository, name)
    for there in refs.listed(runs.repository, ref):
        if there.name == ref and there.commit == commit:
            return
        if there.name == ref:
            raise UsageError(
                f"The tag {name} exists already, at {there.commit[:10]}; run {run.run} is "
                f"{commit[:10]}.",
                hint="Choose another name.",
            )
    refs.check_new_tag(runs.repository, name)
    commits.tag(runs.repository, name, commit)


def delete_tag(runs: Runs, name: str) -> str:
    """Take a tag away that leads to a run commit; returns the run's id. Raises UsageError."""
    for run in runs.by_id.values():
        if name in run.tags:
            wanted = f"refs/tags/{name}"
            refs.remove(runs.repository, [ref for ref in run.refs if ref.name == wanted])
            return run.run
    raise UsageError(f"There is no tag {name!r} that leads to a run.", hint="git tag --list")


def keep(runs: Runs, run: ListedRun) -> None:
    """Mark a run, so that it is not removed."""
    refs.point(runs.repository, KEPT + run.run, run.ended())


def let_go(runs: Runs, run: ListedRun) -> None:
    """Take the mark away, where there is one."""
    if run.kept is not None:
        refs.remove(runs.repository, [run.kept])
