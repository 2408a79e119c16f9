"""Banners for unfinished decisions: actor, age and progress, with buttons to finish or give up."""

from collections.abc import Sequence

import streamlit as st

from lib.registry.pending_decisions import PendingDecision, list_pending_decisions
from lib.ui.app.session import current_backend, now
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_age, version_label
from lib.ui.components.recovery_dialog import RECOVERY_DIALOG, open_recovery_dialog, show_recovery_dialog
from lib.ui.queries.registry import load_model_status

REFRESH_INTERVAL = "5s"


def show_pending(decisions: Sequence[PendingDecision], *, can_write: bool) -> None:
    """Show the open decisions; nothing if there are none. Refreshes every few seconds while a writer may still be active."""
    if decisions:
        is_in_flight = any(decision.is_in_flight for decision in decisions)
        st.fragment(_show_decisions, run_every=REFRESH_INTERVAL if is_in_flight else None)(tuple(decisions), can_write)
    show_recovery_dialog()


def _show_decisions(decisions: tuple[PendingDecision, ...], can_write: bool) -> None:  # noqa: FBT001 - handed on by the fragment
    for decision in decisions:
        with st.container(border=True, key=f"unfinished.{decision.entry_id}"):
            st.info(_decision_text(decision), title="Unfinished decision", icon=":material/hourglass_top:")
            if can_write:
                _show_buttons(decision)
    with error_boundary():
        models = dict.fromkeys(decision.model for decision in decisions)
        statuses = [load_model_status(current_backend(), model).status for model in models]
        open_ids = {pending.entry_id for status in statuses for pending in list_pending_decisions(status)}
        if open_ids != {decision.entry_id for decision in decisions} and RECOVERY_DIALOG.state is None:
            st.rerun()


def _show_buttons(decision: PendingDecision) -> None:
    with st.container(horizontal=True, gap="small"):
        if st.button("Finish…", key=f"unfinished.finish.{decision.entry_id}", icon=":material/check:"):
            open_recovery_dialog(decision, "finish")
            st.rerun()
        if st.button("Give up…", key=f"unfinished.give_up.{decision.entry_id}", icon=":material/undo:"):
            open_recovery_dialog(decision, "give up")
            st.rerun()


def _decision_text(decision: PendingDecision) -> str:
    advice = (
        "It is probably still in progress."
        if decision.is_in_flight
        else "It will not continue on its own: finish it or give it up."
    )
    return (
        f"**{escape(decision.model)}** {version_label(decision.version)} → {badge_markdown(STAGE_BADGES, decision.to_stage)} "
        f"decided by {escape(decision.actor_name)} {format_age(decision.at, now())} (entry {decision.position}). "
        f"{decision.progress_text} {advice}"
    )
