"""The version timeline: a metric of each version at its registration, with its interval, and who held Production behind it. Pure."""

from collections.abc import Sequence
from datetime import datetime

import altair as alt
import pandas as pd

from lib.ledger.charts.holdings_chart import TIME_FORMAT, bar_table, style_chart, time_axis
from lib.ledger.queries.version_metrics import VersionMetric
from lib.ledger.state.holdings import Holding
from lib.theme import ChartColors

CHART_HEIGHT = 250


def version_metric_chart(
    points: Sequence[VersionMetric], holdings: Sequence[Holding], colors: ChartColors, until: datetime, title: str
) -> alt.LayerChart:
    """Points by time, joined by no line: a version stands for itself. `held` are the holdings of Production.

    The selection `version` gives the entry (its id) of the point that was clicked.
    """
    table = pd.DataFrame([_row(one) for one in points])
    table["at"] = pd.to_datetime(table["at"], utc=True)
    behind = bar_table([(title, one) for one in holdings], until)
    begins = min([table["at"].min(), *([behind.since.min()] if len(behind) else [])])
    span = (pd.Timestamp(until) - begins).total_seconds() or 1.0
    scale = alt.Scale(type="utc", domain=[begins.isoformat(), pd.Timestamp(until).isoformat()], padding=14, nice=False)
    time = {"title": None, "scale": scale, "axis": time_axis(span)}
    x = alt.X("at:T", **time)
    y = alt.Y(
        "value:Q", title=None, scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(domain=False, ticks=False, tickCount=5)
    )
    base = alt.Chart(table)
    dots = base.mark_circle(size=90, opacity=1, color=colors["now"], stroke=colors["page"], strokeWidth=1.5).encode(
        x=x, y=y, tooltip=_tooltip()
    )
    picked = alt.selection_point(name="version", fields=["entry"], on="click")
    names = base.mark_text(align="left", dx=9, fontSize=12, fontWeight=600, color=colors["ink"]).encode(
        x=x, y=y, text="version:N"
    )
    ranges = base.transform_filter(alt.datum.low != None).mark_rule(strokeWidth=2.5, color=colors["ramp3"])  # noqa: E711 - Vega's null
    layers = [
        *_bands(behind, colors, alt.X("since:T", **time)),
        ranges.encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        dots.add_params(picked),
        names,
    ]
    return style_chart(alt.layer(*layers).properties(height=CHART_HEIGHT, title=_title(title, colors)), colors)


def _row(one: VersionMetric) -> dict[str, object]:
    interval = (
        f"{one.low:.4f} to {one.high:.4f}, {one.interval_source}" if one.low is not None and one.high is not None else "not known"
    )
    return {
        "version": f"v{one.version}",
        "at": one.at,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "entry": one.entry_id,
        "said": f"{one.value:.4f}",
        "interval": interval,
        "when": f"{one.at:{TIME_FORMAT}}",
    }


def _bands(behind: pd.DataFrame, ink: ChartColors, since: alt.X) -> list[alt.Chart]:
    """Who held Production: pale bands over the whole height, named at their foot."""
    if not len(behind):
        return []
    span = (behind.until.max() - behind.since.min()).total_seconds() or 1.0
    shown = behind.assign(wide=(behind.until - behind.since).dt.total_seconds() > span * 0.05)
    color = alt.Color(
        "kind:N", legend=None, scale=alt.Scale(domain=["now", "past", "unknown"], range=[ink["now"], ink["past"], ink["hair"]])
    )
    base = alt.Chart(shown)
    drawn = base.mark_rect(opacity=0.22, stroke=ink["page"], strokeWidth=1.5).encode(x=since, x2="until:T", color=color)
    named = base.transform_filter(alt.datum.wide).mark_text(align="left", dx=6, baseline="top", fontSize=11, color=ink["soft"])
    return [drawn, named.encode(x=since, y=alt.value(6), text="version:N")]


def _title(title: str, ink: ChartColors) -> alt.TitleParams:
    return alt.TitleParams(
        title, anchor="start", frame="bounds", fontSize=12, fontWeight="normal", color=ink["soft"], offset=8, dy=-2
    )


def _tooltip() -> list[alt.Tooltip]:
    titles = {"version": "Version", "said": "Measured", "interval": "Interval", "when": "Registered"}
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]
