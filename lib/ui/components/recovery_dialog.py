"""The dialog that finishes or gives up an open decision: previews the moves, and asks for a reason and a name.

It keeps the state from opening; whether the decision is still open is checked again when the moves are made.
"""

from dataclasses import dataclass

from lib.errors import PodiumError
from lib.ledger.entry.vocabulary import make_reason
from lib.registry.moves import Move
from lib.registry.pending_decisions import PendingDecision
from lib.registry.recover import ClosedDecision, RecoveryChoice, preview_recovery, recover_decisions
from lib.ui.app.session import ask_user_name, current_backend, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.dialog import Dialog, show_steps
from lib.ui.components.formatting import escape, version_label
from lib.ui.components.move_preview import move_text, show_mlflow_calls
from lib.ui.components.reason_field import ask_category, ask_reason, missing_characters
from lib.ui.queries.registry import clear_cache, load_model_status

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


RECOVERY_DIALOG = Dialog[RecoveryDialogState]("unfinished")


def open_recovery_dialog(decision: PendingDecision, choice: RecoveryChoice) -> None:
    """Open the dialog on the next run of the page, with a preview of the moves; shows an error instead if that fails."""
    try:
        status = load_model_status(current_backend(), decision.model).status
        RECOVERY_DIALOG.open(RecoveryDialogState(decision, choice, preview_recovery(status, decision.entry_id, choice)))
    except PodiumError as error:
        flash.set_flash(flash.MODELS, escape(str(error)), "warning")
        clear_cache()


def show_recovery_dialog() -> None:
    """Draw the open dialog, if any."""
    if dialog_state := RECOVERY_DIALOG.state:
        RECOVERY_DIALOG.show(_show_form, dialog_state.title, icon="hourglass_top")


def _show_form(dialog_state: RecoveryDialogState) -> None:
    choice, model = dialog_state.choice, dialog_state.decision.model
    outcome = (
        "Record the outcome, with you as the one who finished it" if choice == "finish" else "Close the decision as given up"
    )
    show_steps([*map(move_text, dialog_state.moves), f"{outcome}, and your reason"])
    category = ask_category(key="unfinished.category", default="housekeeping")
    reason_text = ask_reason("Why, for a reader in two years", key="unfinished.reason", placeholder=_REASON_EXAMPLES[choice])
    name = ask_user_name()
    if dialog_state.moves:
        show_mlflow_calls(current_backend().uri, model, dialog_state.moves)
    if RECOVERY_DIALOG.action_row(dialog_state.button_label, missing_characters(reason_text)):
        with RECOVERY_DIALOG.action("Moving the versions and recording the outcome…", clear_cache):
            reason = make_reason(category, reason_text)
            (closed,) = recover_decisions(writer(name), model, (dialog_state.decision.entry_id,), choice, reason)
            remember_user_name(name)
            message_kind: flash.FlashKind = "warning" if closed.outcome == "OVERTAKEN" else "success"
            flash.set_flash(flash.MODELS, _result_text(closed, dialog_state), message_kind)


def _result_text(closed: ClosedDecision, dialog_state: RecoveryDialogState) -> str:
    version, model = version_label(dialog_state.decision.version), escape(closed.model)
    if closed.outcome == "APPLIED":
        return f"{model}: {version} is now in {dialog_state.decision.to_stage}. Entry {closed.position} is finished."
    if closed.outcome == "OVERTAKEN":
        return f"{model}: a later decision replaced entry {closed.position}. See the history."
    if dialog_state.choice == "finish":
        return f"{model}: entry {closed.position} could not be carried out because {version} no longer exists."
    return f"{model}: entry {closed.position} was given up."
