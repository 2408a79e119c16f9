"""Compare's view state in the URL, and its binding to widgets. The URL is the only state: a link contains the complete view.

Streamlit can bind a widget to the URL itself, but then the URL contains the option's label ("Colour: accuracy") under a name that no
other page may use. Here a widget is set from the URL before it is drawn, and writes back when it is changed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from lib.runs.plots.axes import can_be_axis
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.run_table import (
    METRIC_PREFIX,
    PARAM_PREFIX,
    PLAIN_COLUMNS,
    TAG_PREFIX,
    column_direction,
    column_values,
    has_column,
    metric_columns,
    varying_params,
)
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState

LAST_VIEW_KEY = "compare.last"
PLOT_NAMES = ("Parallel", "Scatter", "Box", "Contour", "Curves", "Groups", "Importance", "Differences", "Artifacts")
COLOR_BY_EXPERIMENT = "experiment"
"""A flag in `mark`: runs of several experiments are coloured by experiment instead of a metric."""
STATS = ("last", "best", "min", "max")

QUERY_PARAMETERS = tuple(field.name for field in fields(ViewState))
REPEATED_PARAMETERS = tuple(field.name for field in fields(ViewState) if field.default == ())


def view_from_url() -> ViewState:
    """Return the view in the URL; if it is empty, the last view of this browser session."""
    if not any(name in st.query_params for name in QUERY_PARAMETERS) and LAST_VIEW_KEY in st.session_state:
        _write_query_parameters(st.session_state[LAST_VIEW_KEY])
    values: dict[str, Any] = {name: st.query_params.get(name, "") for name in QUERY_PARAMETERS if name not in REPEATED_PARAMETERS}
    values |= {name: tuple(dict.fromkeys(st.query_params.get_all(name))) for name in REPEATED_PARAMETERS}
    return ViewState(**values)


def update_url(**changes: Any) -> None:
    """Write changes to the URL. Call from a callback, or to store a fallback."""
    view = replace(view_from_url(), **changes)
    st.session_state[LAST_VIEW_KEY] = view
    _write_query_parameters(view)


def _write_query_parameters(view: ViewState) -> None:
    for name, value in asdict(view).items():
        if value:
            st.query_params[name] = list(value) if name in REPEATED_PARAMETERS else value
        elif name in st.query_params:
            del st.query_params[name]


def bind_widget(name: str, value: Any) -> dict[str, Any]:
    """Return key and callback of a widget bound to a URL parameter; `value` is its current value."""
    key = f"compare.{name}"
    if st.session_state.get(key) != value:
        st.session_state[key] = value
    return {"key": key, "on_change": _on_widget_change, "args": (name, key)}


def _on_widget_change(name: str, key: str) -> None:
    value = st.session_state[key]
    update_url(**{name: tuple(value or ()) if name in REPEATED_PARAMETERS else value or ""})


def bind_callback(key: str, value: Any, on_change: Callable[[Any], None]) -> dict[str, Any]:
    """Return key and callback of a widget that shows `value` and passes a new choice to `on_change`."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value
    return {"key": key, "on_change": lambda: on_change(st.session_state[key])}


def has_flag(view: ViewState, flag: str) -> bool:
    """Return whether a flag of the view is set. Flags are words in `mark`, such as "all" or "transposed"."""
    return flag in view.mark


def flag_toggle(view: ViewState, flag: str, label: str) -> None:
    """Show a toggle bound to a flag in the URL. `label` must be our own text, never foreign text."""
    key = f"compare.mark.{flag}"
    if st.session_state.get(key) != has_flag(view, flag):
        st.session_state[key] = has_flag(view, flag)
    st.toggle(label, key=key, on_change=_on_flag_change, args=(flag, key))


def _on_flag_change(flag: str, key: str) -> None:
    others = tuple(name for name in view_from_url().mark if name != flag)
    update_url(mark=(*others, flag) if st.session_state[key] else others)


def change_experiment(experiment_ids: Sequence[str]) -> None:
    """Switch to the chosen experiment. Names and picks of the previous one are dropped; the plot type stays."""
    experiment_id = st.session_state["compare.experiment"]
    if experiment_id not in experiment_ids:
        return
    view = ViewState(experiment=(experiment_id,), plot=view_from_url().plot)
    st.session_state[LAST_VIEW_KEY] = view
    _write_query_parameters(view)


def resolve_view(view: ViewState, table: RunTable) -> ViewState:
    """Return the view with defaults for missing and unknown values, based on these runs. Does not change the URL."""
    metrics = metric_columns(table)
    color = view.color if view.color in metrics else next(iter(metrics), "")
    sort = view.sort if has_column(table, view.sort) else color or PLAIN_COLUMNS[0]
    is_falling = column_direction(table, sort) != "less"
    column_names = plottable_columns(table)
    x = view.x if view.x in column_names else next(iter(column_names), "")
    y_names = [name for name in (color, *column_names) if name in column_names and name != x]
    return replace(
        view,
        color=color,
        plot=view.plot if view.plot in PLOT_NAMES else PLOT_NAMES[0],
        x=x,
        y=view.y if view.y in column_names else next(iter(y_names), x),
        sort=sort,
        order=view.order if view.order in ("falling", "rising") else "falling" if is_falling else "rising",
        children=view.children if view.children in ("shown", "hidden", "best") else "shown",
        stat=view.stat if view.stat in STATS else "last",
        pick=tuple(run_id for run_id in view.pick if run_id in table.identity.index),
    )


def plottable_columns(table: RunTable) -> list[str]:
    """Return the columns that a scatter can use: differing parameters, then differing metrics."""
    return list(_plottable_columns(table))


@memoize_by_table
def _plottable_columns(table: RunTable) -> tuple[str, ...]:
    names = [*varying_params(table), *metric_columns(table)]
    return tuple(name for name in names if can_be_axis(column_values(table, name)))


def column_label(name: str) -> str:
    """Return a column's name without its kind, as plain text for select boxes."""
    if name.startswith((METRIC_PREFIX, PARAM_PREFIX, TAG_PREFIX)):
        return name.partition(".")[2]
    return {"seconds": "duration", "git_commit": "git commit", "versions": "registered as"}.get(name, name)


def unique_labels(names: Iterable[str], label_of: Callable[[str], str] = column_label) -> dict[str, str]:
    """Return a unique option label per column; its full name where labels would be equal.

    A select box identifies options by their label: with two equal labels it selects the wrong one.
    """
    texts = {name: label_of(name) for name in names}
    counts = Counter(texts.values())
    return {name: text if counts[text] == 1 else name for name, text in texts.items()}


def share_link(page_url: str) -> str:
    """Return the complete URL of this view."""
    view = {name: value for name, value in asdict(view_from_url()).items() if value}
    return f"{page_url.partition('?')[0]}?{urlencode(view, doseq=True)}"
