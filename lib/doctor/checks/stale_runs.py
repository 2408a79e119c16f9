"""Reports stale runs: still marked as running, but without activity because their process died."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.pagination import read_pages
from lib.doctor import fix_ids
from lib.doctor.report import evidence_rows, format_run_label
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import (
    Check,
    Clock,
    Finding,
    ProgressCallback,
    offer_fix,
)
from lib.runs.reading.run_reader import read_experiments
from lib.runs.table.types import datetime_from_millis

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

STALE_AFTER = timedelta(hours=12)
"""How long a run may log nothing before it counts as stale; longer than a long epoch."""
PAGE_SIZE = 1_000
LIVE_STATUSES = ("RUNNING", "SCHEDULED")
"""Statuses of a run that has not ended."""


@dataclass(frozen=True)
class StaleRun:
    """A run marked as running, with its start time and the time of its last metric, in UTC."""

    run_id: str
    name: str
    experiment_name: str
    started_at: datetime
    last_activity_at: datetime

    @property
    def label(self) -> str:
        """Display label with secrets masked."""
        return format_run_label(self.name, self.run_id)


def find_stale_runs(backend: Backend, at: datetime) -> tuple[StaleRun, ...]:
    """Return all runs without activity for twelve hours, oldest first."""
    experiment_names = {experiment.experiment_id: mask_secrets(experiment.name) for experiment in read_experiments(backend)}
    started_before = round((at - STALE_AFTER).timestamp() * 1000)
    runs = [
        run
        for status in (LIVE_STATUSES if experiment_names else ())
        for run in _read_runs_with_status(
            backend, [*experiment_names], f"attributes.status = '{status}' and attributes.start_time < {started_before}"
        )
    ]
    stale_runs = []
    for run in runs:
        started = datetime_from_millis(run.info.start_time) or at
        last_activity = max(started, _last_metric_time(run) or started)
        if at - last_activity >= STALE_AFTER:
            experiment_name = experiment_names[str(run.info.experiment_id)]
            stale_runs.append(StaleRun(run.info.run_id, run.info.run_name or "", experiment_name, started, last_activity))
    return tuple(stale_runs)


def _read_runs_with_status(backend: Backend, experiment_ids: list[str], filter_text: str) -> "list[MlflowRun]":
    order = ["attributes.start_time ASC"]
    with translate_errors("The running runs"):
        return read_pages(
            lambda token: client(backend).search_runs(
                experiment_ids, filter_text, max_results=PAGE_SIZE, order_by=order, page_token=token
            )
        )


def _last_metric_time(run: "MlflowRun") -> datetime | None:
    """Return when the run last logged a metric, from the latest point of each metric in the search result."""
    points = run.data._metric_objs  # noqa: SLF001 - the public `metrics` omits timestamps
    return datetime_from_millis(max((point.timestamp for point in points), default=None))


def check_stale_runs(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Report the stale runs."""
    at = clock()
    stale_runs = find_stale_runs(backend, at)
    if not stale_runs:
        return STALE_RUNS_CHECK.fine_findings("none")
    rows = [
        (run.label, run.experiment_name, _format_time(run.started_at), _format_time(run.last_activity_at)) for run in stale_runs
    ]
    return (
        Finding(
            STALE_RUNS_CHECK.id,
            "notice",
            f"{_subject_text(len(stale_runs))} been running without activity",
            f"{len(stale_runs)} inactive for {STALE_AFTER.total_seconds() / 3600:.0f} h",
            ("Run", "Experiment", "Started (UTC)", "Last sign (UTC)"),
            evidence_rows(rows),
            "Its process was most likely killed before it could report to MLflow. Lists show it as running; recent metrics may be missing.",
            "If it is no longer training, mark how it ended. Nothing else about the run changes.",
            (offer_fix(fix_ids.END_FAILED), offer_fix(fix_ids.END_KILLED)),
        ),
    )


def _subject_text(count: int) -> str:
    return "A run has" if count == 1 else f"{count} runs have"


def _format_time(at: datetime) -> str:
    return f"{at:%d %b %Y, %H:%M}".lstrip("0")


STALE_RUNS_CHECK = Check(
    "unfinished", "No stale runs", "Are runs marked as running although their process ended?", check_stale_runs, is_quick=True
)
CHECKS = (STALE_RUNS_CHECK,)
