"""The dialogs of the Models page: register, and move a version. Each shows exactly what will change before it does.

A dialog stays as it was opened: the champion it was opened against is checked again when the decision is written.
"""

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from lib.errors import BadInput, PodiumError
from lib.ledger.entry.vocabulary import REASON_CATEGORIES, Reason, Stage, make_reason
from lib.registry.code_snippets import moves_snippet
from lib.registry.move_plan import Move
from lib.registry.promote import (
    DecisionKind,
    MoveRequest,
    MoveResult,
    desired_holder,
    displaced_versions,
    move_version,
    preview_moves,
    target_version,
)
from lib.ui.app.session import ask_user_name, current_backend, remember_user_name
from lib.ui.app.writer import writer
from lib.ui.components import flash
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, version_label
from lib.ui.components.layout import show_table
from lib.ui.queries.registry import LoadedModelStatus, clear_cache

DIALOG_KEY = "models.open"


@dataclass(frozen=True)
class MoveDialogState:
    """What a dialog asks, fixed when it was opened: the wish without its reason, and what it would do."""

    model: str
    version: str
    from_: str
    to: Stage
    kind: DecisionKind
    expected_champion: str
    position: int
    moves: tuple[Move, ...]
    displaced_aliases: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """The question with the object in it."""
        if self.kind == "archive":
            return f"Archive {version_label(self.version)}?"
        if self.kind == "roll_back":
            return f"Roll back to {version_label(self.version)}?"
        verb = {"adopt": "Adopt", "revert": "Put back"}.get(self.kind, "Move")
        return f"{verb} {version_label(self.version)} {'in' if self.kind == 'adopt' else 'to'} {self.to}?"

    @property
    def button_label(self) -> str:
        """The button's word: the same deed as in the title."""
        return self.title.removesuffix("?")


def open_move_dialog(cached_status: LoadedModelStatus, number: str, to: Stage, kind: DecisionKind) -> None:
    """Open the dialog for a move at the next run of the page. Works out on paper what the move would do."""
    found = cached_status.status
    stand_in = Reason(category="other", text="")
    wish = MoveRequest(found.snapshot.model, number, to, stand_in, kind)
    others = tuple((alias, out) for out in displaced_versions(found, wish) for alias in found.snapshot.other_aliases(out))
    st.session_state[DIALOG_KEY] = MoveDialogState(
        model=found.snapshot.model,
        version=number,
        from_=target_version(found.state, found.snapshot, wish).stage,
        to=to,
        kind=kind,
        expected_champion=desired_holder(found, wish).holders_text,
        position=found.state.book.head
        + (1 if number in found.state.registered_versions or number not in found.snapshot.versions else 2),
        moves=preview_moves(found, wish, writer()),
        displaced_aliases=others,
    )


def _close_move_dialog() -> None:
    """Forget the open dialog."""
    st.session_state.pop(DIALOG_KEY, None)


def show_move_dialog() -> None:
    """Draw the dialog that was opened, if any."""
    question = st.session_state.get(DIALOG_KEY)
    if isinstance(question, MoveDialogState):
        st.dialog(question.title, width="medium", icon=":material/balance:", on_dismiss=_close_move_dialog)(_confirm)(question)


def _confirm(question: MoveDialogState) -> None:
    st.markdown("This is exactly what will happen, in this order:")
    show_table([(str(n), text) for n, text in enumerate(_told(question), 1)])
    along = _aliases(question)
    kinds = list(REASON_CATEGORIES)
    usual = kinds.index(_USUAL.get(question.kind, "better"))
    category = st.selectbox("Kind of reason", kinds, usual, format_func=REASON_CATEGORIES.__getitem__, key="models.category")
    said = st.text_area(
        "Why, for a reader in two years",
        key="models.reason",
        height=92,
        placeholder=_HINTS.get(question.kind, _HINT),
    )
    name = ask_user_name()
    typed = _type_the_version(question)
    with st.expander("The MLflow calls that do the same", icon=":material/code:"):
        also = [Move("alias", alias, question.version) for alias in along]
        st.code(moves_snippet(current_backend().uri, question.model, [*question.moves, *also]), language="python")
        st.caption("They move the version, and leave no record of who did it and why.")
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="models.cancel"):
            _close_move_dialog()
            st.rerun()
        if st.button(question.button_label, key="models.confirm", type="primary", icon=":material/check:"):
            _decide(question, (category, said, name, typed), along)


