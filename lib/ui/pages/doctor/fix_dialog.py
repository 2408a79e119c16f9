"""The dialog of a cure: what it must be told, exactly what will change, the calls that do the same, then the deed and its proof."""

import os
from dataclasses import dataclass

import streamlit as st

from lib.backends.artifact_path_map import home
from lib.doctor import fix_runner as cures
from lib.doctor.fix_runner import carry_out, preview, treatment
from lib.doctor.types import TYPED, Ask, Call, Cure, Room
from lib.errors import PodiumError
from lib.ui.app.backend_selection import is_shared
from lib.ui.app.session import backend, now, person
from lib.ui.components.error_box import show
from lib.ui.components.formatting import md
from lib.ui.components.layout import table
from lib.ui.pages.doctor.report_state import remember

OPEN = "doctor.open"


@dataclass(frozen=True)
class Question:
    """A cure that a person looks at: what it is called, the call, what it asks, whether a person carries it out elsewhere."""

    title: str
    call: Call
    asks: tuple[Ask, ...]
    elsewhere: bool

    def key(self, name: str) -> str:
        """The widget key of an answer."""
        return f"doctor.ask-{self.call.cure}-{name}"


def ask(call: Call) -> None:
    """Open the dialog for a cure at the end of this run of the page."""
    known = treatment(call)
    if known is None:
        return
    try:
        asks = cures.asks(_room(), call)
        title = known.title if asks else preview(_room(), call).title
    except PodiumError as error:
        show(error)
        return
    question = Question(title, call, asks, known.carry_out is None)
    for one in question.asks:
        st.session_state.pop(question.key(one.name), None)
    st.session_state.pop(question.key("confirm"), None)
    st.session_state[OPEN] = question


def close() -> None:
    """Forget the open dialog."""
    st.session_state.pop(OPEN, None)


def show_open_dialog() -> None:
    """Draw the dialog that was opened, if any."""
    question = st.session_state.get(OPEN)
    if isinstance(question, Question):
        st.dialog(md(question.title), width="medium", icon=":material/healing:", on_dismiss=close)(_draw)(question)


def _draw(question: Question) -> None:
    progress = st.empty()
    answers = {one.name: _asked(question, one) for one in question.asks}
    call = question.call.also(answers)
    try:
        told = preview(_room(), call)
    except PodiumError as error:
        show(error)
        _leave()
        return
    table([(str(number), md(text)) for number, text in enumerate(told.changes, 1)])
    _snippets(told, unfolded=question.elsewhere)
    st.caption(f"To take it back: {md(told.undo)}" if told.undo else "This cannot be taken back.")
    if question.elsewhere:
        _leave("Close")
        return
    sure = _sure(question, told)
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="doctor.cancel"):
            close()
            st.rerun()
        verb = md(told.title.removesuffix("?"))
        if st.button(verb, type="primary", icon=":material/healing:", key="doctor.carry_out", disabled=not sure):
            _carry_out(call.also({TYPED: told.confirm}) if told.confirm else call, progress)


def _asked(question: Question, one: Ask) -> str:
    return str(st.text_input(one.label, one.default, key=question.key(one.name), help=one.help or None) or "")


def _snippets(told: Cure, *, unfolded: bool) -> None:
    if not told.code:
        return
    place = st.container(gap="small") if unfolded else st.expander("The calls that do the same", icon=":material/code:")
    with place:
        for one in told.code:
            if one.label:
                st.caption(md(one.label))
            st.code(one.text, language=None if one.language == "text" else one.language, wrap_lines=True)


def _sure(question: Question, told: Cure) -> bool:
    if not told.confirm:
        return True
    typed = st.text_input(f"Type {md(told.confirm)} to go on", key=question.key("confirm"))
    return str(typed or "").strip() == told.confirm


def _carry_out(call: Call, progress: "st.delta_generator.DeltaGenerator") -> None:
    """Do it with what goes on in sight; the result stands on the page afterwards, an error in the dialog."""
    here = backend()
    try:
        place = progress.container()
        with place, st.spinner("At it…"):
            line = place.empty()
            done = carry_out(_room(), call, lambda what: line.caption(md(what)))
    except PodiumError as error:
        with progress.container():
            show(error)
        return
    remember(here, done)
    close()
    st.rerun()


def _leave(word: str = "Cancel") -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(word, key="doctor.leave"):
            close()
            st.rerun()


def _room() -> Room:
    return Room(backend(), now, home(os.environ), person(), is_shared())
