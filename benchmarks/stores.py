"""Stores with many runs for the benchmarks, filled by SQL because a client would take minutes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.backends.sqlite_store import ensure_database

NAME = "bench"
KEYS = {"metrics": 15, "params": 15, "tags": 8}
NOON = 1_700_000_000_000
FLOOR_TABLES = ("runs", "latest_metrics", "params", "tags")


def fill_store(folder: Path, count: int, steps: int = 1) -> Backend:
    """Create a store with this many finished runs, each with the same 15 metrics, 15 parameters and 8 tags.

    With more than run_id step the first metric of the newest fifty runs has that many values.
    """
    backend = sqlite_backend(folder / "mlflow.db")
    ensure_database(backend)
    experiment = int(client(backend).create_experiment(NAME, artifact_location=str(folder / "mlruns")))
    ids = [f"{number:032x}" for number in range(count)]
    with closing(sqlite3.connect(backend.path)) as db, db:
        db.executemany(
            "INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id)"
            " VALUES (?, ?, 'ana', 'FINISHED', ?, ?, 'active', ?, ?)",
            [
                (run_id, f"run-{n}", NOON + n, NOON + n + 900, f"{folder}/{run_id}/artifacts", experiment)
                for n, run_id in enumerate(ids)
            ],
        )
        for table, columns in (
            ("latest_metrics", _latest_metric_rows(ids)),
            ("metrics", [*_latest_metric_rows(ids), *_history_rows(ids[-50:], steps)]),
        ):
            db.executemany(
                f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, 0, ?)", columns
            )
        for table, value in (("params", _param_value), ("tags", _tag_value)):
            db.executemany(
                f"INSERT INTO {table} (key, value, run_uuid) VALUES (?, ?, ?)",
                [(f"{table}_{k}", value(n, k), run_id) for n, run_id in enumerate(ids) for k in range(KEYS[table])],
            )
        db.executemany("INSERT INTO tags (key, value, run_uuid) VALUES ('mlflow.user', 'ana', ?)", [(run_id,) for run_id in ids])
    return backend


def _latest_metric_rows(ids: list[str]) -> list[tuple[str, float, int, int, str]]:
    return [(f"metric_{k}", n * 0.37 % 1 + k, NOON, 0, run_id) for n, run_id in enumerate(ids) for k in range(KEYS["metrics"])]


def _history_rows(ids: list[str], steps: int) -> list[tuple[str, float, int, int, str]]:
    return [
        ("metric_0", 1 / (step + n), NOON + step, step, run_id) for n, run_id in enumerate(ids, 1) for step in range(1, steps)
    ]


def _param_value(n: int, k: int) -> str:
    """Return a parameter value: every third varies by run, as in a random search; the others come from a grid."""
    return str(n * 0.0137 + k) if k % 3 == 0 else str(n * k % 97)


def _tag_value(n: int, k: int) -> str:
    """Return a text that repeats occasionally."""
    return f"said {n * k % 97}"


def experiment_id_of(backend: Backend) -> str:
    """Return the id of the filled experiment."""
    return str(client(backend).get_experiment_by_name(NAME).experiment_id)


def fetch_all_rows(backend: Backend) -> int:
    """Fetch every row of the four tables as Python values without further processing: the floor of reading."""
    with closing(sqlite3.connect(f"{backend.path.as_uri()}?mode=ro", uri=True)) as db:
        return sum(len(db.execute(f"SELECT * FROM {table}").fetchall()) for table in FLOOR_TABLES)
