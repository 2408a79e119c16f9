"""Compare's scatter: its two columns to choose, what is drawn over the points, and the runs in a box or under a click."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lib.runs.analysis.metric_direction import metric_direction
from lib.runs.analysis.pareto import pareto_front
from lib.runs.plots import scatter, style
from lib.runs.plots.axes import Axis, build_axis
from lib.runs.plots.axis_ranges import AxisRange, range_from_box, runs_in_ranges
from lib.runs.plots.axis_ranges import describe_range as said_range
from lib.runs.plots.trend import NoTrend, Trend, fit_trend
from lib.runs.table.run_table import METRIC_PREFIX, varying_params
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.components.popover import lazy_popover
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.axes import axis_scale, short_column_labels, show_scale_selector
from lib.ui.pages.compare.brush import (
    brush_state,
    cached_chart,
    digest,
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
from lib.ui.pages.compare.view_state import ViewState, bind_widget, column_label, plottable_columns, update_url, view_from_url

PLOT = "scatter"
OVERLAY_LABELS = {"pareto": "Pareto front", "trend": "Trend"}
MAX_NAMES = 6
MAX_COLUMNS = 10
AxisPair = tuple[Axis, Axis]


@dataclass(frozen=True)
class Overlay:
    """The runs on the front and the trend, each None when it is not wanted, and what is to be said of them, as plain text."""

    front: tuple[str, ...] | None
    trend: Trend | None
    notes: tuple[str, ...]


def draw(context: PlotContext) -> None:
    """A point per run at the two chosen columns."""
    view, runs = context.view, context.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        x, y = _places(view, plottable_columns(runs))
        axes = build_axis(runs, x, axis_scale(view, x)), build_axis(runs, y, axis_scale(view, y))
        with lazy_popover("scales", "Scales", icon=":material/tune:", width="content") as is_open:
            if is_open:
                show_scale_selector(axes)
        over = build_overlay(context, axes)
        _marks(view, over)
    lost = scatter.count_unplotted(axes)
    if lost == len(runs):
        show_empty_state(
            "scatter_plot", "No point to draw", "A point takes a run with a value in both columns; here is none. Choose another."
        )
        return
    shown = style.sample_runs(runs, (*always_drawn_run_ids(context), *(over.front or ())), scatter.MAX_POINTS)
    clicked = _plot(context, axes, over, shown)
    missing = f"{format_count(lost, 'run')} without both values {'is' if lost == 1 else 'are'} not drawn." if lost else ""
    show_plot_footer(
        view,
        [
            sample_note(shown, runs),
            *map(escape, over.notes),
            missing,
            "Drag a box or click a point. ↑ more is better, ↓ less is better.",
        ],
    )
    _held(context, axes, clicked)


def _places(view: ViewState, places: Sequence[str]) -> tuple[str, str]:
    x, y = (name if name in places else places[0] for name in (view.x, view.y))
    options = short_column_labels(places)
    for field, title, value in (("y", "Up", y), ("x", "Across", x)):
        st.selectbox(
            title,
            places,
            format_func=lambda name, title=title: f"{title}: {options[name]}",
            label_visibility="collapsed",
            width=230,
            **bind_widget(field, value),
        )
    return x, y


def _marks(view: ViewState, over: Overlay) -> None:
    kept = bind_widget("mark", [mark for mark in view.mark if mark in OVERLAY_LABELS]) | {"on_change": _marked, "args": ()}
    st.pills(
        "Over the points",
        list(OVERLAY_LABELS),
        format_func=OVERLAY_LABELS.__getitem__,
        selection_mode="multi",
        label_visibility="collapsed",
        **kept,
    )
    if over.front:
        ids = tuple(dict.fromkeys((*view.pick, *over.front)))
        st.button("Pick the front", type="tertiary", key="compare.pick_front", on_click=update_url, kwargs={"pick": ids})


def _marked() -> None:
    others = [mark for mark in view_from_url().mark if mark not in OVERLAY_LABELS]
    update_url(mark=(*others, *st.session_state["compare.mark"]))


def build_overlay(context: PlotContext, axes: AxisPair) -> Overlay:
    """What the address wants over the points, of all runs and not only of those that are drawn."""
    notes: list[str] = []
    line, kept = None, None
    if "pareto" in context.view.mark:
        kept = _front(context, axes)
        notes.append(_front_said(context, axes, kept))
    if "trend" in context.view.mark:
        line = _trend(axes)
        notes.append(_trend_said(axes, line))
    return Overlay(kept, line if isinstance(line, Trend) else None, tuple(notes))


def _front(scene: PlotContext, axes: AxisPair) -> tuple[str, ...] | None:
    names = [one.name for one in axes]
    ways = metric_direction(names[0].removeprefix(METRIC_PREFIX)), metric_direction(names[1].removeprefix(METRIC_PREFIX))
    if "neither" in ways or not all(name.startswith(METRIC_PREFIX) for name in names) or names[0] == names[1]:
        return None
    across, up = (scatter.plot_values(one) for one in axes)
    return tuple(scene.runs.ids[row] for row in pareto_front(list(zip(across, up, strict=True)), ways))


def _front_said(scene: PlotContext, axes: AxisPair, kept: Sequence[str] | None) -> str:
    if kept is None:
        return "A Pareto front needs two different metrics, each better one way."
    names = scene.runs.identity.name
    said_ = [f"{names[one] or one}" + (f" ({one[:8]})" if list(names).count(names[one]) > 1 else "") for one in kept[:MAX_NAMES]]
    more = f" and {len(kept) - MAX_NAMES:,} more" if len(kept) > MAX_NAMES else ""
    titles = " and ".join(one.title for one in axes)
    return f"Pareto front of {titles}, {len(kept):,} of {format_count(len(scene.runs), 'run')}: {', '.join(said_)}{more}."


def _trend(axes: AxisPair) -> Trend | NoTrend:
    across, up = axes
    if across.categories or up.categories:
        return NoTrend("A trend needs numbers on both axes.")
    return fit_trend(scatter.plot_values(across), scatter.plot_values(up), log_x=across.is_log, log_y=up.is_log)


def _trend_said(axes: AxisPair, line: Trend | NoTrend) -> str:
    if isinstance(line, NoTrend):
        return line.reason
    across, up = (column_label(one.name) for one in axes)
    goes = {
        "up": f"{up} rises with {across}",
        "down": f"{up} falls with {across}",
        "unclear": f"cannot tell whether {up} follows {across}",
    }
    bent = " and ".join(name for name, one in zip((across, up), axes, strict=True) if one.is_log)
    logs = f", fitted to the logarithm of {bent}" if bent else ""
    return f"Trend: {goes[line.direction]}. Straight line through {format_count(line.n, 'run')} with the 95% interval of its mean{logs}."


def _plot(scene: PlotContext, axes: AxisPair, over: Overlay, shown: RunTable) -> tuple[str, ...]:
    """The chart. Returns the runs that were clicked."""
    runs, state = scene.runs, brush_state(PLOT, axes)
    rows = {run_id: row for row, run_id in enumerate(runs.ids)}
    kept = [rows[run_id] for run_id in shown.ids]
    here, key = (axes[0].take_rows(kept), axes[1].take_rows(kept)), f"compare.scatter.{state.redraw_count}"
    let_pointer_through()
    drawn_over = scatter.ScatterOverlay(state.spans, _line(axes, over, rows), over.trend)
    told = drawn_charts.draw_chart(
        cached_chart(
            digest(PLOT, shown.search, shown.read_at, shown.ids, state.axes_digest, scene.style, drawn_over),
            lambda: scatter.scatter_plot(shown, here, scene.style, drawn_over),
        ),
        key=key,
        on_select=lambda: on_brush_change(PLOT, key, axes, lambda before, now: _told(axes, before, now)),
        selection_mode=[scatter.BOX_SELECTION, scatter.CLICK_SELECTION],
        alt=f"{axes[1].title} against {axes[0].title}, a point for each of {run_count_text(shown, runs)}. {best_run_text(scene)} {' '.join(over.notes)}",
    )
    ids = [point.get("run_id") for point in (told["selection"].get(scatter.CLICK_SELECTION) or [])]
    return tuple(run_id for run_id in ids if run_id in rows)


def _line(axes: AxisPair, over: Overlay, rows: Mapping[str, int]) -> scatter.Polyline | None:
    if not over.front:
        return None
    across, up = (tuple(scatter.plot_values(one)[rows[run_id]] or 0.0 for run_id in over.front) for one in axes)
    return scatter.Polyline(
        across, up, "after" if metric_direction(axes[0].name.removeprefix(METRIC_PREFIX)) == "less" else "before"
    )


def _told(axes: AxisPair, before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, AxisRange | None]:
    """Both columns, when the box changed; without a box, no range."""
    if now.get(scatter.BOX_SELECTION) == before.get(scatter.BOX_SELECTION):
        return {}
    box = now.get(scatter.BOX_SELECTION) or {}
    return {one.name: range_from_box(one, *box[field]) if field in box else None for field, one in zip("xy", axes, strict=True)}


def _held(scene: PlotContext, axes: AxisPair, clicked: Sequence[str]) -> None:
    kept, by = ranges_from_url(axes), {one.name: one for one in axes}
    ids = tuple(runs_in_ranges(kept, axes, scene.runs.ids)) if kept else tuple(clicked)
    if not kept and not clicked:
        return
    where = "in the box" if kept else "clicked"
    said_ = tuple(said_range(one, by[one.column]) for one in kept)
    columns = tuple(dict.fromkeys([*filter(None, [scene.view.color]), *by, *varying_params(scene.runs)]))[:MAX_COLUMNS]
    show_plot_selection(scene, PlotSelection(ids, where, said_, columns, lambda: _let_go(axes, kept), ranges_as_facets(axes)))


def _let_go(axes: AxisPair, kept: Sequence[AxisRange]) -> None:
    update_ranges({one.column: None for one in kept}, axes)
    request_redraw(PLOT)
