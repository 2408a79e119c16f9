"""Decisions of others that are not finished yet: shown meanwhile, finished by themselves after the grace time, or at once on a click."""

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from lib.errors import PodiumError
from lib.registry.pending_decisions import PendingDecision, time_until_first_due
from lib.registry.reconcile import recover
from lib.ui.app.session import now, writer
from lib.ui.components import flash
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, format_age, format_count, format_duration, version_label
from lib.ui.queries.registry import clear_cache

REFRESH_INTERVAL, REREAD_KEY = "5s", "unfinished.reread"


def show_pending(decisions: Sequence[PendingDecision], *, can_write: bool) -> None:
    """Draw nothing when nothing is open; else check again every few seconds, and read again once they can be finished."""
    if not decisions:
        st.session_state.pop(REREAD_KEY, None)
    else:
        st.fragment(_show_decisions, run_every=REFRESH_INTERVAL)(tuple(decisions), can_write)


def _show_decisions(decisions: tuple[PendingDecision, ...], can_write: bool) -> None:  # noqa: FBT001 - handed on by the fragment
    time_left = time_until_first_due(decisions, now()) or timedelta()
    for model in dict.fromkeys(decision.model for decision in decisions):
        with st.container(border=True, key=f"unfinished.{model}"):
            st.info(
                "  \n".join(_decision_text(decision) for decision in decisions if decision.model == model),
                title="A decision is not finished yet"
                if len(decisions) == 1
                else f"{format_count(len(decisions), 'decision')} not finished yet",
                icon=":material/hourglass_top:",
            )
            if can_write and st.button("Finish now", key=f"unfinished.finish.{model}", icon=":material/check:"):
                _finish_decisions(model)
    if (
        can_write and not time_left and REREAD_KEY not in st.session_state
    ):  # once: what a read could not finish is not tried for ever
        st.session_state[REREAD_KEY] = True
        clear_cache()
        st.rerun()


def _decision_text(decision: PendingDecision) -> str:
    progress = (
        f"finishing by itself in {format_duration(decision.time_left(now()))}"
        if decision.time_left(now())
        else "being finished now"
    )
    return (
        f"**{escape(decision.model)}** {version_label(decision.version)} → {badge_markdown(STAGE_BADGES, decision.to_stage)} decided by {escape(decision.actor_name)} {format_age(decision.at, now())} "
        f"(entry {decision.position}), not finished; {progress}."
    )


def _finish_decisions(model: str) -> None:
    """Finish or give up what was left open, and say how each ended."""
    try:
        with st.spinner("Finishing what was left open…"):
            status, closed_ids = recover(writer(), model)
    except PodiumError as error:
        show_error(error)
        return
    outcomes = [status.state.outcomes.get(entry, "FAILED") for entry in closed_ids]
    outcome_texts = {"APPLIED": "moved", "OVERTAKEN": "overtaken by a later decision", "FAILED": "given up, its version is gone"}
    text = ", ".join(outcome_texts[outcome] for outcome in outcomes) or "somebody else was quicker"
    flash.set_flash(flash.MODELS, f"{escape(model)}: {text}.", "success" if set(outcomes) <= {"APPLIED"} else "warning")
    clear_cache()
    st.rerun()
