"""Compare's Scatter plot: two columns, overlays, and the runs selected by box or click."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lib.runs.analysis.metric_direction import Direction
from lib.runs.analysis.pareto import pareto_front
from lib.runs.plots import scatter, style
from lib.runs.plots.axes import Axis, build_axis
from lib.runs.plots.axis_ranges import AxisRange, describe_range, range_from_box, runs_in_ranges
from lib.runs.plots.trend import NoTrend, Trend, fit_trend
from lib.runs.table.run_table import METRIC_PREFIX, column_direction, varying_params
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.data_table import digest
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import lazy_popover, show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.axes import axis_scale, short_column_labels, show_scale_selector
from lib.ui.pages.compare.brush import (
    brush_state,
    cached_chart,
    let_pointer_through,
    on_brush_change,
    ranges_as_facets,
    ranges_from_url,
    request_redraw,
    update_ranges,
)
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import always_drawn_run_ids, best_run_text, run_count_text, sample_note, show_plot_footer
from lib.ui.pages.compare.selection_panel import PlotSelection, show_plot_selection
from lib.ui.pages.compare.view_state import bind_widget, column_label, plottable_columns, update_url, view_from_url

PLOT = "scatter"
OVERLAY_LABELS = {"pareto": "Pareto front", "trend": "Trend"}
MAX_NAMES = 6
MAX_COLUMNS = 10
AxisPair = tuple[Axis, Axis]


@dataclass(frozen=True)
class _Overlay:
    """The runs on the Pareto front and the trend, each None if not requested, and plain-text notes on them."""

    front: tuple[str, ...] | None
    trend: Trend | None
    notes: tuple[str, ...]


def draw(context: PlotContext) -> None:
    """Draw a point per run over the two chosen columns."""
    view, runs = context.view, context.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        x, y = _select_columns(view, plottable_columns(runs))
        axes = build_axis(runs, x, axis_scale(view, x)), build_axis(runs, y, axis_scale(view, y))
        with lazy_popover("compare.drawer.scales", "Scales", icon=":material/tune:", width="content") as is_open:
            if is_open:
                show_scale_selector(axes)
        overlay = _build_overlay(context, axes)
        _overlay_pills(view, overlay)
    unplotted_count = scatter.count_unplotted(axes)
    if unplotted_count == len(runs):
        show_empty_state("scatter_plot", "No points to draw", "No run has a value on both axes. Choose other columns.")
        return
    drawn_runs = style.sample_runs(runs, (*always_drawn_run_ids(context), *(overlay.front or ())), scatter.MAX_POINTS)
    clicked_run_ids = _show_plot(context, axes, overlay, drawn_runs)
    missing_note = (
        f"{format_count(unplotted_count, 'run')} without both values {'is' if unplotted_count == 1 else 'are'} not shown."
        if unplotted_count
        else ""
    )
    show_plot_footer(
        view,
        [
            sample_note(drawn_runs, runs),
            *map(escape, overlay.notes),
            missing_note,
            "Drag a box or click a point. ↑ higher is better, ↓ lower is better.",
        ],
    )
    _show_selection(context, axes, clicked_run_ids)


def _select_columns(view: ViewState, column_names: Sequence[str]) -> tuple[str, str]:
    x, y = (name if name in column_names else column_names[0] for name in (view.x, view.y))
    options = short_column_labels(column_names)
    for field, title, value in (("y", "Y axis", y), ("x", "X axis", x)):
        st.selectbox(
            title,
            column_names,
            format_func=lambda name, title=title: f"{title}: {options[name]}",
            label_visibility="collapsed",
            width=230,
            **bind_widget(field, value),
        )
    return x, y


def _overlay_pills(view: ViewState, overlay: _Overlay) -> None:
    binding = bind_widget("mark", [flag for flag in view.mark if flag in OVERLAY_LABELS]) | {
        "on_change": _on_overlay_change,
        "args": (),
    }
    st.pills(
        "Overlays",
        list(OVERLAY_LABELS),
        format_func=OVERLAY_LABELS.__getitem__,
        selection_mode="multi",
        label_visibility="collapsed",
        **binding,
    )
    if overlay.front:
        ids = tuple(dict.fromkeys((*view.pick, *overlay.front)))
        st.button("Pick the front", type="tertiary", key="compare.pick_front", on_click=update_url, kwargs={"pick": ids})


def _on_overlay_change() -> None:
    others = [flag for flag in view_from_url().mark if flag not in OVERLAY_LABELS]
    update_url(mark=(*others, *st.session_state["compare.mark"]))


def _build_overlay(context: PlotContext, axes: AxisPair) -> _Overlay:
    """Build the overlays that the URL requests, from all runs rather than only the drawn ones."""
    notes: list[str] = []
    trend, front = None, None
    if "pareto" in context.view.mark:
        front = _pareto_run_ids(context, axes)
        notes.append(_front_note(context, axes, front))
    if "trend" in context.view.mark:
        trend = _compute_trend(axes)
        notes.append(_trend_note(axes, trend))
    return _Overlay(front, trend if isinstance(trend, Trend) else None, tuple(notes))


def _pareto_run_ids(context: PlotContext, axes: AxisPair) -> tuple[str, ...] | None:
    names = [axis.name for axis in axes]
    directions = column_direction(context.runs, names[0]), column_direction(context.runs, names[1])
    if "neither" in directions or not all(name.startswith(METRIC_PREFIX) for name in names) or names[0] == names[1]:
        return None
    x_values, y_values = (scatter.plot_values(axis) for axis in axes)
    return tuple(context.runs.ids[row] for row in pareto_front(list(zip(x_values, y_values, strict=True)), directions))


def _front_note(context: PlotContext, axes: AxisPair, front: Sequence[str] | None) -> str:
    if front is None:
        return "A Pareto front needs two different metrics with known directions. Set them with the arrow next to the colour."
    names = context.runs.identity.name
    run_labels = [
        f"{names[run_id] or run_id}" + (f" ({run_id[:8]})" if list(names).count(names[run_id]) > 1 else "")
        for run_id in front[:MAX_NAMES]
    ]
    more_text = f" and {len(front) - MAX_NAMES:,} more" if len(front) > MAX_NAMES else ""
    titles = " and ".join(axis.title for axis in axes)
    return f"Pareto front of {titles}, {len(front):,} of {format_count(len(context.runs), 'run')}: {', '.join(run_labels)}{more_text}."


def _compute_trend(axes: AxisPair) -> Trend | NoTrend:
    x_axis, y_axis = axes
    if x_axis.categories or y_axis.categories:
        return NoTrend("A trend needs numbers on both axes.")
    return fit_trend(scatter.plot_values(x_axis), scatter.plot_values(y_axis), log_x=x_axis.is_log, log_y=y_axis.is_log)


def _trend_note(axes: AxisPair, trend: Trend | NoTrend) -> str:
    if isinstance(trend, NoTrend):
        return trend.reason
    x_label, y_label = (column_label(axis.name) for axis in axes)
    direction_texts = {
        "up": f"{y_label} rises with {x_label}",
        "down": f"{y_label} falls with {x_label}",
        "unclear": f"cannot tell whether {y_label} follows {x_label}",
    }
    log_labels = " and ".join(name for name, axis in zip((x_label, y_label), axes, strict=True) if axis.is_log)
    log_note = f", fitted to the logarithm of {log_labels}" if log_labels else ""
    return f"Trend: {direction_texts[trend.direction]}. Straight line through {format_count(trend.n, 'run')} with the 95% confidence interval of the mean{log_note}."


def _show_plot(context: PlotContext, axes: AxisPair, overlay: _Overlay, drawn_runs: RunTable) -> tuple[str, ...]:
    """Draw the chart. Returns the clicked runs."""
    runs, state = context.runs, brush_state(PLOT, axes)
    rows = {run_id: row for row, run_id in enumerate(runs.ids)}
    drawn_rows = [rows[run_id] for run_id in drawn_runs.ids]
    drawn_axes, key = (axes[0].take_rows(drawn_rows), axes[1].take_rows(drawn_rows)), f"compare.scatter.{state.redraw_count}"
    let_pointer_through()
    scatter_overlay = scatter.ScatterOverlay(
        state.spans, _front_line(axes, overlay, rows, column_direction(runs, axes[0].name)), overlay.trend
    )
    event = drawn_charts.draw_chart(
        cached_chart(
            digest(
                PLOT, drawn_runs.search, drawn_runs.read_at, drawn_runs.ids, state.axes_digest, context.style, scatter_overlay
            ),
            lambda: scatter.scatter_plot(drawn_runs, drawn_axes, context.style, scatter_overlay),
        ),
        key=key,
        on_select=lambda: on_brush_change(PLOT, key, axes, lambda previous, current: _decode_box(axes, previous, current)),
        selection_mode=[scatter.BOX_SELECTION, scatter.CLICK_SELECTION],
        alt=f"{axes[1].title} against {axes[0].title}, a point for each of {run_count_text(drawn_runs, runs)}. {best_run_text(context)} {' '.join(overlay.notes)}",
    )
    ids = [point.get("run_id") for point in (event["selection"].get(scatter.CLICK_SELECTION) or [])]
    return tuple(run_id for run_id in ids if run_id in rows)


def _front_line(axes: AxisPair, overlay: _Overlay, rows: Mapping[str, int], x_direction: Direction) -> scatter.Polyline | None:
    if not overlay.front:
        return None
    x_values, y_values = (tuple(scatter.plot_values(axis)[rows[run_id]] or 0.0 for run_id in overlay.front) for axis in axes)
    return scatter.Polyline(x_values, y_values, "after" if x_direction == "less" else "before")


def _decode_box(axes: AxisPair, previous: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, AxisRange | None]:
    """Return the new range of both columns if the box changed; None for a cleared box."""
    if current.get(scatter.BOX_SELECTION) == previous.get(scatter.BOX_SELECTION):
        return {}
    box = current.get(scatter.BOX_SELECTION) or {}
    return {
        axis.name: range_from_box(axis, *box[field]) if field in box else None for field, axis in zip("xy", axes, strict=True)
    }


def _show_selection(context: PlotContext, axes: AxisPair, clicked_run_ids: Sequence[str]) -> None:
    ranges, axes_by_name = ranges_from_url(axes), {axis.name: axis for axis in axes}
    ids = tuple(runs_in_ranges(ranges, axes, context.runs.ids)) if ranges else tuple(clicked_run_ids)
    if not ranges and not clicked_run_ids:
        return
    where_text = "in the box" if ranges else "clicked"
    range_texts = tuple(describe_range(axis_range, axes_by_name[axis_range.column]) for axis_range in ranges)
    columns = tuple(dict.fromkeys([*filter(None, [context.view.color]), *axes_by_name, *varying_params(context.runs)]))[
        :MAX_COLUMNS
    ]
    show_plot_selection(
        context, PlotSelection(ids, where_text, range_texts, columns, lambda: _clear_ranges(axes, ranges), ranges_as_facets(axes))
    )


def _clear_ranges(axes: AxisPair, ranges: Sequence[AxisRange]) -> None:
    update_ranges({axis_range.column: None for axis_range in ranges}, axes)
    request_redraw(PLOT)
