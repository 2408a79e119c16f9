"""Look, converge, close: how the registry is made to follow the ledger (facts of the protocol: docs/decisions/0002).

A look compares registry and ledger and writes down what nobody recorded. Converge makes one move and looks again, until nothing
differs. A writer closes only intents of its own; what the dead left is closed by `recover`, or by a look after a grace time.
With no intent open nothing is ever moved.
"""

from collections.abc import Collection
from dataclasses import replace

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.capabilities import forget
from lib.backends.mlflow_client import DENIED, client, is_unknown, translate
from lib.backends.permissions import Thing, refusal
from lib.backends.reserved_names import STAGE_TAG
from lib.errors import BackendError, LedgerBroken, NotFound, PodiumError
from lib.ledger.chain.hash_chain import Entry, Reading
from lib.ledger.entry.types import Opened, Place
from lib.ledger.entry.vocabulary import PODIUM, as_text, as_time
from lib.ledger.state.replay import State, fold
from lib.ledger.storage.book import Writer, read
from lib.ledger.storage.book_index import MODEL_TAG, Shelf, find_book, forget_deleted, note_deleted, open_book
from lib.registry.ledger_writer import GRACE, Look, append_closing, append_restored, note_head, record_missing, tag_model
from lib.registry.move_plan import Move, moves
from lib.registry.permission_check import right_for
from lib.registry.reader import life_of, look_at
from lib.registry.snapshot import HEAD_TAG, Seen

PASSES = 100
_RETRY = ("RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INTERNAL_ERROR")


def look(writer: Writer, model: str) -> Look:
    """Compare ledger and registry of a model, write down what nobody recorded, and close what the dead left long ago.

    Raises NotFound when there is no such model and never was, LedgerBroken when the record may not be written.
    """
    found = _settled(writer, model)
    old = writer.clock() - GRACE
    stale = tuple(intent.id for intent in found.state.open if as_time(intent.body.recorded_at) < old)
    return close(writer, found, stale) if stale else found


def peek(backend: Backend, model: str) -> Look:
    """A look that writes nothing. A model without a book is shown as if its record began now."""
    seen = look_at(backend, model)
    book = find_book(backend, life_of(seen)) or ""
    if book:
        return Look(read(backend, book), seen, book)
    if seen.created is None:
        raise _no_model(model)
    return Look(on_first_sight(backend, seen), seen, book)


def on_first_sight(backend: Backend, seen: Seen) -> State:
    """The record as it would begin with this look, on paper."""
    place = Place(kind=backend.kind, uri=backend.uri)
    now = seen.created or ""
    body = Opened(
        model=seen.model, recorded_at=now, by=PODIUM, backend=place, why="first look", created=seen.created, now=seen.now
    )
    return fold(Reading((Entry(1, "preview", "", body),), ("", ""), ()))


def recover(writer: Writer, model: str) -> tuple[Look, tuple[str, ...]]:
    """Finish or give up every open intent of a model at once. Returns the look afterwards and the ids that were closed."""
    found = _settled(writer, model)
    left = tuple(intent.id for intent in found.state.open)
    return (close(writer, found, left) if left else found), left


def close(writer: Writer, found: Look, mine: Collection[str]) -> Look:
    """Converge, then close the open intents `mine` (ids); converge again when another intent arrived meanwhile."""
    found = replace(found, state=read(writer.backend, found.book))
    while any(intent.id in mine for intent in found.state.open):
        found = _converge(writer, found.seen.model, mine)
        intent = next((intent for intent in found.state.open if intent.id in mine), None)
        if intent is not None:
            append_closing(writer, found, intent)
            found = replace(found, state=read(writer.backend, found.book))
            note_head(writer, found, intent)
    return found


def _settled(writer: Writer, model: str) -> Look:
    """Look until everything seen is in the record."""
    shelf = _shelf(writer, model)
    for _ in range(PASSES):
        at = as_text(writer.clock())
        state = _read(writer, shelf.book, at)
        found = Look(state, look_at(writer.backend, model), shelf.book, at)
        if found.seen.created and found.seen.book != shelf.book:
            tag_model(writer, model, shelf.book)
        if shelf.deleted:
            append_restored(writer, found, shelf.deleted)
            forget_deleted(writer.backend, shelf.book, shelf.deleted)
            shelf = replace(shelf, deleted="")
        elif not record_missing(writer, found):
            return found
    raise LedgerBroken(f"The record of {model} does not come to rest.", next="Look again when fewer people move it at once.")


def _read(writer: Writer, book: str, at: str) -> State:
    """Read a book; that it was found deleted is noted where its deletion cannot reach."""
    try:
        return read(writer.backend, book)
    except LedgerBroken:
        note_deleted(writer.backend, book, at)
        raise


def _shelf(writer: Writer, model: str) -> Shelf:
    """The book of a model, made when it is missing. Raises LedgerBroken when model or versions carry an unknown book."""
    seen = look_at(writer.backend, model)
    if seen.created is None:
        book = find_book(writer.backend, life_of(seen))
        if book is None:
            raise _no_model(model)
        return Shelf(book, frozenset({book}))
    shelf = open_book(writer.backend, life_of(seen))
    if seen.book and seen.book not in shelf.known:
        raise _stranger(f"{model} belongs to book {seen.book[:8]}…", f"delete its tag {MODEL_TAG}")
    if strangers := seen.strangers(shelf.known):
        raise _stranger(f"Version {strangers[0]} of {model} carries the head of another book", f"delete its tag {HEAD_TAG}")
    return shelf


def _stranger(what: str, cure: str) -> LedgerBroken:
    return LedgerBroken(
        f"{what}, which the index of this ledger does not name.",
        means="Either it was copied from elsewhere, or the book was replaced here. Nothing is written, so that the record does not split.",
        next=f"If it was copied, {cure}. If not, find out who changed the index.",
    )


def _no_model(model: str) -> NotFound:
    return NotFound(f"There is no registered model {model}.", next="Check the name; models are listed on the Models page.")


def _converge(writer: Writer, model: str, mine: Collection[str]) -> Look:
    """Make one move for the intents `mine` and look again, until nothing is left to do."""
    failed: PodiumError | None = None
    for _ in range(PASSES):
        found = _settled(writer, model)
        left = moves(found.state, found.seen, mine) if found.seen.created else ()
        if not left:
            return found
        failed = _make(writer, model, left[0])
    raise failed or BackendError(
        f"The registry of {model} does not come to rest.", next="Find out who keeps moving it, then run recover."
    )


def _make(writer: Writer, model: str, move: Move) -> PodiumError | None:
    """One registry write. What vanished, or lost a race in the database, is left to the next look and only returned."""
    registry = client(writer.backend)
    try:
        if move.verb == "alias":
            registry.set_registered_model_alias(model, move.where, move.version)
        elif move.verb == "unalias":
            registry.delete_registered_model_alias(model, move.where)
        elif move.as_tag:
            registry.set_model_version_tag(model, move.version, STAGE_TAG, move.where)
        else:
            registry.transition_model_version_stage(model, move.version, move.where)
    except MlflowException as error:
        return _failed(writer.backend, model, move, error)
    return None


def _failed(backend: Backend, model: str, move: Move, error: MlflowException) -> PodiumError:
    """What a failed write means: raised when it would fail again, returned when another look may find another way."""
    if error.error_code in DENIED:
        raise refusal(backend, Thing("registered_model", model, model), right_for((move,))) from error
    told = translate(str(error.error_code), str(error), model)
    if is_unknown(error):
        forget(backend)  # the server is another one than when it was asked: the next look takes another road
    elif error.error_code not in _RETRY:
        raise told from error
    return told
