"""The readings of Compare, kept for all sessions of a backend together. Each says how old it is.

On a local SQLite file a reading stands until somebody writes; elsewhere for ten seconds, or twenty times as long as it took.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, get_args

import streamlit as st
from cachetools import TLRUCache

from lib.backends.backend import Backend
from lib.errors import BadInput, PodiumError
from lib.runs.analysis.run_tree import best_children, children_of
from lib.runs.filters.evaluate import leaves
from lib.runs.filters.explain import Clause, Names, names, unknown
from lib.runs.filters.facets import passing, started
from lib.runs.filters.facets import read as read_facet
from lib.runs.reading.filter_parser import parse
from lib.runs.reading.metric_extremes import Stat, Valued, with_values
from lib.runs.reading.run_reader import experiments, newest, runs
from lib.runs.reading.sqlite_marker import mark
from lib.runs.table.run_table import METRIC, PARAM, TAG, answer, has_column, joined, metrics, subset
from lib.runs.table.types import MOST_RUNS, Experiment, RunTable, Search, State
from lib.ui.app.session import now
from lib.ui.components.formatting import count
from lib.ui.components.layout import header
from lib.ui.pages.compare.view_state import View

SECONDS = 10
PATIENCE = 20
KEPT = 24
STATES: Mapping[str, State] = {"active": "active", "deleted": "deleted", "all": "all"}
NEWEST = {"sqlite": 20_000, "server": 2_000, "file": 500, "database": 5_000}
"""How many runs are read at first: a server needs seconds for a thousand."""

MOST_PICKED = 60
"""Picked runs that are looked for when they are older than what was read."""
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}", re.ASCII)


@dataclass(frozen=True)
class Catalogue:
    """The experiments, newest first, and the id of the one where something ran last."""

    experiments: tuple[Experiment, ...]
    newest: str

    @property
    def names(self) -> dict[str, str]:
        """The name of each experiment, by its id."""
        return {one.experiment_id: one.name for one in self.experiments}

    def named(self, ids: Sequence[str]) -> tuple[Experiment, ...]:
        """Those of the experiments with these ids that are there, in the order of the ids."""
        known = {one.experiment_id: one for one in self.experiments}
        return tuple(known[one] for one in ids if one in known)


@dataclass(frozen=True)
class Found:
    """What a view leaves of all runs. With a `problem` the filter was not applied; `notes` name what no run has.

    `newest` is how many of the newest runs were read where there are more, else 0; `matching` are the runs that the filter leaves.
    """

    whole: RunTable
    left: RunTable
    known: Names
    newest: int = 0
    matching: RunTable | None = None
    problem: BadInput | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Kept:
    table: RunTable
    lasts: float


@st.cache_data(ttl=SECONDS, max_entries=8, show_spinner=False)
def catalogue(here: Backend) -> Catalogue:
    """The experiments of a backend."""
    found = experiments(here)
    return Catalogue(found, newest(here, found))


@st.cache_resource(show_spinner=False)
def _shelf() -> tuple["TLRUCache[object, _Kept]", threading.Lock]:
    return TLRUCache(KEPT, ttu=lambda _, kept, at: at + kept.lasts, timer=time.monotonic), threading.Lock()


def read(here: Backend, search: Search) -> RunTable:
    """The runs that a search matches, with the time of the reading; progress is shown while a server is asked."""
    place = (
        st.empty()
    )  # also when nothing is read: a place that comes and goes shifts what follows, and the browser draws it anew
    shelf, lock = _shelf()
    seen = mark(here)
    key = (here, search, seen)
    with lock:
        kept = shelf.get(key)
    if kept is None:
        kept = _read(here, search, place, lasts_long=seen is not None)
        with lock:
            shelf[key] = kept
    return kept.table


def _read(here: Backend, search: Search, place: Any, *, lasts_long: bool) -> _Kept:
    begun = time.monotonic()
    table = runs(here, search, at=now(), told=lambda number: place.caption(f"Reading… {count(number, 'run')} so far"))
    place.empty()
    took = time.monotonic() - begun
    return _Kept(table, 24 * 3600 if lasts_long else max(SECONDS, PATIENCE * took))


def most(here: Backend, view: View) -> int:
    """How many of the newest runs are read: what the address asks for, else what is quick on this kind of backend."""
    asked = int(view.limit) if view.limit.isdecimal() else 0
    return min(asked, MOST_RUNS) or NEWEST[here.kind]


def find(here: Backend, view: View) -> Found:
    """All runs and those that the view leaves. A filter that cannot be read leaves all of them, and says what is wrong.

    Where only the newest runs were read, what the filter finds among the others and what is picked there stand with them.
    """
    search = Search(view.experiment, state=STATES.get(view.state, "active"), most=most(here, view))
    last = read(here, search)
    whole, told = valued(here, last, view.stat)
    newest_of = 0 if last.is_whole else len(last)
    whole = whole if last.is_whole else _with_picked(here, whole, view)
    known = names(whole)
    try:
        clauses = parse(view.filter, known)
        left = _left(here, replace(search, filter=view.filter.strip()), last)
    except BadInput as problem:
        return Found(whole, _narrowed(view, whole), known, newest_of, problem=problem, notes=told)
    if not set(left.ids) <= set(whole.ids):
        whole = joined(whole, valued(here, left, view.stat)[0])
    left = answer(whole, left.ids, left.search, left.total)
    notes = (*unknown(clauses, known), *_of_last(view, clauses), *lacking(whole, view.facet), *told)
    return Found(whole, _narrowed(view, left), known, newest_of, matching=left, notes=notes)


def _with_picked(here: Backend, whole: RunTable, view: View) -> RunTable:
    """The same runs, and the picked ones that are older than they are."""
    older = [one for one in view.pick[:MOST_PICKED] if one not in whole.identity.index and _RUN_ID.fullmatch(one)]
    if not older:
        return whole
    listed = ", ".join(f"'{one}'" for one in older)
    asked = replace(whole.search, filter=f"attributes.run_id IN ({listed})")
    return joined(whole, valued(here, read(here, asked), view.stat)[0])


def lacking(table: RunTable, facets: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each condition on a metric, parameter or tag that no run here has."""
    columns = dict.fromkeys(facet.column for one in facets if (facet := read_facet(one)) is not None)
    kinds = {METRIC: "metric", PARAM: "parameter", TAG: "tag"}
    return tuple(
        f"No run here has a {word} called {column.removeprefix(kind)}, which a condition asks for."
        for column in columns
        for kind, word in kinds.items()
        if column.startswith(kind) and not has_column(table, column)
    )


