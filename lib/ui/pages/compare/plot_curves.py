"""Compare's curves: which metric, along what and how smooth, the reading of its histories, and what the plot leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.metric_direction import metric_direction
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
from lib.runs.reading.metric_history import read_histories, read_history_lengths
from lib.runs.table.run_table import METRIC_PREFIX, metric_columns, subset
from lib.runs.table.types import RunTable
from lib.ui.app.session import current_backend
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import show_plot_footer
from lib.ui.pages.compare.view_state import ViewState, bind_widget, column_label, update_url, view_from_url

CACHE_SECONDS = 300
BAND = "band"
SMOOTH_KEY, LOG_KEY, BAND_KEY = "compare.smooth", "compare.curve_log", "compare.curve_band"
DIRECTION_NOTES = {"more": "↑ more is better.", "less": "↓ less is better.", "neither": ""}
ALONG_LABELS = {"step": "Step", "wall": "Clock", "relative": "Since start"}


@dataclass(frozen=True)
class MetricChoice:
    """The metric to draw (a column), all that can be chosen, and those known to have a history."""

    metric: str
    metric_names: tuple[str, ...]
    names_with_history: tuple[str, ...]


def draw(context: PlotContext) -> None:
    """A line per run: the history of one metric."""
    if not metric_columns(context.runs):
        show_empty_state("show_chart", "No metric to draw", "A curve needs a metric that a run logged step by step.")
        return
    with error_boundary():
        here = current_backend()
        choice = _choice(here, context.runs, context.view)
        drawn = _candidates(context.runs, context.view.pick, choice.metric)
        with st.spinner(f"Reading {format_count(len(drawn), 'history', 'histories')}…", show_time=True):
            points = cached_points(here, drawn.ids, choice.metric.removeprefix(METRIC_PREFIX), _stamp(drawn, choice.metric))
        toolbar = st.container(horizontal=True, vertical_alignment="center", gap="small")
        with toolbar:
            _choose_metric(choice)
        if not len(points) or points.run_id.value_counts().max() < 2:
            _logged_once(choice, _looked_at(context.runs, drawn))
            return
        with toolbar:
            manner = _choose_manner(context.view, choice.metric)
            _download(points, drawn, choice.metric)
        _picture(context, drawn, build_curve_points(points, manner), choice.metric)


@st.cache_data(ttl=CACHE_SECONDS, max_entries=32, show_spinner=False)
def cached_points(backend: Backend, run_ids: tuple[str, ...], metric: str, stamp: str) -> pd.DataFrame:
    """Every point of a metric; `stamp` is another one when something was logged since."""
    return read_histories(backend, run_ids, [metric])


@st.cache_data(ttl=CACHE_SECONDS, max_entries=32, show_spinner=False)
def cached_history_lengths(
    backend: Backend, run_ids: tuple[str, ...], metric_names: tuple[str, ...], stamp: str
) -> dict[str, int]:
    """How many points the run with most of them logged, per metric."""
    return read_history_lengths(backend, run_ids, metric_names)


def _stamp(runs: RunTable, metric: str) -> str:
    """Changes when a history may have grown: with each reading while a run is running, else with a last value."""
    running = (~runs.identity.ended.notna()).any()
    return repr((runs.read_at if running else None, runs.metrics[metric.removeprefix(METRIC_PREFIX)].tolist()))


def curve_metric_and_run_ids(backend: Backend, runs: RunTable, view: ViewState) -> tuple[str, tuple[str, ...]]:
    """The metric that is drawn, and the runs whose histories are read for it; of runs that have a metric."""
    metric = _choice(backend, runs, view).metric
    return metric, _candidates(runs, view.pick, metric).ids


def _choice(here: Backend, runs: RunTable, view: ViewState) -> MetricChoice:
    """The metric of the address; without one that which colours, if it has a history, else the first that has."""
    names = tuple(metric_columns(runs))
    some = style.sample_runs(runs, view.pick, MAX_RUNS)
    telling = sorted(some.ids, key=dict(some.metrics.notna().sum(axis=1)).__getitem__, reverse=True)
    short = tuple(name.removeprefix(METRIC_PREFIX) for name in names)
    found = cached_history_lengths(here, tuple(telling), short, _stamp(some, names[0]))
    serial = tuple(name for name in names if found.get(name.removeprefix(METRIC_PREFIX), 0) > 1)
    wished, color = view_from_url().y, view.color
    first = color if color in serial or not serial else serial[0]
    others = tuple(name for name in names if name not in serial)
    return MetricChoice(wished if wished in names else first if first in names else names[0], (*serial, *others), serial)


def _candidates(runs: RunTable, picked: Sequence[str], metric: str) -> RunTable:
    """At most fifty runs in the table's order: the picked, then the first that end with a value, then those that may have ended as NaN."""
    ended = runs.metrics[metric.removeprefix(METRIC_PREFIX)].notna()
    order = sorted(runs.ids, key=lambda run_id: (run_id not in set(picked), not ended[run_id]))
    kept = set(order[:MAX_RUNS])
    return subset(runs, [run_id for run_id in runs.ids if run_id in kept])


def _choose_metric(choice: MetricChoice) -> None:
    st.selectbox(
        "Metric",
        choice.metric_names,
        format_func=lambda name: f"Metric: {column_label(name)}",
        label_visibility="collapsed",
        width=215,
        **bind_widget("y", choice.metric),
    )


