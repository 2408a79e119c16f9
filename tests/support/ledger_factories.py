"""Entries and books in memory, for the tests of what a book adds up to."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.entry.types import BackendRef, Closing, Decided, Identity, Observed, Opened, SlotState
from lib.ledger.entry.vocabulary import Actor, Reason
from lib.ledger.state.replay import replay

AT = "2026-11-24T10:00:00.000Z"
BORN, BORN_AGAIN = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"
COMMON = {"model": "m", "recorded_at": AT, "by": Actor(name="ana"), "backend": BackendRef(kind="sqlite", uri="sqlite:///x")}
VERSIONS = st.sampled_from(["1", "2", "3"])


def book(*bodies):
    """The state of a book with these bodies; the entry at position n has the id `e<n>`."""
    entries = tuple(Entry(n, f"e{n}", f"c{n}", body) for n, body in enumerate(bodies, 1))
    return replay(DecodedBook(entries, tuple(f"c{n}" for n in range(len(bodies) + 1)), ()))


def now(production=(), staging=(), alias=True):
    """What the slots show; by default the alias goes with the stage."""
    slots = {"production": tuple(production), "staging": tuple(staging)}
    return {slot: SlotState(alias=holders[0] if holders and alias else None, stage=holders) for slot, holders in slots.items()}


def opened(shown=None, created=BORN, why="first look"):
    return Opened(**COMMON, why=why, created=created, now=shown or now(), versions={n: Identity(created="x") for n in "123"})


def intent(version, to="Production", from_="None", **more):
    reason = Reason(category="better", text="x" * 20)
    more = {"verdict": "approve", "kind": "promote"} | more
    return Decided(**COMMON, version=version, identity=Identity(created="x"), to=to, reason=reason, **{"from": from_}, **more)


def closed(place, ended="APPLIED", shown=None, **more):
    return Closing(**COMMON, type=ended, intent=f"e{place}", now=shown or now(), **more)


def seen_outside(shown, gone=()):
    return Observed(**COMMON, was=now(), now=shown, gone=gone, window=(AT, AT))


def at(hour):
    return f"2026-11-24T{hour:02d}:00:00.000Z"


def when(hour):
    return datetime(2026, 11, 24, hour, tzinfo=UTC)


def timed(body, hour, **more):
    return body.model_copy(update={"recorded_at": at(hour), **more})


def outside(shown, since, until):
    return Observed(**{**COMMON, "recorded_at": at(until)}, was=now(), now=shown, window=(at(since), at(until)))
