"""The dialog that moves a version, with a preview of every change.

Its state is fixed on opening; the champion it was opened against is checked again when the decision is written.
"""

from dataclasses import dataclass

import streamlit as st

from lib.errors import BadInput
from lib.ledger.entry.vocabulary import Reason, Stage, make_reason
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
from lib.ui.components.dialog import Dialog, show_steps
from lib.ui.components.formatting import escape, version_label
from lib.ui.components.move_preview import move_text, show_mlflow_calls
from lib.ui.components.reason_field import ask_category, ask_reason, missing_characters
from lib.ui.queries.registry import LoadedModelStatus, clear_cache


@dataclass(frozen=True)
class MoveDialogState:
    """State of the dialog, fixed on opening: the move request without its reason, and the planned moves."""

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
        """The dialog title: a question naming the action and its object."""
        if self.kind == "archive":
            return f"Archive {version_label(self.version)}?"
        if self.kind == "roll_back":
            return f"Roll back to {version_label(self.version)}?"
        verb = {"adopt": "Accept", "revert": "Restore"}.get(self.kind, "Move")
        return f"{verb} {version_label(self.version)} {'in' if self.kind == 'adopt' else 'to'} {self.to}?"

    @property
    def button_label(self) -> str:
        """The label of the confirm button: the action named in the title."""
        return self.title.removesuffix("?")


MOVE_DIALOG = Dialog[MoveDialogState]("models")


def open_move_dialog(cached_status: LoadedModelStatus, number: str, to: Stage, kind: DecisionKind) -> None:
    """Open the move dialog on the next rerun, with a preview of the move."""
    status = cached_status.status
    placeholder_reason = Reason(category="other", text="")
    request = MoveRequest(status.snapshot.model, number, to, placeholder_reason, kind)
    displaced_aliases = tuple(
        (alias, displaced_version)
        for displaced_version in displaced_versions(status, request)
        for alias in status.snapshot.other_aliases(displaced_version)
    )
    dialog_state = MoveDialogState(
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
    MOVE_DIALOG.open(dialog_state)


def show_move_dialog(model: str) -> None:
    """Draw the dialog that is open for this model, if any."""
    dialog_state = MOVE_DIALOG.state
    if dialog_state and dialog_state.model == model:
        MOVE_DIALOG.show(_show_form, dialog_state.title, icon="balance")


def _show_form(dialog_state: MoveDialogState) -> None:
    show_steps(_preview_texts(dialog_state))
    moved_aliases = _ask_aliases(dialog_state)
    category = ask_category(key="models.category", default=_DEFAULT_CATEGORIES.get(dialog_state.kind, "better"))
    reason_text = ask_reason(
        "Why, for a reader in two years",
        key="models.reason",
        placeholder=_REASON_EXAMPLES.get(dialog_state.kind, _REASON_EXAMPLE),
    )
    name = ask_user_name()
    typed_version = _ask_version(dialog_state)
    alias_moves = [Move("alias", alias, dialog_state.version) for alias in moved_aliases]
    show_mlflow_calls(current_backend().uri, dialog_state.model, [*dialog_state.moves, *alias_moves])
    if MOVE_DIALOG.action_row(dialog_state.button_label, missing_characters(reason_text)):
        with MOVE_DIALOG.action("Recording the decision and moving the version…", clear_cache):
            _check_version(dialog_state, typed_version)
            request = _make_request(dialog_state, make_reason(category, reason_text), moved_aliases)
            result = move_version(writer(name), request)
            remember_user_name(name)
            message_kind, text = _result_message(result)
            flash.set_flash(flash.MODELS, text, message_kind)


_DEFAULT_CATEGORIES: dict[DecisionKind, str] = {"roll_back": "incident", "archive": "housekeeping", "revert": "housekeeping"}
_REASON_EXAMPLE = "Classifies two more of the 18 held-out wines correctly; nothing else changed."
_REASON_EXAMPLES = {
    "archive": "Replaced by v2 two releases ago and no longer loaded by any service.",
    "roll_back": "v3 has responded 40 ms slower since Monday; v2 did not.",
}


def _preview_texts(dialog_state: MoveDialogState) -> list[str]:
    return [
        f"Record your decision as entry {dialog_state.position} of the ledger",
        *(move_text(move) for move in dialog_state.moves),
        "Read the registry back and record the outcome",
    ]


def _ask_aliases(dialog_state: MoveDialogState) -> tuple[str, ...]:
    """Ask which other aliases of the displaced versions to move along; the rest stay."""
    moved_aliases = []
    for alias, displaced_version in dialog_state.displaced_aliases:
        label = f"Alias **{escape(alias)}** stays on {version_label(displaced_version)}; move it to {version_label(dialog_state.version)} as well"
        if st.checkbox(label, key=f"models.along.{alias}"):
            moved_aliases.append(alias)
    return tuple(moved_aliases)


def _ask_version(dialog_state: MoveDialogState) -> str:
    if dialog_state.to != "Production":
        return version_label(dialog_state.version)
    return st.text_input("Type the version to confirm", placeholder=version_label(dialog_state.version), key="models.typed")


def _check_version(dialog_state: MoveDialogState, typed_version: str) -> None:
    """Raise BadInput unless the typed version is the one being moved."""
    if typed_version.strip().lower().removeprefix("v") != dialog_state.version:
        raise BadInput(
            "The typed version does not match the one being moved.", next=f"Type {version_label(dialog_state.version)}."
        )


def _make_request(dialog_state: MoveDialogState, reason: Reason, moved_aliases: tuple[str, ...]) -> MoveRequest:
    return MoveRequest(
        dialog_state.model,
        dialog_state.version,
        dialog_state.to,
        reason,
        dialog_state.kind,
        dialog_state.expected_champion,
        moved_aliases,
    )


def _result_message(result: MoveResult) -> tuple[flash.FlashKind, str]:
    displaced_text = " and ".join(version_label(number) for number in result.displaced_versions)
    match result.outcome:
        case "applied":
            return (
                "success",
                f"Entry {result.position} recorded. {version_label(result.version)} is now in {result.to_stage}{f', replacing {displaced_text}' if displaced_text else ''}.",
            )
        case "unchanged":
            return "success", f"{version_label(result.version)} is already in {result.to_stage}. Nothing was changed."
        case "overtaken" if result.waiting_for:
            return (
                "warning",
                f"Entry {result.position} recorded. {version_label(result.version)} is in {result.to_stage}, but a later decision is still open. Finish it or give it up.",
            )
        case "overtaken":
            return "warning", f"Entry {result.position} recorded, but a later decision took effect first. Check the history."
        case _:
            return (
                "warning",
                f"Entry {result.position} recorded, but it could not be carried out. {escape(result.failure_reason)}",
            )
