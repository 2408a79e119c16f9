"""The dialogs of the Run page: rename, note, tags, delete, restore. Each shows exactly what will change before it does.

A dialog stays as it was opened: what the run said then is checked again when the change is carried out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from lib.errors import BadInput, PodiumError
from lib.registry import delete_run as deletion
from lib.registry.delete_run import Dependents, dependents
from lib.registry.run_usage import Use
from lib.runs.edit import run_changes as changes
from lib.runs.edit.run_changes import NOTE_TAG, Change, carry_out, is_reserved
from lib.runs.table.types import Run
from lib.ui.app.session import backend
from lib.ui.components.badges import STAGE, chip
from lib.ui.components.error_box import calm, show
from lib.ui.components.formatting import count, md, version
from lib.ui.components.layout import table
from lib.ui.pages.run import queries as reads
from lib.ui.pages.run.lineage import held

OPEN, DONE = "run.open", "run.done"
NEW = "A new tag"
CUT = 300
FEW = 8
Kind = Literal["rename", "note", "tag", "delete", "restore"]


@dataclass(frozen=True)
class Question:
    """What a dialog asks, about the run as it was when the dialog was opened. `seen` is read for a deletion."""

    kind: Kind
    run: Run
    seen: Dependents | None = None

    @property
    def title(self) -> str:
        """The question with the object in it."""
        name = md(self.run.name[:60] or self.run.run_id)
        match self.kind:
            case "note":
                return f"Change the note of {name}?"
            case "tag":
                return f"Change the tags of {name}?"
            case _:
                return f"{self.kind.capitalize()} {name}?"


def ask(kind: Kind, of: Run) -> None:
    """Open a dialog at the next run of the page."""
    st.session_state[OPEN] = Question(kind, of)


def close() -> None:
    """Forget the open dialog."""
    st.session_state.pop(OPEN, None)


def show_done() -> None:
    """Say once how the last deed ended."""
    if text := st.session_state.pop(DONE, ""):
        st.success(text, icon=":material/check_circle:")


def show_open_dialog(of: Run) -> None:
    """Draw the dialog that was opened on this run, if any."""
    question = st.session_state.get(OPEN)
    if not isinstance(question, Question) or question.run.run_id != of.run_id:
        close()
        return
    icons = {"delete": "delete", "restore": "restore_from_trash"}
    body = {"rename": _rename, "note": _note, "tag": _tag, "delete": _delete, "restore": _restore}[question.kind]
    st.dialog(question.title, width="medium", icon=f":material/{icons.get(question.kind, 'edit')}:", on_dismiss=close)(body)(
        question
    )


def _rename(question: Question) -> None:
    name = st.text_input(
        "Its new name", question.run.name[: changes.LONGEST_NAME], key="run.name", max_chars=changes.LONGEST_NAME
    )
    st.caption("The id stays, and so do all links to the run.")
    _offer("Rename", lambda: changes.renaming(question.run, name), lambda change: f"It is called {md(change.value)} now.")


def _note(question: Question) -> None:
    text = st.text_area(
        "Note",
        question.run.tags.get(NOTE_TAG, "")[: changes.LONGEST_VALUE],
        key="run.note.text",
        height=180,
        max_chars=changes.LONGEST_VALUE,
    )
    st.caption("Shown as it is typed. MLflow's own page shows the same note.")
    _offer("Keep the note", lambda: changes.noting(question.run, text), lambda _: "The note is kept.")


def _tag(question: Question) -> None:
    own = sorted(key for key in question.run.tags if not is_reserved(key))
    chosen = st.selectbox("Tag", [NEW, *own], key="run.tag.which") if own else NEW
    key = st.text_input("Its name", key="run.tag.key", max_chars=changes.LONGEST_KEY) if chosen == NEW else chosen
    before = question.run.tags.get(chosen, "")[: changes.LONGEST_VALUE] if chosen != NEW else ""
    value = st.text_area("Its value", before, key=f"run.tag.value.{chosen}", height=92, max_chars=changes.LONGEST_VALUE)
    removes = chosen != NEW and st.toggle("Take this tag away", key=f"run.tag.remove.{chosen}")
    if removes:
        _offer("Remove the tag", lambda: changes.untagging(question.run, key), lambda change: f"Tag {md(change.key)} is gone.")
    else:
        _offer("Keep the tag", lambda: changes.tagging(question.run, key, value), lambda change: f"Tag {md(change.key)} is kept.")


def _restore(question: Question) -> None:
    st.markdown("The run comes back as it was, with everything it logged. Its child runs are not touched.")
    _offer("Restore", lambda: changes.restoring(question.run), lambda _: "The run is back.")


def _offer(verb: str, make: Callable[[], Change], done: Callable[[Change], str]) -> None:
    """Preview the change and its call, then the two buttons. While it says nothing new, only the button's answer tells why."""
    try:
        change, problem = make(), None
    except BadInput as error:
        change, problem = None, error
    if change:
        _preview(change)
        _call(changes.call(change, backend().uri))
    pressed = _buttons(verb)
    if pressed and problem:
        show(problem)
    if pressed and change:
        _carry_out(lambda: carry_out(backend(), change), done(change))


