"""Which axes a plot of Compare has, in which order, logarithmic or not, and the sliders that do by keyboard what a brush does by hand."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.plots.axes import MOST_AXES, Axis, Chosen, Scale, can_be_log, choose, is_worth_an_axis
from lib.runs.plots.ranges import moved, steps, stops
from lib.runs.table import column, has_column
from lib.runs.values import RunTable
from lib.ui.compare.brush import brushes, ranges, write
from lib.ui.compare.view import View, asked, bound, drawable, keep, said

SLIDERS = "sliders"
LINEAR = "-"
"""In front of a column in `log` of the address: not logarithmic, though it spans decades."""


def chosen(view: View, runs: RunTable) -> Chosen:
    """The axes that the address names and these runs can fill, in its order; without any, those that differ."""
    named = [name for name in view.axes if has_column(runs, name) and is_worth_an_axis(column(runs, name))]
    if not named:
        return choose(runs, view.color)
    return Chosen(tuple(named[:MOST_AXES]), tuple(named[MOST_AXES:]))


def scale(view: View, name: str) -> Scale:
    """How the address wants an axis; automatic when it does not say."""
    return "log" if name in view.log else "linear" if LINEAR + name in view.log else "automatic"


def pick_axes(view: View, runs: RunTable, axes: Sequence[Axis]) -> None:
    """The axes in the reader's order, and which of them are logarithmic."""
    names = [one.name for one in axes]
    with st.popover("Axes", icon=":material/tune:", width="content"):
        st.multiselect(
            "Axes, from left to right",
            list(dict.fromkeys([*names, *drawable(runs)])),
            format_func=said,
            max_selections=MOST_AXES,
            help="Take one away and add it again to move it to the end. With none, the axes are those that differ.",
            **bound("axes", names),
        )
        pick_scales(axes)
        st.button(
            "Choose for me", type="tertiary", key="compare.axes_auto", on_click=keep, kwargs={"axes": ()}, disabled=not view.axes
        )


def pick_scales(axes: Sequence[Axis]) -> None:
    """Which of the axes of numbers above zero are logarithmic."""
    able = [one for one in axes if not one.lanes and can_be_log([value for value in one.values if isinstance(value, float)])]
    if not able:
        return
    names, on = [one.name for one in able], [one.name for one in able if one.log]
    kept = bound("log", on) | {"on_change": _scales, "args": (names,)}
    st.pills("Logarithmic", names, format_func=said, selection_mode="multi", **kept)


def _scales(names: Sequence[str]) -> None:
    """Each axis that was offered is then said to be one or the other; the rest of the address stays."""
    on = set(st.session_state["compare.log"])
    others = [text for text in asked().log if text.removeprefix(LINEAR) not in names]
    keep(log=(*others, *(name if name in on else LINEAR + name for name in names)))


def pick_ranges(axes: Sequence[Axis]) -> None:
    """A slider per axis. Its stops are the values that are there."""
    kept = {one.column: one for one in ranges(axes)}
    number = brushes(SLIDERS, axes).number
    with st.popover(f"Ranges: {len(kept)}" if kept else "Ranges", icon=":material/linear_scale:", width="content"):
        st.caption("Each slider does what a brush on its axis does.")
        for one in axes:
            made, key = steps(one), f"compare.range.{number}.{one.name}"
            if len(made) > 1:
                labels, shown = [step.label for step in made], stops(kept.get(one.name), made)
                st.select_slider(said(one.name), labels, shown, key=key, on_change=_slid, args=(key, one, axes), width=320)


def _slid(key: str, one: Axis, axes: Sequence[Axis]) -> None:
    write(SLIDERS, {one.name: moved(one, *st.session_state[key])}, axes)
