"""Classify database errors by the class and code of the error. Only a server's answer is classified by its text.

A server passes on only SQLAlchemy's text, which starts with the driver's class and, for SQLite, the fixed message of a code.
"""

import errno
import re
import sqlite3
from typing import Literal

from lib.errors import BackendError, Busy, NotWritable, PodiumError

DatabaseFault = Literal["full", "read_only", "denied", "busy", "unopenable", "damaged", "not_a_database"]
_SQLITE_FAULTS: dict[int, DatabaseFault] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_CANTOPEN: "unopenable",
    sqlite3.SQLITE_IOERR: "damaged",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "not_a_database",
}
_SQLITE_SENTENCES: dict[str, DatabaseFault] = {  # sqlite3_errstr() of these codes
    "database or disk is full": "full",
    "attempt to write a readonly database": "read_only",
    "access permission denied": "read_only",
    "database is locked": "busy",
    "database table is locked": "busy",
    "unable to open database file": "unopenable",
    "disk i/o error": "damaged",
    "database disk image is malformed": "damaged",
    "file is not a database": "not_a_database",
}
_SQL_STATES: dict[str, DatabaseFault] = {
    "53100": "full",
    "25006": "read_only",
    "42501": "denied",
    "55P03": "busy",
    "XX001": "damaged",
    "XX002": "damaged",
}
_POSTGRESQL_CLASSES: dict[str, DatabaseFault] = {
    "DiskFull": "full",
    "ReadOnlySqlTransaction": "read_only",
    "InsufficientPrivilege": "denied",
    "LockNotAvailable": "busy",
    "DataCorrupted": "damaged",
    "IndexCorrupted": "damaged",
}
_MYSQL_CODES: dict[object, DatabaseFault] = {
    **dict.fromkeys((1021, 1114), "full"),
    **dict.fromkeys((1290, 1836), "read_only"),
    **dict.fromkeys((1142, 1143), "denied"),
    1205: "busy",
}
_DRIVER_MESSAGE = re.compile(r"\((sqlite3|psycopg2?|pymysql|MySQLdb)(?:\.\w+)*\.(\w+)\) (.*)")
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)


def find_database_fault(error: BaseException) -> DatabaseFault | None:
    """Return the fault a driver reported in the chain of an exception's causes; None if no database reported one."""
    visited: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in visited:
        visited.add(id(cause))
        if (fault := _driver_fault(getattr(cause, "orig", None) or cause)) is not None:
            return fault
        cause = cause.__cause__ or cause.__context__
    return None


def find_fault_in_text(message: str) -> DatabaseFault | None:
    """Return the fault from a server's text about an error of its database; None if it names none."""
    match = _DRIVER_MESSAGE.search(message)
    if match is None:
        return None
    driver, error_class, text = match.groups()
    if driver == "sqlite3":
        return _SQLITE_SENTENCES.get(text.strip().lower())
    number = re.match(r"\((\d+),", text)
    return _POSTGRESQL_CLASSES.get(error_class) or (_MYSQL_CODES.get(int(number[1])) if number else None)


def is_driver_message(message: str) -> bool:
    """Whether a text is the error message of a database driver."""
    return _DRIVER_MESSAGE.search(message) is not None


def database_error(fault: DatabaseFault, name: str = "") -> PodiumError:
    """Return the error to show for a fault; `name` is the database's file name if known."""
    subject = name or "The database"
    match fault:
        case "full":
            return NotWritable(
                "The disk is full.",
                means="The last write was not saved; existing data is intact.",
                next="Free space on the disk with the database and its files, then try again.",
            )
        case "read_only" | "denied":
            is_file = fault == "read_only"
            return NotWritable(
                f"{subject} {'cannot be written' if is_file else 'does not let this login write'}.",
                next="Check the permissions of the file and its folder."
                if is_file
                else "Ask its administrator for write permission on MLflow's tables.",
            )
        case "busy":
            return Busy(
                f"{subject} is locked by another program.",
                next="Close that program or wait until it is done, then try again.",
            )
        case "unopenable":
            return NotWritable(
                f"{name or 'The database file'} cannot be opened.", next="Check that the file, its folder and the disk exist."
            )
        case "damaged":
            return BackendError(
                f"{name or 'The database file'} or its disk is damaged.",
                means="Reading and writing it may fail at any time.",
                next="Stop every program that uses it and copy the file to another disk. If the copy cannot be opened, restore a backup.",
            )
        case "not_a_database":
            return BackendError(
                f"{name or 'The file'} is not a SQLite database.", next="Choose another file in MLFLOW_TRACKING_URI."
            )


def _driver_fault(error: BaseException) -> DatabaseFault | None:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)  # absent if Python's module itself raised it
        return None if code is None else _SQLITE_FAULTS.get(code & 0xFF)
    if isinstance(error, OSError):
        return "full" if error.errno in DISK_FULL_ERRNOS else None
    sql_state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(sql_state, str):
        return _SQL_STATES.get(sql_state)
    is_mysql = type(error).__module__.partition(".")[0] in ("pymysql", "MySQLdb")
    return _MYSQL_CODES.get(error.args[0]) if is_mysql and error.args else None
