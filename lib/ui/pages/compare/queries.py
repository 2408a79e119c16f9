"""Compare's search: reads the runs of the view's experiments and applies its filter, facets and parent conditions.

`search_runs` lists the steps. The text of the filter is parsed in one of them; the later ones take the parsed filter.
"""

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
from lib.runs.filters.explain import KnownNames, collect_known_names, unknown_name_messages
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
from lib.runs.table.types import MAX_RUNS, Filter, LifecycleFilter, RunTable, Search
from lib.runs.table.view import ViewState
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import page_header
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
    """The result of a view's search. With a `problem` the filter was not applied.

    `newest_count` is the number of newest runs read if there are more, else 0; `filter_matches` are the runs that match the filter;
    `notes` are sentences about names that no run has and about the values shown.
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
    newest_runs = _read_newest_runs(backend, view, statements)
    result = _list_runs(backend, view, newest_runs)
    try:
        search = replace(newest_runs.search, filter=parse_filter(view.filter, result.filter_names))
        matches = _find_matches(backend, search, newest_runs, statements)
    except BadInput as problem:
        return _apply_conditions(view, replace(result, problem=problem))
    result = _join_matches(backend, view, result, matches)
    result = _add_notes(view, result)
    return _apply_conditions(view, result)


def _read_newest_runs(backend: Backend, view: ViewState, statements: tuple[DirectionStatement, ...]) -> RunTable:
    """Read the newest runs without the filter: as many as the URL says, otherwise the default for this kind of backend."""
    requested_limit = int(view.limit) if view.limit.isdecimal() else 0
    limit = min(requested_limit, MAX_RUNS) or DEFAULT_RUN_LIMITS[backend.kind]
    return _read_runs(backend, Search(view.experiment, state=SEARCH_STATES.get(view.state, "active"), limit=limit), statements)


def _read_runs(backend: Backend, search: Search, statements: tuple[DirectionStatement, ...] = ()) -> RunTable:
    """Return the runs that match a search, with these metric directions, showing progress while reading from a server."""
    # Always create the placeholder: if it came and went, the elements below would shift and be redrawn.
    placeholder = st.empty()
    table = cached_runs(backend, search, lambda count: placeholder.caption(f"Reading… {format_count(count, 'run')} so far"))
    placeholder.empty()
    return with_directions(table, statements) if statements else table


def _list_runs(backend: Backend, view: ViewState, newest_runs: RunTable) -> SearchResult:
    """List the newest runs and the older picked ones, with the metric values that the view shows. All of them match so far."""
    all_runs, stat_notes = _apply_stat(backend, newest_runs, view.stat)
    if not newest_runs.is_complete:
        all_runs = _add_older_picks(backend, all_runs, view)
    newest_count = 0 if newest_runs.is_complete else len(newest_runs)
    return SearchResult(all_runs, all_runs, collect_known_names(all_runs), newest_count, notes=stat_notes)


def _find_matches(
    backend: Backend, search: Search, newest_runs: RunTable, statements: tuple[DirectionStatement, ...]
) -> RunTable:
    """Return the runs that match the filter: from the table if it holds all runs of a local file, otherwise from the backend."""
    if not search.filter.text:
        return newest_runs
    ids = matching_run_ids(search.filter, newest_runs) if backend.path and newest_runs.is_complete else None
    return subset_for_search(newest_runs, ids, search, len(ids)) if ids is not None else _read_runs(backend, search, statements)


def _join_matches(backend: Backend, view: ViewState, result: SearchResult, matches: RunTable) -> SearchResult:
    """Add the runs that only the filter found, and keep those that match it."""
    all_runs = result.all_runs
    if not set(matches.ids) <= set(all_runs.ids):
        all_runs = join_tables(all_runs, _apply_stat(backend, matches, view.stat)[0])
    runs = subset_for_search(all_runs, matches.ids, matches.search, matches.total)
    return replace(result, all_runs=all_runs, runs=runs, filter_matches=runs)


def _add_notes(view: ViewState, result: SearchResult) -> SearchResult:
    """Add what the user should know about the filter, the conditions and the values shown."""
    run_filter = result.runs.search.filter
    notes = (
        *unknown_name_messages(run_filter, result.filter_names),
        *_last_value_notes(view, run_filter),
        *_missing_column_notes(result.all_runs, view.facet),
        *result.notes,
        *_unknown_direction_notes(view, result.all_runs),
    )
    return replace(result, notes=notes)


def _apply_conditions(view: ViewState, result: SearchResult) -> SearchResult:
    """Keep the runs that meet the conditions from the Refine panel: dates, facets and parents."""
    table = result.runs
    if view.since or view.until:
        table = subset(table, run_ids_by_start(table, view.since, view.until))
    if facets := [facet for text in view.facet if (facet := parse_facet(text)) is not None]:
        table = subset(table, run_ids_by_facets(table, facets))
    if view.parent:
        table = subset(table, children_of(table, view.parent))
    if view.children == "best" and (metric := _judging_metric(view, table)):
        table = subset(table, best_children(table, metric))
    return replace(result, runs=table)


def _add_older_picks(backend: Backend, runs: RunTable, view: ViewState) -> RunTable:
    """Add picked runs that are older than the runs read."""
    older_picks = [
        run_id for run_id in view.pick[:MAX_OLDER_PICKS] if run_id not in runs.identity.index and _RUN_ID.fullmatch(run_id)
    ]
    if not older_picks:
        return runs
    id_list = ", ".join(f"'{run_id}'" for run_id in older_picks)
    search = replace(runs.search, filter=parse_filter(f"attributes.run_id IN ({id_list})"))
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


def _last_value_notes(view: ViewState, run_filter: Filter) -> tuple[str, ...]:
    """Note that a filter uses a metric's last value, as in MLflow, even if another value is shown."""
    if view.stat not in ("best", "min", "max") or all(clause.kind != "metric" for clause in run_filter.clauses):
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
