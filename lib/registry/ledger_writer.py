"""Writing down what a look found: the record begins, a version came to be, a move outside, how an intent ended, the head.

Every entry is made from the book as it is when its place is taken, so nothing is recorded twice and nobody is accused falsely.
"""

from dataclasses import dataclass
from datetime import timedelta

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.mlflow_client import DENIED, client, translate
from lib.backends.permissions import Thing, refusal
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import Anchor, Entry
from lib.ledger.entry.types import Body, Closing, Decided, Observed, Opened, Registered
from lib.ledger.entry.vocabulary import PODIUM, RESTORED, SLOTS, UNKNOWN, Actor, as_text
from lib.ledger.state.replay import State
from lib.ledger.storage.book import Writer, append
from lib.ledger.storage.book_index import MODEL_TAG
from lib.registry.lineage import lineage
from lib.registry.move_plan import explained
from lib.registry.reader import renamed_to
from lib.registry.snapshot import HEAD_TAG, Head, Seen, Version, by_number

GRACE = timedelta(seconds=120)
"""How long a look leaves a stranger's open intent, and a version somebody is registering, alone."""


_SEEN_WELL: dict[tuple[Backend, str], str] = {}
"""When this process last saw a model as the record has it, as ledger text: a later outside move cannot be older than that."""


@dataclass(frozen=True)
class Look:
    """Ledger and registry of one model at one look. `book` is the run id of its book, `at` when the look began, as ledger text."""

    state: State
    seen: Seen
    book: str
    at: str = ""


def record_missing(writer: Writer, found: Look) -> bool:
    """Append what a look found and the record lacks; False when nothing is missing."""
    state, seen = found.state, found.seen
    if not state.opened or state.created != seen.created:
        return _append_opened(writer, found)
    if unknown := _unknown_versions(writer, found):
        for version in unknown:
            append_registered(writer, found, version, UNKNOWN)
        return True
    if state.name not in ("", seen.model):
        return _append_renamed(writer, found)
    gone = state.known - state.gone - set(seen.versions)
    if gone or not explained([state], seen):
        return _append_observed(writer, found, frozenset(gone))
    if not state.open:
        _SEEN_WELL[writer.backend, seen.model] = found.at
    return False


def append_registered(writer: Writer, found: Look, version: Version, by: Actor | None = None) -> str | None:
    """Record that a version came to be, with its lineage by value; None when the record has it. `by` None: the writer."""
    came_from = lineage(writer.backend, found.seen.model, version)

    def make(state: State) -> Body | None:
        if version.number in state.registered:
            return None
        stamp = writer.stamp(found.seen.model, by)
        note = version.description[:500] or None
        return Registered(**stamp, version=version.number, identity=version.identity, lineage=came_from, note=note)

    return append(writer.backend, found.book, make, found.seen.anchors(found.book))


def append_closing(writer: Writer, found: Look, intent: Entry) -> None:
    """Record how an intent ended, unless the wish changed since the look."""
    seen, converged = found.seen, found.state
    want = converged.wanted(seen.possible)
    ended = "FAILED" if not seen.possible(intent) else "APPLIED" if _is_wanted(intent, converged, seen) else "OVERTAKEN"

    def make(state: State) -> Body | None:
        if intent.id in state.outcome or state.created != converged.created or state.wanted(seen.possible) != want:
            return None
        return Closing(
            **writer.stamp(seen.model),
            type=ended,  # type: ignore[arg-type]
            intent=intent.id,
            version=intent.body.version,
            now=seen.now,
            displaced=_displaced(intent, state, seen),
            effective_at=_effective(intent, seen) if ended == "APPLIED" else None,
            why="The version was deleted or is another one now." if ended == "FAILED" else None,
        )

    append(writer.backend, found.book, make, seen.anchors(found.book))


def note_head(writer: Writer, found: Look, intent: Entry) -> None:
    """Note the head on the version, where a cut or rewritten book cannot reach it. A decision stands even when this fails."""
    reading, there = found.state.reading, found.seen.versions
    version = intent.body.version if intent.body.version in there else next(iter(there), "")
    if not version:
        return
    head = Head(Anchor(reading.head, reading.chain), found.book)
    try:
        client(writer.backend).set_model_version_tag(found.seen.model, version, HEAD_TAG, head.text)
    except MlflowException:  # the next closing notes a later head
        return


def tag_model(writer: Writer, model: str, book: str) -> None:
    """Let a model carry the run id of its book, so that a renamed model finds it again."""
    try:
        client(writer.backend).set_registered_model_tag(model, MODEL_TAG, book)
    except MlflowException as error:
        if error.error_code in DENIED:
            raise refusal(writer.backend, Thing("registered_model", model, model), "EDIT") from error
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST"):  # gone, or several wrote the same tag at once
            raise translate(str(error.error_code), str(error), model) from error


