"""Time to read the histories of a metric in fifty runs, compared with sequential calls of MLflow's client."""

from pathlib import Path

from benchmarks.figures import Figure, measure_quickest
from benchmarks.stores import experiment_id_of, fill_store
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.runs.reading.metric_history import read_histories
from lib.runs.reading.run_reader import read_runs
from lib.runs.table.types import Search

RUNS, METRIC = 50, "metric_0"


def make_history_store(folder: Path, steps: int) -> Backend:
    """Create fifty runs with this many steps of one metric."""
    return fill_store(folder / "histories", RUNS, steps)


def measure_fifty_runs(backend: Backend, where: str, experiment: str, rounds: int) -> Figure:
    """Measure reading all values of one metric of fifty runs."""
    ids = read_runs(backend, Search((experiment,))).ids
    mlflow_client = client(backend)
    actions = {
        "podium": lambda: read_histories(backend, ids, [METRIC]),
        "mlflow": lambda: [mlflow_client.get_metric_history(run_id, METRIC) for run_id in ids],
    }
    seconds = measure_quickest(actions, rounds)
    return Figure(f"histories of {RUNS} runs, {where}", seconds["podium"], seconds["mlflow"], "get_metric_history in turn")


def measure_backend(backend: Backend, where: str, store: Backend, rounds: int) -> Figure:
    """Measure a backend; `store` is the file with its runs."""
    return measure_fifty_runs(backend, where, experiment_id_of(store), rounds)
