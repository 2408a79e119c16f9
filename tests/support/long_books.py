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
from tests.support.ledger_stores import registered, writer

BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=1)
REASON = make_reason("better", "Two points more on the rows of last month, and no slice lost anything. " * 8)


def long_book(backend, entries, name="wine"):
    """The run id of a book with at least this many entries, of a model whose registry shows what the last one says."""
    registered(backend, name, versions=3)
    registry = client(backend)
    registry.set_registered_model_alias(name, "production", "1")
    registry.transition_model_version_stage(name, "1", "Production")
    found = sync_model_status(Writer(backend, Actor(name="ana"), lambda: BEGAN - STEP), name)
    grow(backend, found.book_id, found.snapshot, entries)
    return found.book_id


def grow(backend, book, seen: RegistrySnapshot, entries):
    """Log decisions that put versions 2, 3 and 1 into Production in turn, until the book has so many entries, VOLUMEs included."""
    state, n = read_book(backend, book), 0
    while state.book.head < entries or n % 3:
        if volumes.is_volume_full(state.book):
            ledger_book._roll_over(backend, book, state, state.book.entries[-1].body)
            state = read_book(backend, book)
        room = volumes.VOLUME_CAPACITY - (state.book.head - state.book.volumes[-1].first_position + 1)
        bodies = []
        while len(bodies) < min(room, 90) and (state.book.head + len(bodies) < entries or n % 3):
            if room - len(bodies) < 2:
                bodies += [_seen_again(backend, seen, n)]
                continue
            bodies += _decision(backend, seen, n)
            n += 1
        _log(backend, state.book, bodies)
        state = read_book(backend, book)


def _stamp(backend, seen, n):
    return writer(backend).common_fields(seen.model) | {"recorded_at": format_timestamp(BEGAN + n * STEP)}


def _now(version):
    return {"production": SlotState(alias=version, stage=(version,)), "staging": SlotState()}


def _decision(backend, seen, n):
    """A DECIDED with its id, and the APPLIED that names it."""
    before, version, entry_id = str(n % 3 + 1), str((n + 1) % 3 + 1), str(ULID())
    said = _stamp(backend, seen, n) | {"from": "Archived"}
    identity = seen.versions[version].identity
    more = {"identity": identity, "to": "Production", "reason": REASON, "expected": before, "slots": ("production",)}
    decided = Decided(**said, verdict="approve", kind="promote", version=version, review="none", **more)
    applied = Closing(
        **_stamp(backend, seen, n), type="APPLIED", intent=entry_id, version=version, now=_now(version), displaced=(before,)
    )
    return [(entry_id, decided), (str(ULID()), applied)]


def _seen_again(backend, seen, n):
    """One entry that fills the last place of a volume."""
    version = str(n % 3 + 1)
    said = _stamp(backend, seen, n)
    return str(ULID()), Decided(
        **said,
        **{"from": "None"},
        verdict="reject",
        kind="promote",
        version=version,
        identity=seen.versions[version].identity,
        to="Staging",
        reason=REASON,
    )


def _log(backend, reading, bodies):
    params, chain = [], reading.tip
    for place, (entry_id, body) in enumerate(bodies, reading.head + 1):
        value, more = encode_entry(entry_id, canonical_json(body), chain)
        assert not more
        params.append(Param(param_key(place), value))
        chain = value.split(" ", 3)[2]
    client(backend).log_batch(reading.volumes[-1].run_id, params=params)
