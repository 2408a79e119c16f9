"""Compare's scatter: its two columns to choose, and what the plot leaves out."""

import streamlit as st

from lib.runs.plots import charts, scatter
from lib.ui.compare.foot import capped, foot
from lib.ui.compare.scene import Scene
from lib.ui.compare.view import bound, drawable, said
from lib.ui.text import count


def draw(scene: Scene) -> None:
    """A point per run at the two chosen columns."""
    view, runs = scene.view, scene.runs
    places, drawn = drawable(runs), charts.shown(runs, view.pick, scatter.MOST_POINTS)
    x, y = (name if name in places else places[0] for name in (view.x, view.y))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.selectbox(
            "Up", places, format_func=lambda name: f"Up: {said(name)}", label_visibility="collapsed", width=210, **bound("y", y)
        )
        st.selectbox(
            "Across",
            places,
            format_func=lambda name: f"Across: {said(name)}",
            label_visibility="collapsed",
            width=210,
            **bound("x", x),
        )
    st.altair_chart(
        scatter.scatter(drawn, (x, y), scene.look),
        key="compare.scatter",
        alt=f"{charts.heading(y)} against {charts.heading(x)}, a point for each of {len(drawn)} runs",
    )
    lost = scatter.unplaced(drawn, (x, y))
    missing = f"{count(lost, 'run')} without both values {'is' if lost == 1 else 'are'} not drawn." if lost else ""
    foot(view, [capped(drawn, runs), missing, "↑ more is better, ↓ less is better."])
