"""The latest runs of a backend across experiments, for Overview. Comparing runs is left to the other modules here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.runs.reading.run_reader import read_experiments
from lib.runs.table.types import PARENT_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run

MAX_RUNS_READ = 100
HEADLINE_METRICS = ("accuracy", "auc")


@dataclass(frozen=True)
class LatestRun:
    """One run in a list. Times are in UTC; `ended` is None while it is running."""

    run_id: str
    name: str
    experiment_name: str
    status: str
    started: datetime
    ended: datetime | None
    metrics: Mapping[str, float] = field(default_factory=dict)


def read_latest_runs(backend: Backend, limit: int) -> tuple[LatestRun, ...]:
    """Return the latest runs, newest first, without child runs and Podium's own ledger; empty if there are none.

    Only the newest hundred runs are read: after a long search with many children, fewer than `limit` may be returned.
    """
    with translate_errors(), relaxed_gc():
        names = {experiment.experiment_id: experiment.name for experiment in read_experiments(backend)}
        if not names:
            return ()
        runs = client(backend).search_runs([*names], max_results=MAX_RUNS_READ, order_by=["attributes.start_time DESC"])
    return tuple(_latest_run(run, names) for run in runs if PARENT_TAG not in run.data.tags)[:limit]


def headline_metric(metrics: Mapping[str, float]) -> float | None:
    """Return the headline number of a run: accuracy, else the first accuracy or AUC by name that is not from training data.

    None if there is no such number between 0 and 1: a number that means something else is worse than none. Pure.
    """
    names = sorted(metrics, key=lambda name: (name != "accuracy", name))
    candidates = (
        n for n in names if any(headline in n.lower() for headline in HEADLINE_METRICS) and not n.lower().startswith("train")
    )
    return next((metrics[name] for name in candidates if 0 <= metrics[name] <= 1), None)


def _latest_run(run: "Run", names: Mapping[str, str]) -> LatestRun:
    info = run.info
    return LatestRun(
        run_id=info.run_id,
        name=info.run_name or info.run_id,
        experiment_name=names[info.experiment_id],
        status=info.status,
        started=datetime.fromtimestamp(info.start_time / 1000, UTC),
        ended=datetime.fromtimestamp(info.end_time / 1000, UTC) if info.end_time else None,
        metrics=dict(run.data.metrics),
    )
