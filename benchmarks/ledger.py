"""What the record costs: an entry and a promotion beside MLflow's bare writes, and answers from books of up to 10,000 entries.

The books are written in batches (`tests.support.long_books`), in volumes as Podium would have made them; what is measured is Podium alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mlflow.entities import Param
from ulid import ULID

from benchmarks.figures import Figure, quickest
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.backends.sqlite_store import ensure_database
from lib.ledger.entry.types import Body, Decided
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.queries.time_query import parse_time_query
from lib.ledger.state.replay import BookState
from lib.ledger.storage import book_cache
from lib.ledger.storage.book import Writer, append, read_book
from lib.registry.audit_queries import AsOfQuery, query_as_of, read_audit_log
from lib.registry.promote import MoveRequest, move_version
from lib.registry.verify import verify
from tests.support.browser import serve_mlflow
from tests.support.long_books import REASON, make_long_book

MODEL = "wine"
SHORT = 5
"""What takes milliseconds is done so many times as often: the quickest of two says little."""


def entries(folder: Path, sizes: Sequence[int] = (100, 2_000, 10_000), rounds: int = 3) -> Iterator[Figure]:
    """Every figure of the record; with sizes of their own for a quick run. The largest book is verified whole."""
    stores = {size: _store(folder / f"book-{size}", size) for size in sizes}
    least, most = min(sizes), max(sizes)
    turn = _in_turn()
    yield from _writes(stores[least], "SQLite", rounds, turn)
    with _served(folder / "server", stores[least]) as server:
        yield from _writes(server, "server", rounds, turn)
    for size, store in stores.items():
        yield from _answers(store, size, rounds)
    if most > least:
        yield from _growth(stores[least], stores[most], (least, most), rounds)
    seconds = quickest({"podium": lambda: verify(stores[most], MODEL)}, rounds)
    yield Figure(f"verify {most:,} entries, all of it fetched and hashed anew", seconds["podium"])


def _store(folder: Path, size: int) -> Backend:
    store = sqlite_backend(folder / "mlflow.db")
    ensure_database(store)
    make_long_book(store, size, MODEL)
    return store


def _writes(backend: Backend, where: str, rounds: int, turn: Iterator[str]) -> Iterator[Figure]:
    """An entry against two bare writes, a promotion against the three calls that do the same without a record."""
    bare = _bare_run(backend)
    ways = {"podium": _appends(backend), "bare": lambda: [_log(backend, bare) for _ in range(2)]}
    seconds = quickest(ways, rounds)
    yield Figure(f"append an entry, {where}", seconds["podium"], floor=seconds["bare"], floor_is="two bare log_param")
    ways = {
        "podium": lambda: move_version(_writer(backend), MoveRequest(MODEL, next(turn), "Production", REASON)),
        "bare": lambda: _promote_bare(backend),
    }
    seconds = quickest(ways, rounds)
    yield Figure(f"promote, {where}", seconds["podium"], floor=seconds["bare"], floor_is="alias and two stages, no record")


def _answers(store: Backend, size: int, rounds: int) -> Iterator[Figure]:
    bare = _bare_run(store, size)
    ways = {"podium": lambda: _ask(store), "bare": lambda: client(store).get_run(bare)}
    seconds = quickest(ways, SHORT * rounds)
    told = {"goal": "at most twice get_run", "kept": seconds["podium"] <= 2 * seconds["bare"]} if size == 2_000 else {}
    yield Figure(
        f"as-of at {size:,} entries", seconds["podium"], floor=seconds["bare"], floor_is=f"get_run with {size:,} params", **told
    )
    seconds = quickest({"podium": lambda: read_audit_log(store)}, rounds)
    yield Figure(f"timeline of {size:,} entries", seconds["podium"])
    seconds = quickest({"podium": lambda: (book_cache.clear_cache(), _ask(store))}, rounds)
    yield Figure(f"as-of at {size:,} entries, nothing read before", seconds["podium"])


def _growth(small: Backend, large: Backend, sizes: tuple[int, int], rounds: int) -> Iterator[Figure]:
    seconds = quickest({"small": _appends(small), "large": _appends(large)}, rounds)
    each = (_bytes(large) - _bytes(small)) / (sizes[1] - sizes[0]) / 1000
    what = f"append at {sizes[1]:,} entries ({each:.1f} kB of database each)"
    yield Figure(what, seconds["large"], floor=seconds["small"], floor_is=f"at {sizes[0]:,} entries")


def _ask(store: Backend) -> object:
    now = _now()
    return query_as_of(store, MODEL, AsOfQuery("production", parse_time_query("2024-01-02T10:30Z", now), now))


def _appends(backend: Backend) -> Callable[[], object]:
    """Appends one entry at each call: that somebody rejected what was decided last."""
    book = _book(backend)
    last = next(e.body for e in reversed(read_book(backend, book).book.entries) if isinstance(e.body, Decided))

    def make(_: BookState) -> Body:
        return last.model_copy(update={"verdict": "reject"})

    return lambda: append(backend, book, make)


def _book(backend: Backend) -> str:
    return str(client(backend).get_registered_model(MODEL).tags["podium.book"])


def _bare_run(backend: Backend, params: int = 0) -> str:
    """A run of no ledger, with so many parameters as long as entries."""
    run_id = str(client(backend).create_run("0").info.run_id)
    for first in range(0, params, 100):
        some = [Param(f"{n:06d}", "x" * 900) for n in range(first, min(first + 100, params))]
        client(backend).log_batch(run_id, params=some)
    return run_id


def _log(backend: Backend, run_id: str) -> None:
    client(backend).log_param(run_id, str(ULID()), "x" * 900)


def _promote_bare(backend: Backend) -> None:
    """What the calls of a promotion cost; they put version 1 where it stands already, so that the record has nothing to say to it."""
    client(backend).set_registered_model_alias(MODEL, "bare", "1")
    client(backend).transition_model_version_stage(MODEL, "1", "None")
    client(backend).transition_model_version_stage(MODEL, "1", "Archived")


def _in_turn() -> Iterator[str]:
    while True:
        yield from ("2", "3")


def _writer(backend: Backend) -> Writer:
    return Writer(backend, Actor(name="ana"), _now)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the clock of the benchmarks


def _bytes(store: Backend) -> int:
    assert store.path
    return store.path.stat().st_size


@contextmanager
def _served(folder: Path, store: Backend) -> Iterator[Backend]:
    process = serve_mlflow(folder, database=store.path)
    try:
        yield Backend(process.url, "server")
    finally:
        process.stop()
