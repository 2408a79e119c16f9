"""Which axes a plot of Compare has, in which order, logarithmic or not, and the sliders that do by keyboard what a brush does by hand."""

from collections.abc import Iterable, Sequence

import streamlit as st

from lib.runs.plots.axes import MOST_AXES, Axis, Chosen, Scale, can_be_log, choose, is_worth_an_axis
from lib.runs.plots.axis_ranges import moved, steps, stops
from lib.runs.table.number_format import short_labels
from lib.runs.table.run_table import column, has_column
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import md
from lib.ui.components.popover import drawer
from lib.ui.pages.compare.brush import change, digest, ranges
from lib.ui.pages.compare.view_state import View, asked, bound, drawable, keep, tied, told_apart

LINEAR = "-"
"""In front of a column in `log` of the address: not logarithmic, though it spans decades."""


def chosen(view: View, runs: RunTable) -> Chosen:
    """The axes that the address names and these runs can fill, in its order; without any, those that differ."""
    named = [name for name in view.axes if has_column(runs, name) and is_worth_an_axis(column(runs, name))]
    if not named:
        return choose(runs, view.color)
    return Chosen(tuple(named[:MOST_AXES]), tuple(named[MOST_AXES:]))


def labels(names: Iterable[str], width: int = 26) -> dict[str, str]:
    """Columns as options are read: without their kind unless two would then read the same, long ones cut so that none do."""
    full = told_apart(names)
    cut = short_labels(list(full.values()), width)
    return {name: cut[text] for name, text in full.items()}


def scale(view: View, name: str) -> Scale:
    """How the address wants an axis; automatic when it does not say."""
    return "log" if name in view.log else "linear" if LINEAR + name in view.log else "automatic"


def pick_axes(view: View, runs: RunTable, axes: Sequence[Axis]) -> None:
    """The axes in the reader's order, and which of them are logarithmic."""
    names = tuple(one.name for one in axes)
    options = labels(dict.fromkeys([*names, *drawable(runs)]))
    with drawer("axes", "Axes", icon=":material/tune:", width="content") as is_open:
        if not is_open:
            return
        st.multiselect(
            "Axes, from left to right",
            list(options),
            format_func=options.__getitem__,
            max_selections=MOST_AXES,
            help="Take one away and add it again to move it to the end. With none, the axes are those that differ.",
            **bound("axes", list(names)),
        )
        pick_scales(axes)
        auto = {"on_click": keep, "kwargs": {"axes": ()}, "disabled": not view.axes}
        st.button("Choose for me", type="tertiary", key="compare.axes_auto", **auto)


def pick_scales(axes: Sequence[Axis]) -> None:
    """Which of the axes of numbers above zero are logarithmic."""
    able = [one for one in axes if not one.lanes and can_be_log([value for value in one.values if isinstance(value, float)])]
    names, on = tuple(one.name for one in able), [one.name for one in able if one.log]
    if able:
        follows = tied("compare.log", on, lambda chosen: _scales(chosen, names))
        st.pills("Logarithmic", names, format_func=labels(names).__getitem__, selection_mode="multi", **follows)


def _scales(chosen: Sequence[str], names: Sequence[str]) -> None:
    """Each axis that was offered is then said to be one or the other; the rest of the address stays."""
    others = [text for text in asked().log if text.removeprefix(LINEAR) not in names]
    keep(log=(*others, *(name if name in chosen else LINEAR + name for name in names)))


def pick_ranges(axes: Sequence[Axis]) -> None:
    """A slider per axis. Its stops are the values that are there."""
    kept = {one.column: one for one in ranges(axes)}
    with drawer(
        "ranges", f"Ranges: {len(kept)}" if kept else "Ranges", icon=":material/linear_scale:", width="content"
    ) as is_open:
        if not is_open:
            return
        st.caption("Each slider does what a brush on its axis does.")
        titles = labels(one.name for one in axes)
        for one in axes:
            if len(every := steps(one)) > 1:
                _slider(one, titles[one.name], tuple(step.label for step in every), stops(kept.get(one.name), every), axes)


def _slider(one: Axis, title: str, places: Sequence[str], ends: tuple[str, str], axes: Sequence[Axis]) -> None:
    """A slider over the values of an axis.

    Its ends are its default, which counts when the drawer opens: a slider that session_state alone calls a range is none once it is
    gone. The key tells the values apart, since a slider keeps its ends by their place among them.
    """
    key = f"compare.range.{digest(one.name, places)}"
    st.select_slider(md(title), places, ends, key=key, on_change=_slid, args=(key, one, axes), width=320)


def _slid(key: str, one: Axis, axes: Sequence[Axis]) -> None:
    change({one.name: moved(one, *st.session_state[key])}, axes)
