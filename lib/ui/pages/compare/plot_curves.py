"""Compare's Curves plot: the metric, the x axis, smoothing, reading of histories, and notes on omitted data."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.metric_direction import Direction
from lib.runs.plots import style
from lib.runs.plots.curve_points import (
    MAX_SMOOTHING,
    X_AXIS_KINDS,
    CurveOptions,
    CurvePoints,
    XAxisKind,
    build_curve_points,
    min_max_band,
    points_to_csv,
)
from lib.runs.plots.curves import MAX_RUNS, curve_plot, describe_curves, points_per_line
from lib.runs.table.run_table import METRIC_PREFIX, column_direction, metric_columns, subset
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.app.session import current_backend
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import show_plot_footer
from lib.ui.pages.compare.view_state import bind_widget, column_label, update_url, view_from_url
from lib.ui.queries.runs import cached_history_lengths, cached_points

BAND = "band"
SMOOTH_KEY, LOG_KEY, BAND_KEY = "compare.smooth", "compare.curve_log", "compare.curve_band"
DIRECTION_NOTES = {"more": "↑ higher is better.", "less": "↓ lower is better.", "neither": ""}
ALONG_LABELS = {"step": "Step", "wall": "Clock time", "relative": "Since start"}


@dataclass(frozen=True)
class _MetricChoice:
    """The metric to draw (a column), all metrics on offer, and those known to have a history."""

    metric: str
    metric_names: tuple[str, ...]
    names_with_history: tuple[str, ...]


def draw(context: PlotContext) -> None:
    """Draw the history of one metric as a line per run."""
    if not metric_columns(context.runs):
        show_empty_state("show_chart", "No metric to plot", "A curve needs a metric that a run logged over several steps.")
        return
    with error_boundary():
        backend = current_backend()
        choice = _resolve_metric_choice(backend, context.runs, context.view)
        drawn_runs = _select_runs(context.runs, context.view.pick, choice.metric)
        with st.spinner(f"Reading {format_count(len(drawn_runs), 'history', 'histories')}…", show_time=True):
            points = cached_points(
                backend, drawn_runs.ids, choice.metric.removeprefix(METRIC_PREFIX), _history_stamp(drawn_runs, choice.metric)
            )
        toolbar = st.container(horizontal=True, vertical_alignment="center", gap="small")
        with toolbar:
            _show_metric_selectbox(choice)
        if not len(points) or points.run_id.value_counts().max() < 2:
            _show_no_history(choice, _searched_runs_text(context.runs, drawn_runs))
            return
        with toolbar:
            options = _show_curve_options(context.view, choice.metric)
            _points_download_button(points, drawn_runs, choice.metric)
        _show_plot(context, drawn_runs, build_curve_points(points, options), choice.metric)


def _history_stamp(runs: RunTable, metric: str) -> str:
    """Return a cache stamp that changes when a history may have grown: on each read while a run is active, else with the last values."""
    has_running_run = (~runs.identity.ended.notna()).any()
    return repr((runs.read_at if has_running_run else None, runs.metrics[metric.removeprefix(METRIC_PREFIX)].tolist()))


def curve_metric_and_run_ids(backend: Backend, runs: RunTable, view: ViewState) -> tuple[str, tuple[str, ...]]:
    """Return the drawn metric and the ids of the runs whose histories are read. The runs must have at least one metric."""
    metric = _resolve_metric_choice(backend, runs, view).metric
    return metric, _select_runs(runs, view.pick, metric).ids


def _resolve_metric_choice(backend: Backend, runs: RunTable, view: ViewState) -> _MetricChoice:
    """Return the metric from the URL, otherwise the colour metric if it has a history, otherwise the first with a history."""
    names = tuple(metric_columns(runs))
    sampled_runs = style.sample_runs(runs, view.pick, MAX_RUNS)
    ranked_run_ids = sorted(sampled_runs.ids, key=dict(sampled_runs.metrics.notna().sum(axis=1)).__getitem__, reverse=True)
    metric_names = tuple(name.removeprefix(METRIC_PREFIX) for name in names)
    history_lengths = cached_history_lengths(backend, tuple(ranked_run_ids), metric_names, _history_stamp(sampled_runs, names[0]))
    names_with_history = tuple(name for name in names if history_lengths.get(name.removeprefix(METRIC_PREFIX), 0) > 1)
    requested_metric, color = view_from_url().y, view.color
    default_metric = color if color in names_with_history or not names_with_history else names_with_history[0]
    others = tuple(name for name in names if name not in names_with_history)
    return _MetricChoice(
        requested_metric if requested_metric in names else default_metric if default_metric in names else names[0],
        (*names_with_history, *others),
        names_with_history,
    )


def _select_runs(runs: RunTable, selected_run_ids: Sequence[str], metric: str) -> RunTable:
    """Return at most fifty runs in table order: picked runs first, then runs with a last value, then those that may have ended as NaN."""
    ended = runs.metrics[metric.removeprefix(METRIC_PREFIX)].notna()
    ordered_run_ids = sorted(runs.ids, key=lambda run_id: (run_id not in set(selected_run_ids), not ended[run_id]))
    drawn_run_ids = set(ordered_run_ids[:MAX_RUNS])
    return subset(runs, [run_id for run_id in runs.ids if run_id in drawn_run_ids])


def _show_metric_selectbox(choice: _MetricChoice) -> None:
    st.selectbox(
        "Metric",
        choice.metric_names,
        format_func=lambda name: f"Metric: {column_label(name)}",
        label_visibility="collapsed",
        width=215,
        **bind_widget("y", choice.metric),
    )


def _show_curve_options(view: ViewState, metric: str) -> CurveOptions:
    along: XAxisKind = next((kind for kind in X_AXIS_KINDS if kind == view.along), "step")
    smooth, is_log = _parse_smoothing(view), metric in view.log
    st.segmented_control(
        "Along",
        X_AXIS_KINDS,
        format_func=ALONG_LABELS.__getitem__,
        required=True,
        label_visibility="collapsed",
        **bind_widget("along", along),
    )
    _set_widget_value(SMOOTH_KEY, smooth)
    st.slider(
        "Smoothing",
        0.0,
        MAX_SMOOTHING,
        step=0.01,
        format="Smooth %.2f",
        label_visibility="collapsed",
        width=170,
        key=SMOOTH_KEY,
        on_change=_on_smoothing_change,
    )
    _set_widget_value(LOG_KEY, is_log)
    st.toggle("Log", key=LOG_KEY, on_change=_on_log_change, args=(metric,))
    _set_widget_value(BAND_KEY, BAND in view.mark)
    st.toggle("Band", key=BAND_KEY, on_change=_on_band_change, help="Shade the range between the lowest and highest line.")
    return CurveOptions(along, smooth, "log" if is_log else "linear")


def _parse_smoothing(view: ViewState) -> float:
    try:
        smoothing = float(view.smooth or 0)
    except ValueError:
        return 0.0
    return min(max(smoothing, 0.0), MAX_SMOOTHING) if smoothing == smoothing else 0.0  # noqa: PLR0124 - NaN


def _set_widget_value(key: str, value: object) -> None:
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def _on_smoothing_change() -> None:
    value = st.session_state[SMOOTH_KEY]
    update_url(smooth=f"{value:.2f}" if value else "")


def _on_log_change(metric: str) -> None:
    others = tuple(name for name in view_from_url().log if name != metric)
    update_url(log=(*others, metric) if st.session_state[LOG_KEY] else others)


def _on_band_change() -> None:
    others = tuple(flag for flag in view_from_url().mark if flag != BAND)
    update_url(mark=(*others, BAND) if st.session_state[BAND_KEY] else others)


def _points_download_button(points: pd.DataFrame, drawn_runs: RunTable, metric: str) -> None:
    names = {str(run_id): str(name) for run_id, name in drawn_runs.identity.name.items()}
    st.download_button(
        "Points",
        data=lambda: points_to_csv(points, names),
        file_name="histories.csv",
        mime="text/csv",
        icon=":material/download:",
        type="tertiary",
        key="compare.curve_points",
        on_click="ignore",
        help=f"All {format_count(len(points), 'point')} of {escape(column_label(metric))} as logged, as CSV.",
    )


def _searched_runs_text(runs: RunTable, drawn_runs: RunTable) -> str:
    return f"Checked {len(drawn_runs):,} of {format_count(len(runs), 'run')}. " if len(drawn_runs) < len(runs) else ""


def _show_no_history(choice: _MetricChoice, searched_runs_text: str) -> None:
    """Show that the metric has no history, and offer one that has."""
    others = [name for name in choice.names_with_history if name != choice.metric]
    listed_names = ", ".join(escape(column_label(name)) for name in others[:6])
    hint = f"Metrics with a history: {listed_names}." if others else "Log it once per step or epoch to see a curve here."
    show_empty_state("show_chart", "No curve: each run logged this metric only once", searched_runs_text + hint)
    if others:
        with st.container(horizontal_alignment="center"):
            st.button(
                f"Draw {escape(column_label(others[0]))}", key="compare.curve_other", on_click=update_url, kwargs={"y": others[0]}
            )


def _show_plot(context: PlotContext, drawn_runs: RunTable, curve_points: CurvePoints, metric: str) -> None:
    view = context.view
    if not len(curve_points.plotted_points):
        show_empty_state(
            "show_chart",
            "No value to plot",
            "All values are NaN or infinite." if not curve_points.non_positive_count else "A log axis needs values above zero.",
        )
        return
    runs_with_points = subset(drawn_runs, [run_id for run_id in drawn_runs.ids if run_id in set(curve_points.points.run_id)])
    drawn_charts.draw_chart(
        curve_plot(curve_points, runs_with_points, metric, context.style, "band" if BAND in view.mark else "no band"),
        key="compare.curves",
        alt=describe_curves(curve_points, runs_with_points, metric),
    )
    show_plot_footer(
        view,
        [
            _cap_note(context.runs, drawn_runs, runs_with_points),
            *_notes(view, curve_points, column_direction(context.runs, metric)),
        ],
    )


def _cap_note(runs: RunTable, drawn_runs: RunTable, runs_with_points: RunTable) -> str:
    """Return how many runs are drawn and why others are not; empty if all are drawn."""
    if len(runs_with_points) == len(runs):
        return ""
    reason = (
        "the others did not log this metric"
        if len(drawn_runs) == len(runs)
        else "picked runs, then the first in the table with this metric"
    )
    return f"Showing {len(runs_with_points):,} of {format_count(len(runs), 'run')}: {reason}."


def _band_note(curve_points: CurvePoints) -> str:
    return "Band: lowest to highest line." if len(min_max_band(curve_points)) else "No band: no two lines overlap on the x axis."


def _notes(view: ViewState, curve_points: CurvePoints, direction: Direction) -> Sequence[str]:
    sizes = curve_points.plotted_points.groupby("run_id").size()
    max_points, points_shown = sizes.max(), points_per_line(len(sizes))
    return (
        "Faint lines: values as logged." if curve_points.options.smoothing else "",
        _band_note(curve_points) if BAND in view.mark else "",
        f"{format_count(curve_points.non_finite_count, 'value is', 'values are')} NaN or infinite and shown as a gap."
        if curve_points.non_finite_count
        else "",
        f"{format_count(curve_points.non_positive_count, 'value is', 'values are')} not above zero and cannot be shown on a log axis."
        if curve_points.non_positive_count
        else "",
        f"Lines show {points_shown} of up to {max_points:,} points; the download contains all."
        if max_points > points_shown
        else "",
        DIRECTION_NOTES[direction],
    )
