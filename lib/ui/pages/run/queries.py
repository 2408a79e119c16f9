"""What the Run page reads, kept for a few seconds and forgotten after every deed."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.registry.run_usage import Use, uses_of
from lib.runs.analysis.metric_direction import direction
from lib.runs.artifacts import mlmodel as modelfile
from lib.runs.artifacts.files import Place
from lib.runs.artifacts.mlmodel import ModelFile
from lib.runs.reading import related_runs as kinship
from lib.runs.reading import run_reader as reading
from lib.runs.reading.metric_history import histories as histories_of
from lib.runs.reading.related_runs import Home, Kin
from lib.runs.table.number_format import is_real
from lib.runs.table.types import Run
from lib.ui.pages.compare.again import read_again
from lib.ui.queries import registry as models_reads

MOST_HISTORIES = 60
"""Of how many metrics the history is read; the others are shown with their last value."""
SPARK = 40
CURVE = 800


@dataclass(frozen=True)
class Track:
    """The history of one metric: steps and values in the order they were logged, by step and time."""

    steps: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def real(self) -> tuple[float, ...]:
        """The values that have a place on an axis."""
        return tuple(value for value in self.values if is_real(value))

    def thinned(self, most: int) -> "Track":
        """About `most` points, evenly taken, the first, last, lowest and highest among them."""
        every = range(len(self.values))
        if len(every) <= most:
            return self
        kept = {round(place * (len(every) - 1) / (most - 3)) for place in range(most - 2)}
        real = [place for place in every if is_real(self.values[place])]
        if real:
            kept |= {min(real, key=self.values.__getitem__), max(real, key=self.values.__getitem__)}
        chosen = sorted(kept)
        return Track(tuple(self.steps[place] for place in chosen), tuple(self.values[place] for place in chosen))


def best(metric: str, track: Track) -> float | None:
    """The best value of a history by the metric's direction; None where neither way is better, or no value is real."""
    towards = direction(metric)
    if towards == "neither" or not track.real:
        return None
    return max(track.real) if towards == "more" else min(track.real)


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def shown(here: Backend, run_id: str) -> Run:
    """The run. Raises NotFound for an unknown id."""
    return reading.run(here, run_id)


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def kin(here: Backend, of: Run) -> Kin:
    """Its parent, children and siblings."""
    return kinship.kin(here, of)


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False)
def home(here: Backend, experiment_id: str) -> Home:
    """Its experiment."""
    return kinship.home(here, experiment_id)


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False)
def _models(here: Backend, of: Run) -> tuple[Place, ...]:
    return modelfile.models_of(here, of)


def places(here: Backend, of: Run) -> tuple[Place, ...]:
    """The models it logged; none where they cannot be read, which the card of the artifacts tells."""
    try:
        return _models(here, of)
    except PodiumError:
        return ()


@st.cache_data(ttl="10min", max_entries=64, show_spinner=False)
def model_file(here: Backend, place: Place) -> ModelFile:
    """What the MLmodel file of a model says."""
    return modelfile.read(here, place)


def uses(here: Backend, of: Run) -> tuple[Use, ...]:
    """The registered versions that came from it."""
    known = models_reads.registry(here)
    return uses_of(of, known.models, known.records)


def histories(here: Backend, of: Run) -> dict[str, Track]:
    """The histories of its first metrics by name; a run that got another value since is read anew."""
    names = tuple(sorted(of.metrics))[:MOST_HISTORIES]
    return _histories(here, of.run_id, names, (of.status, tuple(str(of.metrics[name]) for name in names)))


@st.cache_data(ttl="60s", max_entries=64, show_spinner="Reading the histories…")
def _histories(here: Backend, run_id: str, names: Sequence[str], stamp: object) -> dict[str, Track]:
    found = histories_of(here, [run_id], names)
    tracks = {str(name): Track(tuple(points.step), tuple(points.value)) for name, points in found.groupby("metric", sort=False)}
    return {name: tracks[name] for name in names if name in tracks}


def forget() -> None:
    """Read runs, models and records anew: something was changed."""
    for read in (shown, kin, home, _models, _histories, models_reads.source_run):
        read.clear()
    models_reads.forget()
    read_again()
