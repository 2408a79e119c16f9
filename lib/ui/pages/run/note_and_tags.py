"""The note and tags of a run. Both are edited in a dialog."""

from typing import Literal

import streamlit as st

from lib.runs.edit.run_changes import NOTE_TAG, is_reserved_tag
from lib.runs.table.types import Run
from lib.ui.app.session import current_backend
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import card, show_table
from lib.ui.components.markdown_subset import safe_markdown
from lib.ui.components.write_access import write_button_kwargs
from lib.ui.pages.run import dialogs

MAX_TEXT_LENGTH = 120


def show_note(run: Run, *, can_edit: bool) -> None:
    """Show the note as Markdown, without images and HTML."""
    note = run.tags.get(NOTE_TAG, "")
    with card("Note", key="run.note"):
        if note:
            st.markdown(safe_markdown(note))
        else:
            st.caption("No note yet.")
        if can_edit:
            label, icon = ("Edit note", "edit") if note else ("Add note", "add")
            _edit_button(label, icon, "note", run)


def show_tags(run: Run, *, can_edit: bool) -> None:
    """Show tags set by users and scripts; MLflow's and Podium's own tags are in a popover."""
    own_tags = {key: value for key, value in sorted(run.tags.items()) if not is_reserved_tag(key)}
    reserved_tags = {key: value for key, value in sorted(run.tags.items()) if is_reserved_tag(key) and key != NOTE_TAG}
    with card("Tags", format_count(len(own_tags), "tag") if own_tags else "", key="run.tags"):
        if own_tags:
            show_table([_tag_row(key, value) for key, value in own_tags.items()])
        else:
            st.caption("No tags yet.")
        with st.container(horizontal=True, gap="small"):
            if can_edit:
                label, icon = ("Edit tags", "edit") if own_tags else ("Add tag", "add")
                _edit_button(label, icon, "tag", run)
            if reserved_tags:
                with st.popover(f"{len(reserved_tags)} system tags", type="tertiary"):
                    show_table([_tag_row(key, value) for key, value in reserved_tags.items()])


def _edit_button(label: str, icon: str, kind: Literal["note", "tag"], run: Run) -> None:
    button_icon, button_kwargs = f":material/{icon}:", write_button_kwargs(current_backend(), run.experiment_id)
    key = {"note": "run.note.edit", "tag": "run.tags.edit"}[kind]
    st.button(
        label, type="tertiary", icon=button_icon, key=key, on_click=dialogs.open_run_dialog, args=(kind, run), **button_kwargs
    )


def _tag_row(key: str, value: str) -> tuple[str, str]:
    return f":gray[{escape(key)}]", escape(value if len(value) <= MAX_TEXT_LENGTH else f"{value[:MAX_TEXT_LENGTH]}…")
