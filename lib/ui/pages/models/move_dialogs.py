"""The dialog that moves a version, with a preview of every change.

Its state is fixed on opening; the champion it was opened against is checked again when the decision is written.
"""

from dataclasses import dataclass, replace

import streamlit as st

from lib.errors import BadInput
from lib.ledger.entry.vocabulary import make_reason
from lib.registry.move_plan import Decision, DecisionKind, MovePlan, MoveRequest, plan_move
from lib.registry.promote import MoveResult, move_version
from lib.ui.app.session import ask_user_name, current_backend, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.dialog import Dialog, show_steps
from lib.ui.components.formatting import escape, version_label
from lib.ui.components.move_preview import move_text, show_mlflow_calls
from lib.ui.components.reason_field import ask_category, ask_reason, missing_characters
from lib.ui.queries.registry import LoadedModelStatus, clear_cache


@dataclass(frozen=True)
class MoveDialogState:
    """State of the dialog, fixed on opening: the plan of the requested move."""

    plan: MovePlan

    @property
    def title(self) -> str:
        """The dialog title: a question naming the action and its object."""
        request, version = self.plan.request, version_label(self.plan.request.version)
        if request.kind == "archive":
            return f"Archive {version}?"
        if request.kind == "roll_back":
            return f"Roll back to {version}?"
        verb = {"adopt": "Accept", "revert": "Restore"}.get(request.kind, "Move")
        return f"{verb} {version} {'in' if request.kind == 'adopt' else 'to'} {request.to_stage}?"

    @property
    def button_label(self) -> str:
        """The label of the confirm button: the action named in the title."""
        return self.title.removesuffix("?")


MOVE_DIALOG = Dialog[MoveDialogState]("models")


def open_move_dialog(cached_status: LoadedModelStatus, request: MoveRequest) -> None:
    """Open the move dialog on the next rerun, with a preview of the move."""
    MOVE_DIALOG.open(MoveDialogState(plan_move(cached_status.status, request)))


def show_move_dialog(model: str) -> None:
    """Draw the dialog that is open for this model, if any."""
    dialog_state = MOVE_DIALOG.state
    if dialog_state and dialog_state.plan.request.model == model:
        MOVE_DIALOG.show(_show_form, dialog_state.title, icon="balance")


def _show_form(dialog_state: MoveDialogState) -> None:
    plan = dialog_state.plan
    show_steps(_preview_texts(plan))
    if aliases := _ask_aliases(plan):
        plan = plan_move(plan.status, replace(plan.request, aliases=aliases))
    category = ask_category(key="models.category", default=_DEFAULT_CATEGORIES.get(plan.request.kind, "better"))
    reason_text = ask_reason(
        "Why, for a reader in two years",
        key="models.reason",
        placeholder=_REASON_EXAMPLES.get(plan.request.kind, _REASON_EXAMPLE),
    )
    name = ask_user_name()
    typed_version = _ask_version(plan.request)
    show_mlflow_calls(current_backend().uri, plan.request.model, plan.moves)
    if MOVE_DIALOG.action_row(dialog_state.button_label, missing_characters(reason_text)):
        with MOVE_DIALOG.action("Recording the decision and moving the version…", clear_cache):
            if typed_version.strip().lower().removeprefix("v") != plan.request.version:
                raise BadInput(
                    "The typed version does not match the one being moved.", next=f"Type {version_label(plan.request.version)}."
                )
            decision = Decision(make_reason(category, reason_text), plan.champion.holders_text)
            result = move_version(writer(name), plan.request, decision)
            remember_user_name(name)
            message_kind, text = _result_message(result)
            flash.set_flash(flash.MODELS, text, message_kind)


_DEFAULT_CATEGORIES: dict[DecisionKind, str] = {"roll_back": "incident", "archive": "housekeeping", "revert": "housekeeping"}
_REASON_EXAMPLE = "Classifies two more of the 18 held-out wines correctly; nothing else changed."
_REASON_EXAMPLES = {
    "archive": "Replaced by v2 two releases ago and no longer loaded by any service.",
    "roll_back": "v3 has responded 40 ms slower since Monday; v2 did not.",
}


def _preview_texts(plan: MovePlan) -> list[str]:
    return [
        f"Record your decision as entry {plan.position} of the ledger",
        *(move_text(move) for move in plan.moves),
        "Read the registry back and record the outcome",
    ]


def _ask_aliases(plan: MovePlan) -> tuple[str, ...]:
    """Ask which other aliases of the displaced versions to move along; the rest stay."""
    moved_aliases = []
    other_aliases = [(alias, version) for version in plan.displaced for alias in plan.status.snapshot.other_aliases(version)]
    for alias, displaced_version in other_aliases:
        label = f"Alias **{escape(alias)}** stays on {version_label(displaced_version)}; move it to {version_label(plan.request.version)} as well"
        if st.checkbox(label, key=f"models.along.{alias}"):
            moved_aliases.append(alias)
    return tuple(moved_aliases)


def _ask_version(request: MoveRequest) -> str:
    if request.to_stage != "Production":
        return version_label(request.version)
    return st.text_input("Type the version to confirm", placeholder=version_label(request.version), key="models.typed")


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
