"""A survey of all models: changes made outside, per model, read in a few calls, and their recording.

A reader without write permission sees the same, but unrecorded.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from lib.backends.backend import Backend
from lib.errors import LedgerBroken, NotFound
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.state.book_lookup import resolve_book_id
from lib.ledger.storage.book import Writer, read_book
from lib.ledger.storage.book_index import mark_book_deleted, marked_book_ids, read_index_params
from lib.registry.audit_queries import read_owned_books
from lib.registry.drift import is_fully_recorded
from lib.registry.model_status import ModelStatus, intents_in_flight
from lib.registry.notices import Notice
from lib.registry.reader import incarnation_of, read_all_snapshots
from lib.registry.reconcile import sync_model_status
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import Run


@dataclass(frozen=True)
class DeletedBook:
    """A book with deleted runs: its run id, and the runs to restore."""

    book_id: str
    deleted_run_ids: tuple[str, ...]


@dataclass(frozen=True)
class ModelSurvey:
    """All models in the registry, and the status of each model with a record, including deleted ones.

    `deleted_books`: models whose book was deleted, completely or a volume of it. `missing_books`: models whose book no longer exists in
    the store, with its run id.
    """

    snapshots: tuple[RegistrySnapshot, ...]
    statuses: Mapping[str, ModelStatus]
    deleted_books: Mapping[str, DeletedBook]
    missing_books: Mapping[str, str] = field(default_factory=dict)


def survey_models(backend: Backend, now: datetime) -> ModelSurvey:
    """Read registry and ledger of every model. Writes nothing. Raises LedgerBroken if the index was tampered with."""
    snapshots = read_all_snapshots(backend)
    snapshot_by_model = {snapshot.model: snapshot for snapshot in snapshots}
    owned_books = read_owned_books(backend, snapshots)
    statuses = {
        model: ModelStatus(
            book.state,
            snapshot_by_model.get(model) or RegistrySnapshot(model),
            book_id,
            format_timestamp(now),
            intents_in_flight(backend, book.state, now),
        )
        for model, (book_id, book) in owned_books.items()
        if book.is_active
    }
    deleted_books = {
        model: DeletedBook(book_id, book.deleted_run_ids) for model, (book_id, book) in owned_books.items() if not book.is_active
    }
    unowned = tuple(snapshot for snapshot in snapshots if snapshot.model not in owned_books)
    return ModelSurvey(snapshots, statuses, deleted_books, _find_missing_books(backend, unowned) if unowned else {})


def _find_missing_books(backend: Backend, snapshots: tuple[RegistrySnapshot, ...]) -> dict[str, str]:
    """Model → the run that the index names as its book, if the store no longer has that run."""
    index, missing_books = read_index_params(backend), dict[str, str]()
    for snapshot in snapshots:
        book_id = resolve_book_id(index, incarnation_of(snapshot), lambda _: None, dict)
        try:
            if book_id:
                read_book(backend, book_id)
        except NotFound:
            missing_books[snapshot.model] = str(book_id)
        except LedgerBroken:  # deleted, but not gone yet
            continue
    return missing_books


def record_changes(writer: Writer, survey: ModelSurvey) -> bool:
    """Record the unrecorded findings of a survey. Returns whether there were any.

    Raises NotWritable if this user may not write.
    """
    for deleted_book in survey.deleted_books.values():
        mark_book_deleted(writer.backend, deleted_book.book_id, format_timestamp(writer.clock()))
    restored_ids = marked_book_ids(writer.backend)
    models = [
        model for model, status in survey.statuses.items() if not is_fully_recorded(status) or status.book_id in restored_ids
    ]
    for model in models:
        with suppress(NotFound, LedgerBroken):  # renamed since then, or damaged: a notice reports it
            sync_model_status(writer, model)
    return bool(models)


def find_deleted_source_runs(
    backend: Backend, snapshot: RegistrySnapshot, fetch_run: Callable[[Backend, str], Run | None] = read_run
) -> dict[str, str]:
    """Version that holds a stage → the id of its source run, if that run is deleted or gone."""
    holders = {number for slot_state in snapshot.slot_states.values() for number in slot_state.holders}
    deleted_runs = dict[str, str]()
    for number in sorted(holders & set(snapshot.versions)):
        run_id = snapshot.versions[number].run_id
        try:
            run = fetch_run(backend, run_id) if run_id else None
        except NotFound:
            run = None
        if run_id and (run is None or run.lifecycle != "active"):
            deleted_runs[number] = run_id
    return deleted_runs


def deleted_book_notice(deleted_book: DeletedBook) -> Notice:
    """The notice for a model whose book was deleted."""
    means = "No decision can be recorded for this model, and its history is unavailable, until the book is restored."
    return Notice(
        "The book was deleted",
        means,
        f"Restore run {', '.join(deleted_book.deleted_run_ids)} before MLflow's gc removes it.",
        "broken",
    )


def missing_book_notice(book_id: str) -> Notice:
    """The notice for a model whose book the store no longer has."""
    means = "The index names it, but it was permanently deleted from the store. No decision can be recorded for this model."
    advice = (
        f"Restore run {book_id} from a backup of the database. Without one, rename the model: a new record begins under the new name, "
        "and the old one survives only in packets and heads stored elsewhere."
    )
    return Notice("The book is gone", means, advice, "broken")
