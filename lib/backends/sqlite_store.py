"""The local SQLite file before MLflow opens it: created completely or not at all, and never migrated unasked.

MLflow migrates an older database the moment a client touches it, and a process killed while it makes the tables leaves a file
that MLflow can never open again. So a new file is made under another name and renamed, and an old one is first
opened read-only. Everything that needs MLflow's own store code is here.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from lib.backends.backend import SQLITE_PREFIX, Backend
from lib.errors import ActionRefused, BackendError, Busy, NeedsMigration, NotFound, NotWritable

_FILE_LOCK_SECONDS = 120.0
BUSY_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class SchemaStatus:
    """How the schema of a database compares to that of the MLflow installed here.

    `missing` no file · `empty` a file without tables · `current` · `older` opening it would migrate it · `newer` unknown to this MLflow
    · `foreign` a file that holds something else. `revision` and `required_revision` are of alembic.
    """

    state: Literal["missing", "empty", "current", "older", "newer", "foreign"]
    revision: str = ""
    required_revision: str = ""


def read_schema_status(path: Path) -> SchemaStatus:
    """Look at a database file without changing it.

    Raises NotWritable when the file cannot be read and Busy when it is locked.
    """
    if not path.exists():
        return SchemaStatus("missing")
    tables, revision = _read_tables_and_revision(path)
    if not tables:
        return SchemaStatus("empty")
    return compare_schema(revision) if "experiments" in tables else SchemaStatus("foreign")


def compare_schema(revision: str) -> SchemaStatus:
    """The status of a database with MLflow's tables, by its revision."""
    required, known_revisions = mlflow_revisions()
    if revision == required:
        return SchemaStatus("current", revision, required)
    return SchemaStatus("older" if revision in known_revisions or not revision else "newer", revision, required)


def ensure_database(backend: Backend) -> bool:
    """Make sure that MLflow can open the local file without changing its schema; create the file if it is missing.

    Returns True when the file was created just now. Raises NeedsMigration for an older schema (see `migrate`), BackendError for a
    newer one or a file that is no MLflow database, NotWritable when the folder cannot be written.
    """
    path = backend.path
    if path is None:
        return False
    if read_schema_status(path).state in ("missing", "empty"):
        return _create_database(backend, path)
    require_openable(backend)
    return False


def require_openable(backend: Backend) -> None:
    """Check that MLflow could open the local file as it is; creates and changes nothing. Raises as `ensure_database` does."""
    path = _require_path(backend)
    status = read_schema_status(path)
    if status.state == "older":
        raise older_schema_error(path.name, status, "Agree to the change with a backup copy, or choose another database.")
    if status.state == "newer":
        raise BackendError(
            f"{path.name} was made by a newer MLflow (schema {status.revision}).",
            means="The MLflow installed here does not know it. Nothing was changed.",
            next="Install that newer MLflow, or choose another database.",
        )
    if status.state == "foreign":
        raise BackendError(
            f"{path.name} is a database, but not one of MLflow.", next="Choose another file in MLFLOW_TRACKING_URI."
        )


def older_schema_error(name: str, status: SchemaStatus, advice: str) -> NeedsMigration:
    """The error of a database that an older MLflow made; `advice` says what to do next."""
    return NeedsMigration(
        f"{name} was made by an older MLflow (schema {status.revision or 'without a number'}).",
        means=f"Opening it would change it to schema {status.required_revision}, and the older MLflow could not open it any more.",
        next=advice,
    )


def require_readable(backend: Backend) -> None:
    """Read one row of a local file, to see that it answers. Raises Busy when it is locked for longer than three seconds."""
    if backend.path is not None:
        _read_tables_and_revision(backend.path)


def require_writable(backend: Backend) -> None:
    """Take the write lock of a local file for an instant, before an action: MLflow's client would wait twenty seconds for it.

    Raises Busy when another program holds it for longer than three seconds, NotWritable when the file may only be read.
    """
    if backend.path is None:
        return
    try:
        take_write_lock(backend.path, BUSY_TIMEOUT_SECONDS)
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise Busy(
                f"{backend.path.name} is locked by another program.",
                next="Close the program that has it open, or wait until it is done, then try again.",
            ) from error
        raise _not_writable_error(backend.path, error) from error


