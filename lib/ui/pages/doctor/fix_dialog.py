"""The dialog of a cure: what it must be told, exactly what will change, the calls that do the same, then the deed and its proof."""

import os
from dataclasses import dataclass

import streamlit as st

from lib.backends.artifact_path_map import podium_home
from lib.doctor import fix_runner
from lib.doctor.fix_runner import apply_fix, find_fix, preview_fix
from lib.doctor.types import CONFIRMATION_INPUT, FixContext, FixInput, FixOffer, FixPreview
from lib.errors import PodiumError
from lib.ui.app.backend_selection import is_shared
from lib.ui.app.session import current_backend, now, user_name
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import show_table
from lib.ui.pages.doctor.report_state import add_fix_result

DIALOG_KEY = "doctor.open"


@dataclass(frozen=True)
class FixDialogState:
    """A cure that a person looks at: what it is called, the call, what it asks, whether a person carries it out elsewhere."""

    title: str
    offer: FixOffer
    inputs: tuple[FixInput, ...]
    is_manual: bool

    def widget_key(self, name: str) -> str:
        """The widget key of an answer."""
        return f"doctor.ask-{self.offer.fix_id}-{name}"


def open_fix_dialog(offer: FixOffer) -> None:
    """Open the dialog for a cure at the end of this run of the page."""
    known = find_fix(offer)
    if known is None:
        return
    try:
        asks = fix_runner.fix_inputs(_room(), offer)
        title = known.title if asks else preview_fix(_room(), offer).title
    except PodiumError as error:
        show_error(error)
        return
    question = FixDialogState(title, offer, asks, known.apply is None)
    for one in question.inputs:
        st.session_state.pop(question.widget_key(one.name), None)
    st.session_state.pop(question.widget_key("confirm"), None)
    st.session_state[DIALOG_KEY] = question


def _close_fix_dialog() -> None:
    """Forget the open dialog."""
    st.session_state.pop(DIALOG_KEY, None)


def show_fix_dialog() -> None:
    """Draw the dialog that was opened, if any."""
    question = st.session_state.get(DIALOG_KEY)
    if isinstance(question, FixDialogState):
        st.dialog(escape(question.title), width="medium", icon=":material/healing:", on_dismiss=_close_fix_dialog)(_draw)(
            question
        )


def _draw(question: FixDialogState) -> None:
    progress = st.empty()
    answers = {one.name: _asked(question, one) for one in question.inputs}
    call = question.offer.with_inputs(answers)
    try:
        told = preview_fix(_room(), call)
    except PodiumError as error:
        show_error(error)
        _leave()
        return
    show_table([(str(number), escape(text)) for number, text in enumerate(told.changes, 1)])
    _snippets(told, unfolded=question.is_manual)
    st.caption(f"To take it back: {escape(told.undo)}" if told.undo else "This cannot be taken back.")
    if question.is_manual:
        _leave("Close")
        return
    sure = _sure(question, told)
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="doctor.cancel"):
            _close_fix_dialog()
            st.rerun()
        verb = escape(told.title.removesuffix("?"))
        if st.button(verb, type="primary", icon=":material/healing:", key="doctor.carry_out", disabled=not sure):
            _carry_out(
                call.with_inputs({CONFIRMATION_INPUT: told.confirmation_text}) if told.confirmation_text else call, progress
            )


def _asked(question: FixDialogState, one: FixInput) -> str:
    return str(st.text_input(one.label, one.default, key=question.widget_key(one.name), help=one.help or None) or "")


def _snippets(told: FixPreview, *, unfolded: bool) -> None:
    if not told.snippets:
        return
    place = st.container(gap="small") if unfolded else st.expander("The calls that do the same", icon=":material/code:")
    with place:
        for one in told.snippets:
            if one.label:
                st.caption(escape(one.label))
            st.code(one.text, language=None if one.language == "text" else one.language, wrap_lines=True)


def _sure(question: FixDialogState, told: FixPreview) -> bool:
    if not told.confirmation_text:
        return True
    typed = st.text_input(f"Type {escape(told.confirmation_text)} to go on", key=question.widget_key("confirm"))
    return str(typed or "").strip() == told.confirmation_text


def _carry_out(call: FixOffer, progress: "st.delta_generator.DeltaGenerator") -> None:
    """Do it with what goes on in sight; the result stands on the page afterwards, an error in the dialog."""
    here = current_backend()
    try:
        place = progress.container()
        with place, st.spinner("At it…"):
            line = place.empty()
            done = apply_fix(_room(), call, lambda what: line.caption(escape(what)))
    except PodiumError as error:
        with progress.container():
            show_error(error)
        return
    add_fix_result(here, done)
    _close_fix_dialog()
    st.rerun()


def _leave(word: str = "Cancel") -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(word, key="doctor.leave"):
            _close_fix_dialog()
            st.rerun()


def _room() -> FixContext:
    return FixContext(current_backend(), now, podium_home(os.environ), user_name(), is_shared())
