"""The dialogs of the Models page: register, and move a version. Each shows exactly what will change before it does.

A dialog stays as it was opened: the champion it was opened against is checked again when the decision is written.
"""

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from lib.errors import BadInput, PodiumError
from lib.ledger.entry.vocabulary import CATEGORIES, Reason, Stage, reason
from lib.registry.code_snippets import moves_code
from lib.registry.move_plan import Move
from lib.registry.promote import Kind, Moved, Wish, champion, displaced, meant, move, steps
from lib.ui.app.session import ask_person, backend, keep_person
from lib.ui.app.writer import writer
from lib.ui.components.badges import STAGE, chip
from lib.ui.components.error_box import show
from lib.ui.components.formatting import md, version
from lib.ui.components.layout import table
from lib.ui.queries.registry import Sight, forget

OPEN, DONE = "models.open", "models.done"


@dataclass(frozen=True)
class Question:
    """What a dialog asks, fixed when it was opened: the wish without its reason, and what it would do."""

    model: str
    version: str
    from_: str
    to: Stage
    kind: Kind
    expected: str
    place: int
    moves: tuple[Move, ...]
    others: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """The question with the object in it."""
        if self.kind == "archive":
            return f"Archive {version(self.version)}?"
        if self.kind == "roll_back":
            return f"Roll back to {version(self.version)}?"
        verb = {"adopt": "Adopt", "revert": "Put back"}.get(self.kind, "Move")
        return f"{verb} {version(self.version)} {'in' if self.kind == 'adopt' else 'to'} {self.to}?"

    @property
    def verb(self) -> str:
        """The button's word: the same deed as in the title."""
        return self.title.removesuffix("?")


def ask(sight: Sight, number: str, to: Stage, kind: Kind) -> None:
    """Open the dialog for a move at the next run of the page. Works out on paper what the move would do."""
    found = sight.found
    stand_in = Reason(category="other", text="")
    wish = Wish(found.seen.model, number, to, stand_in, kind)
    others = tuple((alias, out) for out in displaced(found, wish) for alias in found.seen.other_aliases(out))
    st.session_state[OPEN] = Question(
        model=found.seen.model,
        version=number,
        from_=meant(found.state, found.seen, wish).stage,
        to=to,
        kind=kind,
        expected=champion(found, wish).said,
        place=found.state.reading.head + (1 if number in found.state.registered or number not in found.seen.versions else 2),
        moves=steps(found, wish, writer()),
        others=others,
    )


def close() -> None:
    """Forget the open dialog."""
    st.session_state.pop(OPEN, None)


def show_done() -> None:
    """Say once how the last deed ended."""
    kind, text = st.session_state.pop(DONE, ("", ""))
    if kind == "success":
        st.success(text, icon=":material/check_circle:")
    elif kind:
        st.warning(text, icon=":material/warning:")


def show_open_dialog() -> None:
    """Draw the dialog that was opened, if any."""
    question = st.session_state.get(OPEN)
    if isinstance(question, Question):
        st.dialog(question.title, width="medium", icon=":material/balance:", on_dismiss=close)(_confirm)(question)


def _confirm(question: Question) -> None:
    st.markdown("This is exactly what will happen, in this order:")
    table([(str(n), text) for n, text in enumerate(_told(question), 1)])
    along = _aliases(question)
    kinds = list(CATEGORIES)
    usual = kinds.index(_USUAL.get(question.kind, "better"))
    category = st.selectbox("Kind of reason", kinds, usual, format_func=CATEGORIES.__getitem__, key="models.category")
    said = st.text_area(
        "Why, for a reader in two years",
        key="models.reason",
        height=92,
        placeholder=_HINTS.get(question.kind, _HINT),
    )
    name = ask_person()
    typed = _type_the_version(question)
    with st.expander("The MLflow calls that do the same", icon=":material/code:"):
        also = [Move("alias", alias, question.version) for alias in along]
        st.code(moves_code(backend().uri, question.model, [*question.moves, *also]), language="python")
        st.caption("They move the version, and leave no record of who did it and why.")
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="models.cancel"):
            close()
            st.rerun()
        if st.button(question.verb, key="models.confirm", type="primary", icon=":material/check:"):
            _decide(question, (category, said, name, typed), along)


_USUAL: dict[Kind, str] = {"roll_back": "incident", "archive": "housekeeping", "revert": "housekeeping"}
_HINT = "Two more of 18 held-out wines are right; nothing else changed."
_HINTS = {
    "archive": "Replaced by v2 two releases ago, nobody loads it any more.",
    "roll_back": "v3 answers 40 ms slower since Monday; v2 did not.",
}


def _told(question: Question) -> list[str]:
    return [
        f"Record your decision as entry {question.place} of the ledger",
        *(_move_said(step) for step in question.moves),
        "Read the registry back and record the outcome",
    ]


def _move_said(step: Move) -> str:
    if step.verb == "alias":
        return f"Alias `{step.where}`: {version(step.was) + ' → ' if step.was else ''}**{version(step.version)}**"
    if step.verb == "unalias":
        return f"Alias `{step.where}` is taken off {version(step.version)}"
    return f"{version(step.version)}: {chip(STAGE, step.was)} → {chip(STAGE, step.where)}"


def _aliases(question: Question) -> tuple[str, ...]:
    """Other aliases on displaced versions: they stay, unless the person takes them along."""
    along = []
    for alias, out in question.others:
        label = f"Alias **{md(alias)}** stays on {version(out)}; take it along to {version(question.version)}"
        if st.checkbox(label, key=f"models.along.{alias}"):
            along.append(alias)
    return tuple(along)


def _type_the_version(question: Question) -> str:
    if question.to != "Production":
        return version(question.version)
    return st.text_input("Type the version to confirm", placeholder=version(question.version), key="models.typed")


def _decide(question: Question, typed: tuple[str, str, str, str], along: tuple[str, ...]) -> None:
    """Check what was typed, carry the decision out, and leave the dialog; an error stays inside it."""
    category, said, name, confirmed = typed
    try:
        if confirmed.strip().lower().removeprefix("v") != question.version:
            raise BadInput("The version that was typed is not the one to be moved.", next=f"Type {version(question.version)}.")
        why = reason(category, said)
        wish = Wish(question.model, question.version, question.to, why, question.kind, question.expected, along)
        with st.spinner("Recording the decision and moving the version…"):
            done = move(writer(name), wish)
    except PodiumError as error:
        show(error)
        return
    keep_person(name)
    st.session_state[DONE] = _done(done)
    close()
    forget()
    st.rerun()


def _done(done: Moved) -> tuple[Literal["success", "warning"], str]:
    out = " and ".join(version(number) for number in done.displaced)
    match done.outcome:
        case "applied":
            return (
                "success",
                f"Entry {done.place} recorded. {version(done.version)} is in {done.to}{f', in place of {out}' if out else ''}.",
            )
        case "unchanged":
            return "success", f"{version(done.version)} is in {done.to} already. Nothing was changed."
        case "overtaken":
            return "warning", f"Entry {done.place} recorded, but a later decision came first. Look at the history."
        case _:
            return "warning", f"Entry {done.place} recorded, but it could not be carried out. {md(done.why)}"
