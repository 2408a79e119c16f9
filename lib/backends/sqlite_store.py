"""Prepare a local SQLite file before MLflow opens it: created completely or not at all, and never migrated without consent.

MLflow migrates an older database as soon as a client touches it, and a process killed while creating the tables leaves a file that MLflow
can never open again. So a new file is created under a temporary name and renamed, and an old one is first opened read-only
(`sqlite_schema`) and upgraded by `sqlite_upgrade` only.
"""

import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from lib.backends import sqlite_schema
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.database_errors import database_error, find_database_fault
from lib.backends.sqlite_schema import (
    lock_for_change,
    not_writable_error,
    older_schema_error,
    read_schema_status,
    read_tables_and_revision,
    require_path,
    translate_sqlite_error,
)
from lib.errors import BackendError, NotFound, UpgradeInterrupted


def ensure_database(backend: Backend) -> bool:
    """Ensure that MLflow can open the local file without changing its schema; create a missing file.

    Returns True if the file was just created. Raises NeedsMigration for an older schema (see `sqlite_upgrade`), UpgradeInterrupted after an
    interrupted upgrade, BackendError for a newer schema or a file that is not an MLflow database, NotWritable if the folder is read-only.
    """
    path = backend.path
    if path is None:
        return False
    if read_schema_status(path).state in ("missing", "empty"):
        return _create_database(backend, path)
    require_openable(backend)
    return False


def require_openable(backend: Backend) -> None:
    """Check that MLflow could open the local file as it is, without changing anything. Raises as `ensure_database` does."""
    path = require_path(backend)
    status = read_schema_status(path)
    if status.state == "older":
        raise older_schema_error(
            path.name, status, "Confirm the upgrade, which makes a backup first, or choose another database."
        )
    if status.state == "newer":
        raise BackendError(
            f"{path.name} was created by a newer MLflow (schema {status.revision}).",
            means="The installed MLflow does not support this schema. Nothing was changed.",
            next="Install that MLflow version, or choose another database.",
        )
    if status.state == "interrupted":
        raise interrupted_upgrade_error(path, status.copy)
    if status.state == "foreign" and status.revision:
        raise BackendError(
            f"{path.name} contains MLflow tables and another program's migrations (schema {status.revision}).",
            means="MLflow would take that revision for its own. Nothing was changed.",
            next="Use a separate file for each program: set MLFLOW_TRACKING_URI to another file.",
        )
    if status.state == "foreign":
        raise BackendError(f"{path.name} is not an MLflow database.", next="Choose another file in MLFLOW_TRACKING_URI.")


def interrupted_upgrade_error(path: Path, copy: Path | None, reason: str = "") -> UpgradeInterrupted:
    """Return the error for a database left incomplete by an upgrade; `reason` is what stopped it, if known."""
    copy_text = f"The complete backup is {copy}." if copy and copy.exists() else f"Its backup {copy} no longer exists."
    return UpgradeInterrupted(
        f"The upgrade of {path.name} was interrupted{f': {reason}' if reason else '.'}",
        means=f"{path.name} is between two schemas, and no MLflow can open it. {copy_text}",
        next="Restore the backup on any page, in the Doctor, or by any command with --restore-backup.",
    )


def require_readable(backend: Backend) -> None:
    """Read one row of a local file to check that it answers. Raises Busy if it stays locked for more than three seconds."""
    if backend.path is not None:
        read_tables_and_revision(backend.path)


def require_writable(backend: Backend) -> None:
    """Take the write lock of a local file for an instant before an action: MLflow's client would wait twenty seconds for it.

    Raises Busy if another program holds it for more than three seconds, NotWritable if the file is read-only.
    """
    if backend.path is None:
        return
    try:
        take_write_lock(backend.path, sqlite_schema.BUSY_TIMEOUT_SECONDS)
    except sqlite3.Error as error:
        raise translate_sqlite_error(backend.path, error) from error


def take_write_lock(path: Path, timeout_seconds: float) -> None:
    """Take and release SQLite's write lock; nothing is written. Raises sqlite3.Error if that is impossible."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=timeout_seconds, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        connection.execute("rollback")


def require_database_file(backend: Backend) -> None:
    """Raise NotFound if the local database does not exist: only the default backend and demos may create one."""
    if backend.path is not None and not backend.path.exists():
        raise NotFound(f"There is no database at {backend.path}.", next="Check the path. To create one, use demo run.")


def _create_database(backend: Backend, path: Path) -> bool:
    """Create the file under a temporary name and a lock, then rename it into place. Returns False if another process was faster."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_for_change(path):
            if read_schema_status(path).state not in ("missing", "empty"):
                return False
            temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
            try:
                _create_tables(temporary, backend)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise not_writable_error(path, error) from error
    return True


def _create_tables(temporary: Path, backend: Backend) -> None:
    """Let MLflow create its tables in a new file. Raises OSError or PodiumError; the caller removes the file."""
    from alembic.util.exc import CommandError
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.exc import SQLAlchemyError

    try:
        store = SqlAlchemyStore(sqlite_backend(temporary).uri, str(backend.artifact_folder))
    except (SQLAlchemyError, MlflowException, CommandError) as error:
        if (fault := find_database_fault(error)) is not None:
            raise database_error(fault, temporary.name) from error
        raise OSError(str(getattr(error, "orig", error)).split("\n", 1)[0]) from error
    store.engine.dispose()
