"""The metrics of a run: last, best, lowest and highest value, a small curve in each row, and one history drawn large."""

import hashlib
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.metric_direction import titled
from lib.runs.table.number_format import figure, is_real
from lib.runs.table.types import Run
from lib.theme import Ink
from lib.ui.app.routes import link
from lib.ui.components.chart_theme import ink
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import card, empty
from lib.ui.pages.run import queries as reads
from lib.ui.pages.run.queries import CURVE, SPARK, Track, best

ROWS = 10


def metrics_card(here: Backend, of: Run) -> None:
    """Every metric with its history, the usual ones first; the picked one drawn below."""
    names = sorted(of.metrics, key=lambda name: (name != "accuracy", name))
    with card("Metrics", count(len(names), "metric") if names else "", key="run.metrics"):
        if not names:
            empty("monitoring", "No metric yet", "A metric appears here as soon as the run logs one.")
            st.space("small")
            return
        tracks: Mapping[str, Track] = {}
        with calm():
            tracks = reads.histories(here, of)
        moving = [name for name in names if name in tracks and len(tracks[name].values) > 1]
        names = [*moving, *(name for name in names if name not in moving)]
        picked = _table(of, names, tracks) if moving else _plain(of, names)
        if len(names) > len(tracks):
            st.caption(f"Histories of {len(tracks)} of {count(len(names), 'metric')} were read.")
        if picked in moving:
            _curve(of, picked, tracks[picked])


def _plain(of: Run, names: list[str]) -> str:
    """One value each: nothing to draw."""
    rows = pd.DataFrame({"metric": [titled(name) for name in names], "value": [figure(of.metrics[name]) for name in names]})
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


def _table(of: Run, names: list[str], tracks: Mapping[str, Track]) -> str:
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


def _row(of: Run, name: str, track: Track | None) -> dict[str, Any]:
    real = track.real if track else ()
    top = best(name, track) if track else None
    return {
        "metric": titled(name),
        "last": figure(of.metrics[name]),
        "best": figure(top),
        "low": figure(min(real, default=None)),
        "high": figure(max(real, default=None)),
        "points": len(track.values) if track else None,
        "history": list(Track(track.steps, track.values).thinned(SPARK).real) if track and len(real) > 1 else None,
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
    return "content" if rows <= ROWS else 32 + 31 * ROWS + 2


def _curve(of: Run, name: str, track: Track) -> None:
    thin = track.thinned(CURVE)
    frame = pd.DataFrame({"step": thin.steps, "value": [value if is_real(value) else None for value in thin.values]})
    first, last = track.real[:1], track.real[-1:]
    st.altair_chart(
        curve(frame, titled(name), ink()),
        key="run.curve",
        alt=f"{name} from {figure(first[0]) if first else 'nothing'} to {figure(last[0]) if last else 'nothing'} "
        f"over {count(len(track.values), 'point')}",
    )
    odd = len(track.values) - len(track.real)
    notes = [
        f"Showing {len(thin.values)} of {len(track.values):,} points." if len(thin.values) < len(track.values) else "",
        f"{count(odd, 'value')} that {'is' if odd == 1 else 'are'} no number {'is' if odd == 1 else 'are'} left out."
        if odd
        else "",
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(note for note in notes if note), width="stretch")
        query: dict[str, str | list[str]] = {
            "experiment": of.experiment_id, "plot": "Curves", "y": f"metrics.{name}", "pick": [of.run_id], "only": "picked",
        }  # fmt: skip
        link(f"{md(name)} beside other runs", "compare", icon="show_chart", query=query)


def curve(frame: pd.DataFrame, title: str, colors: Ink) -> alt.LayerChart:
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
