"""The dialog for correcting an entry, with a preview of the new reading. The entry itself is never changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from lib.errors import BadInput
from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import Body, Corrected, Imported
from lib.ledger.entry.vocabulary import MAX_REASON_LENGTH, REASON_CATEGORIES, Actor, Reason, declared_actor, make_reason
from lib.ledger.queries.time_query import parse_time_query
from lib.ledger.state.corrections import correctable_fields, corrected_body
from lib.registry.correct_entry import append_correction
from lib.text import clean_text
from lib.ui.app.session import MAX_NAME_LENGTH, ask_user_name, current_backend, now, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.dialog import Dialog, show_steps
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import show_facts
from lib.ui.components.reason_field import ask_category, ask_reason, missing_characters
from lib.ui.components.write_access import record_button_kwargs
from lib.ui.pages.audit.entry_details import correction_facts
from lib.ui.queries.registry import clear_cache

PART_LABELS = {
    "reason": "The reason",
    "note": "The note",
    "by": "The actor's name",
    "effective_at": "The time",
    "void": "The entire entry: it was imported by mistake",
}


@dataclass(frozen=True)
class CorrectionDialogState:
    """The entry the dialog was opened for, with its current corrected body."""

    model: str
    entry_id: str
    position: int
    body: Body


_CORRECTION_DIALOG = Dialog[CorrectionDialogState]("audit.correct")


def correction_button(model: str, entry: Entry, corrections: Sequence[Entry]) -> None:
    """Show the button that opens the dialog; none for a voided entry."""
    body: Body | None = entry.body
    for correction_entry in corrections:
        body = (
            corrected_body(body, correction_entry.body.instead) if body and isinstance(correction_entry.body, Corrected) else None
        )
    if body and st.button(
        "Correct this entry",
        icon=":material/edit:",
        key="audit.correct",
        type="tertiary",
        **record_button_kwargs(current_backend()),
    ):
        _CORRECTION_DIALOG.open(CorrectionDialogState(model, entry.id, entry.position, body))


def show_correction_dialog() -> None:
    """Draw the open dialog, if any."""
    if dialog_state := _CORRECTION_DIALOG.state:
        _CORRECTION_DIALOG.show(_show_form, f"Correct entry {dialog_state.position}?", icon="edit")


def _show_form(dialog_state: CorrectionDialogState) -> None:
    part = st.selectbox(
        "What is wrong", correctable_fields(dialog_state.body), format_func=PART_LABELS.__getitem__, key="audit.correct.part"
    )
    answer = _ask_value(dialog_state, part)
    correction, missing = None, "Nothing is corrected yet."
    try:
        correction = _read_correction(part, answer, dialog_state)
    except BadInput as error:
        show_error(error)
    if correction:
        _show_preview(dialog_state, correction)
    category = ask_category(key="audit.correct.category", default="housekeeping")
    reason_text = ask_reason(
        "Why it needs correcting, for a reader in two years",
        key="audit.correct.why",
        placeholder="The board minutes say 95%, not 59%: the digits were swapped.",
    )
    name = ask_user_name()
    if correction:
        missing = missing_characters(reason_text)
    if _CORRECTION_DIALOG.action_row(f"Correct entry {dialog_state.position}", missing) and correction:
        with _CORRECTION_DIALOG.action("Recording the correction…", clear_cache):
            reason = make_reason(category, reason_text)
            append_correction(writer(name), dialog_state.model, dialog_state.entry_id, correction, reason)
            remember_user_name(name)
            flash.set_flash(flash.CORRECTION, f"Entry {dialog_state.position} of {escape(dialog_state.model)} was corrected.")


def _ask_value(dialog_state: CorrectionDialogState, part: str) -> tuple[str, str]:
    """Ask for the corrected value. Returns it with its category, which is empty unless it is a reason."""
    body, key = dialog_state.body, f"audit.correct.{part}"
    if part == "void":
        return "", ""
    if part == "reason" and body.reason:
        categories = list(REASON_CATEGORIES)
        index = categories.index(body.reason.category) if body.reason.category in categories else len(categories) - 1
        category = st.selectbox(
            "Category of the entry", categories, index, format_func=REASON_CATEGORIES.__getitem__, key=f"{key}.category"
        )
        text = st.text_area("Reason of the entry", body.reason.text, key=f"{key}.text", height=92)
        return text or "", category
    if part == "note":
        return st.text_area("Note of the entry", body.note or "", key=f"{key}.text", height=92) or "", ""
    if part == "by":
        return st.text_input("Name", _actor(body).name, max_chars=MAX_NAME_LENGTH, key=f"{key}.text") or "", ""
    help_ = "For example 2023-01-16T09:00Z. UTC if no zone is given."
    return st.text_input("Time", body.effective_at or "", key=f"{key}.text", help=help_) or "", ""


def _read_correction(part: str, answer: tuple[str, str], dialog_state: CorrectionDialogState) -> Correction | None:
    """Return the typed correction, or None if it changes nothing. Raises BadInput if it cannot be parsed."""
    text, category = clean_text(answer[0]), answer[1]
    body = dialog_state.body
    match part:
        case "reason":
            correction = Correction(
                reason=make_reason(category, text) if Reason(category=category, text=text) != body.reason else body.reason
            )
        case "note":
            correction = Correction(note=_checked_note(text))
        case "by":
            correction = Correction(by=declared_actor(text))
        case "effective_at":
            correction = Correction(effective_at=_parse_instant(text))
        case _:
            correction = Correction(void=True)
    return None if corrected_body(body, correction) == body else correction


def _checked_note(text: str) -> str:
    if len(text) > MAX_REASON_LENGTH:
        raise BadInput(
            f"The note has {len(text):,} characters; the limit is {MAX_REASON_LENGTH:,}.", next="Shorten it and link to details."
        )
    return text


def _parse_instant(text: str) -> str:
    when = parse_time_query(text, now())
    if when.until is not None:
        raise BadInput("A date without a time is not an instant.", next="Add the time, for example 2023-01-16T09:00Z.")
    return format_timestamp(when.at)


def _show_preview(dialog_state: CorrectionDialogState, correction: Correction) -> None:
    show_steps(
        [
            "Record your correction as a new ledger entry",
            f"Leave entry {dialog_state.position} unchanged and show it struck through next to the correction",
        ]
    )
    show_facts(correction_facts(correction))


def _actor(body: Body) -> Actor:
    return body.actor if isinstance(body, Imported) else body.by
