"""The schema of a local SQLite file, looked at read-only: whether the MLflow here could open it without changing it.

Whether the file is then created, opened or upgraded is left to `sqlite_store` and `sqlite_upgrade`.
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
"""How alembic numbers MLflow's revisions. Anything else in the same table was written by the migrations of another program."""


@dataclass(frozen=True)
class SchemaStatus:
    """How the schema of a database compares to that of the MLflow installed here.

    `missing` no file · `empty` a file without tables · `current` · `older` opening it would migrate it · `newer` unknown to this MLflow
    · `foreign` a file that holds something else, or other migrations beside MLflow's tables · `interrupted` an upgrade by Podium broke
    off, and `copy` is the complete database from before it. `revision` and `required_revision` are of alembic.
    """

    state: Literal["missing", "empty", "current", "older", "newer", "foreign", "interrupted"]
    revision: str = ""
    required_revision: str = ""
    copy: Path | None = None


def read_schema_status(path: Path) -> SchemaStatus:
    """Look at a database file without changing it.

    Raises NotWritable when the file cannot be read, Busy when it is locked or being upgraded.
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
    """The status of a database with MLflow's tables, by its revision."""
    required, known_revisions = mlflow_revisions()
    if revision == required:
        return SchemaStatus("current", revision, required)
    if revision in known_revisions or not revision:
        return SchemaStatus("older", revision, required)
    return SchemaStatus("newer" if _MLFLOW_REVISION.fullmatch(revision) else "foreign", revision, required)


def older_schema_error(name: str, status: SchemaStatus, advice: str) -> NeedsMigration:
    """The error of a database that an older MLflow made; `advice` says what to do next."""
    return NeedsMigration(
        f"{name} was made by an older MLflow (schema {status.revision or 'without a number'}).",
        means=f"Opening it would change it to schema {status.required_revision}, and the older MLflow could not open it any more.",
        next=advice,
    )


def upgrade_record(path: Path) -> Path:
    """The file that is there while an upgrade runs, and after one that broke off. It names the complete copy."""
    return path.with_name(f".{path.name}.upgrade")


def find_interrupted_upgrade(path: Path) -> Path | None:
    """The complete copy of a database whose upgrade has begun and not reached its end; None where there is no such upgrade."""
    record = upgrade_record(path)
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
        copy, target_revision = path.with_name(document["copy"]), document["target_revision"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f"{record.name} cannot be read, so it is not certain that {path.name} is complete.",
            next=f"Compare it with {path.name}.‹date and time›.backup in {path.parent}, keep the better one, and remove {record.name}.",
        ) from error
    is_finished = path.exists() and read_tables_and_revision(path)[1] == target_revision  # ended before it took the record away
    return None if is_finished else copy


def _require_no_upgrade_running(path: Path) -> None:
    lock = FileLock(_lock_path(path), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{path.name} is being upgraded by another process.", next="Wait until it is done, then try again.") from error
    except OSError:  # whoever may not write here does not upgrade either
        return
    lock.release()


def read_tables_and_revision(path: Path) -> tuple[set[str], str]:
    """Table names and the alembic revision of a file, read-only."""
    try:
        with closing(open_readonly(path)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            rows = connection.execute("select version_num from alembic_version").fetchall() if "alembic_version" in tables else []
    except sqlite3.Error as error:
        raise translate_sqlite_error(path, error) from error
    return tables, rows[0][0] if rows else ""


@lru_cache(maxsize=1)
def mlflow_revisions() -> tuple[str, set[str]]:
    """The newest schema revision of the installed MLflow, and all it knows. Read once: it walks some fifty files."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    script = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    return script.get_heads()[0], {revision.revision for revision in script.walk_revisions()}


def translate_sqlite_error(path: Path, error: sqlite3.Error) -> PodiumError:
    """The PodiumError for what SQLite says about a file. One in WAL mode needs a writable folder even to be read."""
    fault = find_database_fault(error)
    if fault in ("unopenable", "read_only"):
        if _is_in_wal_mode(path):
            return NotWritable(
                f"{path.name} is in SQLite's WAL mode, and its folder may only be read.",
                means="SQLite writes two files beside such a database even to read it. Nothing was changed.",
                next=f"Give this account the right to write to {path.parent}, or work on a copy of the file.",
            )
        return not_writable_error(path, error)
    return database_error(fault or "damaged", path.name)


def _is_in_wal_mode(path: Path) -> bool:
    """Whether the header of the file asks for a write-ahead log: bytes 18 and 19 are 2 then."""
    try:
        with path.open("rb") as file:
            return file.read(20)[18:20] == b"\x02\x02"
    except OSError:
        return False


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open a database file for reading only. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS)


def require_path(backend: Backend) -> Path:
    """The file of a local database. Raises BackendError for any other backend."""
    if backend.path is None:
        raise BackendError(f"{backend.name} is not a local database.")
    return backend.path


def not_writable_error(path: Path, error: Exception) -> NotWritable:
    """What a person reads about a file that cannot be opened for writing."""
    return NotWritable(
        f"{path} cannot be opened for writing ({error}).",
        next="Check the rights of the folder, or set MLFLOW_TRACKING_URI elsewhere.",
    )


@contextmanager
def lock_for_change(path: Path) -> Iterator[None]:
    """One process at a time makes or migrates this file."""
    lock = FileLock(_lock_path(path), timeout=_FILE_LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"Another process has been preparing {path.name} for two minutes.", next="Wait for it, or end it.") from error
    try:
        yield
    finally:
        lock.release()


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")
