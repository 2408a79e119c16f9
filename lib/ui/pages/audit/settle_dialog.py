"""The dialog that settles findings blocking decisions about a model, with a reason and a name. Its state is fixed on opening."""

from dataclasses import dataclass

import streamlit as st

from lib.errors import PodiumError
from lib.ledger.chain.book_findings import condense_findings
from lib.ledger.entry.vocabulary import REASON_CATEGORIES, make_reason
from lib.registry.head_watch import HeadWatch
from lib.registry.settle import settle
from lib.registry.unsettled import Unsettled, list_unsettled
from lib.ui.app.session import ask_user_name, current_backend, head_memory, now, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import show_table
from lib.ui.components.reason_field import ask_reason, short_reason_kwargs
from lib.ui.queries.registry import clear_cache

_DIALOG_KEY, _ERROR_KEY = "audit.settle.open", "audit.settle.error"
_INCIDENT_INDEX = list(REASON_CATEGORIES).index("incident")


@dataclass(frozen=True)
class SettleDialogState:
    """State of the dialog, fixed on opening."""

    model: str
    unsettled: Unsettled


def open_settle_dialog(model: str) -> None:
    """Open the dialog on this rerun (a callback); on failure the error is shown instead."""
    try:
        st.session_state[_DIALOG_KEY] = SettleDialogState(
            model, list_unsettled(current_backend(), model, HeadWatch(head_memory(), now))
        )
    except PodiumError as error:
        st.session_state[_ERROR_KEY] = error


def show_settle_dialog() -> None:
    """Draw the open dialog, if any."""
    error, dialog_state = st.session_state.pop(_ERROR_KEY, None), st.session_state.get(_DIALOG_KEY)
    if isinstance(error, PodiumError):
        show_error(error)
    if isinstance(dialog_state, SettleDialogState):
        title = f"Settle the record of {escape(dialog_state.model)}?"
        st.dialog(title, width="large", icon=":material/gavel:", on_dismiss=_close_dialog)(_show_form)(dialog_state)


def _close_dialog() -> None:
    st.session_state.pop(_DIALOG_KEY, None)


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
    category = st.selectbox(
        "Kind of reason",
        list(REASON_CATEGORIES),
        _INCIDENT_INDEX,
        format_func=REASON_CATEGORIES.__getitem__,
        key="audit.settle.category",
    )
    reason_text = ask_reason(
        "Why decisions may continue, for a reader in two years",
        key="audit.settle.reason",
        placeholder="A planted entry, rejected by verification. We compared the record with the backup; nothing else differs.",
    )
    name = ask_user_name()
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="audit.settle.cancel"):
            _close_dialog()
            st.rerun()
        if st.button(
            "Settle findings",
            key="audit.settle.confirm",
            type="primary",
            icon=":material/gavel:",
            **short_reason_kwargs(reason_text),
        ):
            _settle(dialog_state, category, reason_text, name)


def _settle(dialog_state: SettleDialogState, category: str, reason_text: str, name: str) -> None:
    """Validate the input, settle and close the dialog; show any error inside it."""
    try:
        reason = make_reason(category, reason_text)
        with st.spinner("Recording the settlement…"):
            settled = settle(writer(name), dialog_state.model, dialog_state.unsettled, reason)
    except PodiumError as error:
        clear_cache()
        show_error(error)
        return
    remember_user_name(name)
    flash.set_flash(flash.MODELS, f"{escape(settled.model)}: settled in entry {settled.position}. Decisions can continue.")
    _close_dialog()
    clear_cache()
    st.rerun()
