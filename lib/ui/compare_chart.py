"""The chart card of Compare: one plot of the runs, with what it leaves out said below it."""

import streamlit as st

from lib.runs import charts, parallel, scatter
from lib.runs.table import subset
from lib.runs.values import RunTable
from lib.ui.cards import card, empty
from lib.ui.compare_empty import to_launch
from lib.ui.compare_view import View, axes_of, bound, drawable, keep, said
from lib.ui.ink import ink
from lib.ui.text import count, md

# An active brush would catch the pointer and block the brush of its neighbour.
BRUSH_RULE = "<style>.st-key-compare-chart g[class*='_brush'] > path{pointer-events:none}</style>"
HINT = "Drag along an axis to keep a range, double-click it to let go. ↑ more is better, ↓ less is better."


def chart(view: View, table: RunTable, whole: RunTable) -> None:
    """The plot that the address asks for: of the runs in the table, or of the picked ones, which a filter may hide there."""
    runs = subset(whole, view.pick) if view.only and view.pick else table
    with card(key="compare-chart"):
        if not drawable(runs):
            _nothing_to_draw(view, table)
        elif view.plot == "Scatter":
            _scatter(view, runs)
        else:
            _parallel(view, runs)


def _parallel(view: View, runs: RunTable) -> None:
    names, left_out = axes_of(view, runs)
    drawn = charts.shown(runs, view.pick, parallel.MOST_LINES)
    st.html(BRUSH_RULE)
    st.altair_chart(
        parallel.parallel(drawn, names, view.color, view.pick, ink()),
        key="compare.parallel",
        alt=f"Parallel coordinates of {len(drawn)} runs over {', '.join(charts.heading(name) for name in names)}",
    )
    notes = [_capped(drawn, runs), HINT]
    if left_out:
        listed = ", ".join(md(said(name)) for name in left_out[:6]) + (
            f" and {len(left_out) - 6} more" if len(left_out) > 6 else ""
        )
        notes.append(f"Without an axis: {listed}.")
    _foot(view, notes)


def _scatter(view: View, runs: RunTable) -> None:
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
        scatter.scatter(drawn, (x, y), view.color, view.pick, ink()),
        key="compare.scatter",
        alt=f"{charts.heading(y)} against {charts.heading(x)}, a point for each of {len(drawn)} runs",
    )
    lost = scatter.unplaced(drawn, (x, y))
    missing = f"{count(lost, 'run')} without both values {'is' if lost == 1 else 'are'} not drawn." if lost else ""
    _foot(view, [_capped(drawn, runs), missing, "↑ more is better, ↓ less is better."])


def _capped(drawn: RunTable, runs: RunTable) -> str:
    return f"Showing the newest {len(drawn):,} of {count(len(runs), 'run')}." if len(drawn) < len(runs) else ""


def _foot(view: View, notes: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(note for note in notes if note), width="stretch")
        if len(view.pick) > 1:
            st.toggle("Only the picked runs", **(bound("only", bool(view.only)) | {"on_change": _only, "args": ()}))


def _only() -> None:
    keep(only="picked" if st.session_state["compare.only"] else "")


def _nothing_to_draw(view: View, table: RunTable) -> None:
    if view.only:
        empty("scatter_plot", "Nothing differs between the picked runs", "They have the same parameters and the same metrics.")
        with st.container(horizontal_alignment="center"):
            st.button("Draw all runs", key="compare.draw_all", on_click=keep, kwargs={"only": ""})
    elif len(table) == 1:
        empty("scatter_plot", "One run has nothing to compare with", "Train a second one with other parameters.")
        to_launch("Start a demo", "secondary")
    else:
        empty("scatter_plot", "Nothing to draw yet", "These runs have no parameter or metric that differs.")
