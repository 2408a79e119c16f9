"""Every model at one look: what was done outside, model by model, read in a few calls; and writing down what nobody recorded.

A reader without write rights sees the same, unrecorded.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from lib.backends.backend import Backend
from lib.errors import LedgerBroken, NotFound
from lib.ledger.entry.vocabulary import as_text
from lib.ledger.storage.book import Writer, read
from lib.ledger.storage.book_index import index_params, note_deleted, noted_deleted
from lib.ledger.storage.book_lookup import book_of
from lib.registry.audit_queries import owned_books
from lib.registry.drift import says_all
from lib.registry.ledger_writer import Look
from lib.registry.notices import Notice
from lib.registry.pending_decisions import first_due, pending
from lib.registry.reader import every_model, life_of
from lib.registry.reconcile import look
from lib.registry.snapshot import Seen
from lib.runs.reading.run_reader import Run, run


@dataclass(frozen=True)
class Lost:
    """A book of which runs were deleted: its run id, and the runs that are to be restored."""

    book: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """All models as the registry shows them, and a look at each that has a record, deleted ones too.

    `lost` are the models whose book was deleted, all of it or a volume; `gone` those whose book the store has no more, with its run id.
    """

    models: tuple[Seen, ...]
    looks: Mapping[str, Look]
    lost: Mapping[str, Lost]
    gone: Mapping[str, str] = field(default_factory=dict)


def survey(backend: Backend) -> Survey:
    """Look at everything. Writes nothing. Raises LedgerBroken when the index of the ledger was tampered with."""
    models = every_model(backend)
    seen, owned = {one.model: one for one in models}, owned_books(backend, models)
    looks = {
        model: Look(told.state, seen.get(model) or Seen(model), book) for model, (book, told) in owned.items() if told.active
    }
    lost = {model: Lost(book, told.deleted) for model, (book, told) in owned.items() if not told.active}
    without = tuple(one for one in models if one.model not in owned)
    return Survey(models, looks, lost, _gone(backend, without) if without else {})


def _gone(backend: Backend, models: tuple[Seen, ...]) -> dict[str, str]:
    """Model → the run that the index names as its book, where the store has no such run any more."""
    index, gone = index_params(backend), dict[str, str]()
    for one in models:
        book = book_of(index, life_of(one), lambda _: None, lambda _: False)
        try:
            if book:
                read(backend, book)
        except NotFound:
            gone[one.model] = str(book)
        except LedgerBroken:  # deleted, and not gone yet
            continue
    return gone


def write_down(writer: Writer, found: Survey) -> bool:
    """Record what a survey found and no record says yet; tells whether anything was to be recorded.

    Raises NotWritable when this person may not write.
    """
    for one in found.lost.values():
        note_deleted(writer.backend, one.book, as_text(writer.clock()))
    back = noted_deleted(writer.backend)
    due = [model for model, one in found.looks.items() if not says_all(one) or one.book in back or _overdue(writer, one)]
    for model in due:
        with suppress(NotFound, LedgerBroken):  # renamed meanwhile, or not sound: the notice says so
            look(writer, model)
    return bool(due)


def _overdue(writer: Writer, one: Look) -> bool:
    """Was a decision left open for longer than the grace time? Then a look finishes it."""
    left = first_due(pending(one.seen.model, one.state), writer.clock())
    return left is not None and not left


def lost_runs(backend: Backend, seen: Seen, read: Callable[[Backend, str], Run | None] = run) -> dict[str, str]:
    """Version that holds a stage → the id of the run it came from, where that run is deleted or gone."""
    held = {number for side in seen.now.values() for number in side.holders}
    lost = dict[str, str]()
    for number in sorted(held & set(seen.versions)):
        run_id = seen.versions[number].run_id
        try:
            source = read(backend, run_id) if run_id else None
        except NotFound:
            source = None
        if run_id and (source is None or source.lifecycle != "active"):
            lost[number] = run_id
    return lost


def of_book(lost: Lost) -> Notice:
    """The notice for a model whose book was deleted."""
    means = "Nothing can be decided or recorded for this model, and what was recorded is shown by nobody."
    return Notice("The book was deleted", means, f"Restore run {', '.join(lost.runs)}, before MLflow's gc removes it.", "broken")


def of_gone(book: str) -> Notice:
    """The notice for a model whose book the store has no more."""
    means = "The index names it, and the store has it no more: it was deleted for good. Nothing can be decided or recorded for this model."
    cure = (
        f"Bring run {book} back from a backup of the database. Without one, rename the model: a new record begins under the new name, "
        "and what was recorded stands only in packets and heads that were kept elsewhere."
    )
    return Notice("The book is gone", means, cure, "broken")
