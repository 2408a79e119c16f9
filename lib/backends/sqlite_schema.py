"""Read-only inspection of a local SQLite file's schema: whether the installed MLflow could open it without changing it.

Creating, opening and upgrading the file is left to `sqlite_store` and `sqlite_upgrade`.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from lib.backends.backend import Backend
from lib.backends.database_errors import database_error, find_database_fault
from lib.errors import BackendError, Busy, NeedsMigration, NotWritable, PodiumError

BUSY_TIMEOUT_SECONDS = 3.0
_FILE_LOCK_SECONDS = 120.0
_MLFLOW_REVISION = re.compile(r"[0-9a-f]{12}")
"""Alembic's format of MLflow's revisions. Anything else in that table was written by another program's migrations."""


@dataclass(frozen=True)
class SchemaStatus:
    """How the schema of a database compares to that of the installed MLflow.

    `missing` no file · `empty` a file without tables · `current` · `older` opening it would migrate it · `newer` unknown to this MLflow
    · `foreign` not an MLflow database, or other migrations besides MLflow's tables · `interrupted` an upgrade by Podium was interrupted,
    and `copy` is the complete database from before it. `revision` and `required_revision` are Alembic revisions.
    """

    state: Literal["missing", "empty", "current", "older", "newer", "foreign", "interrupted"]
    revision: str = ""
    required_revision: str = ""
    copy: Path | None = None


def read_schema_status(path: Path) -> SchemaStatus:
    """Inspect a database file without changing it.

    Raises NotWritable if the file cannot be read, Busy if it is locked or being upgraded.
    """
    if (copy := find_interrupted_upgrade(path)) is not None:
        _require_no_upgrade_running(path)
        return SchemaStatus("interrupted", copy=copy)
    if not path.exists():
        return SchemaStatus("missing")
    tables, revision = read_tables_and_revision(path)
    if not tables:
        return SchemaStatus("empty")
    return compare_schema(revision) if "experiments" in tables else SchemaStatus("foreign")


def compare_schema(revision: str) -> SchemaStatus:
    """Return the status of a database with MLflow's tables by its revision."""
    required, known_revisions = mlflow_revisions()
    if revision == required:
        return SchemaStatus("current", revision, required)
    if revision in known_revisions or not revision:
        return SchemaStatus("older", revision, required)
    return SchemaStatus("newer" if _MLFLOW_REVISION.fullmatch(revision) else "foreign", revision, required)


def older_schema_error(name: str, status: SchemaStatus, advice: str) -> NeedsMigration:
    """Return the error for a database created by an older MLflow; `advice` says what to do next."""
    return NeedsMigration(
        f"{name} was created by an older MLflow (schema {status.revision or 'unknown'}).",
        means=f"Opening it would change it to schema {status.required_revision}, and the older MLflow could no longer open it.",
        next=advice,
    )


def upgrade_record(path: Path) -> Path:
    """Return the path of the file that exists during an upgrade and after an interrupted one. It names the complete copy."""
    return path.with_name(f".{path.name}.upgrade")


def find_interrupted_upgrade(path: Path) -> Path | None:
    """Return the complete copy of a database whose upgrade started but did not finish; None if there is no such upgrade."""
    record = upgrade_record(path)
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
        copy, target_revision = path.with_name(document["copy"]), document["target_revision"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f"{record.name} cannot be read, so {path.name} may be incomplete.",
            next=f"Compare it with {path.name}.‹date and time›.backup in {path.parent}, keep the better one, and remove {record.name}.",
        ) from error
    is_finished = path.exists() and read_tables_and_revision(path)[1] == target_revision  # finished but did not remove the record
    return None if is_finished else copy


def _require_no_upgrade_running(path: Path) -> None:
    lock = FileLock(_lock_path(path), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{path.name} is being upgraded by another process.", next="Wait until it is done, then try again.") from error
    except OSError:  # without write permission nothing can be upgrading it
        return
    lock.release()


def read_tables_and_revision(path: Path) -> tuple[set[str], str]:
    """Return the table names and Alembic revision of a file, read-only."""
    try:
        with closing(open_readonly(path)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            rows = connection.execute("select version_num from alembic_version").fetchall() if "alembic_version" in tables else []
    except sqlite3.Error as error:
        raise translate_sqlite_error(path, error) from error
    return tables, rows[0][0] if rows else ""


@lru_cache(maxsize=1)
def mlflow_revisions() -> tuple[str, set[str]]:
    """Return the newest schema revision of the installed MLflow and all known ones. Read once: it parses some fifty files."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    script = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    return script.get_heads()[0], {revision.revision for revision in script.walk_revisions()}


def translate_sqlite_error(path: Path, error: sqlite3.Error) -> PodiumError:
    """Return the PodiumError for a SQLite error on a file. A file in WAL mode needs a writable folder even for reading."""
    fault = find_database_fault(error)
    if fault in ("unopenable", "read_only"):
        if _is_in_wal_mode(path):
            return NotWritable(
                f"{path.name} is in SQLite's WAL mode, and its folder is read-only.",
                means="SQLite writes two files next to such a database even to read it. Nothing was changed.",
                next=f"Give this account write permission on {path.parent}, or use a copy of the file.",
            )
        return not_writable_error(path, error)
    return database_error(fault or "damaged", path.name)


def _is_in_wal_mode(path: Path) -> bool:
    """Whether the file header requests a write-ahead log: bytes 18 and 19 are 2 then."""
    try:
        with path.open("rb") as file:
            return file.read(20)[18:20] == b"\x02\x02"
    except OSError:
        return False


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open a database file for reading only. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS)


def require_path(backend: Backend) -> Path:
    """Return the file of a local database. Raises BackendError for any other backend."""
    if backend.path is None:
        raise BackendError(f"{backend.name} is not a local database.")
    return backend.path


def not_writable_error(path: Path, error: Exception) -> NotWritable:
    """Return the error to show for a file that cannot be opened for writing."""
    return NotWritable(
        f"{path} cannot be opened for writing ({error}).",
        next="Check the permissions of the folder, or set MLFLOW_TRACKING_URI to another location.",
    )


@contextmanager
def lock_for_change(path: Path) -> Iterator[None]:
    """Let only one process at a time create or migrate this file."""
    lock = FileLock(_lock_path(path), timeout=_FILE_LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"Another process has been preparing {path.name} for two minutes.", next="Wait for it, or stop it.") from error
    try:
        yield
    finally:
        lock.release()


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")
