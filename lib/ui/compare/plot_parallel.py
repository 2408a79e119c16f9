"""Compare's parallel coordinates: what stands around the plot, and what the plot leaves out."""

import streamlit as st

from lib.runs.plots import charts, parallel
from lib.ui.compare.foot import capped, foot
from lib.ui.compare.scene import Scene
from lib.ui.compare.view import axes_of, said
from lib.ui.text import md

# An active brush would catch the pointer and block the brush of its neighbour.
BRUSH_RULE = "<style>.st-key-compare-chart g[class*='_brush'] > path{pointer-events:none}</style>"
HINT = "Drag along an axis to keep a range, double-click it to let go. ↑ more is better, ↓ less is better."


def draw(scene: Scene) -> None:
    """The runs over the parameters and metrics that differ."""
    view, runs = scene.view, scene.runs
    names, left_out = axes_of(view, runs)
    drawn = charts.shown(runs, view.pick, parallel.MOST_LINES)
    st.html(BRUSH_RULE)
    st.altair_chart(
        parallel.parallel(drawn, names, scene.look),
        key="compare.parallel",
        alt=f"Parallel coordinates of {len(drawn)} runs over {', '.join(charts.heading(name) for name in names)}",
    )
    notes = [capped(drawn, runs), HINT]
    if left_out:
        listed = ", ".join(md(said(name)) for name in left_out[:6]) + (
            f" and {len(left_out) - 6} more" if len(left_out) > 6 else ""
        )
        notes.append(f"Without an axis: {listed}.")
    foot(view, notes)
