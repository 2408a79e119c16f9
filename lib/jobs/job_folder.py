"""A job as a folder with spec, status and log. All readers use these files, so no process has to keep a job in memory.

    spec.json    the task; written once              status.json   the state; replaced atomically
    log.txt      output of the script                cancel        exists once a stop was requested
    alive.lock   held by the runner while it lives; the system releases it even after kill -9

`job_queue` writes spec and cancel, `job_runner` the rest.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from lib.backends.app_files import write_private_file
from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.text import CONTROLS_IN_LINES

JobState = Literal["queued", "running", "finished", "failed", "stopped", "lost"]
LIVE_STATES: tuple[JobState, ...] = ("queued", "running")
_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_PROGRESS = re.compile(rb"^(fit|run) (\d{1,9})/([1-9]\d{0,8})\b", re.MULTILINE)
_CONTROL = re.compile(rf"\x1b\[[0-9;?]*[A-Za-z]|[{CONTROLS_IN_LINES}]")
_TAIL_BYTES = 64_000


@dataclass(frozen=True)
class Job:
    """One execution of a script.

    `state`: queued and running are live; finished, failed, stopped (on request) and lost (its runner died) are final.
    `is_stopping`: live, and a stop was requested. `cleanup_attempted_at` is set while a failed job may still have open runs.
    """

    id: str
    task: str
    title: str
    arguments: tuple[str, ...]
    backend: Backend
    folder: Path
    state: JobState
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    is_stopping: bool = False
    cleanup_attempted_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether the job is queued or running."""
        return self.state in LIVE_STATES


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job according to its log: `done` of `total` fits or runs."""

    done: int
    total: int
    unit: str


def is_job_id(text: str) -> bool:
    """Return whether a text, perhaps from a URL, is a well-formed job id; only then may it name a folder."""
    return _ID.fullmatch(text) is not None


def list_job_ids(folder: Path) -> list[str]:
    """Return the ids of all jobs in the jobs folder, newest first."""
    names = [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []
    return sorted((name for name in names if is_job_id(name) and (folder / name / "spec.json").exists()), reverse=True)


def read_job(folder: Path) -> Job:
    """Read the job in a folder. Raises NotFound if there is none."""
    spec, status = _read_json(folder / "spec.json"), _read_json(folder / "status.json")
    if not spec or not status:
        raise NotFound(f"There is no job {folder.name}.", next="Choose a job from the list.")
    return Job(
        id=folder.name,
        task=spec["demo"],
        title=spec["title"],
        arguments=tuple(spec["arguments"]),
        backend=Backend(spec["uri"], spec["kind"]),
        folder=folder,
        state=status["state"],
        created_at=datetime.fromisoformat(spec["created"]),
        started_at=_parse_time(status.get("started")),
        ended_at=_parse_time(status.get("ended")),
        exit_code=status.get("code"),
        is_stopping=status["state"] in LIVE_STATES and (folder / "cancel").exists(),
        cleanup_attempted_at=_parse_time(status.get("runs_open")),
    )


def read_job_state(folder: Path) -> str:
    """Read only the state; returns an empty string if the folder cannot be read."""
    return str(_read_json(folder / "status.json").get("state", ""))


def read_script_process(folder: Path) -> tuple[int, float] | None:
    """Return process id and start time of a running job's script, or None."""
    child = _read_json(folder / "status.json").get("child")
    return (int(child[0]), float(child[1])) if child else None


def write_status(folder: Path, **changes: object) -> None:
    """Update the status atomically."""
    write_json(folder / "status.json", _read_json(folder / "status.json") | changes)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a small JSON file atomically, so that readers never see a partial file."""
    write_private_file(path, json.dumps(content, indent=1).encode(), is_durable=False)


def alive_lock(folder: Path) -> FileLock:
    """Return the lock held by a runner. Acquiring it without waiting proves that no runner is alive."""
    return FileLock(folder / "alive.lock", mode=0o600, is_singleton=False, thread_local=False)


def has_live_runner(folder: Path) -> bool:
    """Return whether a live runner holds the job; checking may hold the lock for an instant."""
    lock = alive_lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def read_log_tail(job: Job, lines: int = 200) -> str:
    """Return the last complete lines of the script's output, without terminal control codes."""
    content, is_truncated = _last_bytes(job.folder / "log.txt")
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    complete_text = text.partition("\n")[2] if is_truncated else text
    return "\n".join(_CONTROL.sub("", complete_text).splitlines()[-lines:])


def read_progress(job: Job) -> JobProgress | None:
    """Return the last `fit 12/60` or `run 2/3` in the log, or None if there is none yet."""
    matches = _PROGRESS.findall(_last_bytes(job.folder / "log.txt")[0])
    if not matches:
        return None
    unit, done, total = matches[-1]
    return JobProgress(min(int(done), int(total)), int(total), unit.decode())


def _last_bytes(path: Path) -> tuple[bytes, bool]:
    """Return the end of a file, and whether earlier content was cut off."""
    if not path.exists():
        return b"", False
    with path.open("rb") as log_file:
        size = log_file.seek(0, os.SEEK_END)
        log_file.seek(max(0, size - _TAIL_BYTES))
        return log_file.read(), size > _TAIL_BYTES


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def _parse_time(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)).astimezone(UTC) if text else None
