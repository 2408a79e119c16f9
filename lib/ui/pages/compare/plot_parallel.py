"""Compare's parallel coordinates: the axes to choose, the ranges to keep, the plot, and what lies in the ranges."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lib.runs.plots import parallel, style
from lib.runs.plots.axes import Axis, build_axis
from lib.runs.plots.axis_ranges import AxisRange, range_from_brush, runs_in_ranges
from lib.runs.plots.axis_ranges import describe_range as said_range
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import escape
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.axes import axis_scale, selected_axes, show_axis_selector, show_range_sliders
from lib.ui.pages.compare.brush import (
    brush_state,
    cached_chart,
    digest,
    let_pointer_through,
    on_brush_change,
    ranges_as_facets,
    ranges_from_url,
    update_ranges,
)
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import always_drawn_run_ids, best_run_text, run_count_text, sample_note, show_plot_footer
from lib.ui.pages.compare.selection_panel import PlotSelection
from lib.ui.pages.compare.selection_panel import show_plot_selection as held_runs
from lib.ui.pages.compare.view_state import column_label

HINT = "Drag along an axis to keep a range, double-click it to let go. ↑ more is better, ↓ less is better."
PLOT = "parallel"


def draw(context: PlotContext) -> None:
    """The runs over the parameters and metrics that differ, or over the axes that the reader chose."""
    view, runs = context.view, context.runs
    columns = selected_axes(view, runs)
    axes = [build_axis(runs, name, axis_scale(view, name)) for name in columns.names]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        show_axis_selector(view, runs, axes)
        show_range_sliders(axes)
    drawn = style.sample_runs(runs, always_drawn_run_ids(context), parallel.MAX_LINES)
    _plot(context, drawn, axes)
    show_plot_footer(view, [sample_note(drawn, runs), HINT, _without(columns.omitted_names)])
    _held(context, axes)


def _plot(scene: PlotContext, drawn: RunTable, axes: Sequence[Axis]) -> None:
    rows = {run_id: row for row, run_id in enumerate(scene.runs.ids)}
    here = [one.take_rows([rows[run_id] for run_id in drawn.ids]) for one in axes]
    state = brush_state(PLOT, axes)
    key = f"compare.parallel.{state.redraw_count}"
    let_pointer_through()
    drawn_charts.draw_chart(
        cached_chart(
            digest(PLOT, drawn.search, drawn.read_at, drawn.ids, state.axes_digest, state.spans, scene.style),
            lambda: parallel.parallel_plot(drawn, here, scene.style, state.spans),
        ),
        key=key,
        on_select=lambda: on_brush_change(PLOT, key, axes, lambda before, now: _told(axes, before, now)),
        selection_mode=[parallel.brush_name(number) for number in range(len(axes))],
        alt=f"Parallel coordinates of {run_count_text(drawn, scene.runs)} over {', '.join(one.title for one in axes)}. {best_run_text(scene)}",
    )


def _told(axes: Sequence[Axis], before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, AxisRange | None]:
    """The axes whose brush changed, with the range that it keeps now."""
    made: dict[str, AxisRange | None] = {}
    for number, one in enumerate(axes):
        name = parallel.brush_name(number)
        if now.get(name) != before.get(name):
            ends = (now.get(name) or {}).get("norm")
            made[one.name] = range_from_brush(one, *ends) if ends else None
    return made


def _without(left_out: Sequence[str]) -> str:
    if not left_out:
        return ""
    more = f" and {len(left_out) - 6} more" if len(left_out) > 6 else ""
    return f"Without an axis: {', '.join(escape(column_label(name)) for name in left_out[:6])}{more}."


def _held(scene: PlotContext, axes: Sequence[Axis]) -> None:
    kept = ranges_from_url(axes)
    if not kept:
        return
    by = {one.name: one for one in axes}
    held_runs(
        scene,
        PlotSelection(
            run_ids=tuple(runs_in_ranges(kept, axes, scene.runs.ids)),
            where_text="in the ranges" if len(kept) > 1 else "in the range",
            range_texts=tuple(said_range(one, by[one.column]) for one in kept),
            columns=tuple(dict.fromkeys([*filter(None, [scene.view.color]), *by])),
            clear=lambda: update_ranges({one.column: None for one in kept}, axes),
            facets=ranges_as_facets(axes),
        ),
    )