def _of_last(view: View, clauses: Sequence[Clause]) -> tuple[str, ...]:
    """A filter means the last value of a metric, in MLflow as here, whichever value is shown."""
    if view.stat not in ("best", "min", "max") or all(clause.kind != "metric" for clause in clauses):
        return ()
    return ("The filter judges the last value of a metric. Conditions under Refine judge the value that is shown.",)


def valued(here: Backend, table: RunTable, stat: str) -> tuple[RunTable, tuple[str, ...]]:
    """The table with the best, smallest or largest value of each metric, and what has to be said when not all could be read."""
    if stat not in get_args(Stat) or stat == "last":
        return table, ()
    with st.spinner("Reading histories…", show_time=True):
        found = _valued(here, table.search, table.read_at, stat, table)
    if found.read == found.of:
        return found.table, ()
    words = {"best": "best", "min": "smallest", "max": "largest"}[stat]
    said = f"The {words} values of the newest {found.read:,} of {found.of:,} runs were read, each for a request to the server"
    return found.table, (f"{said}. The other runs show no value.",)


@st.cache_resource(max_entries=8, show_spinner=False)
def _valued(here: Backend, search: Search, read_at: datetime | None, stat: Any, _table: RunTable) -> Valued:
    return with_values(here, _table, stat)


def _left(here: Backend, search: Search, whole: RunTable) -> RunTable:
    """What a filter leaves: judged on the table where all runs of a local file are in it, by the backend everywhere else."""
    if not search.filter:
        return whole
    ids = leaves(parse(search.filter), whole) if here.path and whole.is_whole else None
    return answer(whole, ids, search, len(ids)) if ids is not None else read(here, search)


def _narrowed(view: View, table: RunTable) -> RunTable:
    """What the conditions without grammar leave of it."""
    if view.since or view.until:
        table = subset(table, started(table, view.since, view.until))
    if facets := [facet for one in view.facet if (facet := read_facet(one)) is not None]:
        table = subset(table, passing(table, facets))
    if view.parent:
        table = subset(table, children_of(table, view.parent))
    if view.children == "best" and (scores := metrics(table)):
        table = subset(table, best_children(table, view.color if view.color in scores else scores[0]))
    return table


def forget() -> None:
    """Forget the experiments and runs that were read."""
    catalogue.clear()
    shelf, lock = _shelf()
    with lock:
        shelf.clear()


@contextmanager
def titled() -> Iterator[None]:
    """Keep the page's title when a reading inside fails; the frame shows the error below it."""
    try:
        with st.spinner("Reading runs…", show_time=True):
            yield
    except PodiumError:
        with header("Compare", "The runs could not be read."):
            pass
        raise
