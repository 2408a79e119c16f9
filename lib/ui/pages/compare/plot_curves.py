"""Compare's curves: which metric, along what and how smooth, the reading of its histories, and what the plot leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.metric_direction import direction
from lib.runs.plots import style as charts
from lib.runs.plots.curve_points import ALONG, MOST_SMOOTH, Along, Manner, Tracks, as_csv, band, tracks
from lib.runs.plots.curves import MOST_RUNS, curves, finding, points_each
from lib.runs.reading.metric_history import histories, lengths
from lib.runs.table.run_table import METRIC, metrics, subset
from lib.runs.table.types import RunTable
from lib.ui.app.session import backend
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import empty
from lib.ui.pages.compare import drawn_charts as canvas
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.plot_footer import foot
from lib.ui.pages.compare.view_state import View, asked, bound, keep, said

KEPT_SECONDS = 300
BAND = "band"
SMOOTH, LOG, AROUND = "compare.smooth", "compare.curve_log", "compare.curve_band"
MEANS = {"more": "↑ more is better.", "less": "↓ less is better.", "neither": ""}
WORDS = {"step": "Step", "wall": "Clock", "relative": "Since start"}


@dataclass(frozen=True)
class Choice:
    """The metric to draw (a column), all that can be chosen, and those known to have a history."""

    metric: str
    names: tuple[str, ...]
    serial: tuple[str, ...]


def draw(scene: Scene) -> None:
    """A line per run: the history of one metric."""
    if not metrics(scene.runs):
        empty("show_chart", "No metric to draw", "A curve needs a metric that a run logged step by step.")
        return
    with calm():
        here = backend()
        choice = _choice(here, scene.runs, scene.view)
        drawn = _candidates(scene.runs, scene.view.pick, choice.metric)
        with st.spinner(f"Reading {count(len(drawn), 'history', 'histories')}…", show_time=True):
            points = points_of(here, drawn.ids, choice.metric.removeprefix(METRIC), _stamp(drawn, choice.metric))
        toolbar = st.container(horizontal=True, vertical_alignment="center", gap="small")
        with toolbar:
            _choose_metric(choice)
        if not len(points) or points.run_id.value_counts().max() < 2:
            _logged_once(choice, _looked_at(scene.runs, drawn))
            return
        with toolbar:
            manner = _choose_manner(scene.view, choice.metric)
            _download(points, drawn, choice.metric)
        _picture(scene, drawn, tracks(points, manner), choice.metric)


@st.cache_data(ttl=KEPT_SECONDS, max_entries=32, show_spinner=False)
def points_of(here: Backend, ids: tuple[str, ...], metric: str, stamp: str) -> pd.DataFrame:
    """Every point of a metric; `stamp` is another one when something was logged since."""
    return histories(here, ids, [metric])


@st.cache_data(ttl=KEPT_SECONDS, max_entries=32, show_spinner=False)
def lengths_of(here: Backend, ids: tuple[str, ...], names: tuple[str, ...], stamp: str) -> dict[str, int]:
    """How many points the run with most of them logged, per metric."""
    return lengths(here, ids, names)


def _stamp(runs: RunTable, metric: str) -> str:
    """Changes when a history may have grown: with each reading while a run is running, else with a last value."""
    running = (~runs.identity.ended.notna()).any()
    return repr((runs.read_at if running else None, runs.metrics[metric.removeprefix(METRIC)].tolist()))


def drawn_of(here: Backend, runs: RunTable, view: View) -> tuple[str, tuple[str, ...]]:
    """The metric that is drawn, and the runs whose histories are read for it; of runs that have a metric."""
    metric = _choice(here, runs, view).metric
    return metric, _candidates(runs, view.pick, metric).ids


def _choice(here: Backend, runs: RunTable, view: View) -> Choice:
    """The metric of the address; without one that which colours, if it has a history, else the first that has."""
    names = tuple(metrics(runs))
    some = charts.sampled(runs, view.pick, MOST_RUNS)
    telling = sorted(some.ids, key=dict(some.metrics.notna().sum(axis=1)).__getitem__, reverse=True)
    short = tuple(name.removeprefix(METRIC) for name in names)
    found = lengths_of(here, tuple(telling), short, _stamp(some, names[0]))
    serial = tuple(name for name in names if found.get(name.removeprefix(METRIC), 0) > 1)
    wished, color = asked().y, view.color
    first = color if color in serial or not serial else serial[0]
    others = tuple(name for name in names if name not in serial)
    return Choice(wished if wished in names else first if first in names else names[0], (*serial, *others), serial)


def _candidates(runs: RunTable, picked: Sequence[str], metric: str) -> RunTable:
    """At most fifty runs in the table's order: the picked, then the first that end with a value, then those that may have ended as NaN."""
    ended = runs.metrics[metric.removeprefix(METRIC)].notna()
    order = sorted(runs.ids, key=lambda run_id: (run_id not in set(picked), not ended[run_id]))
    kept = set(order[:MOST_RUNS])
    return subset(runs, [run_id for run_id in runs.ids if run_id in kept])


def _choose_metric(choice: Choice) -> None:
    st.selectbox(
        "Metric",
        choice.names,
        format_func=lambda name: f"Metric: {said(name)}",
        label_visibility="collapsed",
        width=215,
        **bound("y", choice.metric),
    )


