"""The dialog that finishes or gives up an open decision: previews the moves, and asks for a reason and a name.

It keeps the state from opening; whether the decision is still open is checked again when the moves are made.
"""

from dataclasses import dataclass

import streamlit as st

from lib.errors import PodiumError
from lib.ledger.entry.vocabulary import REASON_CATEGORIES, make_reason
from lib.registry.moves import Move
from lib.registry.pending_decisions import PendingDecision
from lib.registry.recover import ClosedDecision, RecoveryChoice, preview_recovery, recover_decisions
from lib.ui.app.session import ask_user_name, current_backend, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, version_label
from lib.ui.components.move_preview import move_text, show_mlflow_calls, show_steps
from lib.ui.components.reason_field import ask_reason, short_reason_kwargs
from lib.ui.queries.registry import clear_cache, load_model_status

DIALOG_KEY = "unfinished.open"
_REASON_EXAMPLES: dict[RecoveryChoice, str] = {
    "finish": "Ana's machine crashed during the move; she confirmed the decision.",
    "give up": "Nobody on the team knows about this decision; keeping v2.",
}


@dataclass(frozen=True)
class RecoveryDialogState:
    """The dialog's state, fixed on opening: the decision, the choice, and the moves."""

    decision: PendingDecision
    choice: RecoveryChoice
    moves: tuple[Move, ...]

    @property
    def button_label(self) -> str:
        """Return the label of the confirm button."""
        return "Finish it" if self.choice == "finish" else "Give it up"

    @property
    def title(self) -> str:
        """Return the dialog title."""
        verb = "Finish" if self.choice == "finish" else "Give up"
        return f"{verb} the move of {version_label(self.decision.version)} to {self.decision.to_stage}?"


def open_recovery_dialog(decision: PendingDecision, choice: RecoveryChoice) -> None:
    """Open the dialog on the next run of the page, with a preview of the moves; shows an error instead if that fails."""
    try:
        status = load_model_status(current_backend(), decision.model).status
        st.session_state[DIALOG_KEY] = RecoveryDialogState(decision, choice, preview_recovery(status, decision.entry_id, choice))
    except PodiumError as error:
        flash.set_flash(flash.MODELS, escape(str(error)), "warning")
        clear_cache()


def show_recovery_dialog() -> None:
    """Draw the open dialog, if any."""
    dialog_state = st.session_state.get(DIALOG_KEY)
    if isinstance(dialog_state, RecoveryDialogState):
        show_dialog = st.dialog(dialog_state.title, width="medium", icon=":material/hourglass_top:", on_dismiss=_close_dialog)
        show_dialog(_show_form)(dialog_state)


def _close_dialog() -> None:
    st.session_state.pop(DIALOG_KEY, None)


def _show_form(dialog_state: RecoveryDialogState) -> None:
    choice, model = dialog_state.choice, dialog_state.decision.model
    outcome = (
        "Record the outcome, with you as the one who finished it" if choice == "finish" else "Close the decision as given up"
    )
    show_steps([*map(move_text, dialog_state.moves), f"{outcome}, and your reason"])
    category = st.selectbox(
        "Kind of reason", list(REASON_CATEGORIES), 4, format_func=REASON_CATEGORIES.__getitem__, key="unfinished.category"
    )
    reason_text = ask_reason("Why, for a reader in two years", key="unfinished.reason", placeholder=_REASON_EXAMPLES[choice])
    name = ask_user_name()
    if dialog_state.moves:
        show_mlflow_calls(current_backend().uri, model, dialog_state.moves)
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="unfinished.cancel"):
            _close_dialog()
            st.rerun()
        if st.button(
            dialog_state.button_label,
            key="unfinished.confirm",
            type="primary",
            icon=":material/check:",
            **short_reason_kwargs(reason_text),
        ):
            _recover(dialog_state, category, reason_text, name)


def _recover(dialog_state: RecoveryDialogState, category: str, reason_text: str, name: str) -> None:
    """Validate the input, finish or give up, and close the dialog; an error is shown inside it."""
    decision = dialog_state.decision
    try:
        reason = make_reason(category, reason_text)
        with st.spinner("Moving the versions and recording the outcome…"):
            (closed,) = recover_decisions(writer(name), decision.model, (decision.entry_id,), dialog_state.choice, reason)
    except PodiumError as error:
        clear_cache()
        show_error(error)
        return
    remember_user_name(name)
    flash.set_flash(flash.MODELS, _result_text(closed, dialog_state), "warning" if closed.outcome == "OVERTAKEN" else "success")
    _close_dialog()
    clear_cache()
    st.rerun()


def _result_text(closed: ClosedDecision, dialog_state: RecoveryDialogState) -> str:
    version, model = version_label(dialog_state.decision.version), escape(closed.model)
    if closed.outcome == "APPLIED":
        return f"{model}: {version} is now in {dialog_state.decision.to_stage}. Entry {closed.position} is finished."
    if closed.outcome == "OVERTAKEN":
        return f"{model}: a later decision replaced entry {closed.position}. See the history."
    if dialog_state.choice == "finish":
        return f"{model}: entry {closed.position} could not be carried out because {version} no longer exists."
    return f"{model}: entry {closed.position} was given up."
