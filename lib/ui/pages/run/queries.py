"""Cached reads of the Run page, cleared after every change."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.registry.run_usage import VersionUse, find_version_uses
from lib.runs.analysis.metric_direction import Direction, order_metric_names
from lib.runs.artifacts import mlmodel
from lib.runs.artifacts.files import ArtifactLocation
from lib.runs.artifacts.mlmodel import ModelFile
from lib.runs.reading import related_runs, run_reader
from lib.runs.reading.metric_history import read_histories
from lib.runs.reading.related_runs import ExperimentRef, RelatedRuns
from lib.runs.table.number_format import is_finite_number
from lib.runs.table.types import Run
from lib.ui.queries import registry
from lib.ui.queries.runs import clear_run_caches

MAX_HISTORIES = 60
"""Maximum metrics whose history is read; the others are shown with their last value."""
SPARKLINE_POINTS = 40
CHART_POINTS = 800


@dataclass(frozen=True)
class MetricHistory:
    """The history of one metric: steps and values ordered by step and time."""

    steps: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def real_values(self) -> tuple[float, ...]:
        """Return the values that can be plotted."""
        return tuple(value for value in self.values if is_finite_number(value))

    def downsample(self, max_points: int) -> "MetricHistory":
        """Return about `max_points` evenly spaced points, including the first, last, lowest and highest."""
        indices = range(len(self.values))
        if len(indices) <= max_points:
            return self
        sampled = {round(index * (len(indices) - 1) / (max_points - 3)) for index in range(max_points - 2)}
        finite_indices = [index for index in indices if is_finite_number(self.values[index])]
        if finite_indices:
            sampled |= {min(finite_indices, key=self.values.__getitem__), max(finite_indices, key=self.values.__getitem__)}
        ordered = sorted(sampled)
        return MetricHistory(tuple(self.steps[index] for index in ordered), tuple(self.values[index] for index in ordered))


def best_value(history: MetricHistory, direction: Direction) -> float | None:
    """Return the best value of a history by the metric's direction; None if the direction is unknown or no value is finite."""
    if direction == "neither" or not history.real_values:
        return None
    return max(history.real_values) if direction == "more" else min(history.real_values)


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def cached_run(backend: Backend, run_id: str) -> Run:
    """Return the run. Raises NotFound for an unknown id."""
    return run_reader.read_run(backend, run_id)


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def cached_related_runs(backend: Backend, run: Run) -> RelatedRuns:
    """Return the run's parent, children and siblings."""
    return related_runs.read_related_runs(backend, run)


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False)
def cached_experiment_ref(backend: Backend, experiment_id: str) -> ExperimentRef:
    """Return the run's experiment."""
    return related_runs.read_experiment_ref(backend, experiment_id)


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False)
def _cached_model_locations(backend: Backend, run: Run) -> tuple[ArtifactLocation, ...]:
    return mlmodel.read_model_locations(backend, run)


def model_locations(backend: Backend, run: Run) -> tuple[ArtifactLocation, ...]:
    """Return the models that the run logged; empty if they cannot be read, which the Artifacts card reports."""
    try:
        return _cached_model_locations(backend, run)
    except PodiumError:
        return ()


@st.cache_data(ttl="10min", max_entries=64, show_spinner=False)
def cached_model_file(backend: Backend, location: ArtifactLocation) -> ModelFile:
    """Return the parsed MLmodel file of a model."""
    return mlmodel.read_model_file(backend, location)


def run_usage(backend: Backend, run: Run) -> tuple[VersionUse, ...]:
    """Return the registered versions created from the run."""
    loaded_registry = registry.load_registry(backend)
    return find_version_uses(run, loaded_registry.models, loaded_registry.states)


def cached_histories(backend: Backend, run: Run) -> dict[str, MetricHistory]:
    """Return the histories of the run's first metrics by name; read again if the run has new values."""
    names = tuple(order_metric_names(run.metrics)[:MAX_HISTORIES])
    return _cached_histories(backend, run.run_id, names, (run.status, tuple(str(run.metrics[name]) for name in names)))


@st.cache_data(ttl="60s", max_entries=64, show_spinner="Reading histories…")
def _cached_histories(backend: Backend, run_id: str, names: Sequence[str], stamp: object) -> dict[str, MetricHistory]:
    all_points = read_histories(backend, [run_id], names)
    histories = {
        str(name): MetricHistory(tuple(points.step), tuple(points.value))
        for name, points in all_points.groupby("metric", sort=False)
    }
    return {name: histories[name] for name in names if name in histories}


def clear_caches() -> None:
    """Clear the caches of runs, models and books after a change."""
    for cached_function in (
        cached_run,
        cached_related_runs,
        cached_experiment_ref,
        _cached_model_locations,
        _cached_histories,
        registry.source_run,
    ):
        cached_function.clear()
    registry.clear_cache()
    clear_run_caches()
