"""The dialogs of the Run page: rename, note, tags, delete, restore. Each previews exactly what will change.

A dialog keeps the run as it was on opening; the change is applied only if the run still has those values.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import streamlit as st

from lib.errors import BadInput
from lib.registry import code_snippets, delete_run
from lib.registry.delete_run import RunDependents, read_dependents
from lib.registry.run_usage import VersionUse
from lib.runs.edit import run_changes
from lib.runs.edit.run_changes import NOTE_TAG, Change, apply_change, is_reserved_tag
from lib.runs.table.types import Run
from lib.ui.app.session import current_backend
from lib.ui.components import flash
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.dialog import Dialog
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count, version_label
from lib.ui.components.layout import show_table
from lib.ui.pages.run import queries
from lib.ui.pages.run.lineage import holding_text

NEW_TAG_LABEL = "A new tag"
MAX_TEXT_LENGTH = 300
MAX_LISTED = 8
RunDialogKind = Literal["rename", "note", "tag", "delete", "restore"]


@dataclass(frozen=True)
class _RunDialogState:
    """State of a dialog: its kind and the run as of opening. `dependents` are read for a deletion."""

    kind: RunDialogKind
    run: Run
    dependents: RunDependents | None = None

    @property
    def title(self) -> str:
        """Return the dialog title."""
        name = escape(self.run.name[:60] or self.run.run_id)
        match self.kind:
            case "note":
                return f"Edit the note of {name}?"
            case "tag":
                return f"Edit the tags of {name}?"
            case _:
                return f"{self.kind.capitalize()} {name}?"


_RUN_DIALOG = Dialog[_RunDialogState]("run")


def open_run_dialog(kind: RunDialogKind, run: Run) -> None:
    """Open a dialog on the next run of the page."""
    _RUN_DIALOG.open(_RunDialogState(kind, run))


def show_run_dialog(run: Run) -> None:
    """Draw the dialog open for this run, if any."""
    state = _RUN_DIALOG.state
    if state is None or state.run.run_id != run.run_id:
        return
    icons = {"delete": "delete", "restore": "restore_from_trash"}
    body = {"rename": _rename_form, "note": _note_form, "tag": _tag_form, "delete": _delete_form, "restore": _restore_form}[
        state.kind
    ]
    _RUN_DIALOG.show(body, state.title, icon=icons.get(state.kind, "edit"))


def _rename_form(state: _RunDialogState) -> None:
    name = st.text_input(
        "New name", state.run.name[: run_changes.MAX_NAME_LENGTH], key="run.name", max_chars=run_changes.MAX_NAME_LENGTH
    )
    st.caption("The id stays the same, and links to the run keep working.")
    _show_change_form(
        "Rename",
        lambda: run_changes.rename_change(state.run, name),
        lambda change: f"Renamed to {escape(change.value)}.",
    )


def _note_form(state: _RunDialogState) -> None:
    text = st.text_area(
        "Note",
        state.run.tags.get(NOTE_TAG, "")[: run_changes.MAX_VALUE_LENGTH],
        key="run.note.text",
        height=180,
        max_chars=run_changes.MAX_VALUE_LENGTH,
    )
    st.caption("Markdown, as in the MLflow UI. Podium does not render images or HTML.")
    _show_change_form("Save note", lambda: run_changes.note_change(state.run, text), lambda _: "Note saved.")


def _tag_form(state: _RunDialogState) -> None:
    own_keys = sorted(key for key in state.run.tags if not is_reserved_tag(key))
    selected_key = st.selectbox("Tag", [NEW_TAG_LABEL, *own_keys], key="run.tag.which") if own_keys else NEW_TAG_LABEL
    key = (
        st.text_input("Name", key="run.tag.key", max_chars=run_changes.MAX_KEY_LENGTH)
        if selected_key == NEW_TAG_LABEL
        else selected_key
    )
    old_value = state.run.tags.get(selected_key, "")[: run_changes.MAX_VALUE_LENGTH] if selected_key != NEW_TAG_LABEL else ""
    value = st.text_area(
        "Value", old_value, key=f"run.tag.value.{selected_key}", height=92, max_chars=run_changes.MAX_VALUE_LENGTH
    )
    is_removal = selected_key != NEW_TAG_LABEL and st.toggle("Remove this tag", key=f"run.tag.remove.{selected_key}")
    if is_removal:
        _show_change_form(
            "Remove tag",
            lambda: run_changes.untag_change(state.run, key),
            lambda change: f"Tag {escape(change.key)} removed.",
        )
    else:
        _show_change_form(
            "Save tag",
            lambda: run_changes.tag_change(state.run, key, value),
            lambda change: f"Tag {escape(change.key)} saved.",
        )


def _restore_form(state: _RunDialogState) -> None:
    st.markdown("The run is restored with all its logged data. Its child runs do not change.")
    _show_change_form("Restore", lambda: run_changes.restore_change(state.run), lambda _: "Run restored.")


def _show_change_form(verb: str, build_change: Callable[[], Change], done_text: Callable[[Change], str]) -> None:
    """Show the preview, the MLflow call and the buttons. Without a valid change, pressing the button explains why."""
    with suppress(BadInput):
        change = build_change()
        _show_preview(change)
        _show_code(run_changes.code_snippet(change, current_backend().uri))
    if _RUN_DIALOG.action_row(verb):
        with _RUN_DIALOG.action("Changing the run…", queries.clear_caches):
            change = build_change()
            apply_change(current_backend(), change)
            flash.set_flash(flash.RUN, done_text(change))


def _show_preview(change: Change) -> None:
    """Show the current and the new value."""
    if change.action == "restore":
        return
    field_name = "Name" if change.action == "rename" else "Note" if change.key == NOTE_TAG else f"Tag {escape(change.key)}"
    old_text = ":gray[none]" if change.expected is None else escape(_shorten(change.expected))
    new_text = ":gray[none]" if change.action == "untag" else escape(_shorten(change.value))
    st.markdown("This is exactly what will change:")
    show_table([(field_name, old_text, new_text)], ["", "Now", "After"])


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}… ({len(text):,} characters)"


def _show_code(code: str) -> None:
    with st.expander("Equivalent MLflow call", icon=":material/code:"):
        st.code(code, language="python")


def _delete_form(state: _RunDialogState) -> None:
    """Show what depends on the run. A run in use is deleted only if its id is typed as confirmation."""
    with error_boundary():
        dependents = state.dependents or read_dependents(current_backend(), state.run.run_id)
        _RUN_DIALOG.open(replace(state, dependents=dependents))
        st.markdown("This hides the run. No data is lost: **it can be restored** until it is permanently deleted.")
        _show_dependents(dependents)
        typed_text = _ask_confirmation(dependents)
        _show_code(code_snippets.delete_run_snippet(dependents.run.run_id, current_backend().uri))
        if _RUN_DIALOG.action_row("Delete"):
            with _RUN_DIALOG.action("Deleting the run…", queries.clear_caches):
                delete_run.delete_run(current_backend(), dependents, typed_text)
                flash.set_flash(flash.RUN, "Run deleted. You can restore it from this page.")


def _show_dependents(dependents: RunDependents) -> None:
    if not dependents.version_uses and not dependents.children:
        st.caption("No registered versions or child runs depend on it.")
        return
    rows = [
        (f"{escape(use.model)} {version_label(use.version)} {badge_markdown(STAGE_BADGES, use.stage)}", _use_text(use))
        for use in dependents.version_uses[:MAX_LISTED]
    ]
    if dependents.children:
        children_text = format_count(len(dependents.children), "child run") + (" or more" if dependents.has_more_children else "")
        rows.append((children_text, "stay, but their parent is hidden"))
    st.markdown("Depends on it:")
    show_table(rows)
    if len(dependents.version_uses) > MAX_LISTED:
        st.caption(f"Showing {MAX_LISTED} of {format_count(len(dependents.version_uses), 'version')}.")


def _use_text(use: VersionUse) -> str:
    parts = [holding_text(holding) for holding in use.holdings[-2:]]
    parts += [f"alias {escape(', '.join(use.aliases))}"] if use.aliases else []
    files_text = (
        "its files are stored in this run and stay until it is permanently deleted"
        if use.is_stored_in_run
        else "keeps its files and still loads"
    )
    return " · ".join([*parts, files_text])


def _ask_confirmation(dependents: RunDependents) -> str:
    if not dependents.confirmation_text:
        return ""
    in_use_note = (
        "A version in use was created from this run; its evidence would be hidden." if dependents.versions_in_use else ""
    )
    running_note = "The run is still active; its program would fail the next time it logs." if dependents.is_running else ""
    st.warning(" ".join(part for part in (in_use_note, running_note) if part), icon=":material/warning:")
    return st.text_input(f"Type {dependents.confirmation_text} to delete it anyway", key="run.typed")
