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
from lib.runs.plots.axis_ranges import Range, read, span, written
from lib.runs.plots.axis_ranges import inside as in_range
from lib.ui.pages.compare.view_state import asked, keep

# An active brush would catch the pointer: no reading out of the points below it, no brush on a neighbouring axis.
BRUSH_RULE = "<style>.st-key-compare-chart g[class*='_brush'] > path{pointer-events:none}</style>"
Selected = Mapping[str, Any]
"""What Streamlit tells of a chart: the name of a selection → what it holds."""
Told = Callable[[Selected, Selected], dict[str, Range | None]]
"""From what a chart told before and now: the columns whose range changed, with the new range or None."""


@dataclass(frozen=True)
class Brushes:
    """A plot as it was last drawn anew: of which axes, its number, its first brushes, the ranges it wrote last, what it told last."""

    of: str
    number: int
    spans: Mapping[str, tuple[float, float]]
    wrote: tuple[Range, ...]
    told: str = "{}"


def ranges(axes: Sequence[Axis]) -> tuple[Range, ...]:
    """The ranges in the address that are on these axes."""
    return read(asked().range, axes)


def conditions(axes: Sequence[Axis]) -> tuple[str, ...]:
    """The ranges in the address as facets, which narrow the runs of the whole page. One that reaches below its axis has no such twin."""
    by = {one.name: one for one in axes}
    made = [_facet(one, by[one.column]) for one in ranges(axes)]
    return tuple(facets.text(one) for one in made if one)


def _facet(kept: Range, one: Axis) -> facets.Facet | None:
    if one.lanes:
        inside = {value for value, hit in zip(one.values, in_range(kept, one), strict=True) if hit}
        lanes = [lane for lane in one.lanes if lane in inside]
        values = (*lanes, *([None] if None in inside else []))
        return facets.AnyOf(kept.column, values) if values and facets.has_texts(kept.column) else None
    if kept.low is None or not facets.has_numbers(kept.column):
        return None
    return facets.Range(kept.column, float(kept.low), None if kept.high is None else float(kept.high))


def change(changed: Mapping[str, Range | None], axes: Sequence[Axis]) -> None:
    """Write changed ranges into the address. Those of columns that are not on these axes stay as they are."""
    now = {one.column: one for one in ranges(axes)} | dict(changed)
    others = [text for text in asked().range if not read([text], axes)]
    kept = [written(one) for one in now.values() if one]
    keep(range=(*others, *kept))


def brushes(plot: str, axes: Sequence[Axis]) -> Brushes:
    """How to draw a plot now: as it stands, or anew, when its axes are others or a range came from elsewhere."""
    place, kept = f"compare.brushes.{plot}", ranges(axes)
    of = digest([(one.name, one.low, one.high, one.log, one.lanes) for one in axes])
    before: Brushes | None = st.session_state.get(place)
    if before is None or (before.of, before.wrote) != (of, kept):
        by = {one.name: one for one in axes}
        spans = {one.column: span(one, by[one.column]) for one in kept}
        st.session_state[place] = Brushes(of, (before.number + 1) if before else 0, spans, kept)
    made: Brushes = st.session_state[place]
    return made


def follow(plot: str, key: str, axes: Sequence[Axis], told: Told) -> None:
    """A brush was drawn or let go: write what it keeps into the address. Called by Streamlit before the page runs."""
    place = f"compare.brushes.{plot}"
    before: Brushes = st.session_state[place]
    now = json.dumps(st.session_state[key]["selection"])
    changed = told(json.loads(before.told), json.loads(now))
    if changed:
        change(changed, axes)
    st.session_state[place] = replace(before, told=now, wrote=ranges(axes))


def anew(plot: str) -> None:
    """Have a plot drawn anew, without what was clicked in it."""
    place = f"compare.brushes.{plot}"
    st.session_state[place] = replace(st.session_state[place], of="")


def see_through() -> None:
    """Let the pointer through a brush to what lies below."""
    st.html(BRUSH_RULE)


def digest(*values: object) -> str:
    """A short text for what a picture is made of."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


@st.cache_data(max_entries=16, ttl=600, show_spinner=False)
def picture(made_of: str, _build: Callable[[], alt.LayerChart]) -> alt.LayerChart:
    """A chart, built once for what it is made of: Altair takes most of a second to check one with many layers."""
    return _build()
