"""Compare's Parallel plot: parallel coordinates with selectable axes and ranges, and the runs inside the ranges."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lib.runs.plots import parallel, style
from lib.runs.plots.axes import Axis, build_axis
from lib.runs.plots.axis_ranges import AxisRange, describe_range, range_from_brush, runs_in_ranges
from lib.runs.table.types import RunTable
from lib.ui.components.data_table import digest
from lib.ui.components.formatting import escape
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.axes import axis_scale, selected_axes, show_axis_selector, show_range_sliders
from lib.ui.pages.compare.brush import (
    brush_state,
    cached_chart,
    let_pointer_through,
    on_brush_change,
    ranges_as_facets,
    ranges_from_url,
    update_ranges,
)
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import always_drawn_run_ids, best_run_text, run_count_text, sample_note, show_plot_footer
from lib.ui.pages.compare.selection_panel import PlotSelection, show_plot_selection
from lib.ui.pages.compare.view_state import column_label

HINT = "Drag along an axis to select a range; double-click to clear it. ↑ higher is better, ↓ lower is better."
PLOT = "parallel"


def draw(context: PlotContext) -> None:
    """Draw the runs over the differing parameters and metrics, or over the chosen axes."""
    view, runs = context.view, context.runs
    axis_selection = selected_axes(view, runs)
    axes = [build_axis(runs, name, axis_scale(view, name)) for name in axis_selection.names]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        show_axis_selector(view, runs, axes)
        show_range_sliders(axes)
    drawn_runs = style.sample_runs(runs, always_drawn_run_ids(context), parallel.MAX_LINES)
    _show_plot(context, drawn_runs, axes)
    show_plot_footer(view, [sample_note(drawn_runs, runs), HINT, _omitted_axes_note(axis_selection.omitted_names)])
    _show_selection(context, axes)


def _show_plot(context: PlotContext, drawn_runs: RunTable, axes: Sequence[Axis]) -> None:
    rows = {run_id: row for row, run_id in enumerate(context.runs.ids)}
    drawn_axes = [axis.take_rows([rows[run_id] for run_id in drawn_runs.ids]) for axis in axes]
    state = brush_state(PLOT, axes)
    key = f"compare.parallel.{state.redraw_count}"
    let_pointer_through()
    drawn_charts.draw_chart(
        cached_chart(
            digest(PLOT, drawn_runs.search, drawn_runs.read_at, drawn_runs.ids, state.axes_digest, state.spans, context.style),
            lambda: parallel.parallel_plot(drawn_runs, drawn_axes, context.style, state.spans),
        ),
        key=key,
        on_select=lambda: on_brush_change(PLOT, key, axes, lambda previous, current: _decode_brushes(axes, previous, current)),
        selection_mode=[parallel.brush_name(number) for number in range(len(axes))],
        alt=f"Parallel coordinates of {run_count_text(drawn_runs, context.runs)} over {', '.join(axis.title for axis in axes)}. {best_run_text(context)}",
    )


def _decode_brushes(axes: Sequence[Axis], previous: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, AxisRange | None]:
    """Return the axes whose brush changed, with the new range."""
    changes: dict[str, AxisRange | None] = {}
    for number, axis in enumerate(axes):
        name = parallel.brush_name(number)
        if current.get(name) != previous.get(name):
            ends = (current.get(name) or {}).get("norm")
            changes[axis.name] = range_from_brush(axis, *ends) if ends else None
    return changes


def _omitted_axes_note(omitted_names: Sequence[str]) -> str:
    if not omitted_names:
        return ""
    more_text = f" and {len(omitted_names) - 6} more" if len(omitted_names) > 6 else ""
    return f"Not shown: {', '.join(escape(column_label(name)) for name in omitted_names[:6])}{more_text}."


def _show_selection(context: PlotContext, axes: Sequence[Axis]) -> None:
    ranges = ranges_from_url(axes)
    if not ranges:
        return
    axes_by_name = {axis.name: axis for axis in axes}
    show_plot_selection(
        context,
        PlotSelection(
            run_ids=tuple(runs_in_ranges(ranges, axes, context.runs.ids)),
            where_text="in the ranges" if len(ranges) > 1 else "in the range",
            range_texts=tuple(describe_range(axis_range, axes_by_name[axis_range.column]) for axis_range in ranges),
            columns=tuple(dict.fromkeys([*filter(None, [context.view.color]), *axes_by_name])),
            clear=lambda: update_ranges({axis_range.column: None for axis_range in ranges}, axes),
            facets=ranges_as_facets(axes),
        ),
    )
