"""How quickly the runs of an experiment become a table: from a local SQLite file and from a server."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import mlflow

from benchmarks.figures import Figure, goal, quickest
from benchmarks.stores import experiment_of, fetched, filled
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.runs.reading import run_reader, sqlite_reader
from lib.runs.table.types import Search

GOALS = {5000: 20, 20_000: 20}
"""How many times as quick as `mlflow.search_runs`; ten times with fewer runs."""
ABOVE_FLOOR = 1.5
ABOVE_JSON = 1.25
LINEAR = 1.3
"""Growth that still counts as linear: ten times as many runs may take thirteen times as long."""


def on_sqlite(folder: Path, sizes: Sequence[int], rounds: int) -> Iterator[Figure]:
    """Podium against `mlflow.search_runs` and against the bare fetch, in processor seconds, and what more runs cost."""
    took = {}
    for count in sizes:
        figures = list(_of_size(folder / str(count), count, rounds))
        took[count] = figures[0].podium
        yield from figures
    first, last = min(took), max(took)
    if last > first:
        more, longer = last / first, took[last] / took[first]
        text = f"{more:g}× as many runs: {longer:.1f}× as long"
        yield Figure(text, took[last], **goal("no worse than linear", longer / more, most=LINEAR))


def _of_size(folder: Path, count: int, rounds: int) -> Iterator[Figure]:
    backend = filled(folder, count)
    experiment = experiment_of(backend)
    search = Search((experiment,))
    assert sqlite_reader.read_run_columns(backend, search) is not None, "the SQLite road is closed: nothing to measure"
    mlflow.set_tracking_uri(backend.uri)
    mlflow.search_runs([experiment], max_results=1)  # loads what MLflow loads late
    ways = {"podium": lambda: run_reader.read_runs(backend, search), "floor": lambda: fetched(backend)}
    own = quickest(ways, 2 * rounds + 1, time.process_time)
    peers: dict[str, Callable[[], object]] = {
        "mlflow": lambda: mlflow.search_runs([experiment], max_results=count + 1),
        "client": lambda: list(_pages_of(backend, experiment)),
    }
    peer = quickest(peers, rounds if count <= 5000 else 1, time.process_time)
    podium, quicker, above = own["podium"], peer["mlflow"] / own["podium"], own["podium"] / own["floor"]
    wanted = GOALS.get(count, 10)
    name = f"read {count:,} runs, SQLite"
    yield Figure(name, podium, peer["mlflow"], "mlflow.search_runs", **goal(f"≥ {wanted}×", quicker, least=wanted))
    yield Figure(
        f"{name}, against the bare fetch",
        podium,
        floor=own["floor"],
        floor_is="fetching the rows",
        **(goal(f"≤ {ABOVE_FLOOR}×", above, most=ABOVE_FLOOR) if count == 5000 else {}),
    )
    yield Figure(f"{name}, against the client", podium, peer["client"], "MlflowClient.search_runs")


def _pages_of(backend: Backend, experiment: str) -> Iterator[object]:
    token = None
    while True:
        page = client(backend).search_runs([experiment], max_results=5000, page_token=token)
        yield from page
        if not (token := page.token):
            return


def the_client(folder: Path, count: int, rounds: int) -> Figure:
    """The road that is open everywhere, with and without the raised threshold of the garbage collector, in processor seconds."""
    backend = filled(folder / "client", count)
    experiment = experiment_of(backend)
    ways = {
        "with": lambda: _collected(backend, experiment, raised=True),
        "without": lambda: _collected(backend, experiment, raised=False),
    }
    took = quickest(ways, rounds, time.process_time)
    wanted = goal("≥ 2×", took["without"] / took["with"], least=2)
    return Figure(f"the client reads {count:,} runs", took["with"], took["without"], "with Python's own threshold", **wanted)


def _collected(backend: Backend, experiment: str, *, raised: bool) -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        if raised:
            with relaxed_gc():
                list(_pages_of(backend, experiment))
        else:
            list(_pages_of(backend, experiment))
    finally:
        gc.set_threshold(*before)


def on_server(backend: Backend, store: Backend, count: int, rounds: int) -> Figure:
    """Podium against the raw JSON of the same pages. `store` is the file behind the server."""
    experiment = experiment_of(store)
    _raw(backend.uri, experiment, 1000)  # the first question pays for what the server loads late
    ways = {
        "podium": lambda: run_reader.read_runs(backend, Search((experiment,))),
        "floor": lambda: _raw(backend.uri, experiment, 1000),
    }
    took = quickest(ways, rounds)
    wanted = goal(f"≤ {ABOVE_JSON}×", took["podium"] / took["floor"], most=ABOVE_JSON)
    return Figure(f"read {count:,} runs, server", took["podium"], floor=took["floor"], floor_is="the raw JSON", **wanted)


def _raw(base: str, experiment: str, page_size: int) -> int:
    token, found = None, 0
    with httpx.Client(timeout=300) as web:
        while True:
            asked = {"experiment_ids": [experiment], "max_results": page_size, "page_token": token}
            page = web.post(f"{base}/api/2.0/mlflow/runs/search", json={k: v for k, v in asked.items() if v}).json()
            found += len(page.get("runs", []))
            if not (token := page.get("next_page_token")):
                return found
