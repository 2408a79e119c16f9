"""Keeps the ranges in the address and the brushes in a plot the same. What is drawn and listed by them is the plots' business.

A plot is redrawn only when the ranges were changed by something else than its own brushes. Otherwise its text stays the same to
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
from lib.runs.plots.axis_ranges import AxisRange, brush_span, format_range, inside_mask, parse_ranges
from lib.ui.pages.compare.view_state import update_url, view_from_url

# An active brush would catch the pointer: no reading out of the points below it, no brush on a neighbouring axis.
BRUSH_CSS = "<style>.st-key-compare-chart g[class*='_brush'] > path{pointer-events:none}</style>"
ChartSelection = Mapping[str, Any]
"""What Streamlit reports of a chart: the name of a selection → what it holds."""
BrushDecoder = Callable[[ChartSelection, ChartSelection], dict[str, AxisRange | None]]
"""From the previous and the current selection of a chart: the columns whose range changed, with the new range or None."""


@dataclass(frozen=True)
class BrushState:
    """A plot as it was last redrawn: a digest of its axes, how often, its first brushes, the ranges it wrote last, its last selection."""

    axes_digest: str
    redraw_count: int
    spans: Mapping[str, tuple[float, float]]
    written_ranges: tuple[AxisRange, ...]
    last_selection: str = "{}"


def ranges_from_url(axes: Sequence[Axis]) -> tuple[AxisRange, ...]:
    """The ranges in the address that are on these axes."""
    return parse_ranges(view_from_url().range, axes)


def ranges_as_facets(axes: Sequence[Axis]) -> tuple[str, ...]:
    """The ranges in the address as facets, which narrow the runs of the whole page. A range that reaches below its axis has no facet."""
    axes_by_name = {axis.name: axis for axis in axes}
    range_facets = [_range_to_facet(axis_range, axes_by_name[axis_range.column]) for axis_range in ranges_from_url(axes)]
    return tuple(facets.format_facet(facet) for facet in range_facets if facet)


def _range_to_facet(axis_range: AxisRange, axis: Axis) -> facets.Facet | None:
    if axis.categories:
        values_in_range = {value for value, hit in zip(axis.values, inside_mask(axis_range, axis), strict=True) if hit}
        categories = [category for category in axis.categories if category in values_in_range]
        values = (*categories, *([None] if None in values_in_range else []))
        return facets.AnyOfFacet(axis_range.column, values) if values and facets.can_have_values(axis_range.column) else None
    if axis_range.low is None or not facets.can_have_range(axis_range.column):
        return None
    return facets.RangeFacet(
        axis_range.column, float(axis_range.low), None if axis_range.high is None else float(axis_range.high)
    )


def update_ranges(changes: Mapping[str, AxisRange | None], axes: Sequence[Axis]) -> None:
    """Write changed ranges into the address. Those of columns that are not on these axes stay as they are."""
    ranges = {axis_range.column: axis_range for axis_range in ranges_from_url(axes)} | dict(changes)
    others = [text for text in view_from_url().range if not parse_ranges([text], axes)]
    range_texts = [format_range(axis_range) for axis_range in ranges.values() if axis_range]
    update_url(range=(*others, *range_texts))


def brush_state(plot: str, axes: Sequence[Axis]) -> BrushState:
    """How to draw a plot: as it is, or redrawn when its axes changed or a range came from elsewhere."""
    state_key, ranges = f"compare.brushes.{plot}", ranges_from_url(axes)
    axes_digest = digest([(axis.name, axis.low, axis.high, axis.is_log, axis.categories) for axis in axes])
    previous: BrushState | None = st.session_state.get(state_key)
    if previous is None or (previous.axes_digest, previous.written_ranges) != (axes_digest, ranges):
        axes_by_name = {axis.name: axis for axis in axes}
        spans = {axis_range.column: brush_span(axis_range, axes_by_name[axis_range.column]) for axis_range in ranges}
        st.session_state[state_key] = BrushState(axes_digest, (previous.redraw_count + 1) if previous else 0, spans, ranges)
    state: BrushState = st.session_state[state_key]
    return state


def on_brush_change(plot: str, key: str, axes: Sequence[Axis], decode: BrushDecoder) -> None:
    """A brush was drawn or let go: write what it keeps into the address. Called by Streamlit before the page runs."""
    state_key = f"compare.brushes.{plot}"
    previous: BrushState = st.session_state[state_key]
    selection_text = json.dumps(st.session_state[key]["selection"])
    changes = decode(json.loads(previous.last_selection), json.loads(selection_text))
    if changes:
        update_ranges(changes, axes)
    st.session_state[state_key] = replace(previous, last_selection=selection_text, written_ranges=ranges_from_url(axes))


def request_redraw(plot: str) -> None:
    """Have a plot redrawn, without what was clicked in it."""
    state_key = f"compare.brushes.{plot}"
    st.session_state[state_key] = replace(st.session_state[state_key], axes_digest="")


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