def _append_opened(writer: Writer, found: Look) -> bool:
    """Record that a life begins or ended. Intents of the life before are closed first: nobody can carry them out any more."""
    seen, before = found.seen, found.state
    if seen.created is None and before.created and (name := renamed_to(writer.backend, before.created)):
        raise NotFound(f"{seen.model} is now called {name}.", next=f"Its record goes on under {name}.")
    for intent in before.open:
        _append_lost(writer, found, intent)
    why = "first look" if not before.opened else "re-created" if seen.created else "deleted"
    known = {number: version.identity for number, version in seen.versions.items()}

    def make(state: State) -> Body | None:
        if (state.opened, state.created) != (before.opened, before.created):
            return None  # somebody wrote it meanwhile: look again
        stamp = writer.stamp(seen.model, PODIUM)
        return Opened(**stamp, why=why, created=seen.created, now=seen.now, versions=known)  # type: ignore[arg-type]

    append(writer.backend, found.book, make, seen.anchors(found.book))
    return True


def _append_lost(writer: Writer, found: Look, intent: Entry) -> None:
    """Close an intent whose model is gone."""

    def make(state: State) -> Body | None:
        if intent.id in state.outcome or state.created != found.state.created:
            return None
        why = "The model was deleted or made anew."
        stamp = writer.stamp(found.seen.model)
        return Closing(**stamp, type="FAILED", intent=intent.id, version=intent.body.version, now=dict(state.now), why=why)

    append(writer.backend, found.book, make, found.seen.anchors(found.book))


def _unknown_versions(writer: Writer, found: Look) -> list[Version]:
    """Versions the record does not know, oldest first. One just made is left to whoever is registering it."""
    young = as_text(writer.clock() - GRACE)
    unknown = [v for v in found.seen.versions.values() if v.number not in found.state.known and v.created < young]
    return sorted(unknown, key=lambda version: by_number(version.number))


def _append_observed(writer: Writer, found: Look, gone: frozenset[str]) -> bool:
    seen, before = found.seen, found.state

    def make(state: State) -> Body | None:
        # the ledger is read here after the look at the registry, so a writer in flight is never accused
        if not (gone - state.gone) and explained([before, state], seen):
            return None
        until = as_text(writer.clock())
        known = max(as_text(before.last) if before.last else "", _SEEN_WELL.get((writer.backend, seen.model), ""))
        since = min(until, known or until)
        stamp = writer.stamp(seen.model, UNKNOWN)
        return Observed(**stamp, was=dict(state.now), now=seen.now, gone=tuple(sorted(gone)), window=(since, until))

    append(writer.backend, found.book, make, seen.anchors(found.book))
    return True


def _append_renamed(writer: Writer, found: Look) -> bool:
    """Record that the model has another name now: its record goes on, and nobody's holding changes."""
    seen, before = found.seen, found.state

    def make(state: State) -> Body | None:
        if state.created != before.created or state.name in ("", seen.model):
            return None
        return _unmoved(writer, seen, state, f"The model was renamed from {state.name} to {seen.model}")

    append(writer.backend, found.book, make, seen.anchors(found.book))
    return True


def append_restored(writer: Writer, found: Look, deleted: str) -> None:
    """Record that the book was found deleted at that time, and is back."""

    def make(state: State) -> Body | None:
        if not state.opened or deleted in state.missed:
            return None
        return _unmoved(writer, found.seen, state, RESTORED, deleted)

    append(writer.backend, found.book, make, found.seen.anchors(found.book))


def _unmoved(writer: Writer, seen: Seen, state: State, note: str, since: str = "") -> Observed:
    """Something was done outside that moved no version. The window opens at the last sight, or when it was first noticed.

    That time stays as it was noted, whatever the clock of this writer says: by it a second writer knows that it is recorded.
    """
    until = as_text(writer.clock())
    window = (since, max(since, until)) if since else (min(until, as_text(state.last) if state.last else until), until)
    now = dict(state.now)
    return Observed(**writer.stamp(seen.model, UNKNOWN), was=now, now=now, window=window, note=note)


def _displaced(intent: Entry, state: State, seen: Seen) -> tuple[str, ...]:
    """Who stood in the slots of an intent by the record before, and stands in none of them now."""
    body = intent.body
    slots = body.slots if isinstance(body, Decided) else ()
    before = {version for slot in slots for version in state.now[slot].holders}
    after = {body.version, *(version for slot in SLOTS for version in seen.now[slot].holders)}
    return tuple(sorted(before - after, key=by_number))


def _effective(intent: Entry, seen: Seen) -> str | None:
    """When the move took effect by the store's clock: a stage that was set after the decision says so."""
    version = seen.versions.get(intent.body.version or "")
    return version.updated if version and version.updated >= intent.body.recorded_at else None


def _is_wanted(intent: Entry, state: State, seen: Seen) -> bool:
    """Is it this intent that the ledger follows? One that only empties a slot is, while no later one speaks of its version."""
    if intent.id in {want.cause for want in state.wanted(seen.possible).values()}:
        return True
    body = intent.body
    later = [i.body for i in state.intents if i.place > intent.place and isinstance(i.body, Decided)]
    overtaken = any(other.version == body.version for other in later)
    return isinstance(body, Decided) and body.to in ("None", "Archived") and not overtaken
