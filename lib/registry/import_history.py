"""Importing a file of earlier decisions into the record of a model.

The whole file is judged before anything is written. What the record has already is left out, so the same file can be imported again,
also after a crash in the middle.
"""

from dataclasses import dataclass

from lib.errors import PodiumError
from lib.ledger.entry.types import Body, Imported
from lib.ledger.imports.file_parser import ImportContext, ParsedImportFile, deduplication_key, parse_import_file
from lib.ledger.state.holdings import record_start
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, append
from lib.registry.ledger_writer import ModelStatus
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status


@dataclass(frozen=True)
class ImportFile:
    """A file as it was given: its name and its bytes. Times without a zone are of `zone`."""

    name: str
    data: bytes
    zone: str = "UTC"


@dataclass(frozen=True)
class ImportResult:
    """What an import added, by id. `there` lines were in the record already, `others` speak of other models."""

    model: str
    sha256: str
    added_entry_ids: tuple[str, ...]
    known_count: int
    other_model_count: int


def import_history(writer: Writer, model: str, file: ImportFile) -> ImportResult:
    """Add what a file tells of the time before the record of a model.

    Raises NotFound for a model that never was, BadInput with every bad line; then nothing was written.
    """
    known, now = read_book_state(writer.backend, model), writer.clock()
    first = record_start(known.book.entries) if known else None
    told = parse_import_file(file.name, file.data, ImportContext(model, file.zone, now, first or now))
    found = sync_model_status(writer, model)
    added = list[str]()
    for matter in told.entry_fields:
        try:
            entry = _add(writer, found, matter)
        except PodiumError as error:
            raise _cut_short(error, len(added)) from error
        added += [entry] if entry else []
    return _result(model, told, added)


def _add(writer: Writer, found: ModelStatus, matter: dict[str, object]) -> str | None:
    body = Imported(**writer.common_fields(found.snapshot.model), **matter)  # type: ignore[arg-type]

    def make(state: BookState) -> Body | None:
        there = {deduplication_key(entry.body) for entry in state.book.entries if isinstance(entry.body, Imported)}
        return None if deduplication_key(body) in there else body

    return append(writer.backend, found.book_id, make, found.snapshot.anchors(found.book_id))


def _result(model: str, told: ParsedImportFile, added: list[str]) -> ImportResult:
    return ImportResult(model, told.sha256, tuple(added), len(told.entry_fields) - len(added), told.other_model_count)


def _cut_short(error: PodiumError, done: int) -> PodiumError:
    """An import that was begun says how far it came."""
    return type(error)(
        error.what, means=f"{done} entries were added before.", next=f"{error.next} Then import the same file again.".strip()
    )
