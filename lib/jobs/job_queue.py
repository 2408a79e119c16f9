"""Starts, lists, stops and reaps jobs. Job state is in their folders (`job_folder`); a `job_runner` runs the script.

A job outlives the process that started it. If its runner was killed, the next reader cleans up.
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
from lib.backends.backend_resolution import resolve_backend
from lib.backends.database_errors import DISK_FULL_ERRNOS
from lib.errors import NotFound, NotWritable, PodiumError
from lib.jobs import job_folder, job_settings
from lib.jobs.job_folder import Job
from lib.jobs.job_runs import find_job_runs, terminate_open_runs
from lib.jobs.job_settings import JobSettings, script_environment, working_folder

__all__ = ["JobSpec", "cancel", "find_job", "find_job_runs", "list_jobs", "reap_lost_jobs", "start_job", "wait"]

_CLEANUP_RETRY_AFTER = timedelta(seconds=30)
"""How long to wait before retrying a backend that did not respond when runs were to be ended."""


@dataclass(frozen=True)
class JobSpec:
    """The task of a job: a script, its arguments, a title, and a key by which the caller recognizes it."""

    task: str
    title: str
    script: Path
    arguments: tuple[str, ...] = ()


def start_job(settings: JobSettings, spec: JobSpec, backend: Backend, at: datetime) -> Job:
    """Write the spec and start its runner, a detached process in its own session."""
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
            next=f"Free up space on the disk of {settings.jobs_folder}, then start the job again."
            if is_full
            else "Check the folder's permissions, or set PODIUM_HOME.",
        ) from error
    return job_folder.read_job(folder)


def _next_id(settings: JobSettings, at: datetime) -> str:
    """Return an id that sorts after all earlier ones, so jobs created within the same millisecond keep their order."""
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
    """Return the newest jobs, newest first, at most `max_count`."""
    jobs = []
    for job_id in job_folder.list_job_ids(settings.jobs_folder)[:max_count]:
        with contextlib.suppress(NotFound):
            jobs.append(job_folder.read_job(settings.jobs_folder / job_id))
    return jobs


def find_job(settings: JobSettings, job_id: str) -> Job:
    """Return one job. Raises NotFound, also for a malformed id."""
    if not job_folder.is_job_id(job_id):
        raise NotFound("This is not a valid job id.", next="Choose a job from the list.")
    return job_folder.read_job(settings.jobs_folder / job_id)


def cancel(settings: JobSettings, job_id: str) -> None:
    """Request that a job be stopped; its runner does so within seconds. Has no effect on a job that has ended."""
    job = find_job(settings, job_id)
    if job.is_live:
        (job.folder / "cancel").touch(mode=0o600)


def wait(settings: JobSettings, job_id: str, timeout_seconds: float = float("inf")) -> Job:
    """Wait until a job has ended, at most `timeout_seconds`, and return its current state."""
    deadline = time.monotonic() + timeout_seconds
    job = find_job(settings, job_id)
    while job.is_live and time.monotonic() < deadline:
        time.sleep(0.1)
        job = reap_if_lost(find_job(settings, job_id), datetime.now(job.created_at.tzinfo))  # noqa: TID251 - waiting uses the real clock
    return job


def reap_lost_jobs(settings: JobSettings, at: datetime) -> list[Job]:
    """End jobs whose runner died and return the newest jobs. Every page and command reads jobs through this."""
    return [reap_if_lost(job, at) for job in list_jobs(settings)]


def reap_if_lost(job: Job, at: datetime) -> Job:
    """Return the job; if its runner is gone, first end its script, then its runs (KILLED), then the job."""
    if job.is_live and not _is_starting(job, at) and not job_folder.has_live_runner(job.folder):
        return _end_lost(job, at)
    if job.cleanup_attempted_at and at - job.cleanup_attempted_at > _CLEANUP_RETRY_AFTER:
        _terminate_runs(job, at)
        return job_folder.read_job(job.folder)
    return job


def _is_starting(job: Job, at: datetime) -> bool:
    return job.state == "queued" and at - job.created_at < job_settings.STARTUP_GRACE_PERIOD


def _end_lost(job: Job, at: datetime) -> Job:
    """End a lost job. Of several concurrent readers, only the one that acquires the runner's lock does so."""
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
    """End the runs still open; if the backend does not respond, a later call tries again."""
    job_folder.write_status(job.folder, runs_open=at.isoformat())
    with contextlib.suppress(PodiumError):
        terminate_open_runs(resolve_backend(job.backend).backend, job.id)
        job_folder.write_status(job.folder, runs_open=None)
