"""What the pages read of models and records, cached for a few seconds and forgotten after every deed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import capabilities
from lib.errors import NotFound, NotWritable
from lib.ledger.entry.vocabulary import PODIUM
from lib.ledger.state.replay import State
from lib.ledger.storage.book import Writer
from lib.registry.ledger_writer import Look
from lib.registry.model_survey import Lost, survey, write_down
from lib.registry.permission_check import why_not
from lib.registry.promote import way_back
from lib.registry.reader import every_model
from lib.registry.reconcile import look, peek
from lib.registry.snapshot import Seen
from lib.runs.reading.run_reader import Run, run
from lib.ui.app.session import now


@dataclass(frozen=True)
class Sight:
    """A look with its age, and whether it may be acted on: a reader without write rights only sees, and `why_not` tells why."""

    found: Look
    read_at: datetime
    may_write: bool
    why_not: NotWritable | None = None

    @property
    def why(self) -> str:
        """Why nothing can be done, in a sentence; empty where something can."""
        return self.why_not.what if self.why_not else ""


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def model_names(backend: Backend) -> tuple[str, ...]:
    """The names of all registered models."""
    return tuple(seen.model for seen in every_model(backend))


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def sight(backend: Backend, model: str) -> Sight:
    """Look at a model: what nobody recorded is written down, unless this backend may only be read."""
    try:
        found, missing = look(Writer(backend, PODIUM, now), model), why_not(backend, model)
    except NotWritable as error:
        found, missing = peek(backend, model), error
    return Sight(found, now(), may_write=missing is None, why_not=missing)


@st.cache_data(ttl="60s", max_entries=500, show_spinner=False)
def source_run(backend: Backend, run_id: str) -> Run | None:
    """The run a version came from; None when it is gone."""
    try:
        return run(backend, run_id) if run_id else None
    except NotFound:
        return None


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False)
def way_back_of(backend: Backend, model: str, head: int) -> str | None:
    """The version a roll-back would go to; None when there is none."""
    return way_back(Writer(backend, PODIUM, now), peek(backend, model))


@dataclass(frozen=True)
class Registry:
    """All models, and the records there are, those of deleted models too.

    `lost`: those whose book was deleted; `gone`: those whose book the store has no more, with its run id.
    """

    models: tuple[Seen, ...]
    records: dict[str, State]
    looks: Mapping[str, Look] = field(default_factory=dict)
    lost: Mapping[str, Lost] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    may_write: bool = True


@st.cache_resource(ttl="10s", max_entries=16, show_spinner=False)
def registry(backend: Backend) -> Registry:
    """Read all models and their records; what nobody recorded is written down, unless this backend may only be read.

    One value for all sessions, never to be changed: copying 10,000 entries takes seconds.
    """
    found, may_write = survey(backend), capabilities(backend).recording.has is not False
    try:
        if write_down(Writer(backend, PODIUM, now), found):
            found = survey(backend)
    except NotWritable:
        may_write = False
    records = {model: one.state for model, one in found.looks.items()}
    return Registry(found.models, records, found.looks, found.lost, found.gone, may_write)


def forget() -> None:
    """Read models and records anew: something was changed."""
    for read in (model_names, sight, way_back_of, registry):
        read.clear()
