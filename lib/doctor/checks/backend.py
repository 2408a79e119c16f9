"""The checks that come first: does the backend answer, how quickly, may it be opened, can it be written, does its clock agree.

After a problem in one that `is_prerequisite` nothing else is asked: no other check could say anything, and an older database would be
changed by the question.
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
"""From when a clock's difference is told, and from when it is a problem: the ledger waits 120 s before it closes for others."""


def check_schema(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Is the database file there, and would MLflow change it by opening it? It is only looked at."""
    if backend.path is None:
        return (Finding(_SCHEMA_CHECK.id, "skipped", _SCHEMA_CHECK.title, "the server's own"),)
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
                ("Schema now", status.revision or "without a number"),
                ("Schema of this MLflow", status.required_revision or "not looked up"),
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
        "{file} is older than the MLflow here",
        "Opening it would change its tables, and the older MLflow could not open it any more. Nothing has been opened.",
        "Let it be upgraded after a copy was made, or use the MLflow that it belongs to.",
    ),
    "interrupted": (
        "The upgrade of {file} broke off",
        "It is half-way between two schemas, and no MLflow can open it. The complete copy from before lies beside it.",
        "Put the copy back. Then use the MLflow that it belongs to, or find out what stopped the upgrade before you try again.",
    ),
    "newer": (
        "{file} is newer than the MLflow here",
        "This MLflow does not know its tables. Nothing has been opened.",
        "Install the newer MLflow, or choose another database.",
    ),
    "foreign": (
        "{file} is a database, but not one of MLflow",
        "It holds tables of something else. Nothing has been opened.",
        "Check the path of the database.",
    ),
    "missing": (
        "There is no database {file}",
        "Nothing has been made. A wrong path or another folder is the usual reason.",
        "Check the path of the database; a demo makes a new one.",
    ),
    "empty": (
        "{file} is empty",
        "It has no tables: a program that was to make them may have been ended too early.",
        "Open any other page: Podium makes the tables whole or not at all.",
    ),
}


def check_response(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Does the backend answer, and how quickly?"""
    start = time.perf_counter()
    try:
        sqlite_store.require_readable(backend)
        probe(backend)
    except PodiumError as error:
        title = "The database does not open" if backend.path else "The server does not answer as it should"
        return (Finding(_RESPONSE_CHECK.id, "problem", title, "no answer", means=f"{error.what} {error.means}", next=error.next),)
    seconds = time.perf_counter() - start
    duration = f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < SLOW_SECONDS:
        return _RESPONSE_CHECK.fine_findings(duration)
    return (
        Finding(
            _RESPONSE_CHECK.id,
            "notice",
            f"The {'database' if backend.path else 'server'} took {duration} for the smallest question",
            duration,
            means="Every page and every run that logs waits at least as long, once for each call.",
            next="Look at the load of its machine and at the network between; log many metrics in one call.",
        ),
    )


def check_writable(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Can the database file be written? Nothing is. A server tells only when something is written, so it is not asked."""
    if backend.path is None:
        return (Finding(_WRITABLE_CHECK.id, "skipped", _WRITABLE_CHECK.title, "told when one writes"),)
    if can_write(backend.path):
        return _WRITABLE_CHECK.fine_findings(f"{backend.path.stat().st_size / 1e6:,.1f} MB")
    return (
        Finding(
            _WRITABLE_CHECK.id,
            "problem",
            f"{backend.path.name} cannot be written",
            "only read",
            means="Everything can be looked at, but no run can log and nothing can be registered or moved.",
            next="Give this account the right to write to the file and to its folder, or end the program that holds it locked.",
        ),
    )


def check_clock(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """How far is the server's clock from this machine's? By the Date of its answer, which knows whole seconds."""
    if backend.kind != "server":
        return (Finding(_CLOCK_CHECK.id, "skipped", _CLOCK_CHECK.title, "one clock only"),)
    time_before = clock()
    try:
        response = send_get(backend, PROBE_PATH)
        server_time = parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except (httpx.HTTPError, ValueError):
        return (Finding(_CLOCK_CHECK.id, "skipped", _CLOCK_CHECK.title, "not told", means="The server's answers carry no date."),)
    return _clock_findings(server_time, time_before, clock())


def _clock_findings(server_time: datetime, before: datetime, after: datetime) -> tuple[Finding, ...]:
    """The Date is cut to seconds and was set somewhere between the two looks at our own clock."""
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
                ("The server says", f"{server_time:%Y-%m-%d %H:%M:%S} UTC"),
                ("This machine says", f"{after:%Y-%m-%d %H:%M:%S} UTC"),
            ),
            "Times of runs come from this machine, times of versions from the server: what came first may look the wrong way round.",
            "Let both machines set their clocks by the network.",
        ),
    )


def check_file_store(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Does an old file store lie beside the database? Its runs are not seen from here, and today's MLflow refuses to open it."""
    if backend.path is None:
        return (Finding(_FILE_STORE_CHECK.id, "skipped", _FILE_STORE_CHECK.title, "a server"),)
    run_counts = {folder: _count_runs(folder) for folder in _candidate_folders(backend.path.parent) if _is_file_store(folder)}
    if not run_counts:
        return _FILE_STORE_CHECK.fine_findings("none beside it")
    return tuple(
        Finding(
            _FILE_STORE_CHECK.id,
            "notice",
            f"An old file store lies in {folder.name}",
            f"{run_count:,} runs",
            ("", ""),
            (("Folder", str(folder)), ("Runs in it", f"{run_count:,}")),
            "Its experiments and runs are not seen on this backend, and MLflow 3.17 refuses to open a file store at all.",
            "Move it into a database: nothing of the old folder is changed.",
            (offer_fix(fix_ids.MIGRATE_FILE_STORE, folder=str(folder)),),
        )
        for folder, run_count in run_counts.items()
    )


def _candidate_folders(database_folder: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys((database_folder / "mlruns", Path.cwd() / "mlruns")))


def _is_file_store(folder: Path) -> bool:
    """A folder of experiments: one of them at least says so itself. The folder of files beside a database has no such note."""
    return folder.is_dir() and any(folder.glob("*/meta.yaml"))


def _count_runs(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*/*/meta.yaml"))


def check_mlflow_version(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Do the MLflow here and the server's fit together?"""
    local_version = installed_mlflow_version()
    if backend.kind != "server":
        return _VERSION_CHECK.fine_findings(f"MLflow {local_version}")
    server_version = read_server_version(backend)
    if not server_version:
        return (
            Finding(
                _VERSION_CHECK.id, "skipped", _VERSION_CHECK.title, "not told", means="The server does not tell its version."
            ),
        )
    if local_version.split(".", maxsplit=1)[0] == server_version.split(".", maxsplit=1)[0]:
        return _VERSION_CHECK.fine_findings(f"{server_version} there, {local_version} here")
    return (
        Finding(
            _VERSION_CHECK.id,
            "notice",
            f"The server runs MLflow {server_version}, and this is {local_version}",
            f"{server_version} there",
            means="Calls that one of them does not know fail, such as those about logged models before MLflow 3.",
            next="Let both use one major version, or look at what this backend can do before you rely on it.",
        ),
    )


_SCHEMA_CHECK = Check(
    "schema",
    "Database fits this MLflow",
    "Is the database there, and of this MLflow?",
    check_schema,
    is_quick=True,
    is_prerequisite=True,
)
_RESPONSE_CHECK = Check(
    "answers", "Backend answers", "Does the backend answer?", check_response, is_quick=True, is_prerequisite=True
)
_WRITABLE_CHECK = Check("writable", "Database can be written", "Can the database be written?", check_writable, is_quick=True)
_VERSION_CHECK = Check("versions", "Versions fit together", "Which MLflow is where?", check_mlflow_version, is_quick=True)
_CLOCK_CHECK = Check("clock", "Clocks agree", "Do the clocks agree?", check_clock, is_quick=True)
_FILE_STORE_CHECK = Check("file_store", "No file store left behind", "Does an old file store lie beside it?", check_file_store)
CHECKS = (_SCHEMA_CHECK, _RESPONSE_CHECK, _WRITABLE_CHECK, _VERSION_CHECK, _CLOCK_CHECK, _FILE_STORE_CHECK)
