"""Compare's Refine panel: filter runs by state, time, parent and facets without writing a filter. All state is in the URL."""

from datetime import date

import streamlit as st

from lib.runs.analysis.run_tree import family_sizes
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import lazy_popover
from lib.ui.pages.compare.facet_widgets import parse_facets, show_facet_widgets
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.view_state import bind_widget, unique_labels, update_url, view_from_url

ADD_KEY = "compare.add"
STATE_LABELS = {"active": "Active", "deleted": "Deleted", "all": "Both"}
CHILDREN_LABELS = {"shown": "All runs", "hidden": "Parents only", "best": "Best child of each"}


def show_filter_panel(view: ViewState, result: SearchResult) -> None:
    """Show the popover next to the filter; its label counts the active conditions."""
    condition_count = count_conditions(view)
    label = f"Refine: {condition_count}" if condition_count else "Refine"
    with lazy_popover(
        "compare.drawer.refine", label, icon=":material/tune:", help="Filter runs without writing a filter"
    ) as is_open:
        if is_open:
            _show_filter_widgets(view, result)


def _show_filter_widgets(view: ViewState, result: SearchResult) -> None:
    show_facet_widgets(view, result.all_runs)
    st.segmented_control(
        "Runs",
        list(STATE_LABELS),
        format_func=STATE_LABELS.__getitem__,
        required=True,
        **bind_widget("state", view.state or "active"),
    )
    _show_date_inputs(view)
    _show_family_widgets(view, result.all_runs)
    _show_condition_select(result)


def count_conditions(view: ViewState) -> int:
    """Return the number of active conditions besides the filter."""
    conditions = (
        _parse_day(view.since),
        _parse_day(view.until),
        view.parent,
        view.state not in ("", "active"),
        view.children == "best",
    )
    return len(parse_facets(view.facet)) + sum(map(bool, conditions))


def _show_condition_select(result: SearchResult) -> None:
    """Offer filter conditions built from the names and values of these runs."""
    st.selectbox(
        "Add to the filter",
        result.filter_names.conditions,
        index=None,
        placeholder="Type to search names",
        key=ADD_KEY,
        on_change=_add_condition,
        help="Each condition uses a name and a value found in these runs. Edit the value in the filter.",
    )


def _add_condition() -> None:
    condition = st.session_state[ADD_KEY]
    st.session_state[ADD_KEY] = None
    if condition:
        filter_text = view_from_url().filter.strip()
        update_url(filter=f"{filter_text} and {condition}" if filter_text else condition)


def _show_date_inputs(view: ViewState) -> None:
    with st.container(horizontal=True, gap="small"):
        for name, label in (("since", "Started from (UTC)"), ("until", "Started until (UTC)")):
            key = f"compare.{name}"
            st.session_state[key] = _parse_day(getattr(view, name))
            st.date_input(label, key=key, format="YYYY-MM-DD", on_change=_on_day_change, args=(name, key), width=170)


def _on_day_change(name: str, key: str) -> None:
    day = st.session_state[key]
    update_url(**{name: day.isoformat() if day else ""})


def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


def _show_family_widgets(view: ViewState, all_runs: RunTable) -> None:
    """Show the parent and child options if there are any."""
    families = family_sizes(all_runs)
    if not families and not view.parent:
        return
    parent_ids = dict.fromkeys([*families, *filter(None, [view.parent])])
    st.session_state["compare.families"] = view.children
    st.segmented_control(
        "Parents and children",
        list(CHILDREN_LABELS),
        format_func=CHILDREN_LABELS.__getitem__,
        required=True,
        key="compare.families",
        on_change=lambda: update_url(children=st.session_state["compare.families"]),
    )
    names = {parent_id: str(all_runs.identity.name.get(parent_id, parent_id)) for parent_id in parent_ids}
    texts = {
        parent_id: f"{name} ({format_count(families.get(parent_id, 0), 'child', 'children')})"
        for parent_id, name in names.items()
    }
    options = unique_labels(parent_ids, lambda parent_id: texts[parent_id])
    st.selectbox(
        "Only children of",
        ["", *parent_ids],
        format_func=lambda parent_id: (
            (texts[parent_id] if options[parent_id] != parent_id else f"{texts[parent_id]} {parent_id[:8]}")
            if parent_id
            else "any parent"
        ),
        **bind_widget("parent", view.parent),
    )
