"""What people wrote on a run: its note and its tags. Both are shown as text and changed in a dialog."""

from typing import Literal

import streamlit as st

from lib.runs.edit.run_changes import NOTE_TAG, is_reserved
from lib.runs.table.types import Run
from lib.ui.app.session import backend
from lib.ui.components.formatting import count, md, plain
from lib.ui.components.layout import card, table
from lib.ui.components.write_access import for_writing
from lib.ui.pages.run import dialogs

CUT = 120


def note_card(of: Run, *, may_change: bool) -> None:
    """The note, as it was typed."""
    note = of.tags.get(NOTE_TAG, "")
    with card("Note", key="run.note"):
        if note:
            st.text("\n".join(plain(line) for line in note.splitlines()))
        else:
            st.caption("Nobody wrote one yet.")
        if may_change:
            label, icon = ("Edit the note", "edit") if note else ("Write a note", "add")
            _edit(label, icon, "note", of)


def tags_card(of: Run, *, may_change: bool) -> None:
    """Tags that people and scripts set; those of MLflow and Podium themselves are folded."""
    own = {key: value for key, value in sorted(of.tags.items()) if not is_reserved(key)}
    theirs = {key: value for key, value in sorted(of.tags.items()) if is_reserved(key) and key != NOTE_TAG}
    with card("Tags", count(len(own), "tag") if own else "", key="run.tags"):
        if own:
            table([_row(key, value) for key, value in own.items()])
        else:
            st.caption("None yet.")
        with st.container(horizontal=True, gap="small"):
            if may_change:
                label, icon = ("Change the tags", "edit") if own else ("Add a tag", "add")
                _edit(label, icon, "tag", of)
            if theirs:
                with st.popover(f"{len(theirs)} set by programs", type="tertiary"):
                    table([_row(key, value) for key, value in theirs.items()])


def _edit(label: str, icon: str, what: Literal["note", "tag"], of: Run) -> None:
    look, off = f":material/{icon}:", for_writing(backend(), of.experiment_id)
    key = {"note": "run.note.edit", "tag": "run.tags.edit"}[what]
    st.button(label, type="tertiary", icon=look, key=key, on_click=dialogs.ask, args=(what, of), **off)


def _row(key: str, value: str) -> tuple[str, str]:
    return f":gray[{md(key)}]", md(value if len(value) <= CUT else f"{value[:CUT]}…")
