"""Decisions of others that are not finished yet: shown meanwhile, finished by themselves after the grace time, or at once on a click."""

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from lib.errors import PodiumError
from lib.registry.pending_decisions import PendingDecision, time_until_first_due
from lib.registry.reconcile import recover
from lib.ui.app.session import now
from lib.ui.app.writer import writer
from lib.ui.components import flash
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, format_age, format_count, format_duration, version_label
from lib.ui.queries.registry import clear_cache

REFRESH_INTERVAL, REREAD_KEY = "5s", "unfinished.reread"


def show_pending(decisions: Sequence[PendingDecision], *, can_write: bool) -> None:
    """Draw nothing when nothing is open; else look again every few seconds, and read anew once a look finishes them."""
    if not decisions:
        st.session_state.pop(REREAD_KEY, None)
    else:
        st.fragment(_watched, run_every=REFRESH_INTERVAL)(tuple(decisions), can_write)


def _watched(open_: tuple[PendingDecision, ...], may_write: bool) -> None:  # noqa: FBT001 - handed on by the fragment
    left = time_until_first_due(open_, now()) or timedelta()
    for model in dict.fromkeys(one.model for one in open_):
        with st.container(border=True, key=f"unfinished.{model}"):
            st.info(
                "  \n".join(_said(one) for one in open_ if one.model == model),
                title="A decision is not finished yet"
                if len(open_) == 1
                else f"{format_count(len(open_), 'decision')} not finished yet",
                icon=":material/hourglass_top:",
            )
            if may_write and st.button("Finish now", key=f"unfinished.finish.{model}", icon=":material/check:"):
                _finish(model)
    if may_write and not left and REREAD_KEY not in st.session_state:  # once: what a look could not finish is not asked for ever
        st.session_state[REREAD_KEY] = True
        clear_cache()
        st.rerun()


def _said(one: PendingDecision) -> str:
    by_itself = (
        f"finishing by itself in {format_duration(one.time_left(now()))}" if one.time_left(now()) else "being finished now"
    )
    return (
        f"**{escape(one.model)}** {version_label(one.version)} → {badge_markdown(STAGE_BADGES, one.to_stage)} decided by {escape(one.actor_name)} {format_age(one.at, now())} "
        f"(entry {one.position}), not finished; {by_itself}."
    )


def _finish(model: str) -> None:
    """Finish or give up what was left open, and say how each ended."""
    try:
        with st.spinner("Finishing what was left open…"):
            found, closed = recover(writer(), model)
    except PodiumError as error:
        show_error(error)
        return
    ended = [found.state.outcomes.get(entry, "FAILED") for entry in closed]
    words = {"APPLIED": "moved", "OVERTAKEN": "overtaken by a later decision", "FAILED": "given up, its version is gone"}
    said = ", ".join(words[one] for one in ended) or "somebody else was quicker"
    flash.set_flash(flash.MODELS, f"{escape(model)}: {said}.", "success" if set(ended) <= {"APPLIED"} else "warning")
    clear_cache()
    st.rerun()
