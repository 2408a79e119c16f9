"""The dialog that moves a version, with a preview of every change.

Its state is fixed on opening; the champion it was opened against is checked again when the decision is written.
"""

from dataclasses import dataclass, replace
from typing import Literal

import streamlit as st

from lib.errors import BackendError, BadInput, PodiumError
from lib.ledger.entry.vocabulary import REASON_CATEGORIES, make_reason
from lib.registry.move_plan import Decision, DecisionKind, MovePlan, MoveRequest, plan_move
from lib.registry.promote import MoveResult, move_version
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


def open_move_dialog(cached_status: LoadedModelStatus, request: MoveRequest) -> None:
    """Open the move dialog on the next rerun, with a preview of the move."""
    st.session_state[DIALOG_KEY] = MoveDialogState(plan_move(cached_status.status, request))


def _close_move_dialog() -> None:
    """Close the dialog."""
    st.session_state.pop(DIALOG_KEY, None)


def show_move_dialog() -> None:
    """Draw the open dialog, if any."""
    dialog_state = st.session_state.get(DIALOG_KEY)
    if isinstance(dialog_state, MoveDialogState):
        st.dialog(dialog_state.title, width="medium", icon=":material/balance:", on_dismiss=_close_move_dialog)(_show_form)(
            dialog_state
        )


def _show_form(dialog_state: MoveDialogState) -> None:
    plan = dialog_state.plan
    show_steps(_preview_texts(plan))
    if aliases := _ask_aliases(plan):
        plan = plan_move(plan.status, replace(plan.request, aliases=aliases))
    categories = list(REASON_CATEGORIES)
    default_index = categories.index(_DEFAULT_CATEGORIES.get(plan.request.kind, "better"))
    category = st.selectbox(
        "Kind of reason", categories, default_index, format_func=REASON_CATEGORIES.__getitem__, key="models.category"
    )
    reason_text = ask_reason(
        "Why, for a reader in two years",
        key="models.reason",
        placeholder=_REASON_EXAMPLES.get(plan.request.kind, _REASON_EXAMPLE),
    )
    name = ask_user_name()
    typed_version = _ask_version(plan.request)
    show_mlflow_calls(current_backend().uri, plan.request.model, plan.moves)
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
            _decide(plan, (category, reason_text, name, typed_version))


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


def _decide(plan: MovePlan, answers: tuple[str, str, str, str]) -> None:
    """Validate the input, carry out the decision and close the dialog; show any error inside it."""
    category, reason_text, name, typed_version = answers
    try:
        if typed_version.strip().lower().removeprefix("v") != plan.request.version:
            raise BadInput(
                "The typed version does not match the one being moved.", next=f"Type {version_label(plan.request.version)}."
            )
        decision = Decision(make_reason(category, reason_text), plan.champion.holders_text)
        with st.spinner("Recording the decision and moving the version…"):
            result = move_version(writer(name), plan.request, decision)
    except PodiumError as error:
        if isinstance(error, BackendError):
            clear_cache()  # it may have been partly applied
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
