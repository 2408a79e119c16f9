"""Compare's search: all runs of the view's experiments, and those that its filter, facets and families leave."""

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
"""How many runs are read at first: a server needs seconds for a thousand."""

MAX_OLDER_PICKS = 60
"""Picked runs that are looked for when they are older than what was read."""
MAX_NAMED_METRICS = 5
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}", re.ASCII)


@dataclass(frozen=True)
class SearchResult:
    """What a view leaves of all runs. With a `problem` the filter was not applied; `notes` name what no run has.

    `newest_count` is how many of the newest runs were read where there are more, else 0; `filter_matches` are the runs that the
    filter leaves.
    """

    all_runs: RunTable
    runs: RunTable
    filter_names: KnownNames
    newest_count: int = 0
    filter_matches: RunTable | None = None
    problem: BadInput | None = None
    notes: tuple[str, ...] = ()


def search_runs(backend: Backend, view: ViewState, statements: tuple[DirectionStatement, ...] = ()) -> SearchResult:
    """All runs and those that the view leaves. A filter that cannot be read leaves all of them, and says what is wrong.

    Where only the newest runs were read, older ones that the filter finds or that are picked are added to them. `statements` are what
    the experiments say about which way their metrics are better.
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
    """How many of the newest runs are read: what the address asks for, else what is quick on this kind of backend."""
    requested_limit = int(view.limit) if view.limit.isdecimal() else 0
    return min(requested_limit, MAX_RUNS) or DEFAULT_RUN_LIMITS[backend.kind]


def _read_runs(backend: Backend, search: Search) -> RunTable:
    """The runs that a search matches; the progress is shown while a server is read."""
    # The placeholder is there also when nothing is read: one that comes and goes shifts what follows, and the browser redraws it.
    placeholder = st.empty()
    table = cached_runs(backend, search, lambda count: placeholder.caption(f"Reading… {format_count(count, 'run')} so far"))
    placeholder.empty()
    return table


def _add_older_picks(backend: Backend, runs: RunTable, view: ViewState) -> RunTable:
    """The same runs, and the picked ones that are older than they are."""
    older_picks = [
        run_id for run_id in view.pick[:MAX_OLDER_PICKS] if run_id not in runs.identity.index and _RUN_ID.fullmatch(run_id)
    ]
    if not older_picks:
        return runs
    id_list = ", ".join(f"'{run_id}'" for run_id in older_picks)
    search = replace(runs.search, filter=f"attributes.run_id IN ({id_list})")
    return join_tables(runs, _apply_stat(backend, replace(_read_runs(backend, search), directions=runs.directions), view.stat)[0])


def _missing_column_notes(table: RunTable, facets: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each condition on a metric, parameter or tag that no run here has."""
    columns = dict.fromkeys(facet.column for text in facets if (facet := parse_facet(text)) is not None)
    kinds = {METRIC_PREFIX: "metric", PARAM_PREFIX: "parameter", TAG_PREFIX: "tag"}
    return tuple(
        f"No run here has a {kind} called {column.removeprefix(prefix)}, which a condition asks for."
        for column in columns
        for prefix, kind in kinds.items()
        if column.startswith(prefix) and not has_column(table, column)
    )


def _last_value_notes(view: ViewState, clauses: Sequence[Clause]) -> tuple[str, ...]:
    """A filter means the last value of a metric, in MLflow as here, whichever value is shown."""
    if view.stat not in ("best", "min", "max") or all(clause.kind != "metric" for clause in clauses):
        return ()
    return ("The filter judges the last value of a metric. Conditions under Refine judge the value that is shown.",)


def _apply_stat(backend: Backend, table: RunTable, stat: str) -> tuple[RunTable, tuple[str, ...]]:
    """The table with the best, smallest or largest value of each metric, and a note when not all could be read."""
    if stat not in get_args(Stat) or stat == "last":
        return table, ()
    with st.spinner("Reading histories…", show_time=True):
        stat_table = _cached_metric_stat(backend, (table.search, table.read_at, table.directions), stat, table)
    if stat_table.read_count == stat_table.total_count:
        return stat_table.table, ()
    label = {"best": "best", "min": "smallest", "max": "largest"}[stat]
    note = f"The {label} values of the newest {stat_table.read_count:,} of {stat_table.total_count:,} runs were read, each for a request to the server"
    return stat_table.table, (f"{note}. The other runs show no value.",)


@st.cache_resource(max_entries=8, show_spinner=False)
def _cached_metric_stat(
    backend: Backend, table_key: tuple[Search, datetime | None, MetricDirections], stat: Any, _table: RunTable
) -> MetricStatTable:
    return read_metric_stat(backend, _table, stat)


def _apply_filter(backend: Backend, search: Search, runs: RunTable) -> RunTable:
    """What a filter leaves: judged on the table where all runs of a local file are in it, by the backend everywhere else."""
    if not search.filter:
        return runs
    ids = matching_run_ids(parse_filter(search.filter), runs) if backend.path and runs.is_complete else None
    return subset_for_search(runs, ids, search, len(ids)) if ids is not None else _read_runs(backend, search)


def _apply_conditions(view: ViewState, table: RunTable) -> RunTable:
    """What the conditions without grammar leave: days, facets and families."""
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
    """The metric by which a child is best: the one that colours, else the first; "" where there is none."""
    metrics = metric_columns(table)
    return view.color if view.color in metrics else next(iter(metrics), "")


def _unknown_direction_notes(view: ViewState, table: RunTable) -> tuple[str, ...]:
    """What could not be chosen because nobody said which way a metric is better."""
    notes = []
    metric = _judging_metric(view, table) if view.children == "best" else ""
    if metric and column_direction(table, metric) == "neither":
        notes.append(f"All children are shown: nobody has said which way {metric.removeprefix(METRIC_PREFIX)} is better.")
    unknown = [
        metric
        for name in metric_columns(table)
        if column_direction(table, name) == "neither" and not is_side_metric(metric := name.removeprefix(METRIC_PREFIX))
    ]
    if view.stat == "best" and unknown:
        more_text = f" and {len(unknown) - MAX_NAMED_METRICS} more" if len(unknown) > MAX_NAMED_METRICS else ""
        notes.append(
            f"The last value is shown of {', '.join(unknown[:MAX_NAMED_METRICS])}{more_text}: it is not known which way these are better."
        )
    return tuple(notes)


@contextmanager
def keep_header_on_error() -> Iterator[None]:
    """Keep the page's title when a read inside fails; the frame shows the error below it."""
    try:
        with st.spinner("Reading runs…", show_time=True):
            yield
    except PodiumError:
        with page_header("Compare", "The runs could not be read."):
            pass
        raise
