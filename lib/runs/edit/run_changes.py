"""What a person may change on a run: its name, its tags, its note, and bringing it back. Deleting is `registry.delete_run`'s work.

A change is worked out on paper first, so that a page can show it, and carried out only while the run still says what the person saw.
MLflow knows no conditional write for tags: between our last reading and the write somebody else may still be quicker.
"""

import re
from dataclasses import dataclass
from typing import Literal

from lib.backends.backend import Backend
from lib.backends.client_snippet import client_snippet
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.errors import ActionRefused, BadInput
from lib.runs.reading.related_runs import read_experiment_ref
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import Run
from lib.text import CONTROLS_IN_LINES, DIRECTION_OVERRIDES, ZERO_WIDTH

NOTE_TAG = "mlflow.note.content"
RESERVED_PREFIXES = ("mlflow.", "podium.")
"""How tags begin that programs read: no page changes them by hand."""
MAX_NAME_LENGTH, MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 250, 250, 8000
"""What MLflow's database holds; it would cut a longer value silently."""
_CONTROL_CHARACTERS = re.compile(f"[{CONTROLS_IN_LINES}{ZERO_WIDTH}{DIRECTION_OVERRIDES}]")
_KEY_PATTERN = re.compile(r"[\w\-. :/]+")

ChangeAction = Literal["rename", "tag", "untag", "restore"]


@dataclass(frozen=True)
class Change:
    """One change of one run, on paper. `expected` is what the person saw: None where there was nothing."""

    run_id: str
    action: ChangeAction
    key: str = ""
    value: str = ""
    expected: str | None = None


def rename_change(run: Run, name: str) -> Change:
    """Give a run another name. Raises BadInput for an empty or too long one."""
    new_name = " ".join(_clean_text(name).split())
    if not new_name:
        raise BadInput("The run has no name.", next="Give it one.")
    if len(new_name) > MAX_NAME_LENGTH:
        raise BadInput(f"The name has {len(new_name)} characters; {MAX_NAME_LENGTH} fit.", next="Choose a shorter one.")
    return _require_difference(Change(run.run_id, "rename", value=new_name, expected=run.name))


def tag_change(run: Run, key: str, value: str) -> Change:
    """Add a tag or change one. Raises BadInput for a key that MLflow cannot keep, or that belongs to a program."""
    return _require_difference(_make_tag_change(run, _check_key(key), value))


def untag_change(run: Run, key: str) -> Change:
    """Take a tag away. Raises BadInput for one that is not there, or that belongs to a program."""
    name = key if key in run.tags and not is_reserved_tag(key) else _check_key(key)
    if name not in run.tags:
        raise BadInput(f"The run has no tag {name[:80]}.")
    return Change(run.run_id, "untag", name, expected=run.tags[name])


def note_change(run: Run, text: str) -> Change:
    """Write the note of a run; an empty text takes it away."""
    if not _clean_text(text) and NOTE_TAG in run.tags:
        return Change(run.run_id, "untag", NOTE_TAG, expected=run.tags[NOTE_TAG])
    return _require_difference(_make_tag_change(run, NOTE_TAG, text))


def restore_change(run: Run) -> Change:
    """Bring a deleted run back."""
    if run.lifecycle == "active":
        raise BadInput("The run was not deleted.")
    return Change(run.run_id, "restore", expected=run.lifecycle)


def is_reserved_tag(key: str) -> bool:
    """Does a tag belong to MLflow or to Podium?"""
    return key.startswith(RESERVED_PREFIXES)


def code_snippet(change: Change, uri: str) -> str:
    """The plain MLflow call that does the same, ready to be copied."""
    calls = {
        "rename": f"client.update_run({change.run_id!r}, name={change.value!r})",
        "tag": f"client.set_tag({change.run_id!r}, {change.key!r}, {change.value!r})",
        "untag": f"client.delete_tag({change.run_id!r}, {change.key!r})",
        "restore": f"client.restore_run({change.run_id!r})",
    }
    return client_snippet(uri, [calls[change.action]])


def apply_change(backend: Backend, change: Change) -> None:
    """Make the change. Raises ActionRefused when the run changed since the person looked, was deleted, or belongs to Podium's record."""
    run = read_run(backend, change.run_id)
    experiment = read_experiment_ref(backend, run.experiment_id)
    if experiment.is_ledger:
        raise ActionRefused("This run belongs to the record, which nobody edits.")
    if change.action == "restore" and experiment.lifecycle != "active":
        raise ActionRefused(f"Its experiment {experiment.name} was deleted.", next="Restore the experiment first.")
    if change.action != "restore" and run.lifecycle != "active":
        raise ActionRefused("The run was deleted meanwhile.", next="Restore it first.")
    if _current_value(run, change) != change.expected:
        raise ActionRefused("Somebody changed this since you looked.", next="Look at it again, then decide.")
    _write(backend, change)


def _write(backend: Backend, change: Change) -> None:
    mlflow = client(backend)
    with translate_errors(f"Run {change.run_id}"):
        match change.action:
            case "rename":
                mlflow.update_run(change.run_id, name=change.value)
            case "tag":
                mlflow.set_tag(change.run_id, change.key, change.value)
            case "untag":
                mlflow.delete_tag(change.run_id, change.key)
            case "restore":
                mlflow.restore_run(change.run_id)


def _current_value(run: Run, change: Change) -> str | None:
    if change.action == "rename":
        return run.name
    return run.lifecycle if change.action == "restore" else run.tags.get(change.key)


def _make_tag_change(run: Run, key: str, value: str) -> Change:
    text = _clean_text(value)
    if not text:
        raise BadInput("There is no text.", next="Write something first.")
    if len(text) > MAX_VALUE_LENGTH:
        raise BadInput(f"The text has {len(text):,} characters; {MAX_VALUE_LENGTH:,} fit.", next="Shorten it.")
    return Change(run.run_id, "tag", key, text, run.tags.get(key))


def _check_key(key: str) -> str:
    name = _clean_text(key)
    if not name:
        raise BadInput("The tag has no name.", next="Give it one.")
    if len(name) > MAX_KEY_LENGTH:
        raise BadInput(f"The name has {len(name)} characters; {MAX_KEY_LENGTH} fit.", next="Choose a shorter one.")
    if is_reserved_tag(name):
        raise BadInput(f"Tags that begin with {' or '.join(RESERVED_PREFIXES)} belong to programs.", next="Choose another name.")
    if not _KEY_PATTERN.fullmatch(name) or name.startswith(("/", ".")) or name.endswith("/") or "//" in name or "/." in name:
        raise BadInput(
            "A tag's name has letters, digits, spaces and _ - . : / only, and is no path.", next="Choose another name."
        )
    return name


def _require_difference(change: Change) -> Change:
    if change.value == change.expected:
        raise BadInput("That is what it says already.")
    return change


def _clean_text(text: str) -> str:
    """What was typed without control and invisible marks; line breaks and tabs stay."""
    return _CONTROL_CHARACTERS.sub(" ", text.replace("\r\n", "\n")).strip()
