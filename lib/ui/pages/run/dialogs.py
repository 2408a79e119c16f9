"""The dialogs of the Run page: rename, note, tags, delete, restore. Each shows exactly what will change before it does.

A dialog stays as it was opened: what the run said then is checked again when the change is carried out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from lib.errors import BadInput, PodiumError
from lib.registry import code_snippets, delete_run
from lib.registry.delete_run import RunDependents, read_dependents
from lib.registry.run_usage import VersionUse
from lib.runs.edit import run_changes
from lib.runs.edit.run_changes import NOTE_TAG, Change, apply_change, is_reserved_tag
from lib.runs.table.types import Run
from lib.ui.app.session import current_backend
from lib.ui.components import flash
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import escape, format_count, version_label
from lib.ui.components.layout import show_table
from lib.ui.pages.run import queries
from lib.ui.pages.run.lineage import holding_text

DIALOG_KEY = "run.open"
NEW_TAG_LABEL = "A new tag"
MAX_TEXT_LENGTH = 300
MAX_LISTED = 8
RunDialogKind = Literal["rename", "note", "tag", "delete", "restore"]


@dataclass(frozen=True)
class RunDialogState:
    """What a dialog asks, about the run as it was when the dialog was opened. `seen` is read for a deletion."""

    kind: RunDialogKind
    run: Run
    dependents: RunDependents | None = None

    @property
    def title(self) -> str:
        """The question with the object in it."""
        name = escape(self.run.name[:60] or self.run.run_id)
        match self.kind:
            case "note":
                return f"Change the note of {name}?"
            case "tag":
                return f"Change the tags of {name}?"
            case _:
                return f"{self.kind.capitalize()} {name}?"


def open_run_dialog(kind: RunDialogKind, run: Run) -> None:
    """Open a dialog at the next run of the page."""
    st.session_state[DIALOG_KEY] = RunDialogState(kind, run)


def close_run_dialog() -> None:
    """Forget the open dialog."""
    st.session_state.pop(DIALOG_KEY, None)


def show_run_dialog(run: Run) -> None:
    """Draw the dialog that was opened on this run, if any."""
    question = st.session_state.get(DIALOG_KEY)
    if not isinstance(question, RunDialogState) or question.run.run_id != run.run_id:
        close_run_dialog()
        return
    icons = {"delete": "delete", "restore": "restore_from_trash"}
    body = {"rename": _rename, "note": _note, "tag": _tag, "delete": _delete, "restore": _restore}[question.kind]
    st.dialog(question.title, width="medium", icon=f":material/{icons.get(question.kind, 'edit')}:", on_dismiss=close_run_dialog)(
        body
    )(question)


def _rename(question: RunDialogState) -> None:
    name = st.text_input(
        "Its new name", question.run.name[: run_changes.MAX_NAME_LENGTH], key="run.name", max_chars=run_changes.MAX_NAME_LENGTH
    )
    st.caption("The id stays, and so do all links to the run.")
    _offer(
        "Rename",
        lambda: run_changes.rename_change(question.run, name),
        lambda change: f"It is called {escape(change.value)} now.",
    )


def _note(question: RunDialogState) -> None:
    text = st.text_area(
        "Note",
        question.run.tags.get(NOTE_TAG, "")[: run_changes.MAX_VALUE_LENGTH],
        key="run.note.text",
        height=180,
        max_chars=run_changes.MAX_VALUE_LENGTH,
    )
    st.caption("Shown as it is typed. MLflow's own page shows the same note.")
    _offer("Keep the note", lambda: run_changes.note_change(question.run, text), lambda _: "The note is kept.")


def _tag(question: RunDialogState) -> None:
    own = sorted(key for key in question.run.tags if not is_reserved_tag(key))
    chosen = st.selectbox("Tag", [NEW_TAG_LABEL, *own], key="run.tag.which") if own else NEW_TAG_LABEL
    key = (
        st.text_input("Its name", key="run.tag.key", max_chars=run_changes.MAX_KEY_LENGTH) if chosen == NEW_TAG_LABEL else chosen
    )
    before = question.run.tags.get(chosen, "")[: run_changes.MAX_VALUE_LENGTH] if chosen != NEW_TAG_LABEL else ""
    value = st.text_area("Its value", before, key=f"run.tag.value.{chosen}", height=92, max_chars=run_changes.MAX_VALUE_LENGTH)
    removes = chosen != NEW_TAG_LABEL and st.toggle("Take this tag away", key=f"run.tag.remove.{chosen}")
    if removes:
        _offer(
            "Remove the tag",
            lambda: run_changes.untag_change(question.run, key),
            lambda change: f"Tag {escape(change.key)} is gone.",
        )
    else:
        _offer(
            "Keep the tag",
            lambda: run_changes.tag_change(question.run, key, value),
            lambda change: f"Tag {escape(change.key)} is kept.",
        )


def _restore(question: RunDialogState) -> None:
    st.markdown("The run comes back as it was, with everything it logged. Its child runs are not touched.")
    _offer("Restore", lambda: run_changes.restore_change(question.run), lambda _: "The run is back.")


def _offer(verb: str, make: Callable[[], Change], done: Callable[[Change], str]) -> None:
    """Preview the change and its call, then the two buttons. While it says nothing new, only the button's answer tells why."""
    try:
        change, problem = make(), None
    except BadInput as error:
        change, problem = None, error
    if change:
        _preview(change)
        _call(run_changes.code_snippet(change, current_backend().uri))
    pressed = _buttons(verb)
    if pressed and problem:
        show_error(problem)
    if pressed and change:
        _carry_out(lambda: apply_change(current_backend(), change), done(change))


