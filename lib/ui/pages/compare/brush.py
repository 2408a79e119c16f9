"""Keep the ranges in the URL and the brushes in a plot in sync. What they select is up to the plots.

A plot is redrawn only when something other than its own brushes changed the ranges. Otherwise its spec stays byte-identical, so the
browser keeps the plot and an ongoing drag.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import streamlit as st

from lib.runs.filters import facets
from lib.runs.plots.axes import Axis
from lib.runs.plots.axis_ranges import AxisRange, brush_span, format_range, inside_mask, parse_ranges
from lib.ui.components.data_table import digest
from lib.ui.pages.compare.view_state import update_url, view_from_url

# An active brush would catch the pointer and block tooltips below it and brushes on neighbouring axes.
BRUSH_CSS = "<style>.st-key-compare-chart g[class*='_brush'] > path{pointer-events:none}</style>"
ChartSelection = Mapping[str, Any]
"""A chart selection as reported by Streamlit: selection name → content."""
BrushDecoder = Callable[[ChartSelection, ChartSelection], dict[str, AxisRange | None]]
"""Maps the previous and current chart selection to the columns whose range changed, each with its new range or None."""


@dataclass(frozen=True)
class BrushState:
    """State of the last redraw: axes digest, redraw count, initial brushes, ranges last written to the URL, last selection."""

    axes_digest: str
    redraw_count: int
    spans: Mapping[str, tuple[float, float]]
    written_ranges: tuple[AxisRange, ...]
    last_selection: str = "{}"


def ranges_from_url(axes: Sequence[Axis]) -> tuple[AxisRange, ...]:
    """Return the ranges in the URL that apply to these axes."""
    return parse_ranges(view_from_url().range, axes)


def ranges_as_facets(axes: Sequence[Axis]) -> tuple[str, ...]:
    """Return the URL ranges as facets, which filter the runs of the page. A range that extends below its axis has no facet."""
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
    """Write changed ranges to the URL. Ranges of columns that are not on these axes stay as they are."""
    ranges = {axis_range.column: axis_range for axis_range in ranges_from_url(axes)} | dict(changes)
    others = [text for text in view_from_url().range if not parse_ranges([text], axes)]
    range_texts = [format_range(axis_range) for axis_range in ranges.values() if axis_range]
    update_url(range=(*others, *range_texts))


def brush_state(plot: str, axes: Sequence[Axis]) -> BrushState:
    """Return how to draw a plot: unchanged, or redrawn if its axes changed or a range was set elsewhere."""
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
    """Write the range of a changed or cleared brush to the URL. Called by Streamlit before the page runs."""
    state_key = f"compare.brushes.{plot}"
    previous: BrushState = st.session_state[state_key]
    selection_text = json.dumps(st.session_state[key]["selection"])
    changes = decode(json.loads(previous.last_selection), json.loads(selection_text))
    if changes:
        update_ranges(changes, axes)
    st.session_state[state_key] = replace(previous, last_selection=selection_text, written_ranges=ranges_from_url(axes))


def request_redraw(plot: str) -> None:
    """Force a redraw of a plot, which also clears its click selection."""
    state_key = f"compare.brushes.{plot}"
    st.session_state[state_key] = replace(st.session_state[state_key], axes_digest="")


def let_pointer_through() -> None:
    """Let pointer events pass through a brush to the marks below."""
    st.html(BRUSH_CSS)


@st.cache_data(max_entries=16, ttl=600, show_spinner=False)
def cached_chart(cache_key: str, _build: Callable[[], alt.LayerChart]) -> alt.LayerChart:
    """Return a chart, built once per cache key: Altair takes most of a second to validate one with many layers."""
    return _build()
