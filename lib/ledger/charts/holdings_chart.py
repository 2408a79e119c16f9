"""The holdings chart: one lane per stage (or per model), one bar per holding. Pure: holdings in, chart out.

Solid blue is the present holder of Production, gray a past one, pale violet was in Staging; unknown intervals are labelled. Holdings known
only from imported entries are paler, with a dashed edge.
"""

from collections.abc import Sequence
from datetime import datetime

import altair as alt
import pandas as pd

from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.state.holdings import Holding
from lib.text import format_day
from lib.theme import ChartColors

BAR_KINDS = ("now", "past", "staging", "unknown")
BAR_COLUMNS = ("lane", "version", "stage", "since", "until", "kind", "from_text", "until_text", "known_from", "place")
IMPORT_SOURCE = "an imported file"
MAX_BARS_WITH_EDGES = 60
"""With more bars, narrow ones have no edge. Otherwise only edges in the page colour would be visible."""
TIME_FORMAT = "%-d %b %Y, %H:%M:%S UTC"


def bar_table(rows: Sequence[tuple[str, Holding]], until: datetime) -> pd.DataFrame:
    """One row per bar, with columns BAR_COLUMNS. Input rows are (lane, holding); open holdings end at `until`."""
    bars = [
        (
            lane,
            h.holder_text,
            SLOTS[h.slot],
            h.since,
            h.until or max(until, h.since),
            _bar_kind(h),
            f"{h.since:{TIME_FORMAT}}",
            f"{h.until:{TIME_FORMAT}}" if h.until else "now",
            IMPORT_SOURCE if h.is_imported else "the record",
            h.position,
        )
        for lane, h in rows
    ]
    table = pd.DataFrame(bars, columns=list(BAR_COLUMNS))
    return table.assign(since=pd.to_datetime(table.since, utc=True), until=pd.to_datetime(table.until, utc=True))


def holdings_chart(
    table: pd.DataFrame, colors: ChartColors, lanes: Sequence[str], row_height: int = 36, marked_at: datetime | None = None
) -> alt.LayerChart:
    """The chart of a `bar_table`: lanes in the given order, version names inside the bars that are wide enough.

    `marked_at` is the queried instant, drawn as a labelled rule.
    """
    span = (table.until.max() - table.since.min()).total_seconds() or 1.0
    durations = (table.until - table.since).dt.total_seconds()
    is_crowded = len(table) > MAX_BARS_WITH_EDGES and durations < span * 0.006
    bars = table.assign(
        wide=durations > span * 0.035,
        mid=table.since + (table.until - table.since) / 2,
        edge=pd.Series(is_crowded, index=table.index).map({True: 0.0, False: 1.5}),
    )
    y = alt.Y(
        "lane:N",
        sort=list(lanes),
        title=None,
        axis=alt.Axis(domain=False, ticks=False, labelPadding=10, labelFontSize=12, labelLimit=190),
        scale=alt.Scale(domain=list(lanes), paddingInner=0.22, paddingOuter=0.1),
    )
    x = alt.X("since:T", title=None, axis=time_axis(span), scale=alt.Scale(type="utc"))
    base = alt.Chart(bars)
    is_imported = alt.datum.known_from == IMPORT_SOURCE
    bar_marks = base.mark_bar(cornerRadius=4).encode(
        x=x,
        x2="until:T",
        y=y,
        color=_kind_color([colors[kind] for kind in BAR_KINDS]),
        fillOpacity=alt.condition(is_imported, alt.value(0.5), alt.value(1)),
        stroke=alt.condition(is_imported, alt.value(colors["soft"]), alt.value(colors["page"])),
        strokeWidth=alt.StrokeWidth("edge:Q", scale=None),
        strokeDash=alt.condition(is_imported, alt.value([4, 3]), alt.value([1, 0])),
        tooltip=_tooltip(),
    )
    label_base = base.transform_filter(alt.datum.wide).mark_text(fontSize=12, fontWeight=600)
    labels = label_base.encode(x="mid:T", y=y, text="version:N", color=_kind_color([colors[f"on_{kind}"] for kind in BAR_KINDS]))
    layers = alt.layer(bar_marks, labels, *(_time_marker(marked_at, colors) if marked_at else ())).resolve_scale(
        color="independent"
    )
    return style_chart(layers.properties(height=row_height * len(lanes) + 28 + (18 if marked_at else 0)), colors)


def _time_marker(at: datetime, colors: ChartColors) -> tuple[alt.Chart, alt.Chart]:
    base = alt.Chart(pd.DataFrame({"at": [pd.Timestamp(at)], "said": [format_day(at)]}))
    label = base.mark_text(
        color=colors["ink"], fontSize=12, fontWeight=600, align="left", dx=6, dy=-2, baseline="bottom", clip=False
    )
    return (
        base.mark_rule(color=colors["ink"], strokeWidth=2).encode(x="at:T"),
        label.encode(x="at:T", y=alt.value(0), text="said:N"),
    )


def _bar_kind(holding: Holding) -> str:
    if holding.version is None:
        return "unknown"
    if holding.slot == "staging":
        return "staging"
    return "now" if holding.until is None else "past"


def time_axis(span_seconds: float) -> alt.Axis:
    """Ticks in UTC, as coarse as the span allows."""
    days = span_seconds / 86_400
    form = "%H:%M:%S" if days < 0.003 else "%H:%M" if days < 1.5 else "%-d %b" if days < 200 else "%b %Y" if days < 900 else "%Y"
    return alt.Axis(
        labelExpr=f"utcFormat(datum.value, '{form}')",
        tickCount="year" if days >= 900 else 6,
        grid=True,
        gridDash=[2, 3],
        domain=False,
        ticks=False,
        labelPadding=6,
    )


def _kind_color(colors: list[str]) -> alt.Color:
    return alt.Color("kind:N", legend=None, scale=alt.Scale(domain=list(BAR_KINDS), range=colors))


def _tooltip() -> list[alt.Tooltip]:
    """Times as text, because a browser would convert them to its own zone."""
    titles = {"version": "Version", "stage": "Stage", "from_text": "From", "until_text": "Until", "known_from": "Known from"}
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]


def make_clickable(chart: alt.LayerChart) -> alt.LayerChart:
    """The chart with pan and zoom (shift + wheel) along time, and clickable bars: selection `holding` with lane and place."""
    zoom = alt.selection_interval(name="zoom", bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]")
    return chart.add_params(alt.selection_point(name="holding", fields=["lane", "place"], on="click"), zoom)


def style_chart(chart: alt.LayerChart, colors: ChartColors) -> alt.LayerChart:
    """Apply the style of ledger charts: no frame, soft labels, padding at the right and bottom."""
    return (
        chart.properties(padding={"left": 0, "right": 4, "top": 2, "bottom": 5})
        .configure_view(stroke=None)
        .configure_axis(gridColor=colors["hair"], labelColor=colors["soft"], titleColor=colors["soft"], labelFontSize=11)
    )
