"""Upgrade an older SQLite file with MLflow, keeping a complete copy next to it, and restore that copy after an interruption.

SQLite does not roll back the steps of an interrupted upgrade. From before the first step until after the last, a record next to the file
names the copy. So an incomplete file is recognised even if the process was killed, and is never copied as if it were complete.
"""

import json
import os
import secrets
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from lib.backends.app_files import write_private_file
from lib.backends.backend import Backend
from lib.backends.database_errors import database_error, find_database_fault
from lib.backends.sqlite_schema import (
    find_interrupted_upgrade,
    lock_for_change,
    not_writable_error,
    open_readonly,
    read_schema_status,
    require_path,
    upgrade_record,
)
from lib.backends.sqlite_store import interrupted_upgrade_error, require_writable
from lib.errors import ActionRefused, NotFound, NotWritable

_SIDE_FILES = ("-wal", "-shm", "-journal")


def migrate(backend: Backend, at: datetime) -> Path:
    """Back up an older database next to itself, then let MLflow migrate the original. Returns the path of the copy.

    The copy uses SQLite's backup API, so it is complete even while others write. Raises ActionRefused if the database is no longer older
    because another process was faster, and UpgradeInterrupted if MLflow stops midway.
    """
    path = require_path(backend)
    copy = path.with_name(f"{path.name}.{at:%Y%m%d-%H%M%S}.backup")
    with lock_for_change(path):
        if (earlier_copy := find_interrupted_upgrade(path)) is not None:
            raise interrupted_upgrade_error(path, earlier_copy)
        upgrade_record(path).unlink(missing_ok=True)  # left by a finished upgrade
        status = read_schema_status(path)
        if status.state != "older":
            raise ActionRefused(f"{path.name} has already been changed.", next="Reload and try again.")
        require_writable(backend)
        backup(path, copy)
        try:
            write_private_file(
                upgrade_record(path), json.dumps({"copy": copy.name, "target_revision": status.required_revision}).encode()
            )
        except OSError as error:
            raise not_writable_error(path, error) from error
        _upgrade(backend, copy)
        upgrade_record(path).unlink(missing_ok=True)
    return copy


def backup(path: Path, copy: Path) -> None:
    """Copy a complete SQLite database. Raises NotWritable if the copy cannot be written; then no file of that name exists."""
    temporary = copy.with_name(f".{copy.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with closing(open_readonly(path)) as source, closing(sqlite3.connect(temporary)) as target:
            source.backup(target)
        temporary.replace(copy)
    except (sqlite3.Error, OSError) as error:
        raise NotWritable(
            f"The backup {copy.name} could not be written ({error}).", next=f"Free disk space in {copy.parent}."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def restore_backup(backend: Backend, at: datetime) -> tuple[Path, Path]:
    """Restore the complete copy of a database whose upgrade was interrupted. Returns the copy and the new path of the incomplete file.

    The copy stays. Raises ActionRefused if no upgrade was interrupted, NotFound if the copy is gone.
    """
    path = require_path(backend)
    with lock_for_change(path):
        copy = find_interrupted_upgrade(path)
        if copy is None:
            raise ActionRefused(f"No upgrade of {path.name} was interrupted.", next="Reload and try again.")
        if not copy.exists():
            raise NotFound(
                f"The backup {copy} no longer exists.",
                next=f"Find another backup of {path.name}, remove {upgrade_record(path).name}, and put the backup in its place.",
            )
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
        damaged = path.with_name(f"{path.name}.{at:%Y%m%d-%H%M%S}.half-way")
        try:
            backup(copy, temporary)
            for suffix in ("", *_SIDE_FILES):
                if (file := path.with_name(path.name + suffix)).exists():
                    file.rename(damaged.with_name(damaged.name + suffix))
            temporary.replace(path)
            upgrade_record(path).unlink()
        except OSError as error:
            raise not_writable_error(path, error) from error
        finally:
            temporary.unlink(missing_ok=True)
    return copy, damaged


def _upgrade(backend: Backend, copy: Path) -> None:
    """Let MLflow migrate the tables. Raises UpgradeInterrupted with the reason; the record stays then."""
    from alembic.util.exc import CommandError
    from mlflow.exceptions import MlflowException
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine
    from sqlalchemy.exc import SQLAlchemyError

    path = require_path(backend)
    engine = create_sqlalchemy_engine(backend.uri)
    try:
        _upgrade_db(engine)
    except (SQLAlchemyError, MlflowException, CommandError, sqlite3.Error, OSError) as error:
        fault = find_database_fault(error)
        reason = database_error(fault, path.name).what if fault else f"{_first_line(error)}."
        raise interrupted_upgrade_error(path, copy, reason) from error
    finally:
        engine.dispose()


def _first_line(error: Exception) -> str:
    """Return what stopped the upgrade, such as "table secrets already exists": the driver's own message without SQL."""
    return str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0][:200].rstrip(".")
