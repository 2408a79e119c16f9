"""Compare's parallel coordinates: the axes to choose, the ranges to keep, the plot, and what lies in the ranges."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lib.runs.plots import parallel
from lib.runs.plots import style as charts
from lib.runs.plots.axes import Axis, axis
from lib.runs.plots.axis_ranges import Range, brushed, passing
from lib.runs.plots.axis_ranges import said as said_range
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import md
from lib.ui.pages.compare import drawn_charts as canvas
from lib.ui.pages.compare.axes import chosen, pick_axes, pick_ranges, scale
from lib.ui.pages.compare.brush import brushes, change, conditions, digest, follow, picture, ranges, see_through
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.plot_footer import best_run, capped, foot, of_all, telling
from lib.ui.pages.compare.selection_panel import Held
from lib.ui.pages.compare.selection_panel import brushed as held_runs
from lib.ui.pages.compare.view_state import said

HINT = "Drag along an axis to keep a range, double-click it to let go. ↑ more is better, ↓ less is better."
PLOT = "parallel"


def draw(scene: Scene) -> None:
    """The runs over the parameters and metrics that differ, or over the axes that the reader chose."""
    view, runs = scene.view, scene.runs
    columns = chosen(view, runs)
    axes = [axis(runs, name, scale(view, name)) for name in columns.names]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        pick_axes(view, runs, axes)
        pick_ranges(axes)
    drawn = charts.sampled(runs, telling(scene), parallel.MOST_LINES)
    _plot(scene, drawn, axes)
    foot(view, [capped(drawn, runs), HINT, _without(columns.left_out)])
    _held(scene, axes)


def _plot(scene: Scene, drawn: RunTable, axes: Sequence[Axis]) -> None:
    rows = {run_id: row for row, run_id in enumerate(scene.runs.ids)}
    here = [one.of([rows[run_id] for run_id in drawn.ids]) for one in axes]
    state = brushes(PLOT, axes)
    key = f"compare.parallel.{state.number}"
    see_through()
    canvas.draw(
        picture(
            digest(PLOT, drawn.search, drawn.read_at, drawn.ids, state.of, state.spans, scene.look),
            lambda: parallel.parallel(drawn, here, scene.look, state.spans),
        ),
        key=key,
        on_select=lambda: follow(PLOT, key, axes, lambda before, now: _told(axes, before, now)),
        selection_mode=[parallel.brush(number) for number in range(len(axes))],
        alt=f"Parallel coordinates of {of_all(drawn, scene.runs)} over {', '.join(one.title for one in axes)}. {best_run(scene)}",
    )


def _told(axes: Sequence[Axis], before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Range | None]:
    """The axes whose brush changed, with the range that it keeps now."""
    made: dict[str, Range | None] = {}
    for number, one in enumerate(axes):
        name = parallel.brush(number)
        if now.get(name) != before.get(name):
            ends = (now.get(name) or {}).get("norm")
            made[one.name] = brushed(one, *ends) if ends else None
    return made


def _without(left_out: Sequence[str]) -> str:
    if not left_out:
        return ""
    more = f" and {len(left_out) - 6} more" if len(left_out) > 6 else ""
    return f"Without an axis: {', '.join(md(said(name)) for name in left_out[:6])}{more}."


def _held(scene: Scene, axes: Sequence[Axis]) -> None:
    kept = ranges(axes)
    if not kept:
        return
    by = {one.name: one for one in axes}
    held_runs(
        scene,
        Held(
            ids=tuple(passing(kept, axes, scene.runs.ids)),
            where="in the ranges" if len(kept) > 1 else "in the range",
            by=tuple(said_range(one, by[one.column]) for one in kept),
            columns=tuple(dict.fromkeys([*filter(None, [scene.view.color]), *by])),
            let_go=lambda: change({one.column: None for one in kept}, axes),
            conditions=conditions(axes),
        ),
    )