_USUAL: dict[DecisionKind, str] = {"roll_back": "incident", "archive": "housekeeping", "revert": "housekeeping"}
_HINT = "Two more of 18 held-out wines are right; nothing else changed."
_HINTS = {
    "archive": "Replaced by v2 two releases ago, nobody loads it any more.",
    "roll_back": "v3 answers 40 ms slower since Monday; v2 did not.",
}


def _told(question: MoveDialogState) -> list[str]:
    return [
        f"Record your decision as entry {question.position} of the ledger",
        *(_move_said(step) for step in question.moves),
        "Read the registry back and record the outcome",
    ]


def _move_said(step: Move) -> str:
    if step.verb == "alias":
        return f"Alias `{step.target}`: {version_label(step.previous) + ' → ' if step.previous else ''}**{version_label(step.version)}**"
    if step.verb == "unalias":
        return f"Alias `{step.target}` is taken off {version_label(step.version)}"
    return f"{version_label(step.version)}: {badge_markdown(STAGE_BADGES, step.previous)} → {badge_markdown(STAGE_BADGES, step.target)}"


def _aliases(question: MoveDialogState) -> tuple[str, ...]:
    """Other aliases on displaced versions: they stay, unless the person takes them along."""
    along = []
    for alias, out in question.displaced_aliases:
        label = f"Alias **{escape(alias)}** stays on {version_label(out)}; take it along to {version_label(question.version)}"
        if st.checkbox(label, key=f"models.along.{alias}"):
            along.append(alias)
    return tuple(along)


def _type_the_version(question: MoveDialogState) -> str:
    if question.to != "Production":
        return version_label(question.version)
    return st.text_input("Type the version to confirm", placeholder=version_label(question.version), key="models.typed")


def _decide(question: MoveDialogState, typed: tuple[str, str, str, str], along: tuple[str, ...]) -> None:
    """Check what was typed, carry the decision out, and leave the dialog; an error stays inside it."""
    category, said, name, confirmed = typed
    try:
        if confirmed.strip().lower().removeprefix("v") != question.version:
            raise BadInput(
                "The version that was typed is not the one to be moved.", next=f"Type {version_label(question.version)}."
            )
        why = make_reason(category, said)
        wish = MoveRequest(question.model, question.version, question.to, why, question.kind, question.expected_champion, along)
        with st.spinner("Recording the decision and moving the version…"):
            done = move_version(writer(name), wish)
    except PodiumError as error:
        show_error(error)
        return
    remember_user_name(name)
    kind, text = _done(done)
    flash.set_flash(flash.MODELS, text, kind)
    _close_move_dialog()
    clear_cache()
    st.rerun()


def _done(done: MoveResult) -> tuple[Literal["success", "warning"], str]:
    out = " and ".join(version_label(number) for number in done.displaced_versions)
    match done.outcome:
        case "applied":
            return (
                "success",
                f"Entry {done.position} recorded. {version_label(done.version)} is in {done.to_stage}{f', in place of {out}' if out else ''}.",
            )
        case "unchanged":
            return "success", f"{version_label(done.version)} is in {done.to_stage} already. Nothing was changed."
        case "overtaken":
            return "warning", f"Entry {done.position} recorded, but a later decision came first. Look at the history."
        case _:
            return "warning", f"Entry {done.position} recorded, but it could not be carried out. {escape(done.failure_reason)}"
