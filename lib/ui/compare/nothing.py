"""What Compare shows when there is nothing to compare: why, and the next step as a button."""

from typing import Literal

import streamlit as st

from lib.ui.cards import card, empty, header
from lib.ui.compare.reading import Catalogue, Found
from lib.ui.compare.view import View, keep
from lib.ui.routes import goto
from lib.ui.text import md


def no_experiment() -> None:
    """The backend has no experiment yet."""
    with header("Compare", "No experiment yet"):
        pass
    with card():
        empty("science", "No experiment yet", "An experiment is made by the first run that asks for it.")
        to_launch("Train the first forest")


def no_run() -> None:
    """The experiment is there, but nothing ran in it."""
    with card():
        empty("play_circle", "No run yet", "Start a demo, or log a run from your own script, then read again.")
        to_launch("Start a demo")


def no_match(view: View) -> None:
    """The filter, or what narrows the runs beside it, leaves no run."""
    narrowed = bool(view.facet or view.since or view.until or view.parent)
    both = " and the conditions together leave" if narrowed else " leaves"
    what = f"The filter {md(view.filter)}{both} nothing." if view.filter else "The conditions leave nothing."
    with card():
        empty("search_off", "No run matches", what)
        with st.container(horizontal=True, horizontal_alignment="center"):
            if view.filter:
                st.button("Clear the filter", type="primary", key="compare.clear", on_click=keep, kwargs={"filter": ""})
            if narrowed or not view.filter:
                kind: Literal["primary", "secondary"] = "secondary" if view.filter else "primary"
                st.button("Clear the conditions", type=kind, key="compare.clear_facets", on_click=keep, kwargs=_WIDE)
        st.space("small")


_WIDE = {"facet": (), "since": "", "until": "", "parent": "", "children": ""}


def to_launch(label: str, kind: Literal["primary", "secondary"] = "primary") -> None:
    """The button that leads to where runs come from."""
    with st.container(horizontal_alignment="center"):
        if st.button(label, type=kind, icon=":material/play_arrow:", key="compare.launch"):
            goto("launch")
    st.space("small")


def gone(asked: View, view: View, catalogue: Catalogue) -> None:
    """Name what a link asked for and this backend does not have."""
    shown = catalogue.named(view.experiment)
    missing = [one for one in asked.experiment if one not in view.experiment]
    if missing and shown:
        names = ", ".join(md(one.name) for one in shown)
        st.info(
            f"Experiment {', '.join(map(md, missing))} is not on this backend, or was deleted. Showing {names}"
            f"{'' if set(asked.experiment) & set(view.experiment) else ' instead'}.",
            icon=":material/info:",
        )


def gone_picks(asked: View, found: Found) -> None:
    """Name the picked runs that are not in this experiment."""
    missing = [run_id for run_id in asked.pick if run_id not in found.whole.identity.index]
    if missing:
        names = ", ".join(md(run_id[:12]) for run_id in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        st.markdown(f":small[:orange[:material/info: Picked in this link, but not in this experiment: {names}{more}.]]")
