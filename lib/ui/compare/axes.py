"""Which axes a plot of Compare has, in which order, logarithmic or not, and the sliders that do by keyboard what a brush does by hand."""

from collections.abc import Iterable, Sequence

import streamlit as st

from lib.runs.figures import short_labels
from lib.runs.plots.axes import MOST_AXES, Axis, Chosen, Scale, can_be_log, choose, is_worth_an_axis
from lib.runs.plots.ranges import moved, steps, stops
from lib.runs.table import column, has_column
from lib.runs.values import RunTable
from lib.ui.compare.brush import change, ranges
from lib.ui.compare.view import View, asked, drawable, keep, said
from lib.ui.text import md

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
    plain = {name: said(name) for name in names}
    full = {name: text if list(plain.values()).count(text) == 1 else name for name, text in plain.items()}
    cut = short_labels(list(full.values()), width)
    return {name: cut[text] for name, text in full.items()}


def scale(view: View, name: str) -> Scale:
    """How the address wants an axis; automatic when it does not say."""
    return "log" if name in view.log else "linear" if LINEAR + name in view.log else "automatic"


def _key(name: str, shown: object) -> str:
    """The key of a widget that shows this now: another one whenever something else than the widget itself changed it.

    What session_state says about a widget in a closed popover never reaches the browser. A default under a new key does.
    """
    place = f"compare.shown.{name}"
    number, before = st.session_state.get(place, (0, shown))
    st.session_state[place] = (number + (before != shown), shown)
    return f"compare.{name}.{number + (before != shown)}"


def _shows(name: str, shown: object) -> None:
    """The widget itself changed what it shows."""
    place = f"compare.shown.{name}"
    st.session_state[place] = (st.session_state[place][0], shown)


def pick_axes(view: View, runs: RunTable, axes: Sequence[Axis]) -> None:
    """The axes in the reader's order, and which of them are logarithmic."""
    names = tuple(one.name for one in axes)
    options = labels(dict.fromkeys([*names, *drawable(runs)]))
    with st.popover("Axes", icon=":material/tune:", width="content"):
        st.multiselect(
            "Axes, from left to right",
            list(options),
            default=names,
            format_func=options.__getitem__,
            max_selections=MOST_AXES,
            help="Take one away and add it again to move it to the end. With none, the axes are those that differ.",
            key=(key := _key("axes", names)),
            on_change=_axes,
            args=(key,),
        )
        pick_scales(axes)
        auto = {"on_click": keep, "kwargs": {"axes": ()}, "disabled": not view.axes}
        st.button("Choose for me", type="tertiary", key="compare.axes_auto", **auto)


def _axes(key: str) -> None:
    names = tuple(st.session_state[key])
    keep(axes=names)
    _shows("axes", names)


def pick_scales(axes: Sequence[Axis]) -> None:
    """Which of the axes of numbers above zero are logarithmic."""
    able = [one for one in axes if not one.lanes and can_be_log([value for value in one.values if isinstance(value, float)])]
    names, on = tuple(one.name for one in able), tuple(one.name for one in able if one.log)
    if able:
        key = _key("log", (names, on))
        follows = {"on_change": _scales, "args": (key, names)}
        st.pills(
            "Logarithmic", names, default=on, format_func=labels(names).__getitem__, selection_mode="multi", key=key, **follows
        )


def _scales(key: str, names: tuple[str, ...]) -> None:
    """Each axis that was offered is then said to be one or the other; the rest of the address stays."""
    on = tuple(name for name in names if name in st.session_state[key])
    others = [text for text in asked().log if text.removeprefix(LINEAR) not in names]
    keep(log=(*others, *(name if name in on else LINEAR + name for name in names)))
    _shows("log", (names, on))


def pick_ranges(axes: Sequence[Axis]) -> None:
    """A slider per axis. Its stops are the values that are there."""
    kept = {one.column: one for one in ranges(axes)}
    every = {one.name: steps(one) for one in axes}
    titles = labels(every)
    base = _key("range", (every, kept))
    with st.popover(f"Ranges: {len(kept)}" if kept else "Ranges", icon=":material/linear_scale:", width="content"):
        st.caption("Each slider does what a brush on its axis does.")
        for one in axes:
            made, key = every[one.name], f"{base}.{one.name}"
            if len(made) > 1:
                shown, title = stops(kept.get(one.name), made), md(titles[one.name])
                st.select_slider(
                    title, [step.label for step in made], shown, key=key, on_change=_slid, args=(key, one, axes), width=320
                )


def _slid(key: str, one: Axis, axes: Sequence[Axis]) -> None:
    change({one.name: moved(one, *st.session_state[key])}, axes)
    _shows("range", ({each.name: steps(each) for each in axes}, {kept.column: kept for kept in ranges(axes)}))
