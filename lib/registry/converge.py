"""Look, converge, close: how the registry is made to follow the ledger (facts of the protocol: docs/decisions/0002).

A look compares registry and ledger and writes down what nobody recorded. Converge makes one move and looks again, until nothing
differs. A writer closes only intents of its own; what the dead left is closed by `recover`, or by a look after a grace time.
With no intent open nothing is ever moved.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from mlflow.exceptions import MlflowException

from lib.backends.connect import client, translate
from lib.backends.uri import Backend
from lib.errors import BackendError, LedgerBroken, NotFound, NotWritable
from lib.ledger.bodies import Body, Closing, Decided, Observed, Opened, Place, Registered
from lib.ledger.book import Writer, append, read
from lib.ledger.chain import Entry, Reading
from lib.ledger.fold import State, fold
from lib.ledger.index import MODEL_TAG, find_book, open_book
from lib.ledger.words import PODIUM, UNKNOWN, as_text, as_time
from lib.registry.lineage import lineage
from lib.registry.plan import Move, explained, moves
from lib.registry.reading import look_at, renamed_to
from lib.registry.seen import HEAD_TAG, Seen, Version

GRACE = timedelta(seconds=120)
PASSES = 100
_RETRY = ("RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INTERNAL_ERROR")


@dataclass(frozen=True)
class Look:
    """Ledger and registry of one model at one look. `book` is the run id of its book."""

    state: State
    seen: Seen
    book: str


def look(writer: Writer, model: str) -> Look:
    """Compare ledger and registry of a model, write down what nobody recorded, and close what the dead left long ago.

    Raises NotFound when there is no such model and never was, LedgerBroken when the record may not be written.
    """
    found = _settled(writer, model)
    old = writer.clock() - GRACE
    stale = [intent.id for intent in found.state.open if as_time(intent.body.recorded_at) < old]
    return close(writer, found, lambda intent: intent.id in stale) if stale else found


def peek(backend: Backend, model: str) -> Look:
    """A look that writes nothing. A model without a book is shown as if its record began now."""
    seen = look_at(backend, model)
    book = find_book(backend, model) or ""
    if book:
        return Look(read(backend, book), seen, book)
    if seen.created is None:
        raise NotFound(f"There is no registered model {model}.", next="Check the name; models are listed on the Models page.")
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
    return (close(writer, found, lambda intent: intent.id in left) if left else found), left


def close(writer: Writer, found: Look, mine: Callable[[Entry], bool]) -> Look:
    """Converge, then close the open intents that `mine` picks; converge again when another intent arrived meanwhile."""
    displaced = set[str]()
    found = replace(found, state=read(writer.backend, found.book))
    while any(map(mine, found.state.open)):
        found, moved = _converge(writer, found.seen.model)
        displaced |= moved
        intent = next(filter(mine, found.state.open), None)
        if intent is not None:
            _append_closing(writer, found, intent, displaced)
            found = replace(found, state=read(writer.backend, found.book))
            _anchor(writer, found, intent)
    return found


def _settled(writer: Writer, model: str) -> Look:
    """Look until everything seen is in the record."""
    book, seen = _book_and_seen(writer, model)
    for _ in range(PASSES):
        state = read(writer.backend, book)
        seen = look_at(writer.backend, model)
        if not _record_one(writer, Look(state, seen, book)):
            return Look(state, seen, book)
    raise LedgerBroken(f"The record of {model} does not come to rest.", next="Find out who keeps moving it, then try again.")


def _book_and_seen(writer: Writer, model: str) -> tuple[str, Seen]:
    seen = look_at(writer.backend, model)
    if seen.created is None:
        book = find_book(writer.backend, model)
        if book is None:
            raise NotFound(f"There is no registered model {model}.", next="Check the name; models are listed on the Models page.")
        return book, seen
    book = open_book(writer.backend, model)
    if seen.book and seen.book != book:
        raise LedgerBroken(
            f"{model} belongs to book {seen.book[:8]}…, but the index names {book[:8]}….",
            means="The book was replaced. Nothing is written, so that the record does not split in two.",
            next="Find out who changed the index or the tag podium.book.",
        )
    return book, seen


def _record_one(writer: Writer, found: Look) -> bool:
    """Append the one entry that is missing; False when nothing is."""
    state, seen = found.state, found.seen
    if not state.opened or state.created != seen.created:
        return _append_opened(writer, found)
    if unknown := _unknown_version(writer, found):
        return append_registered(writer, found, unknown, UNKNOWN.name)
    gone = state.known - state.gone - set(seen.versions)
    if gone or not explained([state], seen):
        return _append_observed(writer, found, gone)
    return False


def _append_opened(writer: Writer, found: Look) -> bool:
    seen, created = found.seen, found.state.created
    if seen.created is None and created and (name := renamed_to(writer.backend, created)):
        raise NotFound(f"{seen.model} is now called {name}.", next=f"Its record goes on under {name}.")
    why = "first look" if not found.state.opened else "re-created" if seen.created else "deleted"
    known = {number: version.identity for number, version in seen.versions.items()}

    def make(state: State) -> Body | None:
        if state.opened and state.created == seen.created:
            return None
        stamp = writer.stamp(seen.model, PODIUM)
        return Opened(**stamp, why=why, created=seen.created, now=seen.now, versions=known)  # type: ignore[arg-type]

    append(writer.backend, found.book, make, seen.anchors)
    if seen.created:
        _tag_model(writer, seen.model, found.book)
    return True


def _unknown_version(writer: Writer, found: Look) -> Version | None:
    """A version the record does not know. One just made is left to whoever is registering it."""
    young = as_text(writer.clock() - GRACE)
    unknown = [v for v in found.seen.versions.values() if v.number not in found.state.known and v.created < young]
    return min(unknown, key=lambda version: version.created, default=None)


def append_registered(writer: Writer, found: Look, version: Version, by: str = "") -> bool:
    """Record that a version came to be, with its lineage by value; nothing when the record has it. `by` empty: the writer."""
    came_from = lineage(writer.backend, found.seen.model, version)

    def make(state: State) -> Body | None:
        if version.number in state.registered:
            return None
        stamp = writer.stamp(found.seen.model, UNKNOWN if by else None)
        note = version.description[:500] or None
        return Registered(**stamp, version=version.number, identity=version.identity, lineage=came_from, note=note)

    append(writer.backend, found.book, make, found.seen.anchors)
    return True


def _append_observed(writer: Writer, found: Look, gone: frozenset[str] | set[str]) -> bool:
    seen, before = found.seen, found.state

    def make(state: State) -> Body | None:
        # the ledger is read here after the look at the registry, so a writer in flight is never accused
        if not (gone - state.gone) and explained([before, state], seen):
            return None
        since, until = as_text(before.last) if before.last else "", as_text(writer.clock())
        stamp = writer.stamp(seen.model, UNKNOWN)
        return Observed(**stamp, was=dict(state.now), now=seen.now, gone=tuple(sorted(gone)), window=(since, until))

    append(writer.backend, found.book, make, seen.anchors)
    return True


def _converge(writer: Writer, model: str) -> tuple[Look, set[str]]:
    """Make one move and look again, until nothing is left to do. Returns the last look and the versions put out of a stage."""
    displaced = set[str]()
    for _ in range(PASSES):
        found = _settled(writer, model)
        left = moves(found.state, found.seen) if found.seen.created else ()
        if not left:
            return found, displaced
        _make(writer, model, left[0])
        if left[0].verb == "stage" and left[0].where == "Archived":
            displaced.add(left[0].version)
    raise BackendError(f"The registry of {model} does not come to rest.", next="Find out who keeps moving it, then run recover.")


def _make(writer: Writer, model: str, move: Move) -> None:
    """One registry write. What vanished, or lost a race in the database, is left to the next look."""
    registry = client(writer.backend)
    try:
        if move.verb == "alias":
            registry.set_registered_model_alias(model, move.where, move.version)
        elif move.verb == "unalias":
            registry.delete_registered_model_alias(model, move.where)
        else:
            registry.transition_model_version_stage(model, move.version, move.where)
    except MlflowException as error:
        if error.error_code not in _RETRY:
            raise translate(str(error.error_code), str(error), model) from error


def _append_closing(writer: Writer, found: Look, intent: Entry, displaced: set[str]) -> None:
    seen, converged = found.seen, found.state
    want = converged.wanted(seen.possible)
    possible, wanted = seen.possible(intent), _is_wanted(intent, converged, seen)
    ended = "FAILED" if not possible else "APPLIED" if wanted else "OVERTAKEN"

    def make(state: State) -> Body | None:
        if intent.id in state.outcome or state.created != converged.created or state.wanted(seen.possible) != want:
            return None
        version = intent.body.version or ""
        effect = seen.versions[version].updated if ended == "APPLIED" and version in seen.versions else None
        return Closing(
            **writer.stamp(seen.model),
            type=ended,  # type: ignore[arg-type]
            intent=intent.id,
            version=version,
            now=seen.now,
            displaced=tuple(sorted(displaced - {version})),
            effective_at=effect,
            why=None if possible else "The version was deleted or is another one now.",
        )

    append(writer.backend, found.book, make, seen.anchors)


def _is_wanted(intent: Entry, state: State, seen: Seen) -> bool:
    """Is it this intent that the ledger follows? One that only empties a slot is, as long as no later one speaks of its version."""
    if intent.id in {want.cause for want in state.wanted(seen.possible).values()}:
        return True
    body = intent.body
    later = [i.body for i in state.intents if i.place > intent.place and isinstance(i.body, Decided)]
    overtaken = any(other.version == intent.body.version for other in later)
    return isinstance(body, Decided) and body.to in ("None", "Archived") and not overtaken


def _anchor(writer: Writer, found: Look, intent: Entry) -> None:
    """Note the head on the version, where a cut or rewritten book cannot reach it."""
    version, head = intent.body.version or "", found.state.reading
    if version not in found.seen.versions:
        return
    try:
        client(writer.backend).set_model_version_tag(found.seen.model, version, HEAD_TAG, f"{head.head} {head.chain}")
    except MlflowException as error:
        if error.error_code not in _RETRY:
            raise translate(str(error.error_code), str(error), found.seen.model) from error


def _tag_model(writer: Writer, model: str, book: str) -> None:
    """Let a model carry the run id of its book, so that a renamed model finds it again."""
    try:
        client(writer.backend).set_registered_model_tag(model, MODEL_TAG, book)
    except MlflowException as error:
        if error.error_code not in _RETRY:
            raise NotWritable(f"{model} could not be tagged with its book.") from error
