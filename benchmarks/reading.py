"""How quickly the runs of an experiment become a table: from a local SQLite file and from a server."""

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import mlflow

from benchmarks.figures import Figure, quickest
from benchmarks.stores import experiment_of, fetched, filled
from lib.backends.connect import client, quick_reading
from lib.backends.uri import Backend
from lib.runs import reading, sqlite_road
from lib.runs.values import Search

GOALS = {1000: 10, 5000: 20, 20_000: 20}
ABOVE_FLOOR = 1.5


def on_sqlite(folder: Path, sizes: list[int], rounds: int) -> Iterator[Figure]:
    """Podium against `mlflow.search_runs` and against the bare fetch, and what ten times as many runs cost."""
    took = {}
    for count in sizes:
        backend = filled(folder / str(count), count)
        experiment = experiment_of(backend)
        mlflow.set_tracking_uri(backend.uri)
        search = Search((experiment,))
        ways: dict[str, Callable[[], object]] = {
            "podium": lambda backend=backend, search=search: reading.runs(backend, search),
            "floor": lambda backend=backend: fetched(backend),
        }
        seconds = quickest(ways, 2 * rounds + 1)
        peer = quickest({"mlflow": lambda: mlflow.search_runs([experiment], max_results=count + 1)}, rounds)["mlflow"]  # noqa: B023
        took[count] = seconds["podium"]
        yield Figure(
            f"read {count:,} runs, SQLite",
            seconds["podium"],
            peer,
            "mlflow.search_runs",
            goal=f"≥ {GOALS.get(count, 10)}×",
            kept=peer / seconds["podium"] >= GOALS.get(count, 10),
        )
        yield Figure(
            f"the same, {count:,} runs",
            seconds["podium"],
            floor=seconds["floor"],
            floor_is="bare fetch",
            goal=f"≤ {ABOVE_FLOOR}× the floor" if count == 5000 else "",
            kept=seconds["podium"] / seconds["floor"] <= ABOVE_FLOOR if count == 5000 else None,
        )
    first, last = min(took), max(took)
    if last > first:
        text = f"growth: {last // first}× as many runs, {took[last] / took[first]:.1f}× as long"
        yield Figure(text, took[last], goal="no worse than linear", kept=took[last] / took[first] <= 1.3 * last / first)


def the_client(folder: Path, count: int, rounds: int) -> Figure:
    """The road that is open everywhere, with and without the raised threshold of the garbage collector, in CPU seconds."""
    backend = filled(folder / "client", count)
    experiment = experiment_of(backend)
    with_line = min(_cpu(lambda: _pages(backend, experiment, raised=True)) for _ in range(rounds))
    without = min(_cpu(lambda: _pages(backend, experiment, raised=False)) for _ in range(rounds))
    return Figure(
        f"the client's {count:,} runs, CPU",
        with_line,
        without,
        "without the threshold",
        goal="≥ 2×",
        kept=without / with_line >= 2,
    )


def _pages(backend: Backend, experiment: str, *, raised: bool) -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        if raised:
            with quick_reading():
                client(backend).search_runs([experiment], max_results=50_000)
        else:
            client(backend).search_runs([experiment], max_results=50_000)
    finally:
        gc.set_threshold(*before)


def _cpu(way: Callable[[], object]) -> float:
    begun = time.process_time()
    way()
    return time.process_time() - begun


def on_server(backend: Backend, store: Backend, count: int, rounds: int) -> Figure:
    """Podium against the raw JSON of the same pages. `store` is the file behind the server."""
    experiment = experiment_of(store)
    assert sqlite_road.KNOWN_SCHEMAS
    ways = {
        "podium": lambda: reading.runs(backend, Search((experiment,))),
        "floor": lambda: _raw(backend.uri, experiment),
    }
    seconds = quickest(ways, rounds)
    return Figure(
        f"read {count:,} runs, server",
        seconds["podium"],
        floor=seconds["floor"],
        floor_is="raw JSON",
        goal="≤ 1.25× the floor",
        kept=seconds["podium"] / seconds["floor"] <= 1.25,
    )


def _raw(base: str, experiment: str) -> int:
    token, found = None, 0
    with httpx.Client(timeout=300) as web:
        while True:
            asked = {"experiment_ids": [experiment], "max_results": 1000, "page_token": token}
            page = web.post(f"{base}/api/2.0/mlflow/runs/search", json={k: v for k, v in asked.items() if v}).json()
            found += len(page.get("runs", []))
            if not (token := page.get("next_page_token")):
                return found