def _preview(change: Change) -> None:
    """What it says now and what it will say."""
    if change.action == "restore":
        return
    what = "Name" if change.action == "rename" else "Note" if change.key == NOTE_TAG else f"Tag {escape(change.key)}"
    before = ":gray[nothing]" if change.expected is None else escape(_cut(change.expected))
    after = ":gray[nothing]" if change.action == "untag" else escape(_cut(change.value))
    st.markdown("This is exactly what will change:")
    show_table([(what, before, after)], ["", "Now", "Then"])


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}… ({len(text):,} characters)"


def _call(code: str) -> None:
    with st.expander("The MLflow call that does the same", icon=":material/code:"):
        st.code(code, language="python")


def _buttons(verb: str) -> bool:
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="run.cancel"):
            close_run_dialog()
            st.rerun()
        return st.button(verb, key="run.confirm", type="primary", icon=":material/check:")


def _delete(question: RunDialogState) -> None:
    """What depends on the run; one that is in use must be insisted on by typing its id."""
    with error_boundary():
        seen = question.dependents or read_dependents(current_backend(), question.run.run_id)
        st.session_state[DIALOG_KEY] = RunDialogState("delete", question.run, seen)
        st.markdown("This hides the run. Nothing of it is lost: **it can be restored** until somebody removes it for good.")
        _dependents(seen)
        typed = _insist(seen)
        _call(code_snippets.delete_run_snippet(seen.run.run_id, current_backend().uri))
        if _buttons("Delete"):
            _carry_out(
                lambda: delete_run.delete_run(current_backend(), seen, typed),
                "The run is deleted. It can be restored from this page.",
            )


def _dependents(seen: RunDependents) -> None:
    if not seen.version_uses and not seen.children:
        st.caption("No registered version and no child run depends on it.")
        return
    rows = [
        (f"{escape(use.model)} {version_label(use.version)} {badge_markdown(STAGE_BADGES, use.stage)}", _means(use))
        for use in seen.version_uses[:MAX_LISTED]
    ]
    if seen.children:
        many = format_count(len(seen.children), "child run") + (" or more" if seen.has_more_children else "")
        rows.append((many, "stay, under a parent that is hidden"))
    st.markdown("What depends on it:")
    show_table(rows)
    if len(seen.version_uses) > MAX_LISTED:
        st.caption(f"Showing {MAX_LISTED} of {format_count(len(seen.version_uses), 'version')}.")


def _means(use: VersionUse) -> str:
    told = [holding_text(one) for one in use.holdings[-2:]]
    told += [f"alias {escape(', '.join(use.aliases))}"] if use.aliases else []
    files = (
        "its files lie in this run and stay until it is removed for good"
        if use.is_stored_in_run
        else "keeps its files and still loads"
    )
    return " · ".join([*told, files])


def _insist(seen: RunDependents) -> str:
    if not seen.confirmation_text:
        return ""
    why = "A version that is in use was made from this run: its evidence would be hidden." if seen.versions_in_use else ""
    live = "The run is still running: its program would fail at the next thing it logs." if seen.is_running else ""
    st.warning(" ".join(part for part in (why, live) if part), icon=":material/warning:")
    return st.text_input(f"Type {seen.confirmation_text} to delete it all the same", key="run.typed")


def _carry_out(deed: Callable[[], None], done: str) -> None:
    """Do it and leave the dialog; an error stays inside it."""
    try:
        deed()
    except PodiumError as error:
        show_error(error)
        return
    queries.clear_caches()
    flash.set_flash(flash.RUN, done)
    close_run_dialog()
    st.rerun()
