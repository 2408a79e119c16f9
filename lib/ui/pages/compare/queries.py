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
from lib.runs.filters.evaluate import matching_run_ids
from lib.runs.filters.explain import Clause, KnownNames, collect_known_names, unknown_name_messages
from lib.runs.filters.facets import parse_facet as read_facet
from lib.runs.filters.facets import run_ids_by_facets, run_ids_by_start
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.reading.metric_extremes import MetricStatTable, Stat, read_metric_stat
from lib.runs.reading.run_reader import find_newest_experiment, read_experiments, read_runs
from lib.runs.reading.sqlite_marker import read_change_marker
from lib.runs.table.run_table import (
    METRIC_PREFIX,
    PARAM_PREFIX,
    TAG_PREFIX,
    has_column,
    join_tables,
    metric_columns,
    subset,
    subset_for_search,
)
from lib.runs.table.types import MAX_RUNS, Experiment, LifecycleFilter, RunTable, Search
from lib.ui.app.session import now
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import page_header
from lib.ui.pages.compare.view_state import ViewState

CACHE_SECONDS = 10
CACHE_TIME_FACTOR = 20
CACHE_ENTRIES = 24
SEARCH_STATES: Mapping[str, LifecycleFilter] = {"active": "active", "deleted": "deleted", "all": "all"}
DEFAULT_RUN_LIMITS = {"sqlite": 20_000, "server": 2_000, "file": 500, "database": 5_000}
"""How many runs are read at first: a server needs seconds for a thousand."""

MAX_OLDER_PICKS = 60
"""Picked runs that are looked for when they are older than what was read."""
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}", re.ASCII)


@dataclass(frozen=True)
class ExperimentList:
    """The experiments, newest first, and the id of the one where something ran last."""

    experiments: tuple[Experiment, ...]
    newest_id: str

    @property
    def names_by_id(self) -> dict[str, str]:
        """The name of each experiment, by its id."""
        return {one.experiment_id: one.name for one in self.experiments}

    def select(self, ids: Sequence[str]) -> tuple[Experiment, ...]:
        """Those of the experiments with these ids that are there, in the order of the ids."""
        known = {one.experiment_id: one for one in self.experiments}
        return tuple(known[one] for one in ids if one in known)


@dataclass(frozen=True)
class SearchResult:
    """What a view leaves of all runs. With a `problem` the filter was not applied; `notes` name what no run has.

    `newest` is how many of the newest runs were read where there are more, else 0; `matching` are the runs that the filter leaves.
    """

    all_runs: RunTable
    runs: RunTable
    filter_names: KnownNames
    newest_count: int = 0
    filter_matches: RunTable | None = None
    problem: BadInput | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Kept:
    table: RunTable
    lasts: float


@st.cache_data(ttl=CACHE_SECONDS, max_entries=8, show_spinner=False)
def cached_experiments(backend: Backend) -> ExperimentList:
    """The experiments of a backend."""
    found = read_experiments(backend)
    return ExperimentList(found, find_newest_experiment(backend, found))


@st.cache_resource(show_spinner=False)
def _shelf() -> tuple["TLRUCache[object, _Kept]", threading.Lock]:
    return TLRUCache(CACHE_ENTRIES, ttu=lambda _, kept, at: at + kept.lasts, timer=time.monotonic), threading.Lock()


def cached_runs(backend: Backend, search: Search) -> RunTable:
    """The runs that a search matches, with the time of the reading; progress is shown while a server is asked."""
    place = (
        st.empty()
    )  # also when nothing is read: a place that comes and goes shifts what follows, and the browser draws it anew
    shelf, lock = _shelf()
    seen = read_change_marker(backend)
    key = (backend, search, seen)
    with lock:
        kept = shelf.get(key)
    if kept is None:
        kept = _read(backend, search, place, lasts_long=seen is not None)
        with lock:
            shelf[key] = kept
    return kept.table


def _read(here: Backend, search: Search, place: Any, *, lasts_long: bool) -> _Kept:
    begun = time.monotonic()
    table = read_runs(
        here, search, at=now(), progress=lambda number: place.caption(f"Reading… {format_count(number, 'run')} so far")
    )
    place.empty()
    took = time.monotonic() - begun
    return _Kept(table, 24 * 3600 if lasts_long else max(CACHE_SECONDS, CACHE_TIME_FACTOR * took))


def run_limit(backend: Backend, view: ViewState) -> int:
    """How many of the newest runs are read: what the address asks for, else what is quick on this kind of backend."""
    asked = int(view.limit) if view.limit.isdecimal() else 0
    return min(asked, MAX_RUNS) or DEFAULT_RUN_LIMITS[backend.kind]


