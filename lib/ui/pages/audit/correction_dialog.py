"""Correcting an entry on the Audit page: a dialog that shows what reads how before and after. The entry itself stays as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from lib.errors import BadInput, PodiumError
from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.types import Body, Corrected, Imported
from lib.ledger.entry.vocabulary import CATEGORIES, LONGEST_REASON, Actor, Reason, as_text, declared, reason, typed
from lib.ledger.queries.time_query import read_when
from lib.ledger.state.corrections import correctable, corrected
from lib.registry.correct_entry import correct
from lib.ui.app.session import NAME_LENGTH, ask_person, backend, keep_person, now
from lib.ui.app.writer import writer
from lib.ui.components.error_box import show
from lib.ui.components.formatting import md
from lib.ui.components.layout import facts, table
from lib.ui.components.write_access import for_recording
from lib.ui.pages.audit.entry_details import said_instead
from lib.ui.queries.registry import forget

OPEN, DONE = "audit.correct.open", "audit.correct.done"
PARTS = {
    "reason": "The reason",
    "note": "The note",
    "by": "The name of who did it",
    "effective_at": "The time",
    "void": "All of it: it was imported by mistake",
}


@dataclass(frozen=True)
class Question:
    """The entry a dialog was opened for, and how it reads now."""

    model: str
    entry: str
    place: int
    body: Body


def correct_button(model: str, entry: Entry, corrections: Sequence[Entry]) -> None:
    """Open the dialog; an entry that was taken back offers nothing any more."""
    body: Body | None = entry.body
    for one in corrections:
        body = corrected(body, one.body.instead) if body and isinstance(one.body, Corrected) else None
    if body and st.button(
        "Correct this entry", icon=":material/edit:", key="audit.correct", type="tertiary", **for_recording(backend())
    ):
        st.session_state[OPEN] = Question(model, entry.id, entry.place, body)


def show_corrected() -> None:
    """Say once that a correction was recorded."""
    if done := st.session_state.pop(DONE, ""):
        st.success(done, icon=":material/check_circle:")


def show_correcting() -> None:
    """Draw the dialog that was opened, if any."""
    question = st.session_state.get(OPEN)
    if isinstance(question, Question):
        title = f"Correct entry {question.place}?"
        st.dialog(title, width="medium", icon=":material/edit:", on_dismiss=_close)(_ask)(question)


def _close() -> None:
    st.session_state.pop(OPEN, None)


def _ask(question: Question) -> None:
    part = st.selectbox("What is wrong", correctable(question.body), format_func=PARTS.__getitem__, key="audit.correct.part")
    said = _typed(question, part)
    instead: Correction | None = None
    try:
        instead = _instead(part, said, question)
    except BadInput as error:
        show(error)
    if instead:
        _preview(question, instead)
    kind = st.selectbox("Kind of reason", list(CATEGORIES), 4, format_func=CATEGORIES.__getitem__, key="audit.correct.category")
    why = st.text_area(
        "Why it is corrected, for a reader in two years",
        key="audit.correct.why",
        height=92,
        placeholder="The minutes of the board name 95%, not 59%: the figures were swapped.",
    )
    name = ask_person()
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="audit.correct.cancel"):
            _close()
            st.rerun()
        verb = f"Correct entry {question.place}"
        pressed = st.button(verb, key="audit.correct.confirm", type="primary", icon=":material/check:", disabled=instead is None)
    if pressed and instead:
        _record(question, instead, (kind, why, name))


def _typed(question: Question, part: str) -> tuple[str, str]:
    """What is to be read instead, and its category where it is a reason."""
    body, key = question.body, f"audit.correct.{part}"
    if part == "void":
        return "", ""
    if part == "reason" and body.reason:
        kinds = list(CATEGORIES)
        at = kinds.index(body.reason.category) if body.reason.category in kinds else len(kinds) - 1
        category = st.selectbox("Category of the entry", kinds, at, format_func=CATEGORIES.__getitem__, key=f"{key}.category")
        text = st.text_area("Reason of the entry", body.reason.text, key=f"{key}.text", height=92)
        return text or "", category
    if part == "note":
        return st.text_area("Note of the entry", body.note or "", key=f"{key}.text", height=92) or "", ""
    if part == "by":
        return st.text_input("Name", _actor(body).name, max_chars=NAME_LENGTH, key=f"{key}.text") or "", ""
    help_ = "For example 2023-01-16T09:00Z; without a zone it is UTC."
    return st.text_input("Time", body.effective_at or "", key=f"{key}.text", help=help_) or "", ""


def _instead(part: str, said: tuple[str, str], question: Question) -> Correction | None:
    """The correction as typed; None while it changes nothing. Raises BadInput for what cannot be read."""
    text, category = typed(said[0]), said[1]
    body = question.body
    match part:
        case "reason":
            made = Correction(
                reason=reason(category, text) if Reason(category=category, text=text) != body.reason else body.reason
            )
        case "note":
            made = Correction(note=_short(text))
        case "by":
            made = Correction(by=declared(text))
        case "effective_at":
            made = Correction(effective_at=_instant(text))
        case _:
            made = Correction(void=True)
    return None if corrected(body, made) == body else made


def _short(text: str) -> str:
    if len(text) > LONGEST_REASON:
        raise BadInput(
            f"The note has {len(text):,} characters; {LONGEST_REASON:,} fit.", next="Say it shorter and link to the rest."
        )
    return text


def _instant(text: str) -> str:
    when = read_when(text, now())
    if when.until is not None:
        raise BadInput("A day is no instant.", next="Write the time too, for example 2023-01-16T09:00Z.")
    return as_text(when.at)


def _preview(question: Question, instead: Correction) -> None:
    st.markdown("This is exactly what will happen:")
    steps = [
        "Your correction is recorded as a further entry of the ledger",
        f"Entry {question.place} stays as it is, and is shown struck through beside it",
    ]
    table([(str(n), step) for n, step in enumerate(steps, 1)])
    facts(said_instead(instead))


def _record(question: Question, instead: Correction, typed_: tuple[str, str, str]) -> None:
    """Record the correction and leave the dialog; an error stays inside it."""
    kind, why, name = typed_
    try:
        with st.spinner("Recording the correction…"):
            correct(writer(name), question.model, question.entry, instead, reason(kind, why))
    except PodiumError as error:
        show(error)
        return
    keep_person(name)
    st.session_state[DONE] = f"Entry {question.place} of {md(question.model)} is corrected."
    _close()
    forget()
    st.rerun()


def _actor(body: Body) -> Actor:
    return body.actor if isinstance(body, Imported) else body.by
