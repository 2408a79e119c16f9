"""Compare's search: reads the runs of the view's experiments and applies its filter, facets and parent conditions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, get_args

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import BadInput, PodiumError
from lib.runs.analysis.metric_direction import DirectionStatement, MetricDirections, is_side_metric
from lib.runs.analysis.run_tree import best_children, children_of
from lib.runs.filters.evaluate import matching_run_ids
from lib.runs.filters.explain import Clause, KnownNames, collect_known_names, unknown_name_messages
from lib.runs.filters.facets import parse_facet, run_ids_by_facets, run_ids_by_start
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.reading.metric_extremes import MetricStatTable, Stat, read_metric_stat
from lib.runs.table.run_table import (
    METRIC_PREFIX,
    PARAM_PREFIX,
    TAG_PREFIX,
    column_direction,
    has_column,
    join_tables,
    metric_columns,
    subset,
    subset_for_search,
    with_directions,
)
from lib.runs.table.types import MAX_RUNS, LifecycleFilter, RunTable, Search
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import page_header
from lib.ui.pages.compare.view_state import ViewState
from lib.ui.queries.runs import cached_runs

SEARCH_STATES: Mapping[str, LifecycleFilter] = {"active": "active", "deleted": "deleted", "all": "all"}
DEFAULT_RUN_LIMITS = {"sqlite": 20_000, "server": 2_000, "file": 500, "database": 5_000}
"""Runs read initially per kind of backend: a server takes seconds for a thousand."""

MAX_OLDER_PICKS = 60
"""Maximum picked runs that are looked up separately because they are older than the runs read."""
MAX_NAMED_METRICS = 5
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}", re.ASCII)


@dataclass(frozen=True)
class SearchResult:
    """The result of a view's search. With a `problem` the filter was not applied; `notes` list names that no run has.

    `newest_count` is the number of newest runs read if there are more, else 0; `filter_matches` are the runs that match the filter.
    """

    all_runs: RunTable
    runs: RunTable
    filter_names: KnownNames
    newest_count: int = 0
    filter_matches: RunTable | None = None
    problem: BadInput | None = None
    notes: tuple[str, ...] = ()


def search_runs(backend: Backend, view: ViewState, statements: tuple[DirectionStatement, ...] = ()) -> SearchResult:
    """Return all runs and those that match the view. An invalid filter is not applied and reported as `problem`.

    If only the newest runs were read, older ones that match the filter or are picked are added. `statements` are the metric directions
    set on the experiments.
    """
    search = Search(view.experiment, state=SEARCH_STATES.get(view.state, "active"), limit=_run_limit(backend, view))
    newest_runs = _add_directions(_read_runs(backend, search), statements)
    all_runs, stat_notes = _apply_stat(backend, newest_runs, view.stat)
    newest_count = 0 if newest_runs.is_complete else len(newest_runs)
    all_runs = all_runs if newest_runs.is_complete else _add_older_picks(backend, all_runs, view)
    known_names = collect_known_names(all_runs)
    try:
        clauses = parse_filter(view.filter, known_names)
        matching = _add_directions(_apply_filter(backend, replace(search, filter=view.filter.strip()), newest_runs), statements)
    except BadInput as problem:
        return SearchResult(
            all_runs, _apply_conditions(view, all_runs), known_names, newest_count, problem=problem, notes=stat_notes
        )
    if not set(matching.ids) <= set(all_runs.ids):
        all_runs = join_tables(all_runs, _apply_stat(backend, matching, view.stat)[0])
    matching = subset_for_search(all_runs, matching.ids, matching.search, matching.total)
    notes = (
        *unknown_name_messages(clauses, known_names),
        *_last_value_notes(view, clauses),
        *_missing_column_notes(all_runs, view.facet),
        *stat_notes,
        *_unknown_direction_notes(view, all_runs),
    )
    return SearchResult(
        all_runs, _apply_conditions(view, matching), known_names, newest_count, filter_matches=matching, notes=notes
    )


def _add_directions(table: RunTable, statements: tuple[DirectionStatement, ...]) -> RunTable:
    return with_directions(table, statements) if statements else table


def _run_limit(backend: Backend, view: ViewState) -> int:
    """Return the number of newest runs to read: from the URL, otherwise the default for this kind of backend."""
    requested_limit = int(view.limit) if view.limit.isdecimal() else 0
    return min(requested_limit, MAX_RUNS) or DEFAULT_RUN_LIMITS[backend.kind]


def _read_runs(backend: Backend, search: Search) -> RunTable:
    """Return the runs that match a search, showing progress while reading from a server."""
    # Always create the placeholder: if it came and went, the elements below would shift and be redrawn.
    placeholder = st.empty()
    table = cached_runs(backend, search, lambda count: placeholder.caption(f"Reading… {format_count(count, 'run')} so far"))
    placeholder.empty()
    return table


def _add_older_picks(backend: Backend, runs: RunTable, view: ViewState) -> RunTable:
    """Add picked runs that are older than the runs read."""
    older_picks = [
        run_id for run_id in view.pick[:MAX_OLDER_PICKS] if run_id not in runs.identity.index and _RUN_ID.fullmatch(run_id)
    ]
    if not older_picks:
        return runs
    id_list = ", ".join(f"'{run_id}'" for run_id in older_picks)
    search = replace(runs.search, filter=f"attributes.run_id IN ({id_list})")
    return join_tables(runs, _apply_stat(backend, replace(_read_runs(backend, search), directions=runs.directions), view.stat)[0])


def _missing_column_notes(table: RunTable, facets: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence per condition on a metric, parameter or tag that no run here has."""
    columns = dict.fromkeys(facet.column for text in facets if (facet := parse_facet(text)) is not None)
    kinds = {METRIC_PREFIX: "metric", PARAM_PREFIX: "parameter", TAG_PREFIX: "tag"}
    return tuple(
        f"A condition uses {kind} {column.removeprefix(prefix)}, which no run here {'has' if kind == 'tag' else 'logged'}."
        for column in columns
        for prefix, kind in kinds.items()
        if column.startswith(prefix) and not has_column(table, column)
    )


