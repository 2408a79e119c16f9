"""The metrics of a run: last, best, lowest and highest value, a small curve in each row, and one history drawn large."""

import hashlib
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.metric_direction import metric_title
from lib.runs.table.number_format import format_number, is_finite_number
from lib.runs.table.types import Run
from lib.theme import ChartColors
from lib.ui.app.routes import page_link
from lib.ui.components.badges import chart_colors
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import card, show_empty_state
from lib.ui.pages.run import queries
from lib.ui.pages.run.queries import CHART_POINTS, SPARKLINE_POINTS, MetricHistory, best_value

MAX_VISIBLE_ROWS = 10


def show_metrics(backend: Backend, run: Run) -> None:
    """Every metric with its history, the usual ones first; the picked one drawn below."""
    names = sorted(run.metrics, key=lambda name: (name != "accuracy", name))
    with card("Metrics", format_count(len(names), "metric") if names else "", key="run.metrics"):
        if not names:
            show_empty_state("monitoring", "No metric yet", "A metric appears here as soon as the run logs one.")
            st.space("small")
            return
        tracks: Mapping[str, MetricHistory] = {}
        with error_boundary():
            tracks = queries.cached_histories(backend, run)
        moving = [name for name in names if name in tracks and len(tracks[name].values) > 1]
        names = [*moving, *(name for name in names if name not in moving)]
        picked = _table(run, names, tracks) if moving else _plain(run, names)
        if len(names) > len(tracks):
            st.caption(f"Histories of {len(tracks)} of {format_count(len(names), 'metric')} were read.")
        if picked in moving:
            _curve(run, picked, tracks[picked])


def _plain(of: Run, names: list[str]) -> str:
    """One value each: nothing to draw."""
    rows = pd.DataFrame(
        {"metric": [metric_title(name) for name in names], "value": [format_number(of.metrics[name]) for name in names]}
    )
    st.dataframe(
        rows,
        hide_index=True,
        key="run.values",
        height=_height(len(names)),
        column_config={
            "metric": st.column_config.TextColumn("Metric", width=390),
            "value": st.column_config.TextColumn("Value", width=140, alignment="right"),
        },
        alt=f"{len(names)} metrics, each logged once",
    )
    return ""


def _table(of: Run, names: list[str], tracks: Mapping[str, MetricHistory]) -> str:
    """The table to pick from; gives the name of the picked metric. Its key is a hash of the names: a row never stands for another."""
    key = "run.metric." + hashlib.sha256("\n".join([of.run_id, *names]).encode()).hexdigest()[:16]
    event: Any = st.dataframe(
        pd.DataFrame([_row(of, name, tracks.get(name)) for name in names]),
        hide_index=True,
        key=key,
        height=_height(len(names)),
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        column_config=_columns(),
        alt=f"{len(names)} metrics with last, best, lowest and highest value; pick one to see its history",
    )
    rows = event["selection"]["rows"]
    return names[rows[0]] if rows else names[0]


def _row(of: Run, name: str, track: MetricHistory | None) -> dict[str, Any]:
    real = track.real_values if track else ()
    top = best_value(name, track) if track else None
    return {
        "metric": metric_title(name),
        "last": format_number(of.metrics[name]),
        "best": format_number(top),
        "low": format_number(min(real, default=None)),
        "high": format_number(max(real, default=None)),
        "points": len(track.values) if track else None,
        "history": list(MetricHistory(track.steps, track.values).downsample(SPARKLINE_POINTS).real_values)
        if track and len(real) > 1
        else None,
    }


def _columns() -> dict[str, Any]:
    column = st.column_config
    told = {"last": "Last", "best": "Best", "low": "Lowest", "high": "Highest"}
    return {
        "metric": column.TextColumn("Metric", width=150),
        **{name: column.TextColumn(title, width=76, alignment="right") for name, title in told.items()},
        "points": column.NumberColumn("Points", width=62),
        "history": column.LineChartColumn("History", width=124, color="blue"),
    }


def _height(rows: int) -> int | str:
    return "content" if rows <= MAX_VISIBLE_ROWS else 32 + 31 * MAX_VISIBLE_ROWS + 2


def _curve(of: Run, name: str, track: MetricHistory) -> None:
    thin = track.downsample(CHART_POINTS)
    frame = pd.DataFrame({"step": thin.steps, "value": [value if is_finite_number(value) else None for value in thin.values]})
    first, last = track.real_values[:1], track.real_values[-1:]
    st.altair_chart(
        history_chart(frame, metric_title(name), chart_colors()),
        key="run.curve",
        alt=f"{name} from {format_number(first[0]) if first else 'nothing'} to {format_number(last[0]) if last else 'nothing'} "
        f"over {format_count(len(track.values), 'point')}",
    )
    odd = len(track.values) - len(track.real_values)
    notes = [
        f"Showing {len(thin.values)} of {len(track.values):,} points." if len(thin.values) < len(track.values) else "",
        f"{format_count(odd, 'value')} that {'is' if odd == 1 else 'are'} no number {'is' if odd == 1 else 'are'} left out."
        if odd
        else "",
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(note for note in notes if note), width="stretch")
        query: dict[str, str | list[str]] = {
            "experiment": of.experiment_id, "plot": "Curves", "y": f"metrics.{name}", "pick": [of.run_id], "only": "picked",
        }  # fmt: skip
        page_link(f"{escape(name)} beside other runs", "compare", icon="show_chart", query=query)


def history_chart(frame: pd.DataFrame, title: str, colors: ChartColors) -> alt.LayerChart:
    """One history over its steps: `frame` has step and value, a value that is missing leaves a gap."""
    soft = colors["soft"]
    x = alt.X(
        "step:Q",
        axis=alt.Axis(title="step", grid=False, tickCount=6, labelFlush=True, labelColor=soft, titleColor=soft, domain=False),
    )
    y = alt.Y(
        "value:Q",
        scale=alt.Scale(zero=False, nice=True),
        axis=alt.Axis(
            title=None, tickCount=5, gridDash=[1, 3], gridColor=colors["hair"], labelColor=soft, domain=False, ticks=False
        ),
    )
    base = alt.Chart(frame).encode(
        x=x, y=y, tooltip=[alt.Tooltip("step:Q", title="Step"), alt.Tooltip("value:Q", title=title, format=".6~g")]
    )
    heading = alt.TitleParams(title, anchor="start", fontSize=11, fontWeight="normal", color=soft)
    line = base.mark_line(color=colors["now"], strokeWidth=1.8, clip=True)
    dots = base.mark_circle(color=colors["now"], size=22 if len(frame) <= 60 else 6, opacity=1 if len(frame) <= 60 else 0)
    return (
        alt.layer(line, dots)
        .properties(height=230, title=heading, padding={"bottom": 5, "right": 14})
        .configure_view(stroke=None)
    )
