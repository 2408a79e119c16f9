"""Keeps the ranges in the address and the brushes in a plot the same. What is drawn and listed by them is the plots' business.

A plot is drawn anew only when the ranges were changed by something else than its own brushes. Otherwise its text stays the same to
the letter, so that the browser keeps the plot and a hand that is still dragging.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import streamlit as st

from lib.runs.filters import facets
from lib.runs.plots.axes import Axis
from lib.runs.plots.axis_ranges import AxisRange, brush_span, format_range, parse_ranges
from lib.runs.plots.axis_ranges import inside_mask as in_range
from lib.ui.pages.compare.view_state import update_url, view_from_url

# An active brush would catch the pointer: no reading out of the points below it, no brush on a neighbouring axis.
BRUSH_CSS = "<style>.st-key-compare-chart g[class*='_brush'] > path{pointer-events:none}</style>"
ChartSelection = Mapping[str, Any]
"""What Streamlit tells of a chart: the name of a selection → what it holds."""
BrushDecoder = Callable[[ChartSelection, ChartSelection], dict[str, AxisRange | None]]
"""From what a chart told before and now: the columns whose range changed, with the new range or None."""


@dataclass(frozen=True)
class BrushState:
    """A plot as it was last drawn anew: of which axes, its number, its first brushes, the ranges it wrote last, what it told last."""

    axes_digest: str
    redraw_count: int
    spans: Mapping[str, tuple[float, float]]
    written_ranges: tuple[AxisRange, ...]
    last_selection: str = "{}"


def ranges_from_url(axes: Sequence[Axis]) -> tuple[AxisRange, ...]:
    """The ranges in the address that are on these axes."""
    return parse_ranges(view_from_url().range, axes)


def ranges_as_facets(axes: Sequence[Axis]) -> tuple[str, ...]:
    """The ranges in the address as facets, which narrow the runs of the whole page. One that reaches below its axis has no such twin."""
    by = {one.name: one for one in axes}
    made = [_facet(one, by[one.column]) for one in ranges_from_url(axes)]
    return tuple(facets.format_facet(one) for one in made if one)


def _facet(kept: AxisRange, one: Axis) -> facets.Facet | None:
    if one.categories:
        inside = {value for value, hit in zip(one.values, in_range(kept, one), strict=True) if hit}
        lanes = [lane for lane in one.categories if lane in inside]
        values = (*lanes, *([None] if None in inside else []))
        return facets.AnyOfFacet(kept.column, values) if values and facets.can_have_values(kept.column) else None
    if kept.low is None or not facets.can_have_range(kept.column):
        return None
    return facets.RangeFacet(kept.column, float(kept.low), None if kept.high is None else float(kept.high))


def update_ranges(changes: Mapping[str, AxisRange | None], axes: Sequence[Axis]) -> None:
    """Write changed ranges into the address. Those of columns that are not on these axes stay as they are."""
    now = {one.column: one for one in ranges_from_url(axes)} | dict(changes)
    others = [text for text in view_from_url().range if not parse_ranges([text], axes)]
    kept = [format_range(one) for one in now.values() if one]
    update_url(range=(*others, *kept))


def brush_state(plot: str, axes: Sequence[Axis]) -> BrushState:
    """How to draw a plot now: as it stands, or anew, when its axes are others or a range came from elsewhere."""
    place, kept = f"compare.brushes.{plot}", ranges_from_url(axes)
    of = digest([(one.name, one.low, one.high, one.is_log, one.categories) for one in axes])
    before: BrushState | None = st.session_state.get(place)
    if before is None or (before.axes_digest, before.written_ranges) != (of, kept):
        by = {one.name: one for one in axes}
        spans = {one.column: brush_span(one, by[one.column]) for one in kept}
        st.session_state[place] = BrushState(of, (before.redraw_count + 1) if before else 0, spans, kept)
    made: BrushState = st.session_state[place]
    return made


def on_brush_change(plot: str, key: str, axes: Sequence[Axis], decode: BrushDecoder) -> None:
    """A brush was drawn or let go: write what it keeps into the address. Called by Streamlit before the page runs."""
    place = f"compare.brushes.{plot}"
    before: BrushState = st.session_state[place]
    now = json.dumps(st.session_state[key]["selection"])
    changed = decode(json.loads(before.last_selection), json.loads(now))
    if changed:
        update_ranges(changed, axes)
    st.session_state[place] = replace(before, last_selection=now, written_ranges=ranges_from_url(axes))


def request_redraw(plot: str) -> None:
    """Have a plot drawn anew, without what was clicked in it."""
    place = f"compare.brushes.{plot}"
    st.session_state[place] = replace(st.session_state[place], axes_digest="")


def let_pointer_through() -> None:
    """Let the pointer through a brush to what lies below."""
    st.html(BRUSH_CSS)


def digest(*values: object) -> str:
    """A short text for what a picture is made of."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


@st.cache_data(max_entries=16, ttl=600, show_spinner=False)
def cached_chart(cache_key: str, _build: Callable[[], alt.LayerChart]) -> alt.LayerChart:
    """A chart, built once for what it is made of: Altair takes most of a second to check one with many layers."""
    return _build()