def _last_value_notes(view: ViewState, clauses: Sequence[Clause]) -> tuple[str, ...]:
    """Note that a filter uses a metric's last value, as in MLflow, even if another value is shown."""
    if view.stat not in ("best", "min", "max") or all(clause.kind != "metric" for clause in clauses):
        return ()
    return ("The filter uses the last value of a metric. Conditions under Refine use the value shown.",)


def _apply_stat(backend: Backend, table: RunTable, stat: str) -> tuple[RunTable, tuple[str, ...]]:
    """Return the table with the best, smallest or largest value of each metric, and a note if not all were read."""
    if stat not in get_args(Stat) or stat == "last":
        return table, ()
    with st.spinner("Reading histories…", show_time=True):
        stat_table = _cached_metric_stat(backend, (table.search, table.read_at, table.directions), stat, table)
    if stat_table.read_count == stat_table.total_count:
        return stat_table.table, ()
    label = {"best": "Best", "min": "Smallest", "max": "Largest"}[stat]
    note = (
        f"{label} values shown for the newest {stat_table.read_count:,} of {stat_table.total_count:,} runs (one request per run)"
    )
    return stat_table.table, (f"{note}. The other runs show no value.",)


@st.cache_resource(max_entries=8, show_spinner=False)
def _cached_metric_stat(
    backend: Backend, table_key: tuple[Search, datetime | None, MetricDirections], stat: Any, _table: RunTable
) -> MetricStatTable:
    return read_metric_stat(backend, _table, stat)


def _apply_filter(backend: Backend, search: Search, runs: RunTable) -> RunTable:
    """Apply a filter: on the table if it holds all runs of a local file, otherwise through the backend."""
    if not search.filter:
        return runs
    ids = matching_run_ids(parse_filter(search.filter), runs) if backend.path and runs.is_complete else None
    return subset_for_search(runs, ids, search, len(ids)) if ids is not None else _read_runs(backend, search)


def _apply_conditions(view: ViewState, table: RunTable) -> RunTable:
    """Apply the conditions from the Refine panel: dates, facets and parents."""
    if view.since or view.until:
        table = subset(table, run_ids_by_start(table, view.since, view.until))
    if facets := [facet for text in view.facet if (facet := parse_facet(text)) is not None]:
        table = subset(table, run_ids_by_facets(table, facets))
    if view.parent:
        table = subset(table, children_of(table, view.parent))
    if view.children == "best" and (metric := _judging_metric(view, table)):
        table = subset(table, best_children(table, metric))
    return table


def _judging_metric(view: ViewState, table: RunTable) -> str:
    """Return the metric that decides the best child: the colour metric, otherwise the first; "" if there is none."""
    metrics = metric_columns(table)
    return view.color if view.color in metrics else next(iter(metrics), "")


def _unknown_direction_notes(view: ViewState, table: RunTable) -> tuple[str, ...]:
    """Return notes on best values that could not be chosen because the metric's direction is unknown."""
    notes = []
    metric = _judging_metric(view, table) if view.children == "best" else ""
    if metric and column_direction(table, metric) == "neither":
        notes.append(f"All children are shown because the direction of {metric.removeprefix(METRIC_PREFIX)} is not set.")
    unknown = [
        metric
        for name in metric_columns(table)
        if column_direction(table, name) == "neither" and not is_side_metric(metric := name.removeprefix(METRIC_PREFIX))
    ]
    if view.stat == "best" and unknown:
        more_text = f" and {len(unknown) - MAX_NAMED_METRICS} more" if len(unknown) > MAX_NAMED_METRICS else ""
        notes.append(
            f"Showing the last value of {', '.join(unknown[:MAX_NAMED_METRICS])}{more_text}, because the direction of these metrics is not set."
        )
    return tuple(notes)


@contextmanager
def keep_header_on_error() -> Iterator[None]:
    """Keep the page title if a read inside fails; the app frame shows the error below it."""
    try:
        with st.spinner("Reading runs…", show_time=True):
            yield
    except PodiumError:
        with page_header("Compare", "The runs could not be read."):
            pass
        raise
