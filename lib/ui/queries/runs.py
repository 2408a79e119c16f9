"""Cached reads of experiments, runs and metric histories, shared by Compare and Run and by all sessions of a backend.

A read of a local SQLite file is valid until the next write; elsewhere for ten seconds, or twenty times as long as it took.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st
from cachetools import TLRUCache

from lib.backends.backend import Backend
from lib.runs.reading.metric_history import read_histories, read_history_lengths
from lib.runs.reading.run_reader import find_newest_experiment, read_experiments, read_runs
from lib.runs.reading.sqlite_change_marker import read_change_marker
from lib.runs.table.types import Experiment, RunTable, Search
from lib.ui.app.session import now
from lib.ui.queries.artifacts import cached_files, cached_locations, cached_preview, cached_tree

CACHE_SECONDS = 10
CACHE_TIME_FACTOR = 20
CACHE_ENTRIES = 24
HISTORY_CACHE_SECONDS = 300


@dataclass(frozen=True)
class ExperimentList:
    """The experiments, newest first, and the id of the one with the latest run."""

    experiments: tuple[Experiment, ...]
    newest_id: str

    @property
    def names_by_id(self) -> dict[str, str]:
        """Return the name of each experiment by id."""
        return {experiment.experiment_id: experiment.name for experiment in self.experiments}

    def select(self, ids: Sequence[str]) -> tuple[Experiment, ...]:
        """Return the experiments with these ids, in that order; unknown ids are skipped."""
        known = {experiment.experiment_id: experiment for experiment in self.experiments}
        return tuple(known[experiment_id] for experiment_id in ids if experiment_id in known)


@dataclass(frozen=True)
class _CachedRuns:
    table: RunTable
    lifetime: float


@st.cache_data(ttl=CACHE_SECONDS, max_entries=8, show_spinner=False)
def cached_experiments(backend: Backend) -> ExperimentList:
    """Return the experiments of a backend."""
    experiments = read_experiments(backend)
    return ExperimentList(experiments, find_newest_experiment(backend, experiments))


@st.cache_resource(show_spinner=False)
def _run_cache() -> tuple["TLRUCache[object, _CachedRuns]", threading.Lock]:
    return TLRUCache(CACHE_ENTRIES, ttu=lambda _, runs, at: at + runs.lifetime, timer=time.monotonic), threading.Lock()


def cached_runs(backend: Backend, search: Search, progress: Callable[[int], None]) -> RunTable:
    """Return the runs that match a search, with their read time. `progress` receives the run count while reading from a server."""
    cache, lock = _run_cache()
    marker = read_change_marker(backend)
    key = (backend, search, marker)
    with lock:
        runs = cache.get(key)
    if runs is None:
        runs = _read_runs(backend, search, progress, has_marker=marker is not None)
        with lock:
            cache[key] = runs
    return runs.table


def _read_runs(backend: Backend, search: Search, progress: Callable[[int], None], *, has_marker: bool) -> _CachedRuns:
    start = time.monotonic()
    table = read_runs(backend, search, at=now(), progress=progress)
    duration = time.monotonic() - start
    return _CachedRuns(table, 24 * 3600 if has_marker else max(CACHE_SECONDS, CACHE_TIME_FACTOR * duration))


@st.cache_data(ttl=HISTORY_CACHE_SECONDS, max_entries=32, show_spinner=False)
def cached_points(backend: Backend, run_ids: tuple[str, ...], metric: str, stamp: str) -> pd.DataFrame:
    """Return every point of a metric; `stamp` changes if new points may have been logged."""
    return read_histories(backend, run_ids, [metric])


@st.cache_data(ttl=HISTORY_CACHE_SECONDS, max_entries=32, show_spinner=False)
def cached_history_lengths(
    backend: Backend, run_ids: tuple[str, ...], metric_names: tuple[str, ...], stamp: str
) -> dict[str, int]:
    """Return the largest number of points logged by any of the runs, per metric."""
    return read_history_lengths(backend, run_ids, metric_names)


def clear_run_caches() -> None:
    """Clear the caches of runs, histories and files for all sessions and backends, to get the current state."""
    cached_experiments.clear()
    cache, lock = _run_cache()
    with lock:
        cache.clear()
    for cached_function in (
        cached_locations, cached_tree, cached_preview, cached_files, cached_points, cached_history_lengths,
    ):  # fmt: skip
        cached_function.clear()
