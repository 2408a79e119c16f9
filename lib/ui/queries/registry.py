"""Cached reads of models and their records, cleared after every action."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.errors import NotFound, NotWritable, RecordInDoubt
from lib.ledger.entry.vocabulary import PODIUM_ACTOR
from lib.ledger.state.known_heads import HeadAlarm
from lib.ledger.state.replay import BookState
from lib.ledger.storage.inventory_reader import find_unexplained
from lib.registry.head_watch import HeadWatch, find_head_alarms
from lib.registry.model_status import ModelStatus
from lib.registry.model_survey import DeletedBook, record_changes, survey_models
from lib.registry.permission_check import find_decision_blocker
from lib.registry.reader import read_all_snapshots
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.roll_back import rollback_target
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import Run
from lib.ui.app.backend_gate import ping_backend
from lib.ui.app.session import create_writer, head_memory, now


@dataclass(frozen=True)
class LoadedModelStatus:
    """The status of a model with its age; `write_error` explains missing write access."""

    status: ModelStatus
    read_at: datetime
    can_write: bool
    write_error: NotWritable | RecordInDoubt | None = None

    @property
    def disabled_reason(self) -> str:
        """Return why actions are disabled, as a sentence; empty if they are enabled."""
        return self.write_error.what if self.write_error else ""


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def model_names(backend: Backend) -> tuple[str, ...]:
    """Return the names of all registered models."""
    return tuple(snapshot.model for snapshot in read_all_snapshots(backend))


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def load_model_status(backend: Backend, model: str) -> LoadedModelStatus:
    """Read a model's status. Also records unrecorded changes, unless this backend is read-only or the record is in doubt."""
    write_error: NotWritable | RecordInDoubt | None
    try:
        status = sync_model_status(create_writer(backend, PODIUM_ACTOR), model)
        write_error = find_decision_blocker(backend, model)
    except (NotWritable, RecordInDoubt) as error:
        status, write_error = read_model_status(backend, model, now()), error
    return LoadedModelStatus(status, now(), can_write=write_error is None, write_error=write_error)


@st.cache_data(ttl="60s", max_entries=500, show_spinner=False)
def source_run(backend: Backend, run_id: str) -> Run | None:
    """Return a version's source run; None if it no longer exists."""
    try:
        return read_run(backend, run_id) if run_id else None
    except NotFound:
        return None


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False)
def cached_rollback_target(backend: Backend, model: str, head: int) -> str | None:
    """Return the version that a rollback would restore; None if there is none."""
    return rollback_target(create_writer(backend, PODIUM_ACTOR), read_model_status(backend, model, now()))


@dataclass(frozen=True)
class LoadedRegistry:
    """All models and all records, including those of deleted models.

    `deleted_books`: models whose book was deleted; `missing_books`: models whose book is no longer in the store, with its run id.
    """

    models: tuple[RegistrySnapshot, ...]
    states: dict[str, BookState]
    statuses: Mapping[str, ModelStatus] = field(default_factory=dict)
    deleted_books: Mapping[str, DeletedBook] = field(default_factory=dict)
    missing_books: Mapping[str, str] = field(default_factory=dict)
    can_write: bool = True


@st.cache_resource(ttl="10s", max_entries=16, show_spinner=False)
def load_registry(backend: Backend) -> LoadedRegistry:
    """Read all models and their records. Also records unrecorded changes, unless this backend is read-only.

    All sessions share one value, so never mutate it: copying 10,000 entries takes seconds.
    """
    survey, can_write = survey_models(backend, now()), read_capabilities(backend).ledger_access.is_available is not False
    try:
        if record_changes(create_writer(backend, PODIUM_ACTOR), survey):
            survey = survey_models(backend, now())
    except NotWritable:
        can_write = False
    states = {model: status.state for model, status in survey.statuses.items()}
    return LoadedRegistry(survey.snapshots, states, survey.statuses, survey.deleted_books, survey.missing_books, can_write)


@st.cache_data(ttl="2min", max_entries=16, show_spinner=False)
def has_unexplained_record(backend: Backend) -> bool:
    """Return whether the store has a record outside the index, so that "no record yet" would be wrong. Searches the entire store."""
    return bool(find_unexplained(backend))


@dataclass(frozen=True)
class HeadCheckResult:
    """The last known alarms, and why the latest comparison failed; empty if it succeeded."""

    alarms: tuple[HeadAlarm, ...] = ()
    failure: str = ""


@st.cache_data(ttl="1min", max_entries=64, show_spinner=False)
def head_alarms(backend: Backend) -> tuple[HeadAlarm, ...]:
    """Return alarms for records that differ from those this Podium saw before, and remember the others.

    Reads all books at most once a minute. An unreachable backend is not queried.
    """
    return () if ping_backend(backend).problem else find_head_alarms(backend, HeadWatch(head_memory(), now))


@st.cache_resource(max_entries=64, show_spinner=False)
def last_head_check(backend: Backend) -> list[HeadCheckResult]:
    """Return a shared list for all sessions with the result of the last comparison, or empty; the caller fills it."""
    return []


def clear_cache() -> None:
    """Clear the caches of models and records after a change."""
    queries = (model_names, load_model_status, cached_rollback_target, load_registry, has_unexplained_record)
    for query in (*queries, head_alarms, last_head_check):
        query.clear()
