"""The upgrade of an older SQLite file by MLflow, with a complete copy beside it, and the way back when it breaks off.

SQLite does not take the steps of a broken-off upgrade back. A record beside the file names the copy from before the first step until the
last one has ended, so the file is known to be half-way even when the process was killed, and is never copied as if it were whole.
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
    """Copy an older database beside itself, then let MLflow migrate the original. Returns the path of the copy.

    The copy is made by SQLite's own backup, so it is complete even while others write. Raises ActionRefused when the database is not an
    older one any more, because another process was quicker, and UpgradeInterrupted when MLflow stops on its way.
    """
    path = require_path(backend)
    copy = path.with_name(f"{path.name}.{at:%Y%m%d-%H%M%S}.backup")
    with lock_for_change(path):
        if (earlier_copy := find_interrupted_upgrade(path)) is not None:
            raise interrupted_upgrade_error(path, earlier_copy)
        upgrade_record(path).unlink(missing_ok=True)  # of an upgrade that ended
        status = read_schema_status(path)
        if status.state != "older":
            raise ActionRefused(f"{path.name} has been changed already.", next="Look again.")
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
    """Copy a complete SQLite database. Raises NotWritable when the copy cannot be written; then no file of that name is there."""
    temporary = copy.with_name(f".{copy.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with closing(open_readonly(path)) as source, closing(sqlite3.connect(temporary)) as target:
            source.backup(target)
        temporary.replace(copy)
    except (sqlite3.Error, OSError) as error:
        raise NotWritable(
            f"The backup {copy.name} could not be written ({error}).", next=f"Make room in {copy.parent}."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def restore_backup(backend: Backend, at: datetime) -> tuple[Path, Path]:
    """Put the complete copy in the place of a database whose upgrade broke off. Returns the copy, and where the half-way file is now.

    The copy stays. Raises ActionRefused when no upgrade broke off, NotFound when the copy is gone.
    """
    path = require_path(backend)
    with lock_for_change(path):
        copy = find_interrupted_upgrade(path)
        if copy is None:
            raise ActionRefused(f"No upgrade of {path.name} broke off.", next="Look again.")
        if not copy.exists():
            raise NotFound(
                f"The copy {copy} is not there any more.",
                next=f"Look for another backup of {path.name}; then remove {upgrade_record(path).name} and put the backup in its place.",
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
    """Let MLflow change the tables. Raises UpgradeInterrupted with what stopped it; the record stays then."""
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
    """What stopped the upgrade, such as "table secrets already exists": the driver's own sentence, without SQL."""
    return str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0][:200].rstrip(".")