def _choose_manner(view: View, metric: str) -> Manner:
    along: Along = next((one for one in ALONG if one == view.along), "step")
    smooth, is_log = _smooth(view), metric in view.log
    st.segmented_control(
        "Along", ALONG, format_func=WORDS.__getitem__, required=True, label_visibility="collapsed", **bound("along", along)
    )
    _set(SMOOTH, smooth)
    st.slider(
        "Smoothing",
        0.0,
        MOST_SMOOTH,
        step=0.01,
        format="Smooth %.2f",
        label_visibility="collapsed",
        width=170,
        key=SMOOTH,
        on_change=_follow_smooth,
    )
    _set(LOG, is_log)
    st.toggle("Log", key=LOG, on_change=_follow_log, args=(metric,))
    _set(AROUND, BAND in view.mark)
    st.toggle("Band", key=AROUND, on_change=_follow_band, help="From the lowest to the highest of the drawn runs.")
    return Manner(along, smooth, "log" if is_log else "linear")


def _smooth(view: View) -> float:
    try:
        asked_for = float(view.smooth or 0)
    except ValueError:
        return 0.0
    return min(max(asked_for, 0.0), MOST_SMOOTH) if asked_for == asked_for else 0.0  # noqa: PLR0124 - NaN


def _set(key: str, value: object) -> None:
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def _follow_smooth() -> None:
    value = st.session_state[SMOOTH]
    keep(smooth=f"{value:.2f}" if value else "")


def _follow_log(metric: str) -> None:
    others = tuple(name for name in asked().log if name != metric)
    keep(log=(*others, metric) if st.session_state[LOG] else others)


def _follow_band() -> None:
    others = tuple(mark for mark in asked().mark if mark != BAND)
    keep(mark=(*others, BAND) if st.session_state[AROUND] else others)


def _download(points: pd.DataFrame, drawn: RunTable, metric: str) -> None:
    names = {str(run_id): str(name) for run_id, name in drawn.identity.name.items()}
    st.download_button(
        "Points",
        data=lambda: as_csv(points, names),
        file_name="histories.csv",
        mime="text/csv",
        icon=":material/download:",
        type="tertiary",
        key="compare.curve_points",
        on_click="ignore",
        help=f"All {count(len(points), 'point')} of {md(said(metric))} as they were logged, as a CSV file.",
    )


def _looked_at(runs: RunTable, drawn: RunTable) -> str:
    return f"Looked at {len(drawn):,} of {count(len(runs), 'run')}. " if len(drawn) < len(runs) else ""


def _logged_once(choice: Choice, looked_at: str) -> None:
    """A metric without a history, and the way to one that has."""
    others = [name for name in choice.serial if name != choice.metric]
    listed = ", ".join(md(said(name)) for name in others[:6])
    have = f"With a history: {listed}." if others else "Log it with a step, epoch by epoch, to see a curve here."
    empty("show_chart", "Each run logged this metric once: nothing to draw as a curve", looked_at + have)
    if others:
        with st.container(horizontal_alignment="center"):
            st.button(f"Draw {md(said(others[0]))}", key="compare.curve_other", on_click=keep, kwargs={"y": others[0]})


def _picture(scene: Scene, drawn: RunTable, of: Tracks, metric: str) -> None:
    view = scene.view
    if not len(of.placed):
        empty(
            "show_chart",
            "No value can be placed",
            "All are NaN or infinite." if not of.low else "A log axis needs values above zero.",
        )
        return
    with_points = subset(drawn, [run_id for run_id in drawn.ids if run_id in set(of.points.run_id)])
    canvas.draw(
        curves(of, with_points, metric, scene.look, "band" if BAND in view.mark else "no band"),
        key="compare.curves",
        alt=finding(of, with_points, metric),
    )
    foot(view, [_capped(scene.runs, drawn, with_points), *_notes(view, of, metric)])


def _capped(runs: RunTable, drawn: RunTable, with_points: RunTable) -> str:
    """How many runs are drawn of how many, and why not the others; nothing to say when all are."""
    if len(with_points) == len(runs):
        return ""
    why = (
        "the others did not log this metric"
        if len(drawn) == len(runs)
        else "the picked and the first of the table that have this metric"
    )
    return f"Showing {len(with_points):,} of {count(len(runs), 'run')}: {why}."


def _around(of: Tracks) -> str:
    return (
        "The band runs from the lowest to the highest line."
        if len(band(of))
        else "No band: no two lines lie over each other here."
    )


def _notes(view: View, of: Tracks, metric: str) -> Sequence[str]:
    sizes = of.placed.groupby("run_id").size()
    most, each = sizes.max(), points_each(len(sizes))
    return (
        "The faint lines are as logged." if of.manner.smooth else "",
        _around(of) if BAND in view.mark else "",
        f"{count(of.odd, 'value is', 'values are')} NaN or infinite: lines break there." if of.odd else "",
        f"{count(of.low, 'value is', 'values are')} not above zero: no place on a log axis." if of.low else "",
        f"Lines show {each} of up to {most:,} points; the download has all." if most > each else "",
        MEANS[direction(metric.removeprefix(METRIC))],
    )
