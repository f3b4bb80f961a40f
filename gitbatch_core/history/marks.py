"""What users say of runs: notes, tags, and the mark that keeps one from being removed."""

from __future__ import annotations

from gitbatch_core.errors import UsageError
from gitbatch_core.git import commits, refs
from gitbatch_core.history.run_names import KEPT, NOTES, Known, Runs


def note(runs: Runs, known: Known) -> str:
    """The run's note; empty where there is none."""
    return refs.notes(runs.repository, NOTES).get(known.ended(), "")


def write_note(runs: Runs, known: Known, text: str) -> None:
    """Replace the run's note. Raises UsageError for one that says nothing."""
    if not text.strip():
        raise UsageError(
            "The note is empty.", hint=f"gitbatch runs note --remove {known.run} removes the note."
        )
    refs.write_note(runs.repository, NOTES, known.ended(), text.rstrip("\n") + "\n")


def remove_note(runs: Runs, known: Known) -> None:
    """Take the run's note away, where there is one."""
    refs.remove_note(runs.repository, NOTES, known.ended())


def tag(runs: Runs, known: Known, name: str) -> None:
    """Have the tag `name` lead to the run commit. Raises UsageError where it leads elsewhere."""
    commit = known.ended()
    ref = refs.check_tag(runs.repository, name)
    for there in refs.listed(runs.repository, ref):
        if there.name == ref and there.commit == commit:
            return
        if there.name == ref:
            raise UsageError(
                f"The tag {name} exists already, at {there.commit[:10]}; run {known.run} is "
                f"{commit[:10]}.",
                hint="Choose another name.",
            )
    refs.check_new_tag(runs.repository, name)
    commits.tag(runs.repository, name, commit)


def delete_tag(runs: Runs, name: str) -> str:
    """Take a tag away that leads to a run commit; returns the run's id. Raises UsageError."""
    for known in runs.by_id.values():
        if name in known.tags:
            wanted = f"refs/tags/{name}"
            refs.remove(runs.repository, [ref for ref in known.refs if ref.name == wanted])
            return known.run
    raise UsageError(f"There is no tag {name!r} that leads to a run.", hint="git tag --list")


def keep(runs: Runs, known: Known) -> None:
    """Mark a run, so that it is not removed."""
    refs.point(runs.repository, KEPT + known.run, known.ended())


def let_go(runs: Runs, known: Known) -> None:
    """Take the mark away, where there is one."""
    if known.kept is not None:
        refs.remove(runs.repository, [known.kept])
