"""Long books, made quickly: decisions as Podium writes them, logged in batches, in volumes as they would have come to be."""

from datetime import UTC, datetime, timedelta

from mlflow.entities import Param
from ulid import ULID

from lib.backends.mlflow_client import client
from lib.ledger.chain.hash_chain import encode_entry, param_key
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import Closing, Decided, SlotState, canonical_json
from lib.ledger.entry.vocabulary import Actor, make_reason
from lib.ledger.state import volumes
from lib.ledger.storage import book as ledger_book
from lib.ledger.storage.book import Writer, read_book
from lib.registry.reconcile import sync_model_status
from lib.registry.snapshot import RegistrySnapshot
from tests.support.ledger_stores import make_registered_model, make_writer

START = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=1)
REASON = make_reason("better", "Two points more on the rows of last month, and no slice lost anything. " * 8)


def make_long_book(backend, entries, name="wine"):
    """The run id of a book with at least this many entries, of a model whose registry shows what the last one says."""
    make_registered_model(backend, name, versions=3)
    registry = client(backend)
    registry.set_registered_model_alias(name, "production", "1")
    registry.transition_model_version_stage(name, "1", "Production")
    status = sync_model_status(Writer(backend, Actor(name="ana"), lambda: START - STEP), name)
    grow(backend, status.book_id, status.snapshot, entries)
    return status.book_id


def grow(backend, book_id, snapshot: RegistrySnapshot, entries):
    """Log decisions that put versions 2, 3 and 1 into Production in turn, until the book has so many entries, VOLUMEs included."""
    state, n = read_book(backend, book_id), 0
    while state.book.head < entries or n % 3:
        if volumes.is_volume_full(state.book):
            ledger_book._roll_over(make_writer(backend), book_id, state, state.book.entries[-1].body)
            state = read_book(backend, book_id)
        places_left = volumes.VOLUME_CAPACITY - (state.book.head - state.book.volumes[-1].first_position + 1)
        bodies = []
        while len(bodies) < min(places_left, 90) and (state.book.head + len(bodies) < entries or n % 3):
            if places_left - len(bodies) < 2:
                bodies += [_make_rejection(backend, snapshot, n)]
                continue
            bodies += _make_decision(backend, snapshot, n)
            n += 1
        _log_bodies(backend, state.book, bodies)
        state = read_book(backend, book_id)


def _common_fields(backend, snapshot, n):
    return make_writer(backend).common_fields(snapshot.model) | {"recorded_at": format_timestamp(START + n * STEP)}


def _slot_states(version):
    return {"production": SlotState(alias=version, stage=(version,)), "staging": SlotState()}


def _make_decision(backend, snapshot, n):
    """A DECIDED with its id, and the APPLIED that names it."""
    previous_version, version, entry_id = str(n % 3 + 1), str((n + 1) % 3 + 1), str(ULID())
    fields = _common_fields(backend, snapshot, n) | {"from": "Archived"}
    identity = snapshot.versions[version].identity
    decision_fields = {
        "identity": identity,
        "to": "Production",
        "reason": REASON,
        "expected": previous_version,
        "slots": ("production",),
    }
    decision = Decided(**fields, verdict="approve", kind="promote", version=version, review="none", **decision_fields)
    closing = Closing(
        **_common_fields(backend, snapshot, n),
        type="APPLIED",
        intent=entry_id,
        version=version,
        now=_slot_states(version),
        displaced=(previous_version,),
    )
    return [(entry_id, decision), (str(ULID()), closing)]


def _make_rejection(backend, snapshot, n):
    """One entry that fills the last place of a volume."""
    version = str(n % 3 + 1)
    fields = _common_fields(backend, snapshot, n)
    return str(ULID()), Decided(
        **fields,
        **{"from": "None"},
        verdict="reject",
        kind="promote",
        version=version,
        identity=snapshot.versions[version].identity,
        to="Staging",
        reason=REASON,
    )


def _log_bodies(backend, book, bodies):
    params, chain = [], book.tip
    for position, (entry_id, body) in enumerate(bodies, book.head + 1):
        value, chunks = encode_entry(entry_id, canonical_json(body), chain)
        assert not chunks
        params.append(Param(param_key(position), value))
        chain = value.split(" ", 3)[2]
    client(backend).log_batch(book.volumes[-1].run_id, params=params)
