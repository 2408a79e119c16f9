"""Finds a job's runs by the tag `podium.job`, which MLflow sets on all of them, and ends them if the job failed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, probe
from lib.backends.mlflow_errors import translate_errors
from lib.backends.pagination import iterate_pages, read_pages
from lib.backends.reserved_names import JOB_TAG
from lib.backends.sqlite_store import ensure_database
from lib.jobs.job_folder import is_job_id

if TYPE_CHECKING:
    from mlflow.entities import Run

_PAGE_SIZE = 500


@dataclass(frozen=True)
class RunSummary:
    """One run of a job. `parent_run_id` is empty without a parent; `metrics` are the last values, `params` are text."""

    run_id: str
    name: str
    experiment_id: str
    status: str
    started_at: datetime
    parent_run_id: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    params: Mapping[str, str] = field(default_factory=dict, hash=False)


def find_job_runs(backend: Backend, job_id: str) -> tuple[RunSummary, ...]:
    """Return all runs of a job in any experiment, oldest first.

    Raises PodiumError if the backend does not respond or cannot be read.
    """
    is_missing = backend.path is not None and not backend.path.exists()
    if is_missing or not is_job_id(job_id):
        return ()
    ensure_database(backend)
    probe(backend)
    with translate_errors(f"The job {job_id}"):
        summaries = [_summarize_run(run) for run in _find_tagged_runs(backend, job_id)]
    return tuple(sorted(summaries, key=lambda run: (run.started_at, run.run_id)))


def terminate_open_runs(backend: Backend, job_id: str) -> int:
    """Set a job's RUNNING runs to KILLED. Returns their number; raises like `find_job_runs`."""
    open_runs = [run for run in find_job_runs(backend, job_id) if run.status == "RUNNING"]
    with translate_errors(f"The job {job_id}"):
        for run in open_runs:
            client(backend).set_terminated(run.run_id, "KILLED")
    return len(open_runs)


def _find_tagged_runs(backend: Backend, job_id: str) -> Iterator["Run"]:
    mlflow_client = client(backend)
    experiments = [
        experiment.experiment_id
        for experiment in read_pages(lambda token: mlflow_client.search_experiments(max_results=_PAGE_SIZE, page_token=token))
    ]
    filter_string = f"tags.\"{JOB_TAG}\" = '{job_id}'"
    for start in range(0, len(experiments), _PAGE_SIZE):
        search = partial(mlflow_client.search_runs, experiments[start : start + _PAGE_SIZE], filter_string)
        yield from chain.from_iterable(iterate_pages(lambda token: search(max_results=_PAGE_SIZE, page_token=token)))  # noqa: B023 - used at once


def _summarize_run(run: "Run") -> RunSummary:
    return RunSummary(
        run_id=run.info.run_id,
        name=run.info.run_name or run.info.run_id,
        experiment_id=run.info.experiment_id,
        status=run.info.status,
        started_at=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        parent_run_id=run.data.tags.get("mlflow.parentRunId", ""),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
    )
