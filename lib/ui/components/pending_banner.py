"""Decisions of others that are not finished yet: shown meanwhile, finished by themselves after the grace time, or at once on a click."""

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from lib.errors import PodiumError
from lib.registry.pending_decisions import Pending, first_due
from lib.registry.reconcile import recover
from lib.ui.app.session import now
from lib.ui.app.writer import writer
from lib.ui.components.badges import STAGE, chip
from lib.ui.components.error_box import show
from lib.ui.components.formatting import ago, count, md, span, version
from lib.ui.pages.models.move_dialogs import DONE
from lib.ui.queries.registry import forget

EVERY, REREAD = "5s", "unfinished.reread"


def unfinished(open_: Sequence[Pending], *, may_write: bool) -> None:
    """Draw nothing when nothing is open; else look again every few seconds, and read anew once a look finishes them."""
    if not open_:
        st.session_state.pop(REREAD, None)
    else:
        st.fragment(_watched, run_every=EVERY)(tuple(open_), may_write)


def _watched(open_: tuple[Pending, ...], may_write: bool) -> None:  # noqa: FBT001 - handed on by the fragment
    left = first_due(open_, now()) or timedelta()
    for model in dict.fromkeys(one.model for one in open_):
        with st.container(border=True, key=f"unfinished.{model}"):
            st.info(
                "  \n".join(_said(one) for one in open_ if one.model == model),
                title="A decision is not finished yet"
                if len(open_) == 1
                else f"{count(len(open_), 'decision')} not finished yet",
                icon=":material/hourglass_top:",
            )
            if may_write and st.button("Finish now", key=f"unfinished.finish.{model}", icon=":material/check:"):
                _finish(model)
    if may_write and not left and REREAD not in st.session_state:  # once: what a look could not finish is not asked for ever
        st.session_state[REREAD] = True
        forget()
        st.rerun()


def _said(one: Pending) -> str:
    by_itself = f"finishing by itself in {span(one.left(now()))}" if one.left(now()) else "being finished now"
    return (
        f"**{md(one.model)}** {version(one.version)} → {chip(STAGE, one.to)} decided by {md(one.by)} {ago(one.at, now())} "
        f"(entry {one.place}), not finished; {by_itself}."
    )


def _finish(model: str) -> None:
    """Finish or give up what was left open, and say how each ended."""
    try:
        with st.spinner("Finishing what was left open…"):
            found, closed = recover(writer(), model)
    except PodiumError as error:
        show(error)
        return
    ended = [found.state.outcome.get(entry, "FAILED") for entry in closed]
    words = {"APPLIED": "moved", "OVERTAKEN": "overtaken by a later decision", "FAILED": "given up, its version is gone"}
    said = ", ".join(words[one] for one in ended) or "somebody else was quicker"
    st.session_state[DONE] = ("success" if set(ended) <= {"APPLIED"} else "warning", f"{md(model)}: {said}.")
    forget()
    st.rerun()
