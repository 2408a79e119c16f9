"""Starting, listing, stopping and reaping jobs. Their state is in their folders (`job_folder`); a `job_runner` runs the script.

A job outlives whoever started it. When its runner was killed, the next reader ends what it left.
"""

import contextlib
import shutil
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
from lib.backends.app_files import PROJECT_FOLDER, make_private_folder, open_private_log
from lib.backends.backend import Backend
from lib.backends.credentials import attach_credential
from lib.backends.database_errors import DISK_FULL_ERRNOS
from lib.errors import NotFound, NotWritable, PodiumError
from lib.jobs import job_folder, job_settings
from lib.jobs.job_folder import Job
from lib.jobs.job_runs import find_job_runs, terminate_open_runs
from lib.jobs.job_settings import JobSettings, script_environment, working_folder

__all__ = ["JobSpec", "cancel", "find_job", "find_job_runs", "list_jobs", "reap_lost_jobs", "start_job", "wait"]

_CLEANUP_RETRY_AFTER = timedelta(seconds=30)
"""How long to leave a backend alone that did not answer when runs were to be ended."""


@dataclass(frozen=True)
class JobSpec:
    """What a job is to run: a script with its arguments, its title, and the key of the task, by which whoever ordered it knows it again."""

    task: str
    title: str
    script: Path
    arguments: tuple[str, ...] = ()


def start_job(settings: JobSettings, spec: JobSpec, backend: Backend, at: datetime) -> Job:
    """Write the spec and start its runner, a process in a session of its own that nobody has to wait for."""
    folder = settings.jobs_folder / _next_id(settings, at)
    try:
        make_private_folder(folder)
        job_folder.write_json(folder / "status.json", {"state": "queued"})
        job_folder.write_json(folder / "spec.json", _spec_to_json(settings, spec, backend, at))
        _start_runner(folder, script_environment(settings, backend, folder.name))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        is_full = error.errno in DISK_FULL_ERRNOS
        raise NotWritable(
            "The job could not be started: the disk is full." if is_full else f"The job could not be started ({error}).",
            next=f"Make room on the disk of {settings.jobs_folder}, then start it again."
            if is_full
            else "Check the rights of the folder, or set PODIUM_HOME.",
        ) from error
    return job_folder.read_job(folder)


def _next_id(settings: JobSettings, at: datetime) -> str:
    """An id that sorts after every earlier one: two jobs ordered within a millisecond keep their order in the queue."""
    newest_id = next(iter(job_folder.list_job_ids(settings.jobs_folder)), "")
    job_id = str(ULID.from_datetime(at))
    while job_id <= newest_id and job_id[:10] == newest_id[:10]:
        at += timedelta(milliseconds=1)
        job_id = str(ULID.from_datetime(at))
    return job_id


def _spec_to_json(settings: JobSettings, spec: JobSpec, backend: Backend, at: datetime) -> dict[str, object]:
    return {
        "demo": spec.task,
        "title": spec.title,
        "script": str(spec.script),
        "arguments": spec.arguments,
        "uri": backend.uri,
        "kind": backend.kind,
        "cwd": str(working_folder(backend, PROJECT_FOLDER)),
        "limit": settings.max_running,
        "created": at.isoformat(),
    }


def _start_runner(folder: Path, environment: dict[str, str]) -> None:
    with open_private_log(folder / "keeper.txt") as output:
        runner = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "lib.jobs.job_runner", str(folder)],
            cwd=PROJECT_FOLDER,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    threading.Thread(target=runner.wait, name=f"reap-{folder.name}", daemon=True).start()


def list_jobs(settings: JobSettings, max_count: int = 50) -> list[Job]:
    """The newest jobs, newest first; at most `max_count` of them."""
    jobs = []
    for job_id in job_folder.list_job_ids(settings.jobs_folder)[:max_count]:
        with contextlib.suppress(NotFound):
            jobs.append(job_folder.read_job(settings.jobs_folder / job_id))
    return jobs


def find_job(settings: JobSettings, job_id: str) -> Job:
    """One job. Raises NotFound, also for a text that is no id at all."""
    if not job_folder.is_job_id(job_id):
        raise NotFound("That is not the id of a job.", next="Choose one of the earlier jobs.")
    return job_folder.read_job(settings.jobs_folder / job_id)


def cancel(settings: JobSettings, job_id: str) -> None:
    """Ask for a job to be stopped; its runner does it within seconds. Nothing happens to a job that has ended."""
    job = find_job(settings, job_id)
    if job.is_live:
        (job.folder / "cancel").touch(mode=0o600)


def wait(settings: JobSettings, job_id: str, timeout_seconds: float = float("inf")) -> Job:
    """Wait until a job has ended, or `timeout_seconds`, and return it as it then is."""
    deadline = time.monotonic() + timeout_seconds
    job = find_job(settings, job_id)
    while job.is_live and time.monotonic() < deadline:
        time.sleep(0.1)
        job = reap_if_lost(find_job(settings, job_id), datetime.now(job.created_at.tzinfo))  # noqa: TID251 - waiting is about the real clock
    return job


def reap_lost_jobs(settings: JobSettings, at: datetime) -> list[Job]:
    """The newest jobs, after those whose runner died were ended. Every page and command reads jobs through this."""
    return [reap_if_lost(job, at) for job in list_jobs(settings)]


def reap_if_lost(job: Job, at: datetime) -> Job:
    """The job as it is; one whose runner is gone is ended first: its script, then its runs (KILLED), then itself."""
    if job.is_live and not _is_starting(job, at) and not job_folder.has_live_runner(job.folder):
        return _end_lost(job, at)
    if job.cleanup_attempted_at and at - job.cleanup_attempted_at > _CLEANUP_RETRY_AFTER:
        _terminate_runs(job, at)
        return job_folder.read_job(job.folder)
    return job


def _is_starting(job: Job, at: datetime) -> bool:
    return job.state == "queued" and at - job.created_at < job_settings.STARTUP_GRACE_PERIOD


def _end_lost(job: Job, at: datetime) -> Job:
    """Only one of several concurrent readers ends it: whoever gets the runner's lock."""
    lock = job_folder.alive_lock(job.folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return job
    try:
        if job_folder.read_job_state(job.folder) in job_folder.LIVE_STATES:
            script_process = job_folder.read_script_process(job.folder)
            if script_process and processes.is_same_process(*script_process):
                processes.end_process_tree(script_process[0])
            job_folder.write_status(job.folder, state="lost", ended=at.isoformat())
            _terminate_runs(job, at)
    finally:
        lock.release()
    return job_folder.read_job(job.folder)


def _terminate_runs(job: Job, at: datetime) -> None:
    """End the runs that are still open; if the backend does not answer, a later call tries again."""
    job_folder.write_status(job.folder, runs_open=at.isoformat())
    with contextlib.suppress(PodiumError):
        terminate_open_runs(attach_credential(job.backend), job.id)
        job_folder.write_status(job.folder, runs_open=None)
