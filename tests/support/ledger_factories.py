"""Entries and books in memory, for the tests of what a book adds up to."""

from datetime import UTC, datetime

from hypothesis import strategies as st
from ulid import ULID

from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.hash_chain import CHUNK_LENGTH, DecodedBook, Entry, encode_entry, param_key
from lib.ledger.entry.types import (
    BackendRef,
    Carry,
    Closing,
    Decided,
    Identity,
    Observed,
    Opened,
    SlotState,
    Volume,
    canonical_json,
)
from lib.ledger.entry.vocabulary import Actor, Reason
from lib.ledger.state.replay import replay
from lib.ledger.state.volumes import VolumeParams

RECORDED_AT = "2026-11-24T10:00:00.000Z"
CREATED_AT, RECREATED_AT = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"
COMMON_FIELDS = {
    "model": "m",
    "recorded_at": RECORDED_AT,
    "by": Actor(name="ana"),
    "backend": BackendRef(kind="sqlite", uri="sqlite:///x"),
}
VERSIONS = st.sampled_from(["1", "2", "3"])


def make_book_state(*bodies):
    """The state of a book with these bodies; the entry at position n has the id `e<n>`."""
    entries = tuple(Entry(n, f"e{n}", f"c{n}", body) for n, body in enumerate(bodies, 1))
    return replay(DecodedBook(entries, tuple(f"c{n}" for n in range(len(bodies) + 1)), ()))


def make_slot_states(production=(), staging=(), alias=True):
    """What the slots show; by default the alias goes with the stage."""
    slots = {"production": tuple(production), "staging": tuple(staging)}
    return {slot: SlotState(alias=holders[0] if holders and alias else None, stage=holders) for slot, holders in slots.items()}


def make_opened(slot_states=None, created=CREATED_AT, why="first look"):
    return Opened(
        **COMMON_FIELDS,
        why=why,
        created=created,
        now=slot_states or make_slot_states(),
        versions={n: Identity(created="x") for n in "123"},
    )


def make_volumes(lengths, bodies, chunk_length=CHUNK_LENGTH):
    """Run id → parameters of a book in memory whose volumes have these lengths, written as `append` does; and the book.

    `bodies` may come with their ids, as pairs.
    """
    entries = [body if isinstance(body, tuple) else (str(ULID()), body) for body in bodies]
    volumes_by_run, book_so_far = {}, None
    for n, length in enumerate(lengths):
        run_id, params = f"{n:032x}", {}
        decoded_book = decode_volume(params, run_id, book_so_far)
        volume_end = Volume(**COMMON_FIELDS, next=f"{n + 1:032x}", carry=EMPTY_CARRY)
        for entry_id, body in [*entries[:length], *([(str(ULID()), volume_end)] if n + 1 < len(lengths) else [])]:
            value, chunks = encode_entry(entry_id, canonical_json(body), decoded_book.tip, chunk_length)
            params |= {param_key(decoded_book.head + 1): value, **chunks}
            decoded_book = decode_volume(params, run_id, book_so_far)
        entries, book_so_far = entries[length:], decoded_book
        volumes_by_run[run_id] = VolumeParams(params)
    return volumes_by_run, decoded_book


def make_intent(version, to="Production", from_="None", **fields):
    reason = Reason(category="better", text="x" * 20)
    fields = {"verdict": "approve", "kind": "promote"} | fields
    return Decided(
        **COMMON_FIELDS, version=version, identity=Identity(created="x"), to=to, reason=reason, **{"from": from_}, **fields
    )


def make_closing(position, closing_type="APPLIED", slot_states=None, **fields):
    return Closing(**COMMON_FIELDS, type=closing_type, intent=f"e{position}", now=slot_states or make_slot_states(), **fields)


def make_observed(slot_states, gone=()):
    return Observed(**COMMON_FIELDS, was=make_slot_states(), now=slot_states, gone=gone, window=(RECORDED_AT, RECORDED_AT))


def timestamp_at(hour):
    return f"2026-11-24T{hour:02d}:00:00.000Z"


def time_at(hour):
    return datetime(2026, 11, 24, hour, tzinfo=UTC)


def at_hour(body, hour, **fields):
    return body.model_copy(update={"recorded_at": timestamp_at(hour), **fields})


EMPTY_CARRY = Carry(now=make_slot_states(), wanted={})


def make_observed_between(slot_states, since, until):
    return Observed(
        **{**COMMON_FIELDS, "recorded_at": timestamp_at(until)},
        was=make_slot_states(),
        now=slot_states,
        window=(timestamp_at(since), timestamp_at(until)),
    )
