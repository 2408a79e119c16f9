"""How quickly the histories of a metric in fifty runs are read, against asking MLflow's client for one after the other."""

from pathlib import Path

from benchmarks.figures import Figure, quickest
from benchmarks.stores import experiment_of, filled
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.runs.reading.metric_history import read_histories
from lib.runs.reading.run_reader import read_runs
from lib.runs.table.types import Search

RUNS, METRIC = 50, "metric_0"


def store(folder: Path, steps: int) -> Backend:
    """Fifty runs with so many steps of one metric."""
    return filled(folder / "histories", RUNS, steps)


def of_fifty(backend: Backend, where: str, experiment: str, rounds: int) -> Figure:
    """All values of one metric of fifty runs."""
    ids = read_runs(backend, Search((experiment,))).ids
    here = client(backend)
    ways = {
        "podium": lambda: read_histories(backend, ids, [METRIC]),
        "mlflow": lambda: [here.get_metric_history(run_id, METRIC) for run_id in ids],
    }
    seconds = quickest(ways, rounds)
    return Figure(f"histories of {RUNS} runs, {where}", seconds["podium"], seconds["mlflow"], "get_metric_history in turn")


def measured(backend: Backend, where: str, home: Backend, rounds: int) -> Figure:
    """The figure of a backend; `home` is the file that holds its runs."""
    return of_fifty(backend, where, experiment_of(home), rounds)
