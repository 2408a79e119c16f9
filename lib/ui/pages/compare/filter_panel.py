"""What narrows the runs of Compare without any grammar: state, time, families and facets, all of it carried by the address."""

from datetime import date

import streamlit as st

from lib.runs.analysis.run_tree import family_sizes
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import format_count
from lib.ui.components.popover import lazy_popover
from lib.ui.pages.compare.facet_widgets import parse_facets, show_facet_widgets
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.view_state import ViewState, bind_widget, unique_labels, update_url, view_from_url

ADD_KEY = "compare.add"
STATE_LABELS = {"active": "Active", "deleted": "Deleted", "all": "Both"}
CHILDREN_LABELS = {"shown": "All runs", "hidden": "Parents only", "best": "Best child of each"}


def show_filter_panel(view: ViewState, result: SearchResult) -> None:
    """The popover beside the filter; its label says how much is set."""
    number = count_conditions(view)
    label = f"Refine: {number}" if number else "Refine"
    with lazy_popover("refine", label, icon=":material/tune:", help="Narrow the runs without writing a filter") as is_open:
        if is_open:
            _everything(view, result)


def _everything(view: ViewState, found: SearchResult) -> None:
    show_facet_widgets(view, found.all_runs)
    st.segmented_control(
        "Runs",
        list(STATE_LABELS),
        format_func=STATE_LABELS.__getitem__,
        required=True,
        **bind_widget("state", view.state or "active"),
    )
    _times(view)
    _families(view, found.all_runs)
    _conditions(found)


def count_conditions(view: ViewState) -> int:
    """How many things narrow the runs beside the filter."""
    set_ = (_day(view.since), _day(view.until), view.parent, view.state not in ("", "active"), view.children == "best")
    return len(parse_facets(view.facet)) + sum(map(bool, set_))


def _conditions(found: SearchResult) -> None:
    """Conditions with the names and values of these runs, to be added to the filter."""
    st.selectbox(
        "Add to the filter",
        found.filter_names.conditions,
        index=None,
        placeholder="Type to find a name",
        key=ADD_KEY,
        on_change=_add_condition,
        help="Each one is made of a name and a value that these runs have. Change the value in the filter.",
    )


def _add_condition() -> None:
    chosen = st.session_state[ADD_KEY]
    st.session_state[ADD_KEY] = None
    if chosen:
        before = view_from_url().filter.strip()
        update_url(filter=f"{before} and {chosen}" if before else chosen)


def _times(view: ViewState) -> None:
    with st.container(horizontal=True, gap="small"):
        for name, label in (("since", "Started from (UTC)"), ("until", "Started until (UTC)")):
            key = f"compare.{name}"
            st.session_state[key] = _day(getattr(view, name))
            st.date_input(label, key=key, format="YYYY-MM-DD", on_change=_follow_day, args=(name, key), width=170)


def _follow_day(name: str, key: str) -> None:
    chosen = st.session_state[key]
    update_url(**{name: chosen.isoformat() if chosen else ""})


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


def _families(view: ViewState, whole: RunTable) -> None:
    """Parents and children, where there are any."""
    families = family_sizes(whole)
    if not families and not view.parent:
        return
    above = dict.fromkeys([*families, *filter(None, [view.parent])])
    st.session_state["compare.families"] = view.children
    st.segmented_control(
        "Parents and children",
        list(CHILDREN_LABELS),
        format_func=CHILDREN_LABELS.__getitem__,
        required=True,
        key="compare.families",
        on_change=lambda: update_url(children=st.session_state["compare.families"]),
    )
    names = {one: str(whole.identity.name.get(one, one)) for one in above}
    texts = {one: f"{name} ({format_count(families.get(one, 0), 'child', 'children')})" for one, name in names.items()}
    options = unique_labels(above, lambda one: texts[one])
    st.selectbox(
        "Only the children of",
        ["", *above],
        format_func=lambda one: (texts[one] if options[one] != one else f"{texts[one]} {one[:8]}") if one else "any parent",
        **bind_widget("parent", view.parent),
    )