def _choose_manner(view: ViewState, metric: str) -> CurveOptions:
    along: XAxisKind = next((one for one in X_AXIS_KINDS if one == view.along), "step")
    smooth, is_log = _smooth(view), metric in view.log
    st.segmented_control(
        "Along",
        X_AXIS_KINDS,
        format_func=ALONG_LABELS.__getitem__,
        required=True,
        label_visibility="collapsed",
        **bind_widget("along", along),
    )
    _set(SMOOTH_KEY, smooth)
    st.slider(
        "Smoothing",
        0.0,
        MAX_SMOOTHING,
        step=0.01,
        format="Smooth %.2f",
        label_visibility="collapsed",
        width=170,
        key=SMOOTH_KEY,
        on_change=_follow_smooth,
    )
    _set(LOG_KEY, is_log)
    st.toggle("Log", key=LOG_KEY, on_change=_follow_log, args=(metric,))
    _set(BAND_KEY, BAND in view.mark)
    st.toggle("Band", key=BAND_KEY, on_change=_follow_band, help="From the lowest to the highest of the drawn runs.")
    return CurveOptions(along, smooth, "log" if is_log else "linear")


def _smooth(view: ViewState) -> float:
    try:
        asked_for = float(view.smooth or 0)
    except ValueError:
        return 0.0
    return min(max(asked_for, 0.0), MAX_SMOOTHING) if asked_for == asked_for else 0.0  # noqa: PLR0124 - NaN


def _set(key: str, value: object) -> None:
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def _follow_smooth() -> None:
    value = st.session_state[SMOOTH_KEY]
    update_url(smooth=f"{value:.2f}" if value else "")


def _follow_log(metric: str) -> None:
    others = tuple(name for name in view_from_url().log if name != metric)
    update_url(log=(*others, metric) if st.session_state[LOG_KEY] else others)


def _follow_band() -> None:
    others = tuple(mark for mark in view_from_url().mark if mark != BAND)
    update_url(mark=(*others, BAND) if st.session_state[BAND_KEY] else others)


def _download(points: pd.DataFrame, drawn: RunTable, metric: str) -> None:
    names = {str(run_id): str(name) for run_id, name in drawn.identity.name.items()}
    st.download_button(
        "Points",
        data=lambda: points_to_csv(points, names),
        file_name="histories.csv",
        mime="text/csv",
        icon=":material/download:",
        type="tertiary",
        key="compare.curve_points",
        on_click="ignore",
        help=f"All {format_count(len(points), 'point')} of {escape(column_label(metric))} as they were logged, as a CSV file.",
    )


def _looked_at(runs: RunTable, drawn: RunTable) -> str:
    return f"Looked at {len(drawn):,} of {format_count(len(runs), 'run')}. " if len(drawn) < len(runs) else ""


def _logged_once(choice: MetricChoice, looked_at: str) -> None:
    """A metric without a history, and the way to one that has."""
    others = [name for name in choice.names_with_history if name != choice.metric]
    listed = ", ".join(escape(column_label(name)) for name in others[:6])
    have = f"With a history: {listed}." if others else "Log it with a step, epoch by epoch, to see a curve here."
    show_empty_state("show_chart", "Each run logged this metric once: nothing to draw as a curve", looked_at + have)
    if others:
        with st.container(horizontal_alignment="center"):
            st.button(
                f"Draw {escape(column_label(others[0]))}", key="compare.curve_other", on_click=update_url, kwargs={"y": others[0]}
            )


def _picture(scene: PlotContext, drawn: RunTable, of: CurvePoints, metric: str) -> None:
    view = scene.view
    if not len(of.plotted_points):
        show_empty_state(
            "show_chart",
            "No value can be placed",
            "All are NaN or infinite." if not of.non_positive_count else "A log axis needs values above zero.",
        )
        return
    with_points = subset(drawn, [run_id for run_id in drawn.ids if run_id in set(of.points.run_id)])
    drawn_charts.draw_chart(
        curve_plot(of, with_points, metric, scene.style, "band" if BAND in view.mark else "no band"),
        key="compare.curves",
        alt=describe_curves(of, with_points, metric),
    )
    show_plot_footer(view, [_capped(scene.runs, drawn, with_points), *_notes(view, of, metric)])


def _capped(runs: RunTable, drawn: RunTable, with_points: RunTable) -> str:
    """How many runs are drawn of how many, and why not the others; nothing to say when all are."""
    if len(with_points) == len(runs):
        return ""
    why = (
        "the others did not log this metric"
        if len(drawn) == len(runs)
        else "the picked and the first of the table that have this metric"
    )
    return f"Showing {len(with_points):,} of {format_count(len(runs), 'run')}: {why}."


def _around(of: CurvePoints) -> str:
    return (
        "The band runs from the lowest to the highest line."
        if len(min_max_band(of))
        else "No band: no two lines lie over each other here."
    )


def _notes(view: ViewState, of: CurvePoints, metric: str) -> Sequence[str]:
    sizes = of.plotted_points.groupby("run_id").size()
    most, each = sizes.max(), points_per_line(len(sizes))
    return (
        "The faint lines are as logged." if of.options.smoothing else "",
        _around(of) if BAND in view.mark else "",
        f"{format_count(of.non_finite_count, 'value is', 'values are')} NaN or infinite: lines break there."
        if of.non_finite_count
        else "",
        f"{format_count(of.non_positive_count, 'value is', 'values are')} not above zero: no place on a log axis."
        if of.non_positive_count
        else "",
        f"Lines show {each} of up to {most:,} points; the download has all." if most > each else "",
        DIRECTION_NOTES[metric_direction(metric.removeprefix(METRIC_PREFIX))],
    )
