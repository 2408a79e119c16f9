"""Runs that say they run and give no sign of life: their program died without telling. The cure writes how they ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from lib.backends import sqlite_store
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.checks.secret_detection import mask_secrets
from lib.doctor.run_cache import evidence_rows
from lib.doctor.types import (
    Check,
    Clock,
    Finding,
    Fix,
    FixContext,
    FixInput,
    FixOffer,
    FixPreview,
    FixResult,
    ProgressCallback,
    Snippet,
    offer_fix,
)
from lib.errors import ActionRefused, BadInput
from lib.runs.reading.run_reader import read_experiments, read_run
from lib.runs.table.types import datetime_from_millis

STALE_AFTER = timedelta(hours=12)
"""How long a run may log nothing before it is taken for dead. A long epoch takes less."""
MAX_RUNS = 1_000
MAX_CANDIDATES = 200
MAX_METRICS = 5
ALL_RUNS = "all"
_LIVE = ("RUNNING", "SCHEDULED")
TerminalStatus = Literal["FAILED", "KILLED"]


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
        return f"{mask_secrets(self.name)} ({self.run_id[:8]})" if self.name else self.run_id[:8]


def find_stale_runs(backend: Backend, at: datetime) -> tuple[StaleRun, ...]:
    """The runs that have been running without a sign of life for twelve hours, longest first; at most 200 are asked for one."""
    names = {one.experiment_id: mask_secrets(one.name) for one in read_experiments(backend)}
    if not names:
        return ()
    before = round((at - STALE_AFTER).timestamp() * 1000)
    there, found = client(backend), []
    with translate_errors("The running runs"):
        for status in _LIVE:
            filter_ = f"attributes.status = '{status}' and attributes.start_time < {before}"
            found += there.search_runs([*names], filter_, max_results=MAX_RUNS, order_by=["attributes.start_time ASC"])
    known = []
    for one in found[:MAX_CANDIDATES]:
        started = datetime_from_millis(one.info.start_time) or at
        last = max((started, *_signs(backend, one.info.run_id, sorted(one.data.metrics)[:MAX_METRICS])))
        if at - last >= STALE_AFTER:
            known.append(StaleRun(one.info.run_id, one.info.run_name or "", names[str(one.info.experiment_id)], started, last))
    return tuple(known)


def _signs(backend: Backend, run_id: str, metrics: list[str]) -> list[datetime]:
    """When some of its metrics were logged last."""
    times = list[datetime | None]()
    with translate_errors(f"Run {run_id}"):
        for key in metrics:
            history = client(backend).get_metric_history(run_id, key)
            times.append(datetime_from_millis(max((point.timestamp for point in history), default=None)))
    return [one for one in times if one]


def check_stale_runs(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Name the runs whose program is taken for dead."""
    at = clock()
    found = find_stale_runs(backend, at)
    if not found:
        return STALE_RUNS_CHECK.fine_findings("none")
    rows = [(one.label, one.experiment_name, _day(one.started_at), _day(one.last_activity_at)) for one in found]
    return (
        Finding(
            STALE_RUNS_CHECK.id,
            "notice",
            f"{_count(len(found))} been running without a sign of life",
            f"{len(found)} silent for {STALE_AFTER.total_seconds() / 3600:.0f} h",
            ("Run", "Experiment", "Started (UTC)", "Last sign (UTC)"),
            evidence_rows(rows),
            "Its program was most likely ended without telling MLflow. Lists show it as running, and its last numbers may be missing.",
            "If nobody trains it any more, write down how it ended. Nothing else about the run changes.",
            (offer_fix("end_failed"), offer_fix("end_killed")),
        ),
    )


def _count(number: int) -> str:
    return "A run has" if number == 1 else f"{number} runs have"


def _day(at: datetime) -> str:
    return f"{at:%d %b %Y, %H:%M}".lstrip("0")


def _preview(room: FixContext, asked: FixOffer, ending: TerminalStatus) -> FixPreview:
    chosen = _chosen(room, asked)
    code = "\n".join(f"client.set_terminated({one.run_id!r}, {ending!r})" for one in chosen)
    return FixPreview(
        f"Mark {'this run' if len(chosen) == 1 else f'these {len(chosen)} runs'} as {_WORDS[ending]}",
        tuple(f"{one.label} in {one.experiment_name}: from running to {_WORDS[ending]}, ended now." for one in chosen),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\n{code}"),),
        "A program that still writes to the run can go on; client.update_run(run_id, status='RUNNING') sets the state back.",
    )


def _end(room: FixContext, asked: FixOffer, told: ProgressCallback, ending: TerminalStatus) -> FixResult:
    sqlite_store.require_writable(room.backend)
    rows = []
    for one in _chosen(room, asked):
        told(f"Marking {one.label}.")
        with translate_errors(f"Run {one.label}"):
            client(room.backend).set_terminated(one.run_id, ending)
        now = read_run(room.backend, one.run_id).status
        if now != ending:
            raise ActionRefused(f"{one.label} says {now} all the same.", next="Its program may still run. Check again.")
        rows.append((one.label, f"says {_WORDS[ending]} now"))
    return FixResult(f"{len(rows)} marked as {_WORDS[ending]}", tuple(rows))


def _chosen(room: FixContext, asked: FixOffer) -> tuple[StaleRun, ...]:
    """The runs meant, as far as they are silent at this moment. Raises BadInput for any that is not."""
    found = {one.run_id: one for one in find_stale_runs(room.backend, room.clock())}
    if not found:
        raise ActionRefused("No run is silent any more.", next="Check again.")
    words = asked["runs"].replace(",", " ").split() or [ALL_RUNS]
    if words == [ALL_RUNS]:
        return tuple(found.values())
    meant = {word: [one for run_id, one in found.items() if run_id.startswith(word)] for word in words}
    if wrong := [word for word, hits in meant.items() if len(hits) != 1]:
        raise BadInput(f"{wrong[0][:40]} is not one of the silent runs.", next="Use an id from the list, or its beginning.")
    return tuple({hits[0].run_id: hits[0] for hits in meant.values()}.values())


def _asks(room: FixContext, _: FixOffer) -> tuple[FixInput, ...]:
    return (FixInput("runs", "Which runs", ALL_RUNS, "all, or the beginnings of their ids with blanks between them"),)


_WORDS = {"FAILED": "failed", "KILLED": "stopped"}
STALE_RUNS_CHECK = Check(
    "unfinished", "Runs that ended say so", "Does a run say for ever that it runs?", check_stale_runs, is_quick=True
)
CHECKS = (STALE_RUNS_CHECK,)
FIXES = (
    Fix(
        "end_failed",
        "Mark as failed",
        "When the program broke. Takes a second.",
        lambda room, asked: _preview(room, asked, "FAILED"),
        lambda room, asked, told: _end(room, asked, told, "FAILED"),
        _asks,
    ),
    Fix(
        "end_killed",
        "Mark as stopped",
        "When somebody ended the program. Takes a second.",
        lambda room, asked: _preview(room, asked, "KILLED"),
        lambda room, asked, told: _end(room, asked, told, "KILLED"),
        _asks,
    ),
)
