"""The axes of a Compare plot: selection, order, log scale, and range sliders as the keyboard alternative to a brush."""

from collections.abc import Iterable, Sequence

import streamlit as st

from lib.runs.plots.axes import MAX_AXES, Axis, AxisScale, AxisSelection, can_be_axis, can_use_log_scale, choose_axes
from lib.runs.plots.axis_ranges import range_from_stops, selected_stops, slider_stops
from lib.runs.table.number_format import short_labels
from lib.runs.table.run_table import column_values, has_column
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.data_table import hashed_key
from lib.ui.components.formatting import escape
from lib.ui.components.layout import lazy_popover
from lib.ui.pages.compare.brush import ranges_from_url, update_ranges
from lib.ui.pages.compare.view_state import (
    bind_callback,
    bind_widget,
    plottable_columns,
    unique_labels,
    update_url,
    view_from_url,
)

LINEAR_PREFIX = "-"
"""Prefix of a column in the URL's `log` parameter: keep the axis linear although its values span decades."""


def selected_axes(view: ViewState, runs: RunTable) -> AxisSelection:
    """Return the axes from the URL that these runs can fill, in URL order; otherwise the columns that differ."""
    drawable_names = [name for name in view.axes if has_column(runs, name) and can_be_axis(column_values(runs, name))]
    if not drawable_names:
        return choose_axes(runs, view.color)
    return AxisSelection(tuple(drawable_names[:MAX_AXES]), tuple(drawable_names[MAX_AXES:]))


def short_column_labels(names: Iterable[str], max_length: int = 26) -> dict[str, str]:
    """Return an option label per column: without its kind unless that is ambiguous, shortened so that all labels stay distinct."""
    full = unique_labels(names)
    short = short_labels(list(full.values()), max_length)
    return {name: short[text] for name, text in full.items()}


def axis_scale(view: ViewState, name: str) -> AxisScale:
    """Return the scale that the URL requests for an axis; automatic by default."""
    return "log" if name in view.log else "linear" if LINEAR_PREFIX + name in view.log else "automatic"


def show_axis_selector(view: ViewState, runs: RunTable, axes: Sequence[Axis]) -> None:
    """Let the reader choose the axes, their order and their scales."""
    names = tuple(axis.name for axis in axes)
    options = short_column_labels(dict.fromkeys([*names, *plottable_columns(runs)]))
    with lazy_popover("compare.drawer.axes", "Axes", icon=":material/tune:", width="content") as is_open:
        if not is_open:
            return
        st.multiselect(
            "Axes, from left to right",
            list(options),
            format_func=options.__getitem__,
            max_selections=MAX_AXES,
            help="Remove an axis and add it again to move it to the end. Leave empty to use the columns that differ.",
            **bind_widget("axes", list(names)),
        )
        show_scale_selector(axes)
        reset_kwargs = {"on_click": update_url, "kwargs": {"axes": ()}, "disabled": not view.axes}
        st.button("Choose for me", type="tertiary", key="compare.axes_auto", **reset_kwargs)


def show_scale_selector(axes: Sequence[Axis]) -> None:
    """Let the reader make axes with positive numbers logarithmic."""
    scalable_axes = [
        axis
        for axis in axes
        if not axis.categories and can_use_log_scale([value for value in axis.values if isinstance(value, float)])
    ]
    names, log_names = tuple(axis.name for axis in scalable_axes), [axis.name for axis in scalable_axes if axis.is_log]
    if scalable_axes:
        binding = bind_callback("compare.log", log_names, lambda selected_names: _write_scales(selected_names, names))
        st.pills("Logarithmic", names, format_func=short_column_labels(names).__getitem__, selection_mode="multi", **binding)


def _write_scales(selected_names: Sequence[str], names: Sequence[str]) -> None:
    """Write an explicit scale for each offered axis into the URL; other columns keep theirs."""
    others = [text for text in view_from_url().log if text.removeprefix(LINEAR_PREFIX) not in names]
    update_url(log=(*others, *(name if name in selected_names else LINEAR_PREFIX + name for name in names)))


def show_range_sliders(axes: Sequence[Axis]) -> None:
    """Show a range slider per axis. Its stops are the values that occur."""
    ranges_by_column = {axis_range.column: axis_range for axis_range in ranges_from_url(axes)}
    with lazy_popover(
        "compare.drawer.ranges",
        f"Ranges: {len(ranges_by_column)}" if ranges_by_column else "Ranges",
        icon=":material/linear_scale:",
        width="content",
    ) as is_open:
        if not is_open:
            return
        st.caption("Each slider sets the same range as a brush on its axis.")
        titles = short_column_labels(axis.name for axis in axes)
        for axis in axes:
            if len(stops := slider_stops(axis)) > 1:
                ends = selected_stops(ranges_by_column.get(axis.name), stops)
                _range_slider(axis, titles[axis.name], tuple(stop.label for stop in stops), ends, axes)


def _range_slider(axis: Axis, title: str, stop_labels: Sequence[str], ends: tuple[str, str], axes: Sequence[Axis]) -> None:
    """Draw a slider over the values of an axis.

    The ends are passed as the default, because Streamlit forgets that a slider is a range that only session_state defines as one once
    the popover was closed. The key depends on the stops, because a slider stores its ends by position.
    """
    key = hashed_key("compare.range", axis.name, stop_labels)
    st.select_slider(escape(title), stop_labels, ends, key=key, on_change=_on_slider_change, args=(key, axis, axes), width=320)


def _on_slider_change(key: str, axis: Axis, axes: Sequence[Axis]) -> None:
    update_ranges({axis.name: range_from_stops(axis, *st.session_state[key])}, axes)
