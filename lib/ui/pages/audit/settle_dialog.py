"""The dialog that settles findings blocking decisions about a model, with a reason and a name. Its state is fixed on opening."""

from dataclasses import dataclass

import streamlit as st

from lib.errors import PodiumError
from lib.ledger.chain.book_findings import condense_findings
from lib.ledger.entry.vocabulary import make_reason
from lib.registry.head_watch import HeadWatch
from lib.registry.settle import settle
from lib.registry.unsettled import Unsettled, list_unsettled
from lib.ui.app.session import ask_user_name, current_backend, head_memory, now, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.dialog import Dialog
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import show_table
from lib.ui.components.reason_field import ask_category, ask_reason, missing_characters
from lib.ui.queries.registry import clear_cache

_ERROR_KEY = "audit.settle.error"


@dataclass(frozen=True)
class SettleDialogState:
    """State of the dialog, fixed on opening."""

    model: str
    unsettled: Unsettled


_SETTLE_DIALOG = Dialog[SettleDialogState]("audit.settle")


def open_settle_dialog(model: str) -> None:
    """Open the dialog on this rerun (a callback); on failure the error is shown instead."""
    try:
        unsettled = list_unsettled(current_backend(), model, HeadWatch(head_memory(), now))
        _SETTLE_DIALOG.open(SettleDialogState(model, unsettled))
    except PodiumError as error:
        st.session_state[_ERROR_KEY] = error


def show_settle_dialog() -> None:
    """Draw the open dialog, if any."""
    error = st.session_state.pop(_ERROR_KEY, None)
    if isinstance(error, PodiumError):
        show_error(error)
    if dialog_state := _SETTLE_DIALOG.state:
        _SETTLE_DIALOG.show(_show_form, f"Settle the record of {escape(dialog_state.model)}?", icon="gavel", width="large")


def _show_form(dialog_state: SettleDialogState) -> None:
    if not dialog_state.unsettled.all_findings:
        st.success(f"Nothing blocks decisions about {escape(dialog_state.model)} any longer.", icon=":material/check_circle:")
        return
    st.markdown(
        "Settling records that you reviewed these findings and that decisions may continue. Nothing is repaired or hidden: each finding "
        "stays listed with the entry that settled it."
    )
    show_table(
        [
            (str(f.position or ""), f"**{escape(f.what)}**", escape(f.means))
            for f in condense_findings(dialog_state.unsettled.all_findings)
        ],
        ["Position", "Finding", "What it means"],
    )
    category = ask_category(key="audit.settle.category", default="incident")
    reason_text = ask_reason(
        "Why decisions may continue, for a reader in two years",
        key="audit.settle.reason",
        placeholder="A planted entry, rejected by verification. We compared the record with the backup; nothing else differs.",
    )
    name = ask_user_name()
    if _SETTLE_DIALOG.action_row("Settle findings", missing_characters(reason_text), icon="gavel"):
        with _SETTLE_DIALOG.action("Recording the settlement…", clear_cache):
            reason = make_reason(category, reason_text)
            settled = settle(writer(name), dialog_state.model, dialog_state.unsettled, reason)
            remember_user_name(name)
            flash.set_flash(
                flash.MODELS, f"{escape(settled.model)}: settled in entry {settled.position}. Decisions can continue."
            )
