"""The process that owns one job: it waits for the job's turn, runs the script, writes the log and records the outcome.

Started as `python -m lib.jobs.job_runner FOLDER` in its own session, so it survives when the app is killed. It holds the job's
`alive.lock` until it exits. MLflow is imported only after a failure, to set open runs to KILLED.
"""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from filelock import FileLock

from lib import processes
from lib.backends.app_files import open_private_log
from lib.errors import NotFound, PodiumError
from lib.jobs import job_folder, job_settings

_POLL_SECONDS = 0.1
_TURN_POLL_SECONDS = 0.25


class StopRequested(Exception):
    """SIGTERM was received, or the file `cancel` exists."""


def run_job(folder: Path) -> None:
    """Run the job in `folder` to completion. Returns immediately if it has already ended."""
    with job_folder.alive_lock(folder):
        if job_folder.read_job_state(folder) != "queued":
            return
        try:
            _wait_for_turn(folder)
        except StopRequested:
            job_folder.write_status(folder, state="stopped", ended=_now())
            return
        _run_script(folder)


def _wait_for_turn(folder: Path) -> None:
    """Wait until this job is marked as running, within the limit of concurrent jobs and after older queued jobs."""
    limit = int(json.loads((folder / "spec.json").read_text(encoding="utf-8"))["limit"])
    while True:
        _raise_if_cancelled(folder)
        with FileLock(folder.parent / "turn.lock", mode=0o600):
            if _count_jobs_ahead(folder) < limit:
                job_folder.write_status(folder, state="running", started=_now())
                return
        time.sleep(_TURN_POLL_SECONDS)


def _count_jobs_ahead(folder: Path) -> int:
    """Return how many live jobs are running or were queued before this one."""
    others = [folder.parent / job_id for job_id in job_folder.list_job_ids(folder.parent) if job_id != folder.name]
    states = [(other, job_folder.read_job_state(other)) for other in others]
    jobs_ahead = [other for other, state in states if state == "running" or (state == "queued" and other.name < folder.name)]
    return sum(job_folder.has_live_runner(other) or _is_starting(other) for other in jobs_ahead)


def _is_starting(folder: Path) -> bool:
    """Return whether the job was queued so recently that its runner may not have started yet; it keeps its turn."""
    if job_folder.read_job_state(folder) != "queued":
        return False
    try:
        return datetime.now(UTC) - job_folder.read_job(folder).created_at < job_settings.STARTUP_GRACE_PERIOD  # noqa: TID251 - this process is the edge
    except NotFound:  # removed in the meantime
        return False


def _run_script(folder: Path) -> None:
    try:
        script = _start_script(folder)
    except OSError as error:
        _append_to_log(folder, f"The script could not be started: {error}")
        job_folder.write_status(folder, state="failed", ended=_now())
        return
    job_folder.write_status(folder, child=[script.pid, processes.start_time(script.pid)])
    try:
        code = _wait_for_script(folder, script)
        state = "finished" if code == 0 else "failed"
    except StopRequested:
        state = "stopped"
        processes.end_process_tree(script.pid)
        code = script.wait()
        _append_to_log(folder, "Stopped on request.")
    _record_end(folder, state, code, script.pid)


def _start_script(folder: Path) -> "subprocess.Popen[bytes]":
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    with open_private_log(folder / "log.txt") as log:
        return subprocess.Popen(  # noqa: S603 - a list, no shell; only a JobSpec names a script
            [sys.executable, "-u", spec["script"], *spec["arguments"]],
            cwd=spec["cwd"],
            env=os.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_for_script(folder: Path, script: "subprocess.Popen[bytes]") -> int:
    """Return the script's exit code. Raises StopRequested if it is to be stopped."""
    while (code := script.poll()) is None:
        _raise_if_cancelled(folder)
        time.sleep(_POLL_SECONDS)
    return code


def _record_end(folder: Path, state: str, code: int, pid: int) -> None:
    """Record the end last, so that any reader who sees it also finds the runs ended."""
    processes.end_process_tree(pid, grace_seconds=0)
    ended = _now()
    are_runs_closed = state == "finished" or _terminate_runs(folder)
    job_folder.write_status(folder, state=state, code=code, ended=ended, runs_open=None if are_runs_closed else ended)


def _terminate_runs(folder: Path) -> bool:
    """End the job's open runs. Returns whether none is RUNNING afterwards."""
    from lib.backends.backend_resolution import resolve_backend
    from lib.jobs.job_runs import terminate_open_runs

    job = job_folder.read_job(folder)
    try:
        run_count = terminate_open_runs(resolve_backend(job.backend, dict(os.environ)).backend, job.id)
    except PodiumError as error:
        _append_to_log(folder, f"The job's runs could not be ended: {error}")
        return False
    if run_count:
        _append_to_log(folder, f"Open runs set to KILLED: {run_count}.")
    return True


def _append_to_log(folder: Path, text: str) -> None:
    with open_private_log(folder / "log.txt") as log:
        log.write(f"\n— {text}\n".encode())


def _raise_if_cancelled(folder: Path) -> None:
    if (folder / "cancel").exists():
        raise StopRequested


def _handle_signals(folder: Path) -> None:
    """Handle signals by creating the same `cancel` file a page writes, so that there is a single way to stop."""

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        (folder / "cancel").touch(mode=0o600)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251 - this process is the edge


if __name__ == "__main__":
    _handle_signals(Path(sys.argv[1]))
    run_job(Path(sys.argv[1]))
