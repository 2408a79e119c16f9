"""Runs that say they run and give no sign of life: their program died without telling. The cure writes how they ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from lib.backends import sqlite_store as store
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, translated
from lib.doctor.checks.secret_detection import without_secrets
from lib.doctor.run_cache import shown
from lib.doctor.types import Ask, Call, Check, Clock, Cure, Done, Finding, Room, Snippet, Told, Treatment, call
from lib.errors import BadInput, Refused
from lib.runs.reading.run_reader import experiments, run
from lib.runs.table.types import moment

SILENT = timedelta(hours=12)
"""How long a run may log nothing before it is taken for dead. A long epoch takes less."""
MOST = 1_000
CANDIDATES = 200
METRICS = 5
ALL = "all"
_LIVE = ("RUNNING", "SCHEDULED")
Ending = Literal["FAILED", "KILLED"]


@dataclass(frozen=True)
class Silent:
    """A run that is said to run: since when, and when it last logged a metric. Times in UTC."""

    run_id: str
    name: str
    experiment: str
    started: datetime
    last: datetime

    @property
    def label(self) -> str:
        """What people call it, secrets covered."""
        return f"{without_secrets(self.name)} ({self.run_id[:8]})" if self.name else self.run_id[:8]


def silent(backend: Backend, at: datetime) -> tuple[Silent, ...]:
    """The runs that have been running without a sign of life for twelve hours, longest first; at most 200 are asked for one."""
    names = {one.experiment_id: without_secrets(one.name) for one in experiments(backend)}
    if not names:
        return ()
    before = round((at - SILENT).timestamp() * 1000)
    there, found = client(backend), []
    with translated("The running runs"):
        for status in _LIVE:
            filter_ = f"attributes.status = '{status}' and attributes.start_time < {before}"
            found += there.search_runs([*names], filter_, max_results=MOST, order_by=["attributes.start_time ASC"])
    known = []
    for one in found[:CANDIDATES]:
        started = moment(one.info.start_time) or at
        last = max((started, *_signs(backend, one.info.run_id, sorted(one.data.metrics)[:METRICS])))
        if at - last >= SILENT:
            known.append(Silent(one.info.run_id, one.info.run_name or "", names[str(one.info.experiment_id)], started, last))
    return tuple(known)


def _signs(backend: Backend, run_id: str, metrics: list[str]) -> list[datetime]:
    """When some of its metrics were logged last."""
    times = list[datetime | None]()
    with translated(f"Run {run_id}"):
        for key in metrics:
            history = client(backend).get_metric_history(run_id, key)
            times.append(moment(max((point.timestamp for point in history), default=None)))
    return [one for one in times if one]


def running_for_ever(backend: Backend, clock: Clock, _: Told) -> tuple[Finding, ...]:
    """Name the runs whose program is taken for dead."""
    at = clock()
    found = silent(backend, at)
    if not found:
        return ENDLESS.fine("none")
    rows = [(one.label, one.experiment, _day(one.started), _day(one.last)) for one in found]
    return (
        Finding(
            ENDLESS.id,
            "notice",
            f"{_count(len(found))} been running without a sign of life",
            f"{len(found)} silent for {SILENT.total_seconds() / 3600:.0f} h",
            ("Run", "Experiment", "Started (UTC)", "Last sign (UTC)"),
            shown(rows),
            "Its program was most likely ended without telling MLflow. Lists show it as running, and its last numbers may be missing.",
            "If nobody trains it any more, write down how it ended. Nothing else about the run changes.",
            (call("end_failed"), call("end_killed")),
        ),
    )


def _count(number: int) -> str:
    return "A run has" if number == 1 else f"{number} runs have"


def _day(at: datetime) -> str:
    return f"{at:%d %b %Y, %H:%M}".lstrip("0")


def _preview(room: Room, asked: Call, ending: Ending) -> Cure:
    chosen = _chosen(room, asked)
    code = "\n".join(f"client.set_terminated({one.run_id!r}, {ending!r})" for one in chosen)
    return Cure(
        f"Mark {'this run' if len(chosen) == 1 else f'these {len(chosen)} runs'} as {_WORDS[ending]}",
        tuple(f"{one.label} in {one.experiment}: from running to {_WORDS[ending]}, ended now." for one in chosen),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\n{code}"),),
        "A program that still writes to the run can go on; client.update_run(run_id, status='RUNNING') sets the state back.",
    )


def _end(room: Room, asked: Call, told: Told, ending: Ending) -> Done:
    store.must_be_free(room.backend)
    rows = []
    for one in _chosen(room, asked):
        told(f"Marking {one.label}.")
        with translated(f"Run {one.label}"):
            client(room.backend).set_terminated(one.run_id, ending)
        now = run(room.backend, one.run_id).status
        if now != ending:
            raise Refused(f"{one.label} says {now} all the same.", next="Its program may still run. Check again.")
        rows.append((one.label, f"says {_WORDS[ending]} now"))
    return Done(f"{len(rows)} marked as {_WORDS[ending]}", tuple(rows))


def _chosen(room: Room, asked: Call) -> tuple[Silent, ...]:
    """The runs meant, as far as they are silent at this moment. Raises BadInput for any that is not."""
    found = {one.run_id: one for one in silent(room.backend, room.clock())}
    if not found:
        raise Refused("No run is silent any more.", next="Check again.")
    words = asked["runs"].replace(",", " ").split() or [ALL]
    if words == [ALL]:
        return tuple(found.values())
    meant = {word: [one for run_id, one in found.items() if run_id.startswith(word)] for word in words}
    if wrong := [word for word, hits in meant.items() if len(hits) != 1]:
        raise BadInput(f"{wrong[0][:40]} is not one of the silent runs.", next="Use an id from the list, or its beginning.")
    return tuple({hits[0].run_id: hits[0] for hits in meant.values()}.values())


def _asks(room: Room, _: Call) -> tuple[Ask, ...]:
    return (Ask("runs", "Which runs", ALL, "all, or the beginnings of their ids with blanks between them"),)


_WORDS = {"FAILED": "failed", "KILLED": "stopped"}
ENDLESS = Check("unfinished", "Runs that ended say so", "Does a run say for ever that it runs?", running_for_ever, quick=True)
CHECKS = (ENDLESS,)
TREATMENTS = (
    Treatment(
        "end_failed",
        "Mark as failed",
        "When the program broke. Takes a second.",
        lambda room, asked: _preview(room, asked, "FAILED"),
        lambda room, asked, told: _end(room, asked, told, "FAILED"),
        _asks,
    ),
    Treatment(
        "end_killed",
        "Mark as stopped",
        "When somebody ended the program. Takes a second.",
        lambda room, asked: _preview(room, asked, "KILLED"),
        lambda room, asked, told: _end(room, asked, told, "KILLED"),
        _asks,
    ),
)
