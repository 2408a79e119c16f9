"""Starting, listing, stopping and settling jobs. The truth is in the folders (`job`); the script is run by a `keeper`.

A job outlives whoever started it. What its keeper left undone because it was killed is settled by the next one who looks.
"""

import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from filelock import Timeout
from ulid import ULID

from lib import processes
from lib.backends.backend import Backend
from lib.backends.credentials import known
from lib.errors import NotFound, NotWritable, PodiumError
from lib.jobs import job_folder as job
from lib.jobs.job_folder import Job
from lib.jobs.job_runs import end_runs, runs_of
from lib.jobs.job_settings import Workshop, environment_for, folder_for

__all__ = ["Order", "cancel", "launch", "listed", "read", "runs_of", "settle", "wait"]

PROJECT = Path(__file__).resolve().parents[2]
AGAIN = timedelta(seconds=30)
"""How long to leave a backend alone that did not answer when runs were to be ended."""


@dataclass(frozen=True)
class Order:
    """What a job is to run: a script with its arguments, and what people call it. `demo` is the key of a demo."""

    demo: str
    title: str
    script: Path
    arguments: tuple[str, ...] = ()


def launch(workshop: Workshop, order: Order, backend: Backend, at: datetime) -> Job:
    """Write the order down and start its keeper, a process of its own session that nobody has to wait for."""
    folder = workshop.folder / _next_id(workshop, at)
    try:
        folder.mkdir(parents=True)
        job.write_json(folder / "status.json", {"state": "queued"})
        job.write_json(folder / "spec.json", _spec(workshop, order, backend, at))
        _start_keeper(folder, environment_for(workshop, backend, folder.name))
    except OSError as error:
        raise NotWritable(
            f"The job could not be started ({error}).", next="Check the rights of the folder, or set PODIUM_HOME."
        ) from error
    return job.read(folder)


def _next_id(workshop: Workshop, at: datetime) -> str:
    """An id that sorts after every earlier one: two jobs ordered within a millisecond keep their order in the queue."""
    newest = next(iter(job.ids(workshop.folder)), "")
    made = str(ULID.from_datetime(at))
    while made <= newest and made[:10] == newest[:10]:
        at += timedelta(milliseconds=1)
        made = str(ULID.from_datetime(at))
    return made


def _spec(workshop: Workshop, order: Order, backend: Backend, at: datetime) -> dict[str, object]:
    return {
        "demo": order.demo,
        "title": order.title,
        "script": str(order.script),
        "arguments": order.arguments,
        "uri": backend.uri,
        "kind": backend.kind,
        "cwd": str(folder_for(backend, PROJECT)),
        "limit": workshop.limit,
        "created": at.isoformat(),
    }


def _start_keeper(folder: Path, environment: dict[str, str]) -> None:
    with (folder / "keeper.txt").open("ab") as said:
        keeper = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "lib.jobs.job_runner", str(folder)],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    threading.Thread(target=keeper.wait, name=f"reap-{folder.name}", daemon=True).start()


def listed(workshop: Workshop, most: int = 50) -> list[Job]:
    """The newest jobs, newest first; at most `most` of them."""
    found = []
    for one in job.ids(workshop.folder)[:most]:
        with contextlib.suppress(NotFound):
            found.append(job.read(workshop.folder / one))
    return found


def read(workshop: Workshop, job_id: str) -> Job:
    """One job. Raises NotFound, also for a text that is no id at all."""
    if not job.is_id(job_id):
        raise NotFound("That is not the id of a job.", next="Choose one of the earlier jobs.")
    return job.read(workshop.folder / job_id)


def cancel(workshop: Workshop, job_id: str) -> None:
    """Ask for a job to be stopped; its keeper does it within seconds. Nothing happens to a job that has ended."""
    one = read(workshop, job_id)
    if one.live:
        (one.folder / "cancel").touch()


def wait(workshop: Workshop, job_id: str, at_most: float = float("inf")) -> Job:
    """Wait until a job has ended, or `at_most` seconds, and return it as it then stands."""
    deadline = time.monotonic() + at_most
    one = read(workshop, job_id)
    while one.live and time.monotonic() < deadline:
        time.sleep(0.1)
        one = settled(read(workshop, job_id), datetime.now(one.created.tzinfo))  # noqa: TID251 - waiting is about the real clock
    return one


def settle(workshop: Workshop, at: datetime) -> list[Job]:
    """The newest jobs, after those that lost their keeper were ended. Every page and command looks at jobs through this."""
    return [settled(one, at) for one in listed(workshop)]


def settled(one: Job, at: datetime) -> Job:
    """The job as it stands; one whose keeper is gone is ended first: its script, then its runs (KILLED), then itself."""
    if one.live and not _is_newborn(one, at) and not job.is_kept(one.folder):
        return _end_lost(one, at)
    if one.runs_open and at - one.runs_open > AGAIN:
        _close_runs(one, at)
        return job.read(one.folder)
    return one


def _is_newborn(one: Job, at: datetime) -> bool:
    return one.state == "queued" and at - one.created < job.NEWBORN


def _end_lost(one: Job, at: datetime) -> Job:
    """Only one of several who look at once ends it: whoever gets the keeper's lock."""
    lock = job.alive_lock(one.folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return one
    try:
        if job.state_of(one.folder) in job.LIVE:
            child = job.child_of(one.folder)
            if child and processes.is_same(*child):
                processes.end(child[0])
            job.write_status(one.folder, state="lost", ended=at.isoformat())
            _close_runs(one, at)
    finally:
        lock.release()
    return job.read(one.folder)


def _close_runs(one: Job, at: datetime) -> None:
    """End the runs that are still open; if the backend does not answer, a later look tries again."""
    job.write_status(one.folder, runs_open=at.isoformat())
    with contextlib.suppress(PodiumError):
        end_runs(known(one.backend), one.id)
        job.write_status(one.folder, runs_open=None)
