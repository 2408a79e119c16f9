"""How quickly the runs of one experiment become a table: Podium's two roads, `mlflow.search_runs`, and the bare fetch as the floor.

Only the ratios of one session say something: seconds depend on the machine and on what else it does. Wall time is what a person
waits; the same ratios in processor time hold on a machine that others use too. Stores are filled by SQL, because a client would need
minutes for them. The result goes to `benchmarks/results/` as JSON and to the screen as a table.
"""

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow

from lib.backends.connect import client, mlflow_version
from lib.backends.store import make_ready
from lib.backends.uri import Backend, sqlite_backend
from lib.runs import reading, sqlite_road
from lib.runs.values import Search

RESULT = Path(__file__).parent / "results" / "reading_runs.json"
KEYS = {"metrics": 15, "params": 15, "tags": 8}
NOON = 1_700_000_000_000
FLOOR = ("runs", "latest_metrics", "params", "tags")


def main() -> None:
    """Measure every size that was asked for, write the JSON, print the table."""
    asked = argparse.ArgumentParser(description="Measure how quickly runs are read from a local SQLite file.")
    asked.add_argument("--runs", type=int, nargs="+", default=[1000, 5000], help="how many runs a store holds")
    asked.add_argument("--rounds", type=int, default=3, help="the quickest of so many rounds counts")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = [measured(Path(folder) / str(count), count, options.rounds) for count in options.runs]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"made": KEYS, **machine(), "sizes": sizes}, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(shown(sizes))


def measured(folder: Path, count: int, rounds: int) -> dict[str, float]:
    """Seconds of every way to read one store, and the ratios. The ways take turns, so that a slow minute hits them all."""
    backend = filled(folder, count)
    experiment = client(backend).get_experiment_by_name("bench").experiment_id
    mlflow.set_tracking_uri(backend.uri)
    assert sqlite_road.columns(backend, Search((experiment,))) is not None, "the SQLite road is closed: nothing to measure"
    ways: dict[str, Callable[[], object]] = {
        "podium": lambda: reading.runs(backend, Search((experiment,))),
        "podium_client": lambda: reading.runs(backend, Search((experiment,), "attributes.start_time > 0")),
        "mlflow": lambda: mlflow.search_runs([experiment], max_results=count + 1),
        "floor": lambda: fetched(backend),
    }
    ways["mlflow"]()  # loads what MLflow loads late
    wall, cpu = (dict.fromkeys(ways, float("inf")) for _ in range(2))
    for _ in range(rounds):
        for name, way in ways.items():
            took = timed(way)
            wall[name], cpu[name] = min(wall[name], took[0]), min(cpu[name], took[1])
    return {
        "runs": count,
        **{f"{name}_s": round(took, 4) for name, took in wall.items()},
        **ratios(wall, ""),
        **ratios(cpu, "_cpu"),
    }


def ratios(took: dict[str, float], kind: str) -> dict[str, float]:
    """How many times quicker than MLflow both roads are, and how much slower than the floor."""
    return {
        f"mlflow_to_podium{kind}": round(took["mlflow"] / took["podium"], 1),
        f"mlflow_to_podium_client{kind}": round(took["mlflow"] / took["podium_client"], 1),
        f"podium_to_floor{kind}": round(took["podium"] / took["floor"], 2),
    }


def timed(way: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds and processor seconds of one call."""
    begun = (time.perf_counter(), time.process_time())
    way()
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def fetched(backend: Backend) -> int:
    """The floor: every row of the four tables as Python values, nothing made of them."""
    with closing(sqlite3.connect(f"{backend.path.as_uri()}?mode=ro", uri=True)) as db:
        return sum(len(db.execute(f"SELECT * FROM {table}").fetchall()) for table in FLOOR)


def filled(folder: Path, count: int) -> Backend:
    """A store with so many finished runs, each with the same 15 metrics, 15 parameters and 8 tags."""
    backend = sqlite_backend(folder / "mlflow.db")
    make_ready(backend)
    experiment = int(client(backend).create_experiment("bench", artifact_location=str(folder / "mlruns")))
    ids = [f"{number:032x}" for number in range(count)]
    with closing(sqlite3.connect(backend.path)) as db, db:
        db.executemany(
            "INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id)"
            " VALUES (?, ?, 'ana', 'FINISHED', ?, ?, 'active', ?, ?)",
            [(one, f"run-{n}", NOON + n, NOON + n + 900, f"{folder}/{one}/artifacts", experiment) for n, one in enumerate(ids)],
        )
        db.executemany(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, 0, 0, ?)",
            [(f"metric_{k}", n * 0.37 % 1 + k, NOON, one) for n, one in enumerate(ids) for k in range(KEYS["metrics"])],
        )
        for table, value in (("params", param), ("tags", tag)):
            db.executemany(
                f"INSERT INTO {table} (key, value, run_uuid) VALUES (?, ?, ?)",
                [(f"{table}_{k}", value(n, k), one) for n, one in enumerate(ids) for k in range(KEYS[table])],
            )
    return backend


def param(n: int, k: int) -> str:
    """Every third parameter differs from run to run, as a random search draws it; the others come from a grid."""
    return str(n * 0.0137 + k) if k % 3 == 0 else str(n * k % 97)


def tag(n: int, k: int) -> str:
    """Text that comes back now and then."""
    return f"said {n * k % 97}"


def machine() -> dict[str, str | int | None]:
    """What a reader of the numbers wants to know about where they come from."""
    return {
        "python": platform.python_version(),
        "mlflow": mlflow_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
    }


def shown(sizes: list[dict[str, float]]) -> str:
    """The table for the screen: one line per size."""
    lines = [" | ".join(sizes[0]), *(" | ".join(f"{size[name]:>{len(name)},}" for name in size) for size in sizes)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
