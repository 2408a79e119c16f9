"""The metrics of a run: last, best, lowest and highest value, a sparkline per row, and one history as a chart."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.metric_direction import MetricDirections, order_metric_names
from lib.runs.reading.related_runs import ExperimentRef
from lib.runs.table.number_format import format_number, is_finite_number
from lib.runs.table.types import Run
from lib.theme import ChartColors
from lib.ui.app.page_links import page_link
from lib.ui.components.badges import chart_colors
from lib.ui.components.data_table import hashed_key, table_height
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import card, show_empty_state
from lib.ui.pages.run import queries
from lib.ui.pages.run.metric_direction import run_directions, show_direction_button
from lib.ui.pages.run.queries import CHART_POINTS, SPARKLINE_POINTS, MetricHistory, best_value

MAX_VISIBLE_ROWS = 10


def show_metrics(backend: Backend, run: Run, experiment_ref: ExperimentRef) -> None:
    """Show every metric with its history, common ones first and system metrics last, and a chart of the selected one."""
    names = order_metric_names(run.metrics)
    directions = run_directions(backend, run, experiment_ref)
    with card("Metrics", format_count(len(names), "metric") if names else "", key="run.metrics"):
        if not names:
            show_empty_state("monitoring", "No metrics yet", "Metrics appear here as soon as the run logs them.")
            st.space("small")
            return
        histories: Mapping[str, MetricHistory] = {}
        with error_boundary():
            histories = queries.cached_histories(backend, run)
        names_with_history = [name for name in names if name in histories and len(histories[name].values) > 1]
        names = [*names_with_history, *(name for name in names if name not in names_with_history)]
        selected_name = (
            _show_history_table(run, names, histories, directions)
            if names_with_history
            else _show_value_table(run, names, directions)
        )
        show_direction_button(backend, run, directions, selected_name or names[0])
        if len(names) > len(histories):
            st.caption(f"Showing histories of {len(histories)} of {format_count(len(names), 'metric')}.")
        if selected_name in names_with_history:
            _show_history_chart(run, selected_name, histories[selected_name], directions.title(selected_name))


def _show_value_table(run: Run, names: list[str], directions: MetricDirections) -> str:
    """Show metrics with one value each, without charts."""
    rows = pd.DataFrame(
        {"metric": [directions.title(name) for name in names], "value": [format_number(run.metrics[name]) for name in names]}
    )
    st.dataframe(
        rows,
        hide_index=True,
        key="run.values",
        height=table_height(len(names), MAX_VISIBLE_ROWS),
        column_config={
            "metric": st.column_config.TextColumn("Metric", width=390),
            "value": st.column_config.TextColumn("Value", width=140, alignment="right"),
        },
        alt=f"{len(names)} metrics, each logged once",
    )
    return ""


def _show_history_table(run: Run, names: list[str], histories: Mapping[str, MetricHistory], directions: MetricDirections) -> str:
    """Show the metric table and return the selected name. Its key is a hash of the names, so a row always maps to its metric."""
    event: Any = st.dataframe(
        pd.DataFrame([_history_row(run, name, histories.get(name), directions) for name in names]),
        hide_index=True,
        key=hashed_key("run.metric", run.run_id, *names),
        height=table_height(len(names), MAX_VISIBLE_ROWS),
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        column_config=_column_config(),
        alt=f"{len(names)} metrics with last, best, lowest and highest value; select one to see its history",
    )
    rows = event["selection"]["rows"]
    return names[rows[0]] if rows else names[0]


def _history_row(run: Run, name: str, history: MetricHistory | None, directions: MetricDirections) -> dict[str, Any]:
    numbers = history.real_values if history else ()
    best = best_value(history, directions.of(name)) if history else None
    return {
        "metric": directions.title(name),
        "last": format_number(run.metrics[name]),
        "best": format_number(best),
        "low": format_number(min(numbers, default=None)),
        "high": format_number(max(numbers, default=None)),
        "points": len(history.values) if history else None,
        "history": list(MetricHistory(history.steps, history.values).downsample(SPARKLINE_POINTS).real_values)
        if history and len(numbers) > 1
        else None,
    }


def _column_config() -> dict[str, Any]:
    column = st.column_config
    value_titles = {"last": "Last", "best": "Best", "low": "Lowest", "high": "Highest"}
    return {
        "metric": column.TextColumn("Metric", width=150),
        **{name: column.TextColumn(title, width=76, alignment="right") for name, title in value_titles.items()},
        "points": column.NumberColumn("Points", width=62),
        "history": column.LineChartColumn("History", width=124, color="blue"),
    }


def _show_history_chart(run: Run, name: str, history: MetricHistory, title: str) -> None:
    downsampled = history.downsample(CHART_POINTS)
    frame = pd.DataFrame(
        {"step": downsampled.steps, "value": [value if is_finite_number(value) else None for value in downsampled.values]}
    )
    first, last = history.real_values[:1], history.real_values[-1:]
    st.altair_chart(
        _history_chart(frame, title, chart_colors()),
        key="run.curve",
        alt=f"{name} from {format_number(first[0]) if first else 'nothing'} to {format_number(last[0]) if last else 'nothing'} "
        f"over {format_count(len(history.values), 'point')}",
    )
    omitted_count = len(history.values) - len(history.real_values)
    notes = [
        f"Showing {len(downsampled.values)} of {len(history.values):,} points."
        if len(downsampled.values) < len(history.values)
        else "",
        f"{format_count(omitted_count, 'value is', 'values are')} not a number and not shown." if omitted_count else "",
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(note for note in notes if note), width="stretch")
        query: dict[str, str | list[str]] = {
            "experiment": run.experiment_id, "plot": "Curves", "y": f"metrics.{name}", "pick": [run.run_id], "only": "picked",
        }  # fmt: skip
        page_link(f"Compare {escape(name)} across runs", "compare", icon="show_chart", query=query)


def _history_chart(frame: pd.DataFrame, title: str, colors: ChartColors) -> alt.LayerChart:
    """Return the chart of one history. `frame` has step and value; a missing value leaves a gap."""
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