def _preview(change: Change) -> None:
    """What it says now and what it will say."""
    if change.verb == "restore":
        return
    what = "Name" if change.verb == "rename" else "Note" if change.key == NOTE_TAG else f"Tag {md(change.key)}"
    before = ":gray[nothing]" if change.was is None else md(_cut(change.was))
    after = ":gray[nothing]" if change.verb == "untag" else md(_cut(change.value))
    st.markdown("This is exactly what will change:")
    table([(what, before, after)], ["", "Now", "Then"])


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[:CUT]}… ({len(text):,} characters)"


def _call(code: str) -> None:
    with st.expander("The MLflow call that does the same", icon=":material/code:"):
        st.code(code, language="python")


def _buttons(verb: str) -> bool:
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="run.cancel"):
            close()
            st.rerun()
        return st.button(verb, key="run.confirm", type="primary", icon=":material/check:")


def _delete(question: Question) -> None:
    """What depends on the run; one that is in use must be insisted on by typing its id."""
    with calm():
        seen = question.seen or dependents(backend(), question.run.run_id)
        st.session_state[OPEN] = Question("delete", question.run, seen)
        st.markdown("This hides the run. Nothing of it is lost: **it can be restored** until somebody removes it for good.")
        _dependents(seen)
        typed = _insist(seen)
        _call(deletion.call(seen.run.run_id, backend().uri))
        if _buttons("Delete"):
            _carry_out(lambda: deletion.discard(backend(), seen, typed), "The run is deleted. It can be restored from this page.")


def _dependents(seen: Dependents) -> None:
    if not seen.uses and not seen.children:
        st.caption("No registered version and no child run depends on it.")
        return
    rows = [(f"{md(use.model)} {version(use.version)} {chip(STAGE, use.stage)}", _means(use)) for use in seen.uses[:FEW]]
    if seen.children:
        many = count(len(seen.children), "child run") + (" or more" if seen.has_more_children else "")
        rows.append((many, "stay, under a parent that is hidden"))
    st.markdown("What depends on it:")
    table(rows)
    if len(seen.uses) > FEW:
        st.caption(f"Showing {FEW} of {count(len(seen.uses), 'version')}.")


def _means(use: Use) -> str:
    told = [held(one) for one in use.holdings[-2:]]
    told += [f"alias {md(', '.join(use.aliases))}"] if use.aliases else []
    files = "its files lie in this run and stay until it is removed for good" if use.inside else "keeps its files and still loads"
    return " · ".join([*told, files])


def _insist(seen: Dependents) -> str:
    if not seen.word:
        return ""
    why = "A version that is in use was made from this run: its evidence would be hidden." if seen.held else ""
    live = "The run is still running: its program would fail at the next thing it logs." if seen.is_live else ""
    st.warning(" ".join(part for part in (why, live) if part), icon=":material/warning:")
    return st.text_input(f"Type {seen.word} to delete it all the same", key="run.typed")


def _carry_out(deed: Callable[[], None], done: str) -> None:
    """Do it and leave the dialog; an error stays inside it."""
    try:
        deed()
    except PodiumError as error:
        show(error)
        return
    reads.forget()
    st.session_state[DONE] = done
    close()
    st.rerun()
