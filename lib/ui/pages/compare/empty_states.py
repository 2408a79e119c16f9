"""What Compare shows when there is nothing to compare: why, and the next step as a button."""

from typing import Literal

import streamlit as st

from lib.ui.app.routes import goto
from lib.ui.components.formatting import md
from lib.ui.components.layout import card, empty, header
from lib.ui.pages.compare.filter_panel import how_many
from lib.ui.pages.compare.queries import Catalogue, Found
from lib.ui.pages.compare.view_state import View, keep


def no_experiment() -> None:
    """The backend has no experiment yet."""
    with header("Compare", "No experiment yet"):
        pass
    with card():
        empty("science", "No experiment yet", "An experiment is made by the first run that asks for it.")
        to_launch("Train the first forest")


def no_run(view: View) -> None:
    """The experiment is there, but nothing ran in it, or nothing of it was deleted."""
    if view.state == "deleted":
        with card():
            empty("delete", "No deleted run", "Nothing in this experiment was deleted.")
            _to_take_away("Show the active runs", state="")
        return
    with card():
        empty("play_circle", "No run yet", "Start a demo, or log a run from your own script, then read again.")
        to_launch("Start a demo")


def no_match(view: View) -> None:
    """The filter, or what stands under Refine, leaves no run."""
    why = [f"The filter {md(view.filter)}"] * bool(view.filter) + ["what is set under Refine"] * bool(how_many(view))
    with card():
        empty("search_off", "No run matches", f"{_sentence(' together with '.join(why))} leaves nothing.")
        if how_many(view):
            _to_take_away("Clear all conditions", filter="", facet=(), since="", until="", parent="", children="")
        else:
            _to_take_away("Clear the filter", filter="")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _to_take_away(label: str, **changes: object) -> None:
    with st.container(horizontal_alignment="center"):
        st.button(label, type="primary", key="compare.clear", on_click=keep, kwargs=changes)
    st.space("small")


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
