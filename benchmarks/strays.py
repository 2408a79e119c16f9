"""Cost of a book with planted parameters: `current` and `promote` compared with the same without them, and bare reads of the run.

The goal is a linear pass: at most two extra bare `get_run` calls for each read of the book. Both kinds of planting are measured:
far beyond the end, where every read meets the strays, and at the next places, where the next append includes them.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from click.testing import CliRunner
from mlflow.entities import Param

from benchmarks.figures import Figure, judge_goal, measure_quickest
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.sqlite_store import ensure_database
from lib.cli import podium
from lib.ledger.chain.hash_chain import param_key
from lib.ledger.storage.book import read_book
from tests.support.ledger_stores import clear_book_cache
from tests.support.long_books import make_long_book

MODEL, ENTRIES = "wine", 20
FAR_BEYOND = 5_000
"""A position so far beyond the head that no measured promotion reaches it."""
CURRENT_ROUNDS_FACTOR = 5
REASON_OPTIONS = ("--reason", "Measured better on the same rows, twice.", "--category", "better")


@dataclass(frozen=True)
class _Command:
    """A command on a store without strays, the same on one with them, and the run with the strays."""

    name: str
    run_clean: Callable[[], object]
    run_beside_strays: Callable[[], object]
    strays: Backend
    book_id: str


def measure_strays(folder: Path, count: int, rounds: int) -> Iterator[Figure]:
    """Compare `current` and `promote` with this many strays to the same without them plus the allowed bare reads."""
    clean = sqlite_backend(folder / "clean" / "mlflow.db")
    ensure_database(clean)
    book_id = make_long_book(clean, ENTRIES, MODEL)
    beyond, next_places = _copy_store(clean, folder / "beyond"), _copy_store(clean, folder / "next")
    _plant(beyond, book_id, FAR_BEYOND, count)
    _plant(next_places, book_id, read_book(clean, book_id).book.head + 1, count)
    for where, store in (("beyond the end", beyond), ("at the next places", next_places)):
        name = f"current, {count:,} strays {where}"
        command = _Command(name, _current(clean), _current(store), store, book_id)
        yield _measure(command, CURRENT_ROUNDS_FACTOR * rounds)
    promote_clean = _promote([clean])
    name = f"promote, {count:,} strays beyond the end"
    yield _measure(_Command(name, promote_clean, _promote([beyond]), beyond, book_id), rounds)
    copies = [_copy_store(next_places, folder / f"copy-{n}") for n in range(rounds)]
    name = f"the first promote, {count:,} strays at the next places"
    yield _measure(_Command(name, promote_clean, _promote(copies), next_places, book_id), rounds)


def _measure(command: _Command, rounds: int) -> Figure:
    """Allow the time without strays plus two bare reads for each read of the book."""
    reads, get_run = list[str](), type(client(command.strays)).get_run

    def count_read(mlflow_client: object, run_id: str) -> object:
        reads.append(run_id)
        return get_run(mlflow_client, run_id)

    def run_counted() -> None:
        type(client(command.strays)).get_run = count_read  # type: ignore[method-assign]
        try:
            command.run_beside_strays()
        finally:
            type(client(command.strays)).get_run = get_run  # type: ignore[method-assign]

    actions = {
        "clean": command.run_clean,
        "strays": run_counted,
        "bare": lambda: client(command.strays).get_run(command.book_id),
    }
    with relaxed_gc():
        seconds = measure_quickest(actions, rounds)
    read_count = reads.count(command.book_id) // rounds
    allowed = seconds["clean"] + 2 * read_count * seconds["bare"]
    floor_is = f"{seconds['clean'] * 1000:.0f} ms without them, and twice {seconds['bare'] * 1000:.0f} ms of get_run for {read_count} reads"
    goal = judge_goal("no more than that", seconds["strays"], maximum=allowed)
    return Figure(command.name, seconds["strays"], floor=allowed, floor_is=floor_is, **goal)


def _current(backend: Backend) -> Callable[[], None]:
    return lambda: _run(backend, "current", MODEL)


def _promote(backends: Sequence[Backend]) -> Callable[[], None]:
    """Return an action that moves another version into Production at each call, alternating between the stores."""
    backends_in_turn, versions = cycle(backends), cycle("23")
    return lambda: _run(next(backends_in_turn), "promote", MODEL, next(versions), "--to", "Production", *REASON_OPTIONS)


def _run(backend: Backend, *arguments: str) -> None:
    """Run a command as in a new process with everything imported: no cached books."""
    clear_book_cache()
    result = CliRunner().invoke(podium, [*arguments, "--backend", backend.uri])
    assert result.exit_code == 0, result.output


def _plant(backend: Backend, run_id: str, first_position: int, count: int) -> None:
    for start in range(0, count, 100):
        params = [Param(param_key(first_position + n), "x") for n in range(start, min(start + 100, count))]
        client(backend).log_batch(run_id, params=params)


def _copy_store(store: Backend, folder: Path) -> Backend:
    assert store.path
    folder.mkdir(parents=True)
    shutil.copyfile(store.path, folder / "mlflow.db")
    copy = sqlite_backend(folder / "mlflow.db")
    _run(copy, "current", MODEL)  # the first connection is slow
    return copy
