"""Changes to a run: its name, tags and note, and restoring it. Deleting is left to `registry.delete_run`.

A change is planned first, so a page can preview it, and applied only while the run still has the value the user saw.
MLflow has no conditional write for tags: another write can still happen between our last read and our write.
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
"""Prefixes of tags that programs read: no page edits them."""
MAX_NAME_LENGTH, MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 250, 250, 8000
"""Limit of MLflow's database, which would silently truncate a longer value."""
_CONTROL_CHARACTERS = re.compile(f"[{CONTROLS_IN_LINES}{ZERO_WIDTH}{DIRECTION_OVERRIDES}]")
_KEY_PATTERN = re.compile(r"[\w\-. :/]+")

ChangeAction = Literal["rename", "tag", "untag", "restore"]


@dataclass(frozen=True)
class Change:
    """One planned change of one run. `expected` is the value the user saw, None if there was none."""

    run_id: str
    action: ChangeAction
    key: str = ""
    value: str = ""
    expected: str | None = None


def rename_change(run: Run, name: str) -> Change:
    """Plan to rename a run. Raises BadInput if the name is empty or too long."""
    new_name = " ".join(_clean_text(name).split())
    if not new_name:
        raise BadInput("A run needs a name.", next="Enter one.")
    if len(new_name) > MAX_NAME_LENGTH:
        raise BadInput(f"The name has {len(new_name)} characters; the limit is {MAX_NAME_LENGTH}.", next="Choose a shorter one.")
    return _require_difference(Change(run.run_id, "rename", value=new_name, expected=run.name))


def tag_change(run: Run, key: str, value: str) -> Change:
    """Plan to add or change a tag. Raises BadInput for a key that MLflow cannot store or that is reserved for programs."""
    return _require_difference(_make_tag_change(run, _check_key(key), value))


def untag_change(run: Run, key: str) -> Change:
    """Plan to remove a tag. Raises BadInput if it does not exist or is reserved for programs."""
    name = key if key in run.tags and not is_reserved_tag(key) else _check_key(key)
    if name not in run.tags:
        raise BadInput(f"The run has no tag {name[:80]}.")
    return Change(run.run_id, "untag", name, expected=run.tags[name])


def note_change(run: Run, text: str) -> Change:
    """Plan to change the note of a run; an empty text removes it."""
    if not _clean_text(text) and NOTE_TAG in run.tags:
        return Change(run.run_id, "untag", NOTE_TAG, expected=run.tags[NOTE_TAG])
    return _require_difference(_make_tag_change(run, NOTE_TAG, text))


def restore_change(run: Run) -> Change:
    """Plan to restore a deleted run."""
    if run.lifecycle == "active":
        raise BadInput("The run was not deleted.")
    return Change(run.run_id, "restore", expected=run.lifecycle)


def is_reserved_tag(key: str) -> bool:
    """Whether a tag is reserved for MLflow or Podium."""
    return key.startswith(RESERVED_PREFIXES)


def code_snippet(change: Change, uri: str) -> str:
    """Return the equivalent plain MLflow call, ready to copy."""
    calls = {
        "rename": f"client.update_run({change.run_id!r}, name={change.value!r})",
        "tag": f"client.set_tag({change.run_id!r}, {change.key!r}, {change.value!r})",
        "untag": f"client.delete_tag({change.run_id!r}, {change.key!r})",
        "restore": f"client.restore_run({change.run_id!r})",
    }
    return client_snippet(uri, [calls[change.action]])


def apply_change(backend: Backend, change: Change) -> None:
    """Apply a change. Raises ActionRefused if the run has changed since it was shown, was deleted, or belongs to Podium's record."""
    run = read_run(backend, change.run_id)
    experiment = read_experiment_ref(backend, run.experiment_id)
    if experiment.is_ledger:
        raise ActionRefused("This run belongs to Podium's record, which cannot be edited.")
    if change.action == "restore" and experiment.lifecycle != "active":
        raise ActionRefused(f"Its experiment {experiment.name} was deleted.", next="Restore the experiment first.")
    if change.action != "restore" and run.lifecycle != "active":
        raise ActionRefused("The run has been deleted since.", next="Restore it first.")
    if _current_value(run, change) != change.expected:
        raise ActionRefused("This has been changed since you opened it.", next="Reload and check the current value.")
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
        raise BadInput("The text is empty.", next="Enter some text.")
    if len(text) > MAX_VALUE_LENGTH:
        raise BadInput(f"The text has {len(text):,} characters; the limit is {MAX_VALUE_LENGTH:,}.", next="Shorten it.")
    return Change(run.run_id, "tag", key, text, run.tags.get(key))


def _check_key(key: str) -> str:
    name = _clean_text(key)
    if not name:
        raise BadInput("A tag needs a name.", next="Enter one.")
    if len(name) > MAX_KEY_LENGTH:
        raise BadInput(f"The name has {len(name)} characters; the limit is {MAX_KEY_LENGTH}.", next="Choose a shorter one.")
    if is_reserved_tag(name):
        raise BadInput(f"Tags that start with {' or '.join(RESERVED_PREFIXES)} are reserved.", next="Choose another name.")
    if not _KEY_PATTERN.fullmatch(name) or name.startswith(("/", ".")) or name.endswith("/") or "//" in name or "/." in name:
        raise BadInput(
            "A tag name may contain only letters, digits, spaces and _ - . : /, and must not be a path.",
            next="Choose another name.",
        )
    return name


def _require_difference(change: Change) -> Change:
    if change.value == change.expected:
        raise BadInput("This is already the current value.")
    return change


def _clean_text(text: str) -> str:
    """Remove control and invisible characters from typed text; line breaks and tabs stay."""
    return _CONTROL_CHARACTERS.sub(" ", text.replace("\r\n", "\n")).strip()
