"""What the address of Compare says, and how widgets follow it. The address is the only state: a link carries the whole view.

Streamlit can bind a widget to the address itself, but then the address carries the text on the option ("Colour: accuracy"), under
a name that no other page may use. Here a widget is set from the address before it is drawn, and writes back when a person moves it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from lib.runs.analysis.metric_direction import direction
from lib.runs.plots.axes import is_worth_an_axis
from lib.runs.table.memo import remembered
from lib.runs.table.run_table import METRIC, PARAM, PLAIN, TAG, column, has_column, metrics, varying
from lib.runs.table.types import RunTable

LAST = "compare.last"
PLOTS = ("Parallel", "Scatter", "Box", "Contour", "Curves", "Groups", "Importance", "Differences", "Artifacts")
EXPERIMENT = "experiment"
"""A switch in `mark`: runs of several experiments are coloured by experiment, not by a metric."""
STATS = ("last", "best", "min", "max")


@dataclass(frozen=True)
class View:
    """The address, name for name. Columns are named as in a filter; `pick` holds run ids in the order they were picked.

    Which runs: `experiment` ids, `filter` (MLflow's grammar), `facet` conditions, `since` and `until`, `state`, `children` (shown,
    hidden, best) and `parent` (only its children), `limit` of a reading. Which value of a metric: `stat`. Which picture: `plot` with
    its options. `base` is the run that the others are compared with. The table: `sort`, `order`, `columns` and `pin`.
    """

    experiment: tuple[str, ...] = ()
    filter: str = ""
    facet: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    state: str = ""
    children: str = ""
    parent: str = ""
    limit: str = ""
    stat: str = ""
    color: str = ""
    plot: str = ""
    x: str = ""
    y: str = ""
    z: str = ""
    by: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    range: tuple[str, ...] = ()
    along: str = ""
    smooth: str = ""
    mark: tuple[str, ...] = ()
    path: str = ""
    base: str = ""
    sort: str = ""
    order: str = ""
    columns: tuple[str, ...] = ()
    pin: tuple[str, ...] = ()
    only: str = ""
    pick: tuple[str, ...] = ()


NAMES = tuple(field.name for field in fields(View))
MANY = tuple(field.name for field in fields(View) if field.default == ())


def asked() -> View:
    """The view in the address; when it says nothing, the one that this browser session left."""
    if not any(name in st.query_params for name in NAMES) and LAST in st.session_state:
        _write(st.session_state[LAST])
    said: dict[str, Any] = {name: st.query_params.get(name, "") for name in NAMES if name not in MANY}
    said |= {name: tuple(dict.fromkeys(st.query_params.get_all(name))) for name in MANY}
    return View(**said)


def keep(**changes: Any) -> None:
    """Write changes into the address. To be called in a callback, or with what was fallen back to."""
    view = replace(asked(), **changes)
    st.session_state[LAST] = view
    _write(view)


def _write(view: View) -> None:
    for name, value in asdict(view).items():
        if value:
            st.query_params[name] = list(value) if name in MANY else value
        elif name in st.query_params:
            del st.query_params[name]


def bound(name: str, value: Any) -> dict[str, Any]:
    """Key and callback of a widget that follows one name of the address; `value` is what it shows now."""
    key = f"compare.{name}"
    if st.session_state.get(key) != value:
        st.session_state[key] = value
    return {"key": key, "on_change": _follow, "args": (name, key)}


def _follow(name: str, key: str) -> None:
    value = st.session_state[key]
    keep(**{name: tuple(value or ()) if name in MANY else value or ""})


def tied(key: str, value: Any, change: Callable[[Any], None]) -> dict[str, Any]:
    """Key and callback of a widget that shows `value` and hands what a person chose to `change`."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value
    return {"key": key, "on_change": lambda: change(st.session_state[key])}


def change_experiment(experiments: Sequence[str]) -> None:
    """Go to the chosen one of the experiments: names and picks of the old one mean nothing there, the kind of plot stays."""
    chosen = st.session_state["compare.experiment"]
    if chosen not in experiments:
        return
    view = View(experiment=(chosen,), plot=asked().plot)
    st.session_state[LAST] = view
    _write(view)


def settled(view: View, table: RunTable) -> View:
    """The view with every gap filled and every unknown name replaced by what fits these runs. Does not touch the address."""
    scores = metrics(table)
    color = view.color if view.color in scores else next(iter(scores), "")
    sort = view.sort if has_column(table, view.sort) else color or PLAIN[0]
    falls = not (sort.startswith(METRIC) and direction(sort.removeprefix(METRIC)) == "less")
    places = drawable(table)
    x = view.x if view.x in places else next(iter(places), "")
    up = [name for name in (color, *places) if name in places and name != x]
    return replace(
        view,
        color=color,
        plot=view.plot if view.plot in PLOTS else PLOTS[0],
        x=x,
        y=view.y if view.y in places else next(iter(up), x),
        sort=sort,
        order=view.order if view.order in ("falling", "rising") else "falling" if falls else "rising",
        children=view.children if view.children in ("shown", "hidden", "best") else "shown",
        stat=view.stat if view.stat in STATS else "last",
        pick=tuple(run_id for run_id in view.pick if run_id in table.identity.index),
    )


def drawable(table: RunTable) -> list[str]:
    """Columns that a scatter can use: parameters that differ, then metrics that differ."""
    return list(_drawable(table))


@remembered
def _drawable(table: RunTable) -> tuple[str, ...]:
    names = [*varying(table), *metrics(table)]
    return tuple(name for name in names if is_worth_an_axis(column(table, name)))


def said(name: str) -> str:
    """A column's name without its kind, for a select box, whose options show no markup."""
    if name.startswith((METRIC, PARAM, TAG)):
        return name.partition(".")[2]
    return {"seconds": "time taken", "git_commit": "git commit", "versions": "registered as"}.get(name, name)


def told_apart(names: Iterable[str], say: Callable[[str], str] = said) -> dict[str, str]:
    """What each column is called in a list of options; its whole name where two would read the same.

    A select box knows its options by what is written on them: of two that read the same it takes the wrong one.
    """
    texts = {name: say(name) for name in names}
    often = Counter(texts.values())
    return {name: text if often[text] == 1 else name for name, text in texts.items()}


def link(base: str) -> str:
    """The address of this view, whole."""
    view = {name: value for name, value in asdict(asked()).items() if value}
    return f"{base.partition('?')[0]}?{urlencode(view, doseq=True)}"
