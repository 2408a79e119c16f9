"""A job as a folder: the spec, the status, the log. All readers read the same files, so no process has to remember a job.

    spec.json    what is to run; written once        status.json   the state; replaced at once, never half written
    log.txt      what the script printed             cancel        exists when someone asked to stop it
    alive.lock   held by the runner as long as it lives; the system releases it even after kill -9

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
    """One start of a script.

    `state`: queued and running are live; finished, failed, stopped (on request) and lost (its runner died) are final.
    `is_stopping`: it is live and was asked to stop. `cleanup_attempted_at` is set while runs of a job that ended badly may be open.
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
        """Whether it waits or runs."""
        return self.state in LIVE_STATES


@dataclass(frozen=True)
class JobProgress:
    """How far a job is by its own log: `done` of `total` fits or runs."""

    done: int
    total: int
    unit: str


def is_job_id(text: str) -> bool:
    """Whether a text, perhaps from an address, can be the id of a job; only then may it name a folder."""
    return _ID.fullmatch(text) is not None


def list_job_ids(folder: Path) -> list[str]:
    """The ids of all jobs in the folder of jobs, newest first."""
    names = [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []
    return sorted((name for name in names if is_job_id(name) and (folder / name / "spec.json").exists()), reverse=True)


def read_job(folder: Path) -> Job:
    """The job in its folder. Raises NotFound when there is none."""
    spec, status = _read_json(folder / "spec.json"), _read_json(folder / "status.json")
    if not spec or not status:
        raise NotFound(f"There is no job {folder.name}.", next="Choose one of the earlier jobs.")
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
    """The state alone, quickly; an empty text when the folder cannot be read."""
    return str(_read_json(folder / "status.json").get("state", ""))


def read_script_process(folder: Path) -> tuple[int, float] | None:
    """Process id and start time of the script of a running job."""
    child = _read_json(folder / "status.json").get("child")
    return (int(child[0]), float(child[1])) if child else None


def write_status(folder: Path, **changes: object) -> None:
    """Update the status, in one step for all readers."""
    write_json(folder / "status.json", _read_json(folder / "status.json") | changes)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a small JSON file so that nobody reads half of it."""
    write_private_file(path, json.dumps(content, indent=1).encode(), is_durable=False)


def alive_lock(folder: Path) -> FileLock:
    """The lock that a runner holds. Whoever gets it at once knows that no runner lives."""
    return FileLock(folder / "alive.lock", mode=0o600, is_singleton=False, thread_local=False)


def has_live_runner(folder: Path) -> bool:
    """Whether a living runner holds the job. Checking takes the lock for an instant at most."""
    lock = alive_lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def read_log_tail(job: Job, lines: int = 200) -> str:
    """The last lines of what the script printed, whole lines only, without terminal codes."""
    content, is_truncated = _last_bytes(job.folder / "log.txt")
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    complete_text = text.partition("\n")[2] if is_truncated else text
    return "\n".join(_CONTROL.sub("", complete_text).splitlines()[-lines:])


def read_progress(job: Job) -> JobProgress | None:
    """The last `fit 12/60` or `run 2/3` of the log; None while nothing of the kind was printed."""
    matches = _PROGRESS.findall(_last_bytes(job.folder / "log.txt")[0])
    if not matches:
        return None
    unit, done, total = matches[-1]
    return JobProgress(min(int(done), int(total)), int(total), unit.decode())


def _last_bytes(path: Path) -> tuple[bytes, bool]:
    """The end of a file, and whether something stands before it."""
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
