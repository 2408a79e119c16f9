"""Every model at one look: what was done outside, model by model, read in a few calls; and writing down what nobody recorded.

A reader without write rights sees the same, unrecorded.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from lib.backends.backend import Backend
from lib.errors import LedgerBroken, NotFound
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.storage.book import Writer, read_book
from lib.ledger.storage.book_index import mark_book_deleted, marked_book_ids, read_index_params
from lib.ledger.storage.book_lookup import resolve_book_id
from lib.registry.audit_queries import read_owned_books
from lib.registry.drift import is_fully_recorded
from lib.registry.ledger_writer import ModelStatus
from lib.registry.notices import Notice
from lib.registry.pending_decisions import list_pending_decisions, time_until_first_due
from lib.registry.reader import incarnation_of, read_all_snapshots
from lib.registry.reconcile import sync_model_status
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.reading.run_reader import Run, read_run


@dataclass(frozen=True)
class DeletedBook:
    """A book of which runs were deleted: its run id, and the runs that are to be restored."""

    book_id: str
    deleted_run_ids: tuple[str, ...]


@dataclass(frozen=True)
class ModelSurvey:
    """All models as the registry shows them, and a look at each that has a record, deleted ones too.

    `lost` are the models whose book was deleted, all of it or a volume; `gone` those whose book the store has no more, with its run id.
    """

    snapshots: tuple[RegistrySnapshot, ...]
    statuses: Mapping[str, ModelStatus]
    deleted_books: Mapping[str, DeletedBook]
    missing_books: Mapping[str, str] = field(default_factory=dict)


def survey_models(backend: Backend) -> ModelSurvey:
    """Look at everything. Writes nothing. Raises LedgerBroken when the index of the ledger was tampered with."""
    models = read_all_snapshots(backend)
    seen, owned = {one.model: one for one in models}, read_owned_books(backend, models)
    looks = {
        model: ModelStatus(told.state, seen.get(model) or RegistrySnapshot(model), book)
        for model, (book, told) in owned.items()
        if told.is_active
    }
    lost = {model: DeletedBook(book, told.deleted_run_ids) for model, (book, told) in owned.items() if not told.is_active}
    without = tuple(one for one in models if one.model not in owned)
    return ModelSurvey(models, looks, lost, _gone(backend, without) if without else {})


def _gone(backend: Backend, models: tuple[RegistrySnapshot, ...]) -> dict[str, str]:
    """Model → the run that the index names as its book, where the store has no such run any more."""
    index, gone = read_index_params(backend), dict[str, str]()
    for one in models:
        book = resolve_book_id(index, incarnation_of(one), lambda _: None, lambda _: False)
        try:
            if book:
                read_book(backend, book)
        except NotFound:
            gone[one.model] = str(book)
        except LedgerBroken:  # deleted, and not gone yet
            continue
    return gone


def record_changes(writer: Writer, survey: ModelSurvey) -> bool:
    """Record what a survey found and no record says yet; tells whether anything was to be recorded.

    Raises NotWritable when this person may not write.
    """
    for one in survey.deleted_books.values():
        mark_book_deleted(writer.backend, one.book_id, format_timestamp(writer.clock()))
    back = marked_book_ids(writer.backend)
    due = [
        model
        for model, one in survey.statuses.items()
        if not is_fully_recorded(one) or one.book_id in back or _overdue(writer, one)
    ]
    for model in due:
        with suppress(NotFound, LedgerBroken):  # renamed meanwhile, or not sound: the notice says so
            sync_model_status(writer, model)
    return bool(due)


def _overdue(writer: Writer, one: ModelStatus) -> bool:
    """Was a decision left open for longer than the grace time? Then a look finishes it."""
    left = time_until_first_due(list_pending_decisions(one.snapshot.model, one.state), writer.clock())
    return left is not None and not left


def find_deleted_source_runs(
    backend: Backend, snapshot: RegistrySnapshot, fetch_run: Callable[[Backend, str], Run | None] = read_run
) -> dict[str, str]:
    """Version that holds a stage → the id of the run it came from, where that run is deleted or gone."""
    held = {number for side in snapshot.slot_states.values() for number in side.holders}
    lost = dict[str, str]()
    for number in sorted(held & set(snapshot.versions)):
        run_id = snapshot.versions[number].run_id
        try:
            source = fetch_run(backend, run_id) if run_id else None
        except NotFound:
            source = None
        if run_id and (source is None or source.lifecycle != "active"):
            lost[number] = run_id
    return lost


def deleted_book_notice(deleted_book: DeletedBook) -> Notice:
    """The notice for a model whose book was deleted."""
    means = "Nothing can be decided or recorded for this model, and what was recorded is shown by nobody."
    return Notice(
        "The book was deleted",
        means,
        f"Restore run {', '.join(deleted_book.deleted_run_ids)}, before MLflow's gc removes it.",
        "broken",
    )


def missing_book_notice(book_id: str) -> Notice:
    """The notice for a model whose book the store has no more."""
    means = "The index names it, and the store has it no more: it was deleted for good. Nothing can be decided or recorded for this model."
    cure = (
        f"Bring run {book_id} back from a backup of the database. Without one, rename the model: a new record begins under the new name, "
        "and what was recorded stands only in packets and heads that were kept elsewhere."
    )
    return Notice("The book is gone", means, cure, "broken")