def take_write_lock(path: Path, timeout_seconds: float) -> None:
    """Take SQLite's write lock for an instant and give it back; nothing is written. Raises sqlite3.Error when that is impossible."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=timeout_seconds, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        connection.execute("rollback")


def require_database_file(backend: Backend) -> None:
    """Raise NotFound when the local database is not there: only the default backend and demos may make one."""
    if backend.path is not None and not backend.path.exists():
        raise NotFound(f"There is no database at {backend.path}.", next="Check the path; demo run makes one.")


def migrate(backend: Backend, at: datetime) -> Path:
    """Copy an older database beside itself, then let MLflow migrate the original. Returns the path of the copy.

    The copy is made by SQLite's own backup, so it is complete even while others write. Raises ActionRefused when the database is not an
    older one any more, because another process was quicker.
    """
    path = _require_path(backend)
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine

    copy = path.with_name(f"{path.name}.{at:%Y%m%d-%H%M%S}.backup")
    with _lock_for_change(path):
        if read_schema_status(path).state != "older":
            raise ActionRefused(f"{path.name} has been changed already.", next="Look again.")
        backup(path, copy)
        engine = create_sqlalchemy_engine(backend.uri)
        try:
            _upgrade_db(engine)
        finally:
            engine.dispose()
    return copy


def backup(path: Path, copy: Path) -> None:
    """Copy a complete SQLite database. Raises NotWritable when the copy cannot be written."""
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        raise NotWritable(
            f"The backup {copy.name} could not be written ({error}).", next=f"Make room in {copy.parent}."
        ) from error


def _create_database(backend: Backend, path: Path) -> bool:
    """Create the file under another name and a lock, then rename it into place. False when another process was quicker."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock_for_change(path):
            if read_schema_status(path).state not in ("missing", "empty"):
                return False
            temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
            try:
                _create_tables(temporary, backend)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _not_writable_error(path, error) from error
    except sqlite3.Error as error:
        raise _not_writable_error(path, error) from error
    return True


def _create_tables(temporary: Path, backend: Backend) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.exc import OperationalError

    try:
        store = SqlAlchemyStore(SQLITE_PREFIX + str(temporary), str(backend.artifact_folder))
    except OperationalError as error:
        raise OSError(str(error.orig)) from error
    store.engine.dispose()


@contextmanager
def _lock_for_change(path: Path) -> Iterator[None]:
    """One process at a time makes or migrates this file."""
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_FILE_LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"Another process has been preparing {path.name} for two minutes.", next="Wait for it, or end it.") from error
    try:
        yield
    finally:
        lock.release()


def _read_tables_and_revision(path: Path) -> tuple[set[str], str]:
    """Table names and the alembic revision of a file, read-only."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS)
        ) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            rows = connection.execute("select version_num from alembic_version").fetchall() if "alembic_version" in tables else []
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise Busy(f"{path.name} is locked by another program.", next="Close that program, then try again.") from error
        if "unable to open" in str(error):
            raise _not_writable_error(path, error) from error
        raise BackendError(
            f"{path.name} is not a SQLite database.", next="Choose another file in MLFLOW_TRACKING_URI."
        ) from error
    return tables, rows[0][0] if rows else ""


@lru_cache(maxsize=1)
def mlflow_revisions() -> tuple[str, set[str]]:
    """The newest schema revision of the installed MLflow, and all it knows. Read once: it walks some fifty files."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    script = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    return script.get_heads()[0], {revision.revision for revision in script.walk_revisions()}


def _require_path(backend: Backend) -> Path:
    if backend.path is None:
        raise BackendError(f"{backend.name} is not a local database.")
    return backend.path


def _not_writable_error(path: Path, error: Exception) -> NotWritable:
    return NotWritable(
        f"{path} cannot be opened for writing ({error}).",
        next="Check the rights of the folder, or set MLFLOW_TRACKING_URI elsewhere.",
    )
