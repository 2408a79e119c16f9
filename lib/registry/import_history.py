"""Import a file of earlier decisions into the record of a model.

The complete file is checked before anything is written. Lines already in the record are skipped, so the same file can be imported again,
even after a crash half-way.
"""

from dataclasses import dataclass

from lib.backends.call_deadline import single_wait
from lib.errors import PodiumError
from lib.ledger.entry.types import Body, Imported
from lib.ledger.imports.file_parser import ImportContext, deduplication_key, parse_import_file
from lib.ledger.state.holdings import record_start
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, append
from lib.registry.model_status import ModelStatus
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status


@dataclass(frozen=True)
class ImportFile:
    """An uploaded file: name and bytes. Times without a zone are in `zone`."""

    name: str
    data: bytes
    zone: str = "UTC"


@dataclass(frozen=True)
class ImportResult:
    """The ids of imported entries. `known_count` lines were already in the record, `other_model_count` lines are about other models."""

    model: str
    sha256: str
    added_entry_ids: tuple[str, ...]
    known_count: int
    other_model_count: int


@single_wait()
def import_history(writer: Writer, model: str, file: ImportFile) -> ImportResult:
    """Import what a file says about the time before the record of a model.

    Raises NotFound for a model that never existed, BadInput listing the invalid lines; then nothing was written.
    """
    state, now = read_book_state(writer.backend, model), writer.clock()
    started_at = record_start(state.book.entries) if state else None
    parsed_file = parse_import_file(file.name, file.data, ImportContext(model, file.zone, now, started_at or now))
    status = sync_model_status(writer, model)
    added_ids = list[str]()
    for fields in parsed_file.entry_fields:
        try:
            entry_id = _append_imported(writer, status, fields)
        except PodiumError as error:
            raise _add_progress_hint(error, len(added_ids)) from error
        added_ids += [entry_id] if entry_id else []
    known_count = len(parsed_file.entry_fields) - len(added_ids)
    return ImportResult(model, parsed_file.sha256, tuple(added_ids), known_count, parsed_file.other_model_count)


def _append_imported(writer: Writer, status: ModelStatus, fields: dict[str, object]) -> str | None:
    body = Imported(**writer.common_fields(status.snapshot.model), **fields)  # type: ignore[arg-type]

    def make(state: BookState) -> Body | None:
        known_keys = {deduplication_key(entry.body) for entry in state.book.entries if isinstance(entry.body, Imported)}
        return None if deduplication_key(body) in known_keys else body

    return append(writer, status.book_id, make, status.snapshot.anchors(status.book_id))


def _add_progress_hint(error: PodiumError, added_count: int) -> PodiumError:
    """Add to the error of an interrupted import how many entries were added."""
    return type(error)(
        error.what,
        means=f"{added_count} entries were added before the error.",
        next=f"{error.next} Then import the same file again.".strip(),
    )
