"""Detect cheaply whether a local SQLite file was written since the last read. Reads no table and holds no lock."""

import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lib.backends.backend import Backend

MAX_CONNECTIONS = 16
LOCK_TIMEOUT_SECONDS = 0.2
_LOCK = threading.Lock()
_SERIAL_NUMBERS = count(1)
_OPEN_FILES: "OrderedDict[Path, _OpenFile]" = OrderedDict()


@dataclass(frozen=True)
class _OpenFile:
    """A persistent connection, on which SQLite reports commits by others. `file_id` is the file it was opened on."""

    db: sqlite3.Connection
    file_id: tuple[int, int]
    serial_number: int


def read_change_marker(backend: Backend) -> str | None:
    """Return a text that changes whenever this local file is written or replaced.

    None for a server, a missing file, or a file that cannot be inspected now: the caller must then read again.
    """
    if backend.path is None:
        return None
    with _LOCK:
        try:
            open_file = _open_file(backend.path.absolute())
            return f"{open_file.serial_number}.{open_file.db.execute('PRAGMA data_version').fetchone()[0]}"
        except (OSError, sqlite3.Error):
            _close_file(backend.path.absolute())
            return None


def _open_file(path: Path) -> _OpenFile:
    """Return the open connection to a file, opened if there is none or the file was replaced."""
    status = path.stat()
    file_id = (status.st_dev, status.st_ino)
    if path in _OPEN_FILES and _OPEN_FILES[path].file_id != file_id:
        _close_file(path)
    if path not in _OPEN_FILES:
        uri = f"{path.as_uri()}?mode=ro"
        db = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
        _OPEN_FILES[path] = _OpenFile(db, file_id, next(_SERIAL_NUMBERS))
        while len(_OPEN_FILES) > MAX_CONNECTIONS:
            _close_file(next(iter(_OPEN_FILES)))
    _OPEN_FILES.move_to_end(path)
    return _OPEN_FILES[path]


def _close_file(path: Path) -> None:
    if path in _OPEN_FILES:
        _OPEN_FILES.pop(path).db.close()
