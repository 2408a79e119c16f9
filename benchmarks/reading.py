"""Time to read the runs of an experiment into a table: from a local SQLite file and from a server."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import mlflow

from benchmarks.client_reading import read_pages
from benchmarks.figures import Figure, judge_goal, measure_quickest
from benchmarks.stores import experiment_id_of, fetch_all_rows, fill_store
from lib.backends.backend import Backend
from lib.runs.reading import run_reader, sqlite_reader
from lib.runs.table.types import Search

GOALS = {5000: 20, 20_000: 20}
"""Required speed-up over `mlflow.search_runs`; ten times with fewer runs."""
MIN_CLIENT_SPEED_UP = 1.5
"""Twice was measured before a warm Podium excluded its modules from collections, which made Python's own threshold cheaper."""
MAX_ABOVE_FLOOR = 1.5
MAX_ABOVE_JSON = 1.25
MAX_LINEAR_GROWTH = 1.3
"""Growth that still counts as linear: ten times the runs may take thirteen times as long."""


def measure_sqlite(folder: Path, sizes: Sequence[int], rounds: int) -> Iterator[Figure]:
    """Compare Podium with `mlflow.search_runs` and the bare fetch, in CPU seconds, and measure the growth with more runs."""
    seconds = {}
    for count in sizes:
        figures = list(_measure_size(folder / str(count), count, rounds))
        seconds[count] = figures[0].podium
        yield from figures
    first, last = min(seconds), max(seconds)
    if last > first:
        more, longer = last / first, seconds[last] / seconds[first]
        text = f"{more:g}× as many runs: {longer:.1f}× as long"
        yield Figure(text, seconds[last], **judge_goal("no worse than linear", longer / more, maximum=MAX_LINEAR_GROWTH))


def _measure_size(folder: Path, count: int, rounds: int) -> Iterator[Figure]:
    backend = fill_store(folder, count)
    experiment = experiment_id_of(backend)
    search = Search((experiment,))
    assert sqlite_reader.read_run_columns(backend, search) is not None, "the SQLite reader does not apply: nothing to measure"
    mlflow.set_tracking_uri(backend.uri)
    mlflow.search_runs([experiment], max_results=1)  # triggers MLflow's lazy imports
    actions = {"podium": lambda: run_reader.read_runs(backend, search), "floor": lambda: fetch_all_rows(backend)}
    own = measure_quickest(actions, 2 * rounds + 1, time.process_time)
    peers: dict[str, Callable[[], object]] = {
        "mlflow": lambda: mlflow.search_runs([experiment], max_results=count + 1),
        "client": lambda: list(read_pages(backend, experiment)),
    }
    peer = measure_quickest(peers, rounds if count <= 5000 else 1, time.process_time)
    podium, quicker, above = own["podium"], peer["mlflow"] / own["podium"], own["podium"] / own["floor"]
    minimum = GOALS.get(count, 10)
    name = f"read {count:,} runs, SQLite"
    yield Figure(name, podium, peer["mlflow"], "mlflow.search_runs", **judge_goal(f"≥ {minimum}×", quicker, minimum=minimum))
    yield Figure(
        f"{name}, against the bare fetch",
        podium,
        floor=own["floor"],
        floor_is="fetching the rows",
        **(judge_goal(f"≤ {MAX_ABOVE_FLOOR}×", above, maximum=MAX_ABOVE_FLOOR) if count == 5000 else {}),
    )
    yield Figure(f"{name}, against the client", podium, peer["client"], "MlflowClient.search_runs")


def measure_client(folder: Path, count: int, rounds: int) -> Figure:
    """Measure the client, which works everywhere, with and without the raised garbage-collection threshold: see `client_reading`."""
    backend = fill_store(folder / "client", count)
    command = [sys.executable, "-m", "benchmarks.client_reading", backend.uri, str(rounds)]
    output = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
    seconds = json.loads(output.splitlines()[-1])
    goal = judge_goal(f"≥ {MIN_CLIENT_SPEED_UP}×", seconds["without"] / seconds["with"], minimum=MIN_CLIENT_SPEED_UP)
    what = f"the client reads {count:,} runs in a warm Podium"
    return Figure(what, seconds["with"], seconds["without"], "with Python's own threshold", **goal)


def measure_server(backend: Backend, store: Backend, count: int, rounds: int) -> Figure:
    """Compare Podium with the raw JSON of the same pages. `store` is the file behind the server."""
    experiment = experiment_id_of(store)
    _fetch_json(backend.uri, experiment, 1000)  # the first request pays for the server's lazy imports
    actions = {
        "podium": lambda: run_reader.read_runs(backend, Search((experiment,))),
        "floor": lambda: _fetch_json(backend.uri, experiment, 1000),
    }
    seconds = measure_quickest(actions, rounds)
    goal = judge_goal(f"≤ {MAX_ABOVE_JSON}×", seconds["podium"] / seconds["floor"], maximum=MAX_ABOVE_JSON)
    return Figure(f"read {count:,} runs, server", seconds["podium"], floor=seconds["floor"], floor_is="the raw JSON", **goal)


def _fetch_json(base: str, experiment: str, page_size: int) -> int:
    token, count = None, 0
    with httpx.Client(timeout=300) as web:
        while True:
            query = {"experiment_ids": [experiment], "max_results": page_size, "page_token": token}
            page = web.post(f"{base}/api/2.0/mlflow/runs/search", json={k: v for k, v in query.items() if v}).json()
            count += len(page.get("runs", []))
            if not (token := page.get("next_page_token")):
                return count
