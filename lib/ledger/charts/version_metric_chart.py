"""The version timeline: a metric of each version at its registration, with its interval, and Production holders in the background. Pure."""

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
    """Points over time, without connecting lines, because versions are independent. `holdings` are those of Production.

    The selection `version` holds the entry id of the clicked point.
    """
    table = pd.DataFrame([_table_row(point) for point in points])
    table["at"] = pd.to_datetime(table["at"], utc=True)
    bars = bar_table([(title, holding) for holding in holdings], until)
    start = min([table["at"].min(), *([bars.since.min()] if len(bars) else [])])
    span = (pd.Timestamp(until) - start).total_seconds() or 1.0
    scale = alt.Scale(type="utc", domain=[start.isoformat(), pd.Timestamp(until).isoformat()], padding=14, nice=False)
    time = {"title": None, "scale": scale, "axis": time_axis(span)}
    x = alt.X("at:T", **time)
    y = alt.Y(
        "value:Q", title=None, scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(domain=False, ticks=False, tickCount=5)
    )
    base = alt.Chart(table)
    dots = base.mark_circle(size=90, opacity=1, color=colors["now"], stroke=colors["page"], strokeWidth=1.5).encode(
        x=x, y=y, tooltip=_tooltip()
    )
    selection = alt.selection_point(name="version", fields=["entry"], on="click")
    labels = base.mark_text(align="left", dx=9, fontSize=12, fontWeight=600, color=colors["ink"]).encode(
        x=x, y=y, text="version:N"
    )
    ranges = base.transform_filter(alt.datum.low != None).mark_rule(strokeWidth=2.5, color=colors["ramp3"])  # noqa: E711 - Vega's null
    layers = [
        *_bands(bars, colors, alt.X("since:T", **time)),
        ranges.encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        dots.add_params(selection),
        labels,
    ]
    return style_chart(alt.layer(*layers).properties(height=CHART_HEIGHT, title=_title(title, colors)), colors)


def _table_row(point: VersionMetric) -> dict[str, object]:
    interval = (
        f"{point.low:.4f} to {point.high:.4f}, {point.interval_source}"
        if point.low is not None and point.high is not None
        else "unknown"
    )
    return {
        "version": f"v{point.version}",
        "at": point.at,
        "value": point.value,
        "low": point.low,
        "high": point.high,
        "entry": point.entry_id,
        "said": f"{point.value:.4f}",
        "interval": interval,
        "when": f"{point.at:{TIME_FORMAT}}",
    }


def _bands(bars: pd.DataFrame, colors: ChartColors, since: alt.X) -> list[alt.Chart]:
    """The Production holders: pale labelled bands over the full height."""
    if not len(bars):
        return []
    span = (bars.until.max() - bars.since.min()).total_seconds() or 1.0
    bands = bars.assign(wide=(bars.until - bars.since).dt.total_seconds() > span * 0.05)
    color = alt.Color(
        "kind:N",
        legend=None,
        scale=alt.Scale(domain=["now", "past", "unknown"], range=[colors["now"], colors["past"], colors["hair"]]),
    )
    base = alt.Chart(bands)
    rectangles = base.mark_rect(opacity=0.22, stroke=colors["page"], strokeWidth=1.5).encode(x=since, x2="until:T", color=color)
    labels = base.transform_filter(alt.datum.wide).mark_text(
        align="left", dx=6, baseline="top", fontSize=11, color=colors["soft"]
    )
    return [rectangles, labels.encode(x=since, y=alt.value(6), text="version:N")]


def _title(title: str, colors: ChartColors) -> alt.TitleParams:
    return alt.TitleParams(
        title, anchor="start", frame="bounds", fontSize=12, fontWeight="normal", color=colors["soft"], offset=8, dy=-2
    )


def _tooltip() -> list[alt.Tooltip]:
    titles = {"version": "Version", "said": "Measured", "interval": "Interval", "when": "Registered"}
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]
