"""Runs that say they run and give no sign of life: their program died without telling."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
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

STALE_AFTER = timedelta(hours=12)
"""How long a run may log nothing before it is taken for dead. A long epoch takes less."""
MAX_RUNS = 1_000
MAX_CANDIDATES = 200
MAX_METRICS = 5
_LIVE_STATUSES = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class StaleRun:
    """A run that is said to run: since when, and when it last logged a metric. Times in UTC."""

    run_id: str
    name: str
    experiment_name: str
    started_at: datetime
    last_activity_at: datetime

    @property
    def label(self) -> str:
        """What people call it, secrets covered."""
        return format_run_label(self.name, self.run_id)


def find_stale_runs(backend: Backend, at: datetime) -> tuple[StaleRun, ...]:
    """The runs that have been running without a sign of life for twelve hours, longest first; at most 200 are asked for one."""
    experiment_names = {experiment.experiment_id: mask_secrets(experiment.name) for experiment in read_experiments(backend)}
    if not experiment_names:
        return ()
    started_before = round((at - STALE_AFTER).timestamp() * 1000)
    mlflow_client, runs = client(backend), []
    with translate_errors("The running runs"):
        for status in _LIVE_STATUSES:
            filter_ = f"attributes.status = '{status}' and attributes.start_time < {started_before}"
            runs += mlflow_client.search_runs(
                [*experiment_names], filter_, max_results=MAX_RUNS, order_by=["attributes.start_time ASC"]
            )
    stale_runs = []
    for run in runs[:MAX_CANDIDATES]:
        started = datetime_from_millis(run.info.start_time) or at
        last_activity = max((started, *_read_activity_times(backend, run.info.run_id, sorted(run.data.metrics)[:MAX_METRICS])))
        if at - last_activity >= STALE_AFTER:
            stale_runs.append(
                StaleRun(
                    run.info.run_id,
                    run.info.run_name or "",
                    experiment_names[str(run.info.experiment_id)],
                    started,
                    last_activity,
                )
            )
    return tuple(stale_runs)


def _read_activity_times(backend: Backend, run_id: str, metrics: list[str]) -> list[datetime]:
    """When some of its metrics were logged last."""
    times = list[datetime | None]()
    with translate_errors(f"Run {run_id}"):
        for key in metrics:
            history = client(backend).get_metric_history(run_id, key)
            times.append(datetime_from_millis(max((point.timestamp for point in history), default=None)))
    return [time for time in times if time]


def check_stale_runs(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Name the runs whose program is taken for dead."""
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
            f"{_subject_text(len(stale_runs))} been running without a sign of life",
            f"{len(stale_runs)} silent for {STALE_AFTER.total_seconds() / 3600:.0f} h",
            ("Run", "Experiment", "Started (UTC)", "Last sign (UTC)"),
            evidence_rows(rows),
            "Its program was most likely ended without telling MLflow. Lists show it as running, and its last numbers may be missing.",
            "If nobody trains it any more, write down how it ended. Nothing else about the run changes.",
            (offer_fix(fix_ids.END_FAILED), offer_fix(fix_ids.END_KILLED)),
        ),
    )


def _subject_text(count: int) -> str:
    return "A run has" if count == 1 else f"{count} runs have"


def _format_time(at: datetime) -> str:
    return f"{at:%d %b %Y, %H:%M}".lstrip("0")


STALE_RUNS_CHECK = Check(
    "unfinished", "Runs that ended say so", "Does a run say for ever that it runs?", check_stale_runs, is_quick=True
)
CHECKS = (STALE_RUNS_CHECK,)
