"""The readings of Compare, kept for a few seconds for all sessions of a backend together. Each says how old it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import streamlit as st

from lib.backends.uri import Backend
from lib.errors import BadInput, PodiumError
from lib.runs.filters import Names, names, unknown
from lib.runs.grammar import parse
from lib.runs.reading import experiments, newest, runs
from lib.runs.values import Experiment, RunTable, Search
from lib.ui.cards import header
from lib.ui.compare.view import View
from lib.ui.session import now

SECONDS = 10


@dataclass(frozen=True)
class Catalogue:
    """The experiments, newest first, and the id of the one where something ran last."""

    experiments: tuple[Experiment, ...]
    newest: str

    def named(self, ids: Sequence[str]) -> tuple[Experiment, ...]:
        """Those of the experiments with these ids that are there, in the order of the ids."""
        known = {one.experiment_id: one for one in self.experiments}
        return tuple(known[one] for one in ids if one in known)


@dataclass(frozen=True)
class Found:
    """What a filter leaves of all runs. With a `problem` the filter was not applied; `notes` name what no run has."""

    whole: RunTable
    left: RunTable
    known: Names
    problem: BadInput | None = None
    notes: tuple[str, ...] = ()


@st.cache_data(ttl=SECONDS, max_entries=8, show_spinner=False)
def catalogue(here: Backend) -> Catalogue:
    """The experiments of a backend."""
    found = experiments(here)
    return Catalogue(found, newest(here, found))


@st.cache_data(ttl=SECONDS, max_entries=24, show_spinner=False)
def read(here: Backend, search: Search) -> RunTable:
    """The runs that a search matches, with the time of the reading."""
    return runs(here, search, at=now())


def find(here: Backend, view: View) -> Found:
    """All runs and those that the view leaves. A filter that cannot be read leaves all of them, and says what is wrong."""
    search = Search(view.experiment)
    whole = read(here, search)
    known = names(whole)
    if not view.filter.strip():
        return Found(whole, whole, known)
    try:
        clauses = parse(view.filter, known)
        left = read(here, replace(search, filter=view.filter.strip()))
        return Found(whole, left, known, notes=unknown(clauses, known))
    except BadInput as problem:
        return Found(whole, whole, known, problem=problem)


def read_again() -> None:
    """Forget what was read, so that the next look asks the backend."""
    catalogue.clear()
    read.clear()


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
