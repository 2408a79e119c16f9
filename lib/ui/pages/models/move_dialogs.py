"""The dialog that moves a version: it shows exactly what will change before it does.

It stays as it was opened: the champion it was opened against is checked again when the decision is written.
"""

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from lib.errors import BackendError, BadInput, PodiumError
from lib.ledger.entry.vocabulary import REASON_CATEGORIES, Reason, Stage, make_reason
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
from lib.ui.app.session import ask_user_name, current_backend, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, version_label
from lib.ui.components.move_preview import move_text, show_mlflow_calls, show_steps
from lib.ui.components.reason_field import ask_reason, short_reason_kwargs
from lib.ui.queries.registry import LoadedModelStatus, clear_cache

DIALOG_KEY = "models.open"


@dataclass(frozen=True)
class MoveDialogState:
    """What a dialog asks, fixed when it was opened: the request without its reason, and what it would do."""

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
        """The label of the button: the same action as in the title."""
        return self.title.removesuffix("?")


def open_move_dialog(cached_status: LoadedModelStatus, number: str, to: Stage, kind: DecisionKind) -> None:
    """Open the dialog for a move at the next run of the page, with a preview of what the move would do."""
    status = cached_status.status
    placeholder_reason = Reason(category="other", text="")
    request = MoveRequest(status.snapshot.model, number, to, placeholder_reason, kind)
    displaced_aliases = tuple(
        (alias, displaced_version)
        for displaced_version in displaced_versions(status, request)
        for alias in status.snapshot.other_aliases(displaced_version)
    )
    st.session_state[DIALOG_KEY] = MoveDialogState(
        model=status.snapshot.model,
        version=number,
        from_=target_version(status.state, status.snapshot, request).stage,
        to=to,
        kind=kind,
        expected_champion=desired_holder(status, request).holders_text,
        position=status.state.book.head
        + (1 if number in status.state.registered_versions or number not in status.snapshot.versions else 2),
        moves=preview_moves(status, request, writer()),
        displaced_aliases=displaced_aliases,
    )


def _close_move_dialog() -> None:
    """Forget the open dialog."""
    st.session_state.pop(DIALOG_KEY, None)


def show_move_dialog() -> None:
    """Draw the dialog that was opened, if any."""
    dialog_state = st.session_state.get(DIALOG_KEY)
    if isinstance(dialog_state, MoveDialogState):
        st.dialog(dialog_state.title, width="medium", icon=":material/balance:", on_dismiss=_close_move_dialog)(_show_form)(
            dialog_state
        )


def _show_form(dialog_state: MoveDialogState) -> None:
    show_steps(_preview_texts(dialog_state))
    moved_aliases = _ask_aliases(dialog_state)
    categories = list(REASON_CATEGORIES)
    default_index = categories.index(_DEFAULT_CATEGORIES.get(dialog_state.kind, "better"))
    category = st.selectbox(
        "Kind of reason", categories, default_index, format_func=REASON_CATEGORIES.__getitem__, key="models.category"
    )
    reason_text = ask_reason(
        "Why, for a reader in two years",
        key="models.reason",
        placeholder=_REASON_EXAMPLES.get(dialog_state.kind, _REASON_EXAMPLE),
    )
    name = ask_user_name()
    typed_version = _ask_version(dialog_state)
    alias_moves = [Move("alias", alias, dialog_state.version) for alias in moved_aliases]
    show_mlflow_calls(current_backend().uri, dialog_state.model, [*dialog_state.moves, *alias_moves])
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="models.cancel"):
            _close_move_dialog()
            st.rerun()
        if st.button(
            dialog_state.button_label,
            key="models.confirm",
            type="primary",
            icon=":material/check:",
            **short_reason_kwargs(reason_text),
        ):
            _decide(dialog_state, (category, reason_text, name, typed_version), moved_aliases)


_DEFAULT_CATEGORIES: dict[DecisionKind, str] = {"roll_back": "incident", "archive": "housekeeping", "revert": "housekeeping"}
_REASON_EXAMPLE = "Two more of 18 held-out wines are right; nothing else changed."
_REASON_EXAMPLES = {
    "archive": "Replaced by v2 two releases ago, nobody loads it any more.",
    "roll_back": "v3 answers 40 ms slower since Monday; v2 did not.",
}


def _preview_texts(dialog_state: MoveDialogState) -> list[str]:
    return [
        f"Record your decision as entry {dialog_state.position} of the ledger",
        *(move_text(move) for move in dialog_state.moves),
        "Read the registry back and record the outcome",
    ]


def _ask_aliases(dialog_state: MoveDialogState) -> tuple[str, ...]:
    """Other aliases on displaced versions: they stay, unless the person takes them along."""
    moved_aliases = []
    for alias, displaced_version in dialog_state.displaced_aliases:
        label = f"Alias **{escape(alias)}** stays on {version_label(displaced_version)}; take it along to {version_label(dialog_state.version)}"
        if st.checkbox(label, key=f"models.along.{alias}"):
            moved_aliases.append(alias)
    return tuple(moved_aliases)


def _ask_version(dialog_state: MoveDialogState) -> str:
    if dialog_state.to != "Production":
        return version_label(dialog_state.version)
    return st.text_input("Type the version to confirm", placeholder=version_label(dialog_state.version), key="models.typed")


def _decide(dialog_state: MoveDialogState, answers: tuple[str, str, str, str], moved_aliases: tuple[str, ...]) -> None:
    """Check what was typed, carry the decision out, and leave the dialog; an error stays inside it."""
    category, reason_text, name, typed_version = answers
    try:
        if typed_version.strip().lower().removeprefix("v") != dialog_state.version:
            raise BadInput(
                "The version that was typed is not the one to be moved.", next=f"Type {version_label(dialog_state.version)}."
            )
        reason = make_reason(category, reason_text)
        request = MoveRequest(
            dialog_state.model,
            dialog_state.version,
            dialog_state.to,
            reason,
            dialog_state.kind,
            dialog_state.expected_champion,
            moved_aliases,
        )
        with st.spinner("Recording the decision and moving the version…"):
            result = move_version(writer(name), request)
    except PodiumError as error:
        if isinstance(error, BackendError):
            clear_cache()  # part of it may be done
        show_error(error)
        return
    remember_user_name(name)
    kind, text = _result_message(result)
    flash.set_flash(flash.MODELS, text, kind)
    _close_move_dialog()
    clear_cache()
    st.rerun()


def _result_message(result: MoveResult) -> tuple[Literal["success", "warning"], str]:
    displaced_text = " and ".join(version_label(number) for number in result.displaced_versions)
    match result.outcome:
        case "applied":
            return (
                "success",
                f"Entry {result.position} recorded. {version_label(result.version)} is in {result.to_stage}{f', in place of {displaced_text}' if displaced_text else ''}.",
            )
        case "unchanged":
            return "success", f"{version_label(result.version)} is in {result.to_stage} already. Nothing was changed."
        case "overtaken" if result.waiting_for:
            return (
                "warning",
                f"Entry {result.position} recorded. {version_label(result.version)} is in {result.to_stage}, but a later decision is still open: finish it, or give it up.",
            )
        case "overtaken":
            return "warning", f"Entry {result.position} recorded, but a later decision came first. Look at the history."
        case _:
            return (
                "warning",
                f"Entry {result.position} recorded, but it could not be carried out. {escape(result.failure_reason)}",
            )
