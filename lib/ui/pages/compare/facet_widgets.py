"""Compare's facets: conditions set by widgets, each shown in the popover and as a chip below the toolbar."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from lib.runs.analysis.metric_direction import MetricDirections
from lib.runs.filters.facet_options import FacetOption, build_facet_options
from lib.runs.filters.facets import AnyOfFacet, ContainsFacet, Facet, RangeFacet, can_have_range, format_facet, parse_facet
from lib.runs.table.number_format import format_param, short_labels
from lib.runs.table.run_table import METRIC_PREFIX
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.data_table import hashed_key
from lib.ui.components.formatting import escape, format_count
from lib.ui.pages.compare.view_state import column_label, unique_labels, update_url, view_from_url

MAX_LISTED_VALUES = 12
"""Maximum distinct numbers of a parameter that are offered as single values; beyond that, a range."""
ADD_KEY = "compare.narrow"


def parse_facets(texts: Sequence[str]) -> list[Facet]:
    """Return the distinct facets in the URL, skipping invalid ones."""
    return list(dict.fromkeys(facet for text in texts if (facet := parse_facet(text)) is not None))


def show_facet_widgets(view: ViewState, all_runs: RunTable) -> None:
    """Show a select box that adds a facet, and a widget per existing facet."""
    options_by_column = {option.column: option for option in build_facet_options(all_runs)}
    facets = parse_facets(view.facet)
    directions = all_runs.directions
    labels = unique_labels(options_by_column, lambda column: _column_title(column, directions))
    st.selectbox(
        "Filter by",
        [column for column in options_by_column if column not in {facet.column for facet in facets}],
        index=None,
        format_func=labels.__getitem__,
        placeholder="Metric, parameter, tag or fact",
        key=ADD_KEY,
        on_change=_add_facet,
        args=(options_by_column,),
    )
    for facet, key in facet_keys(facets).items():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", wrap=False):
            _show_facet_widget(
                facet,
                key,
                options_by_column.get(facet.column, FacetOption(facet.column)),
                _column_title(facet.column, directions),
            )
            st.button(
                "Remove",
                icon=":material/close:",
                type="tertiary",
                key=f"{key}.gone",
                on_click=_remove_facet,
                args=(facet,),
            )


def _column_title(column: str, directions: MetricDirections) -> str:
    """Return the display name of a column, with a direction arrow for a metric."""
    return directions.title(column_label(column)) if column.startswith(METRIC_PREFIX) else column_label(column)


def show_filter_chips(view: ViewState) -> None:
    """Show every facet as a button that removes it."""
    facets = parse_facets(view.facet)
    if not facets:
        return
    with st.container(horizontal=True, gap="xsmall"):
        for facet, key in facet_keys(facets).items():
            st.button(
                escape(describe_facet(facet)),
                icon=":material/close:",
                key=f"{key}.chip",
                on_click=_remove_facet,
                args=(facet,),
                help="Remove this condition",
            )


def describe_facet(facet: Facet) -> str:
    """Describe a facet: "accuracy 0.9 to 1", "max_features is sqrt or not set", "name contains forest"."""
    name = column_label(facet.column)
    if isinstance(facet, ContainsFacet):
        return f"{name} contains {facet.part[:40]}" if facet.part else f"{name} has a value"
    if isinstance(facet, AnyOfFacet):
        short = short_labels([value for value in facet.values if value is not None], 30)
        values = ["not set" if value is None else short[value] for value in facet.values]
        more_text = f" or {len(values) - 3} more" if len(values) > 3 else ""
        return f"{name} is {' or '.join(values[:3]) or 'any'}{more_text}"
    low, high = (format_param(end) if end is not None else "" for end in (facet.least, facet.most))
    return (
        f"{name} {low} to {high}"
        if low and high
        else f"{name} from {low}"
        if low
        else f"{name} up to {high}"
        if high
        else f"{name} is set"
    )


def _remove_facet(facet: Facet) -> None:
    """Remove a facet from the URL."""
    update_url(facet=tuple(text for text in view_from_url().facet if parse_facet(text) != facet))


def _replace_facet(old: Facet, new: Facet) -> None:
    """Replace a facet in the URL."""
    update_url(facet=tuple(format_facet(new) if parse_facet(text) == old else text for text in view_from_url().facet))


def _add_facet(options_by_column: dict[str, FacetOption]) -> None:
    column = st.session_state[ADD_KEY]
    st.session_state[ADD_KEY] = None
    if column in options_by_column:
        update_url(facet=(*view_from_url().facet, format_facet(_widest_facet(options_by_column[column]))))


def _widest_facet(option: FacetOption) -> Facet:
    """Return the widest facet of a column: it keeps every run that has a value."""
    if (
        can_have_range(option.column)
        and option.least is not None
        and (option.distinct_count > MAX_LISTED_VALUES or not option.values)
    ):
        return RangeFacet(option.column)
    if option.column == "name" or not option.values:
        return ContainsFacet(option.column, "")
    return AnyOfFacet(
        option.column, tuple(value for value, _ in option.values[:MAX_LISTED_VALUES]) + ((None,) if option.missing_count else ())
    )


def _show_facet_widget(facet: Facet, key: str, option: FacetOption, name: str) -> None:
    if isinstance(facet, RangeFacet):
        st.number_input(
            f"{name} from", format="%g", placeholder=format_param(option.least), **_bind_facet_widget(facet, key, "least")
        )
        st.number_input(
            f"{name} to", format="%g", placeholder=format_param(option.most), **_bind_facet_widget(facet, key, "most")
        )
    elif isinstance(facet, AnyOfFacet):
        _show_value_select(facet, key, option, name)
    else:
        st.text_input(f"{name} contains", **_bind_facet_widget(facet, key, "part"))


def _show_value_select(facet: AnyOfFacet, key: str, option: FacetOption, name: str) -> None:
    counts: dict[str | None, int] = dict(option.values) | ({None: option.missing_count} if option.missing_count else {})
    st.multiselect(
        f"{name} is",
        [*counts, *(value for value in facet.values if value not in counts)],
        format_func=lambda value: f"{'not set' if value is None else value} ({format_count(counts.get(value, 0), 'run')})",
        **_bind_facet_widget(facet, key, "values"),
    )


def _bind_facet_widget(facet: Facet, facet_key: str, name: str) -> dict[str, Any]:
    """Return key and callback of a widget that edits one field of a facet."""
    key, value = f"{facet_key}.{name}", getattr(facet, name)
    widget_value = list(value) if isinstance(value, tuple) else value
    if st.session_state.get(key, ...) != widget_value:
        st.session_state[key] = widget_value
    return {"key": key, "on_change": _on_facet_change, "args": (facet, name, key)}


def _on_facet_change(facet: Facet, name: str, key: str) -> None:
    value = st.session_state[key]
    changes: Any = {name: tuple(value) if isinstance(value, list) else value}
    _replace_facet(facet, replace(facet, **changes))


def facet_keys(facets: Sequence[Facet]) -> dict[Facet, str]:
    """Return the widget key prefix of each facet: a hash of its column and kind, plus a number for repeated ones.

    Independent of position and value, so that a widget keeps its state while it is edited and others come and go.
    """
    counts, keys = Counter[str](), dict[Facet, str]()
    for facet in facets:
        name = f"{type(facet).__name__} {facet.column}"
        counts[name] += 1
        keys[facet] = hashed_key("compare.facet", name, counts[name])
    return keys
