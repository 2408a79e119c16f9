"""What narrows the runs of Compare without any grammar: state, time, families and facets, all of it carried by the address."""

from datetime import date

import streamlit as st

from lib.runs.analysis.run_tree import sizes
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count
from lib.ui.components.popover import drawer
from lib.ui.pages.compare.facet_widgets import facet_widgets, known
from lib.ui.pages.compare.queries import Found
from lib.ui.pages.compare.view_state import View, asked, bound, keep, told_apart

ADD = "compare.add"
STATES = {"active": "Active", "deleted": "Deleted", "all": "Both"}
FAMILIES = {"shown": "All runs", "hidden": "Parents only", "best": "Best child of each"}


def refine(view: View, found: Found) -> None:
    """The popover beside the filter; its label says how much is set."""
    number = how_many(view)
    label = f"Refine: {number}" if number else "Refine"
    with drawer("refine", label, icon=":material/tune:", help="Narrow the runs without writing a filter") as is_open:
        if is_open:
            _everything(view, found)


def _everything(view: View, found: Found) -> None:
    facet_widgets(view, found.whole)
    st.segmented_control(
        "Runs", list(STATES), format_func=STATES.__getitem__, required=True, **bound("state", view.state or "active")
    )
    _times(view)
    _families(view, found.whole)
    _conditions(found)


def how_many(view: View) -> int:
    """How many things narrow the runs beside the filter."""
    set_ = (_day(view.since), _day(view.until), view.parent, view.state not in ("", "active"), view.children == "best")
    return len(known(view.facet)) + sum(map(bool, set_))


def _conditions(found: Found) -> None:
    """Conditions with the names and values of these runs, to be added to the filter."""
    st.selectbox(
        "Add to the filter",
        found.known.conditions,
        index=None,
        placeholder="Type to find a name",
        key=ADD,
        on_change=_add_condition,
        help="Each one is made of a name and a value that these runs have. Change the value in the filter.",
    )


def _add_condition() -> None:
    chosen = st.session_state[ADD]
    st.session_state[ADD] = None
    if chosen:
        before = asked().filter.strip()
        keep(filter=f"{before} and {chosen}" if before else chosen)


def _times(view: View) -> None:
    with st.container(horizontal=True, gap="small"):
        for name, label in (("since", "Started from (UTC)"), ("until", "Started until (UTC)")):
            key = f"compare.{name}"
            st.session_state[key] = _day(getattr(view, name))
            st.date_input(label, key=key, format="YYYY-MM-DD", on_change=_follow_day, args=(name, key), width=170)


def _follow_day(name: str, key: str) -> None:
    chosen = st.session_state[key]
    keep(**{name: chosen.isoformat() if chosen else ""})


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


def _families(view: View, whole: RunTable) -> None:
    """Parents and children, where there are any."""
    families = sizes(whole)
    if not families and not view.parent:
        return
    above = dict.fromkeys([*families, *filter(None, [view.parent])])
    st.session_state["compare.families"] = view.children
    st.segmented_control(
        "Parents and children",
        list(FAMILIES),
        format_func=FAMILIES.__getitem__,
        required=True,
        key="compare.families",
        on_change=lambda: keep(children=st.session_state["compare.families"]),
    )
    names = {one: str(whole.identity.name.get(one, one)) for one in above}
    texts = {one: f"{name} ({count(families.get(one, 0), 'child', 'children')})" for one, name in names.items()}
    options = told_apart(above, lambda one: texts[one])
    st.selectbox(
        "Only the children of",
        ["", *above],
        format_func=lambda one: (texts[one] if options[one] != one else f"{texts[one]} {one[:8]}") if one else "any parent",
        **bound("parent", view.parent),
    )