def search_runs(backend: Backend, view: ViewState) -> SearchResult:
    """All runs and those that the view leaves. A filter that cannot be read leaves all of them, and says what is wrong.

    Where only the newest runs were read, what the filter finds among the others and what is picked there stand with them.
    """
    search = Search(view.experiment, state=SEARCH_STATES.get(view.state, "active"), limit=run_limit(backend, view))
    last = cached_runs(backend, search)
    whole, told = apply_stat(backend, last, view.stat)
    newest_of = 0 if last.is_complete else len(last)
    whole = whole if last.is_complete else _with_picked(backend, whole, view)
    known = collect_known_names(whole)
    try:
        clauses = parse_filter(view.filter, known)
        left = _left(backend, replace(search, filter=view.filter.strip()), last)
    except BadInput as problem:
        return SearchResult(whole, _narrowed(view, whole), known, newest_of, problem=problem, notes=told)
    if not set(left.ids) <= set(whole.ids):
        whole = join_tables(whole, apply_stat(backend, left, view.stat)[0])
    left = subset_for_search(whole, left.ids, left.search, left.total)
    notes = (*unknown_name_messages(clauses, known), *_of_last(view, clauses), *missing_column_notes(whole, view.facet), *told)
    return SearchResult(whole, _narrowed(view, left), known, newest_of, filter_matches=left, notes=notes)


def _with_picked(here: Backend, whole: RunTable, view: ViewState) -> RunTable:
    """The same runs, and the picked ones that are older than they are."""
    older = [one for one in view.pick[:MAX_OLDER_PICKS] if one not in whole.identity.index and _RUN_ID.fullmatch(one)]
    if not older:
        return whole
    listed = ", ".join(f"'{one}'" for one in older)
    asked = replace(whole.search, filter=f"attributes.run_id IN ({listed})")
    return join_tables(whole, apply_stat(here, cached_runs(here, asked), view.stat)[0])


def missing_column_notes(table: RunTable, facets: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each condition on a metric, parameter or tag that no run here has."""
    columns = dict.fromkeys(facet.column for one in facets if (facet := read_facet(one)) is not None)
    kinds = {METRIC_PREFIX: "metric", PARAM_PREFIX: "parameter", TAG_PREFIX: "tag"}
    return tuple(
        f"No run here has a {word} called {column.removeprefix(kind)}, which a condition asks for."
        for column in columns
        for kind, word in kinds.items()
        if column.startswith(kind) and not has_column(table, column)
    )


def _of_last(view: ViewState, clauses: Sequence[Clause]) -> tuple[str, ...]:
    """A filter means the last value of a metric, in MLflow as here, whichever value is shown."""
    if view.stat not in ("best", "min", "max") or all(clause.kind != "metric" for clause in clauses):
        return ()
    return ("The filter judges the last value of a metric. Conditions under Refine judge the value that is shown.",)


def apply_stat(backend: Backend, table: RunTable, stat: str) -> tuple[RunTable, tuple[str, ...]]:
    """The table with the best, smallest or largest value of each metric, and what has to be said when not all could be read."""
    if stat not in get_args(Stat) or stat == "last":
        return table, ()
    with st.spinner("Reading histories…", show_time=True):
        found = _valued(backend, table.search, table.read_at, stat, table)
    if found.read_count == found.total_count:
        return found.table, ()
    words = {"best": "best", "min": "smallest", "max": "largest"}[stat]
    said = f"The {words} values of the newest {found.read_count:,} of {found.total_count:,} runs were read, each for a request to the server"
    return found.table, (f"{said}. The other runs show no value.",)


@st.cache_resource(max_entries=8, show_spinner=False)
def _valued(here: Backend, search: Search, read_at: datetime | None, stat: Any, _table: RunTable) -> MetricStatTable:
    return read_metric_stat(here, _table, stat)


def _left(here: Backend, search: Search, whole: RunTable) -> RunTable:
    """What a filter leaves: judged on the table where all runs of a local file are in it, by the backend everywhere else."""
    if not search.filter:
        return whole
    ids = matching_run_ids(parse_filter(search.filter), whole) if here.path and whole.is_complete else None
    return subset_for_search(whole, ids, search, len(ids)) if ids is not None else cached_runs(here, search)


def _narrowed(view: ViewState, table: RunTable) -> RunTable:
    """What the conditions without grammar leave of it."""
    if view.since or view.until:
        table = subset(table, run_ids_by_start(table, view.since, view.until))
    if facets := [facet for one in view.facet if (facet := read_facet(one)) is not None]:
        table = subset(table, run_ids_by_facets(table, facets))
    if view.parent:
        table = subset(table, children_of(table, view.parent))
    if view.children == "best" and (scores := metric_columns(table)):
        table = subset(table, best_children(table, view.color if view.color in scores else scores[0]))
    return table


def clear_search_cache() -> None:
    """Forget the experiments and runs that were read."""
    cached_experiments.clear()
    shelf, lock = _shelf()
    with lock:
        shelf.clear()


@contextmanager
def keep_header_on_error() -> Iterator[None]:
    """Keep the page's title when a reading inside fails; the frame shows the error below it."""
    try:
        with st.spinner("Reading runs…", show_time=True):
            yield
    except PodiumError:
        with page_header("Compare", "The runs could not be read."):
            pass
        raise
