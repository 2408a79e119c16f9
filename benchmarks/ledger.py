"""What the record costs: an entry and a promotion beside MLflow's bare writes, and answers from books of up to 10,000 entries.

The books are written in batches (`tests.support.long_books`), in volumes as Podium would have made them; what is measured is Podium alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import Param
from ulid import ULID

from benchmarks.figures import Figure, measure_quickest
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.backends.sqlite_store import ensure_database
from lib.ledger.entry.types import Body, Decided
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.queries.time_query import parse_time_query
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, append, read_book
from lib.ledger.storage.head_memory import create_head_memory
from lib.ledger.storage.signing_keys import create_signer
from lib.registry.audit_queries import AsOfQuery, query_as_of, read_audit_log
from lib.registry.promote import MoveRequest, move_version
from lib.registry.verify import verify
from tests.support.browser import serve_mlflow
from tests.support.ledger_stores import clear_book_cache
from tests.support.long_books import REASON, make_long_book

_PODIUM_HOME = TemporaryDirectory(prefix="podium-benchmarks-")
"""The folder of the key that signs what is measured."""

MODEL = "wine"
SHORT_ROUNDS_FACTOR = 5
"""What takes milliseconds is done so many times as often: the quickest of two says little."""


def measure_ledger(folder: Path, sizes: Sequence[int] = (100, 2_000, 10_000), rounds: int = 3) -> Iterator[Figure]:
    """Every figure of the record; with sizes of their own for a quick run. The largest book is verified whole."""
    stores = {size: _fill_store(folder / f"book-{size}", size) for size in sizes}
    smallest, largest = min(sizes), max(sizes)
    versions = _versions_in_turn()
    yield from _measure_writes(stores[smallest], "SQLite", rounds, versions)
    with _serve_store(folder / "server", stores[smallest]) as server:
        yield from _measure_writes(server, "server", rounds, versions)
    for size, store in stores.items():
        yield from _measure_answers(store, size, rounds)
    if largest > smallest:
        yield from _measure_growth(stores[smallest], stores[largest], (smallest, largest), rounds)
    seconds = measure_quickest({"podium": lambda: verify(stores[largest], MODEL)}, rounds)
    yield Figure(f"verify {largest:,} entries, everything fetched and hashed again", seconds["podium"])


def _fill_store(folder: Path, size: int) -> Backend:
    store = sqlite_backend(folder / "mlflow.db")
    ensure_database(store)
    make_long_book(store, size, MODEL)
    return store


def _measure_writes(backend: Backend, where: str, rounds: int, versions: Iterator[str]) -> Iterator[Figure]:
    """An entry against two bare writes, a promotion against the three calls that do the same without a record."""
    bare_run_id = _make_bare_run(backend)
    actions = {"podium": _append_action(backend), "bare": lambda: [_log_param(backend, bare_run_id) for _ in range(2)]}
    seconds = measure_quickest(actions, rounds)
    yield Figure(f"append an entry, {where}", seconds["podium"], floor=seconds["bare"], floor_is="two bare log_param")
    actions = {
        "podium": lambda: move_version(_writer(backend), MoveRequest(MODEL, next(versions), "Production", REASON)),
        "bare": lambda: _promote_bare(backend),
    }
    seconds = measure_quickest(actions, rounds)
    yield Figure(f"promote, {where}", seconds["podium"], floor=seconds["bare"], floor_is="alias and two stages, no record")


def _measure_answers(store: Backend, size: int, rounds: int) -> Iterator[Figure]:
    bare_run_id = _make_bare_run(store, size)
    actions = {"podium": lambda: _query_as_of(store), "bare": lambda: client(store).get_run(bare_run_id)}
    seconds = measure_quickest(actions, SHORT_ROUNDS_FACTOR * rounds)
    goal = {"goal": "at most twice get_run", "kept": seconds["podium"] <= 2 * seconds["bare"]} if size == 2_000 else {}
    yield Figure(
        f"as-of at {size:,} entries", seconds["podium"], floor=seconds["bare"], floor_is=f"get_run with {size:,} params", **goal
    )
    seconds = measure_quickest({"podium": lambda: read_audit_log(store)}, rounds)
    yield Figure(f"timeline of {size:,} entries", seconds["podium"])
    seconds = measure_quickest({"podium": lambda: (clear_book_cache(), _query_as_of(store))}, rounds)
    yield Figure(f"as-of at {size:,} entries, nothing read before", seconds["podium"])


def _measure_growth(small: Backend, large: Backend, sizes: tuple[int, int], rounds: int) -> Iterator[Figure]:
    seconds = measure_quickest({"small": _append_action(small), "large": _append_action(large)}, rounds)
    kilobytes_each = (_file_size(large) - _file_size(small)) / (sizes[1] - sizes[0]) / 1000
    what = f"append at {sizes[1]:,} entries ({kilobytes_each:.1f} kB of database each)"
    yield Figure(what, seconds["large"], floor=seconds["small"], floor_is=f"at {sizes[0]:,} entries")


def _query_as_of(store: Backend) -> object:
    now = _now()
    return query_as_of(store, MODEL, AsOfQuery("production", parse_time_query("2024-01-02T10:30Z", now), now))


def _append_action(backend: Backend) -> Callable[[], object]:
    """Appends one entry at each call: that somebody rejected what was decided last."""
    book = _book_id(backend)
    last = next(e.body for e in reversed(read_book(backend, book).book.entries) if isinstance(e.body, Decided))

    def make(_: BookState) -> Body:
        return last.model_copy(update={"verdict": "reject"})

    return lambda: append(_writer(backend), book, make)


def _book_id(backend: Backend) -> str:
    return str(client(backend).get_registered_model(MODEL).tags["podium.book"])


def _make_bare_run(backend: Backend, params: int = 0) -> str:
    """A run of no ledger, with so many parameters as long as entries."""
    run_id = str(client(backend).create_run("0").info.run_id)
    for first in range(0, params, 100):
        params_of_batch = [Param(f"{n:06d}", "x" * 900) for n in range(first, min(first + 100, params))]
        client(backend).log_batch(run_id, params=params_of_batch)
    return run_id


def _log_param(backend: Backend, run_id: str) -> None:
    client(backend).log_param(run_id, str(ULID()), "x" * 900)


def _promote_bare(backend: Backend) -> None:
    """What the calls of a promotion cost; they put version 1 where it stands already, so that the record has nothing to say to it."""
    client(backend).set_registered_model_alias(MODEL, "bare", "1")
    client(backend).transition_model_version_stage(MODEL, "1", "None")
    client(backend).transition_model_version_stage(MODEL, "1", "Archived")


def _versions_in_turn() -> Iterator[str]:
    while True:
        yield from ("2", "3")


def _writer(backend: Backend) -> Writer:
    environment = {"PODIUM_HOME": _PODIUM_HOME.name}
    return Writer(backend, Actor(name="ana"), _now, create_signer(environment, _now), create_head_memory(environment))


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the clock of the benchmarks


def _file_size(store: Backend) -> int:
    assert store.path
    return store.path.stat().st_size


@contextmanager
def _serve_store(folder: Path, store: Backend) -> Iterator[Backend]:
    process = serve_mlflow(folder, database=store.path)
    try:
        yield Backend(process.url, "server")
    finally:
        process.stop()
