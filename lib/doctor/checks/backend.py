"""Basic checks: schema, response time, write access, MLflow versions, clock, and leftover file stores.

After a problem in a check with `is_prerequisite` the rest are skipped: their results would be meaningless, and opening an older
database would change it.
"""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from lib.backends import sqlite_store
from lib.backends.backend import Backend
from lib.backends.connectivity import PROBE_PATH, send_get
from lib.backends.mlflow_client import installed_mlflow_version, probe, read_server_version
from lib.backends.quick_summary import can_write
from lib.backends.sqlite_schema import SchemaStatus, read_schema_status
from lib.doctor import fix_ids
from lib.doctor.types import Check, Clock, Finding, FixOffer, ProgressCallback, offer_fix
from lib.errors import PodiumError

SLOW_SECONDS = 1.0
CLOCK_NOTICE_SECONDS, CLOCK_PROBLEM_SECONDS = 5.0, 120.0
"""Clock offsets reported as a notice and as a problem; the ledger waits 120 s before closing others' intents."""


def check_schema(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Check that the database file exists and that MLflow would not change it on opening. Read-only."""
    if backend.path is None:
        return (Finding(_SCHEMA_CHECK.id, "skipped", _SCHEMA_CHECK.title, "managed by the server"),)
    try:
        status = read_schema_status(backend.path)
    except PodiumError as error:
        return (Finding(_SCHEMA_CHECK.id, "problem", error.what, "not readable", means=error.means, next=error.next),)
    if status.state == "current":
        return _SCHEMA_CHECK.fine_findings(f"MLflow {installed_mlflow_version()}")
    title, means, next_ = _SCHEMA_TEXTS[status.state]
    return (
        Finding(
            _SCHEMA_CHECK.id,
            "problem",
            title.format(file=backend.path.name),
            status.state,
            ("", ""),
            (("Complete copy", str(status.copy)),)
            if status.copy
            else (
                ("Schema now", status.revision or "unknown"),
                ("Schema of this MLflow", status.required_revision or "not determined"),
            ),
            means,
            next_,
            _schema_fixes(backend.path, status),
        ),
    )


def _schema_fixes(path: Path, status: SchemaStatus) -> tuple[FixOffer, ...]:
    fix_id = {"older": fix_ids.UPGRADE_DATABASE, "interrupted": fix_ids.RESTORE_BACKUP}.get(status.state)
    return (offer_fix(fix_id, file=str(path)),) if fix_id else ()


_SCHEMA_TEXTS = {
    "older": (
        "{file} is older than the installed MLflow",
        "Opening it would change its tables, and the older MLflow could no longer open it. It has not been opened.",
        "Upgrade it, which makes a copy first, or use the MLflow version it belongs to.",
    ),
    "interrupted": (
        "The upgrade of {file} was interrupted",
        "It is between two schemas, and no MLflow can open it. A complete copy from before the upgrade is next to it.",
        "Restore the copy. Then use the MLflow version it belongs to, or find out what stopped the upgrade before trying again.",
    ),
    "newer": (
        "{file} is newer than the installed MLflow",
        "This MLflow does not know its tables. It has not been opened.",
        "Install the newer MLflow, or choose another database.",
    ),
    "foreign": (
        "{file} is a database, but not an MLflow database",
        "It contains another program's tables. It has not been opened.",
        "Check the path of the database.",
    ),
    "missing": (
        "There is no database {file}",
        "Nothing has been created. The usual cause is a wrong path or working folder.",
        "Check the path of the database. A demo creates a new one.",
    ),
    "empty": (
        "{file} is empty",
        "It has no tables. The program that was creating them may have been killed.",
        "Open any other page: Podium creates all tables or none.",
    ),
}


def check_response(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Check that the backend responds, and how quickly."""
    start = time.perf_counter()
    try:
        sqlite_store.require_readable(backend)
        probe(backend)
    except PodiumError as error:
        title = "The database cannot be opened" if backend.path else "The server does not respond correctly"
        return (
            Finding(_RESPONSE_CHECK.id, "problem", title, "no response", means=f"{error.what} {error.means}", next=error.next),
        )
    seconds = time.perf_counter() - start
    duration = f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < SLOW_SECONDS:
        return _RESPONSE_CHECK.fine_findings(duration)
    return (
        Finding(
            _RESPONSE_CHECK.id,
            "notice",
            f"The {'database' if backend.path else 'server'} took {duration} for the smallest request",
            duration,
            means="Every page and every logging run waits at least this long on each call.",
            next="Check the load of its machine and the network in between. Log many metrics in one call.",
        ),
    )


def check_writable(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Check that the database file is writable, without writing. Skipped for servers, which show it only on a write."""
    if backend.path is None:
        return (Finding(_WRITABLE_CHECK.id, "skipped", _WRITABLE_CHECK.title, "known only after a write"),)
    if can_write(backend.path):
        return _WRITABLE_CHECK.fine_findings(f"{backend.path.stat().st_size / 1e6:,.1f} MB")
    return (
        Finding(
            _WRITABLE_CHECK.id,
            "problem",
            f"{backend.path.name} is not writable",
            "read-only",
            means="Everything can be viewed, but no run can log and nothing can be registered or moved.",
            next="Give this account write permission for the file and its folder, or close the program that has it locked.",
        ),
    )


def check_clock(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Compare the server's clock with this machine's, using its Date header with a resolution of one second."""
    if backend.kind != "server":
        return (Finding(_CLOCK_CHECK.id, "skipped", _CLOCK_CHECK.title, "one clock only"),)
    time_before = clock()
    try:
        response = send_get(backend, PROBE_PATH)
        server_time = parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except (httpx.HTTPError, ValueError):
        return (
            Finding(
                _CLOCK_CHECK.id, "skipped", _CLOCK_CHECK.title, "unknown", means="The server's responses have no Date header."
            ),
        )
    return _clock_findings(server_time, time_before, clock())


def _clock_findings(server_time: datetime, before: datetime, after: datetime) -> tuple[Finding, ...]:
    """Return the findings; the Date is truncated to seconds and was set between the two local times."""
    offset = 0.0
    if server_time > after:
        offset = (server_time - after).total_seconds()
    elif (before - server_time).total_seconds() > 1:
        offset = (server_time - before).total_seconds() + 1
    if abs(offset) < CLOCK_NOTICE_SECONDS:
        return _CLOCK_CHECK.fine_findings("less than 5 s" if offset else "they agree")
    difference = f"{abs(offset):,.0f} s {'ahead' if offset > 0 else 'behind'}"
    return (
        Finding(
            _CLOCK_CHECK.id,
            "problem" if abs(offset) > CLOCK_PROBLEM_SECONDS else "notice",
            f"The server's clock is {difference}",
            difference,
            ("", ""),
            (
                ("Server", f"{server_time:%Y-%m-%d %H:%M:%S} UTC"),
                ("This machine", f"{after:%Y-%m-%d %H:%M:%S} UTC"),
            ),
            "Run times come from this machine, version times from the server, so events may appear in the wrong order.",
            "Synchronize both clocks over the network (NTP).",
        ),
    )


def check_file_store(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Look for an old file store next to the database; its runs are not visible here, and current MLflow refuses to open it."""
    if backend.path is None:
        return (Finding(_FILE_STORE_CHECK.id, "skipped", _FILE_STORE_CHECK.title, "a server"),)
    run_counts = {folder: _count_runs(folder) for folder in _candidate_folders(backend.path.parent) if _is_file_store(folder)}
    if not run_counts:
        return _FILE_STORE_CHECK.fine_findings("none found")
    return tuple(
        Finding(
            _FILE_STORE_CHECK.id,
            "notice",
            f"There is an old file store in {folder.name}",
            f"{run_count:,} runs",
            ("", ""),
            (("Folder", str(folder)), ("Runs in it", f"{run_count:,}")),
            "Its experiments and runs are not visible on this backend, and MLflow 3.17 refuses to open file stores.",
            "Migrate it to a database. The old folder is not changed.",
            (offer_fix(fix_ids.MIGRATE_FILE_STORE, folder=str(folder)),),
        )
        for folder, run_count in run_counts.items()
    )


def _candidate_folders(database_folder: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys((database_folder / "mlruns", Path.cwd() / "mlruns")))


def _is_file_store(folder: Path) -> bool:
    """Return whether at least one subfolder has experiment metadata; a database's artifact folder has none."""
    return folder.is_dir() and any(folder.glob("*/meta.yaml"))


def _count_runs(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*/*/meta.yaml"))


def check_mlflow_version(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Check that the local and the server's MLflow versions are compatible."""
    local_version = installed_mlflow_version()
    if backend.kind != "server":
        return _VERSION_CHECK.fine_findings(f"MLflow {local_version}")
    server_version = read_server_version(backend)
    if not server_version:
        return (
            Finding(
                _VERSION_CHECK.id, "skipped", _VERSION_CHECK.title, "unknown", means="The server does not report its version."
            ),
        )
    if local_version.split(".", maxsplit=1)[0] == server_version.split(".", maxsplit=1)[0]:
        return _VERSION_CHECK.fine_findings(f"server {server_version}, local {local_version}")
    return (
        Finding(
            _VERSION_CHECK.id,
            "notice",
            f"The server runs MLflow {server_version}, this machine {local_version}",
            f"server {server_version}",
            means="Calls known to only one of them fail, such as those for logged models before MLflow 3.",
            next="Use the same major version on both, or check the backend's capabilities before relying on them.",
        ),
    )


_SCHEMA_CHECK = Check(
    "schema",
    "Database matches MLflow",
    "Does the database exist, with the schema of this MLflow?",
    check_schema,
    is_quick=True,
    is_prerequisite=True,
)
_RESPONSE_CHECK = Check(
    "answers", "Backend responds", "Does the backend respond?", check_response, is_quick=True, is_prerequisite=True
)
_WRITABLE_CHECK = Check("writable", "Database is writable", "Can the database be written?", check_writable, is_quick=True)
_VERSION_CHECK = Check(
    "versions", "MLflow versions match", "Are the MLflow versions compatible?", check_mlflow_version, is_quick=True
)
_CLOCK_CHECK = Check("clock", "Clocks agree", "Do the clocks agree?", check_clock, is_quick=True)
_FILE_STORE_CHECK = Check("file_store", "No file store left behind", "Is there an old file store next to it?", check_file_store)
CHECKS = (_SCHEMA_CHECK, _RESPONSE_CHECK, _WRITABLE_CHECK, _VERSION_CHECK, _CLOCK_CHECK, _FILE_STORE_CHECK)
