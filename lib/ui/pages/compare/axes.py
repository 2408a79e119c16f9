"""Which axes a plot of Compare has, in which order, logarithmic or not, and the sliders that do by keyboard what a brush does by hand."""

from collections.abc import Iterable, Sequence

import streamlit as st

from lib.runs.plots.axes import MAX_AXES, Axis, AxisScale, AxisSelection, can_be_axis, can_use_log_scale, choose_axes
from lib.runs.plots.axis_ranges import range_from_stops, selected_stops, slider_stops
from lib.runs.table.number_format import short_labels
from lib.runs.table.run_table import column_values, has_column
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import escape
from lib.ui.components.popover import lazy_popover
from lib.ui.pages.compare.brush import digest, ranges_from_url, update_ranges
from lib.ui.pages.compare.view_state import (
    ViewState,
    bind_callback,
    bind_widget,
    plottable_columns,
    unique_labels,
    update_url,
    view_from_url,
)

LINEAR_PREFIX = "-"
"""In front of a column in `log` of the address: not logarithmic, though it spans decades."""


def selected_axes(view: ViewState, runs: RunTable) -> AxisSelection:
    """The axes that the address names and these runs can fill, in its order; without any, those that differ."""
    named = [name for name in view.axes if has_column(runs, name) and can_be_axis(column_values(runs, name))]
    if not named:
        return choose_axes(runs, view.color)
    return AxisSelection(tuple(named[:MAX_AXES]), tuple(named[MAX_AXES:]))


def short_column_labels(names: Iterable[str], max_length: int = 26) -> dict[str, str]:
    """Columns as options are read: without their kind unless two would then read the same, long ones cut so that none do."""
    full = unique_labels(names)
    cut = short_labels(list(full.values()), max_length)
    return {name: cut[text] for name, text in full.items()}


def axis_scale(view: ViewState, name: str) -> AxisScale:
    """How the address wants an axis; automatic when it does not say."""
    return "log" if name in view.log else "linear" if LINEAR_PREFIX + name in view.log else "automatic"


def show_axis_selector(view: ViewState, runs: RunTable, axes: Sequence[Axis]) -> None:
    """The axes in the reader's order, and which of them are logarithmic."""
    names = tuple(one.name for one in axes)
    options = short_column_labels(dict.fromkeys([*names, *plottable_columns(runs)]))
    with lazy_popover("axes", "Axes", icon=":material/tune:", width="content") as is_open:
        if not is_open:
            return
        st.multiselect(
            "Axes, from left to right",
            list(options),
            format_func=options.__getitem__,
            max_selections=MAX_AXES,
            help="Take one away and add it again to move it to the end. With none, the axes are those that differ.",
            **bind_widget("axes", list(names)),
        )
        show_scale_selector(axes)
        auto = {"on_click": update_url, "kwargs": {"axes": ()}, "disabled": not view.axes}
        st.button("Choose for me", type="tertiary", key="compare.axes_auto", **auto)


def show_scale_selector(axes: Sequence[Axis]) -> None:
    """Which of the axes of numbers above zero are logarithmic."""
    able = [
        one
        for one in axes
        if not one.categories and can_use_log_scale([value for value in one.values if isinstance(value, float)])
    ]
    names, on = tuple(one.name for one in able), [one.name for one in able if one.is_log]
    if able:
        follows = bind_callback("compare.log", on, lambda chosen: _scales(chosen, names))
        st.pills("Logarithmic", names, format_func=short_column_labels(names).__getitem__, selection_mode="multi", **follows)


def _scales(chosen: Sequence[str], names: Sequence[str]) -> None:
    """Each axis that was offered is then said to be one or the other; the rest of the address stays."""
    others = [text for text in view_from_url().log if text.removeprefix(LINEAR_PREFIX) not in names]
    update_url(log=(*others, *(name if name in chosen else LINEAR_PREFIX + name for name in names)))


def show_range_sliders(axes: Sequence[Axis]) -> None:
    """A slider per axis. Its stops are the values that are there."""
    kept = {one.column: one for one in ranges_from_url(axes)}
    with lazy_popover(
        "ranges", f"Ranges: {len(kept)}" if kept else "Ranges", icon=":material/linear_scale:", width="content"
    ) as is_open:
        if not is_open:
            return
        st.caption("Each slider does what a brush on its axis does.")
        titles = short_column_labels(one.name for one in axes)
        for one in axes:
            if len(every := slider_stops(one)) > 1:
                _slider(
                    one, titles[one.name], tuple(step.label for step in every), selected_stops(kept.get(one.name), every), axes
                )


def _slider(one: Axis, title: str, places: Sequence[str], ends: tuple[str, str], axes: Sequence[Axis]) -> None:
    """A slider over the values of an axis.

    Its ends are its default, which counts when the drawer opens: a slider that session_state alone calls a range is none once it is
    gone. The key tells the values apart, since a slider keeps its ends by their place among them.
    """
    key = f"compare.range.{digest(one.name, places)}"
    st.select_slider(escape(title), places, ends, key=key, on_change=_slid, args=(key, one, axes), width=320)


def _slid(key: str, one: Axis, axes: Sequence[Axis]) -> None:
    update_ranges({one.name: range_from_stops(one, *st.session_state[key])}, axes)
