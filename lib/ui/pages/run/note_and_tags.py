"""What people wrote on a run: its note and its tags. Both are shown as text and changed in a dialog."""

from typing import Literal

import streamlit as st

from lib.runs.edit.run_changes import NOTE_TAG, is_reserved_tag
from lib.runs.table.types import Run
from lib.ui.app.session import current_backend
from lib.ui.components.formatting import escape, format_count, strip_invisible
from lib.ui.components.layout import card, show_table
from lib.ui.components.write_access import write_button_kwargs
from lib.ui.pages.run import dialogs

MAX_TEXT_LENGTH = 120


def show_note(run: Run, *, can_edit: bool) -> None:
    """The note, as it was typed."""
    note = run.tags.get(NOTE_TAG, "")
    with card("Note", key="run.note"):
        if note:
            st.text("\n".join(strip_invisible(line) for line in note.splitlines()))
        else:
            st.caption("Nobody wrote one yet.")
        if can_edit:
            label, icon = ("Edit the note", "edit") if note else ("Write a note", "add")
            _edit(label, icon, "note", run)


def show_tags(run: Run, *, can_edit: bool) -> None:
    """Tags that people and scripts set; those of MLflow and Podium themselves are folded."""
    own = {key: value for key, value in sorted(run.tags.items()) if not is_reserved_tag(key)}
    theirs = {key: value for key, value in sorted(run.tags.items()) if is_reserved_tag(key) and key != NOTE_TAG}
    with card("Tags", format_count(len(own), "tag") if own else "", key="run.tags"):
        if own:
            show_table([_row(key, value) for key, value in own.items()])
        else:
            st.caption("None yet.")
        with st.container(horizontal=True, gap="small"):
            if can_edit:
                label, icon = ("Change the tags", "edit") if own else ("Add a tag", "add")
                _edit(label, icon, "tag", run)
            if theirs:
                with st.popover(f"{len(theirs)} set by programs", type="tertiary"):
                    show_table([_row(key, value) for key, value in theirs.items()])


def _edit(label: str, icon: str, what: Literal["note", "tag"], of: Run) -> None:
    look, off = f":material/{icon}:", write_button_kwargs(current_backend(), of.experiment_id)
    key = {"note": "run.note.edit", "tag": "run.tags.edit"}[what]
    st.button(label, type="tertiary", icon=look, key=key, on_click=dialogs.open_run_dialog, args=(what, of), **off)


def _row(key: str, value: str) -> tuple[str, str]:
    return f":gray[{escape(key)}]", escape(value if len(value) <= MAX_TEXT_LENGTH else f"{value[:MAX_TEXT_LENGTH]}…")
