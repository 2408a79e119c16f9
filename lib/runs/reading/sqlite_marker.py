"""Whether a local SQLite file was written to since the last look, at next to no cost. It reads no table and holds no lock."""

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
_NUMBERS = count(1)
_WATCHED: "OrderedDict[Path, _Watched]" = OrderedDict()


@dataclass(frozen=True)
class _Watched:
    """A connection that stays open: SQLite tells it when others commit. `file` is the file it was opened on."""

    db: sqlite3.Connection
    file: tuple[int, int]
    number: int


def read_change_marker(backend: Backend) -> str | None:
    """A text that is another one whenever somebody has written to this local file, or put another file in its place.

    None for a server, a missing file, and a file that cannot be looked at now: whoever asks must then read anew.
    """
    if backend.path is None:
        return None
    with _LOCK:
        try:
            watched = _watched(backend.path.absolute())
            return f"{watched.number}.{watched.db.execute('PRAGMA data_version').fetchone()[0]}"
        except (OSError, sqlite3.Error):
            _forget(backend.path.absolute())
            return None


def _watched(path: Path) -> _Watched:
    """The open connection to a file, made when there is none or when the file is another one now."""
    is_now = path.stat()
    file = (is_now.st_dev, is_now.st_ino)
    if path in _WATCHED and _WATCHED[path].file != file:
        _forget(path)
    if path not in _WATCHED:
        address = f"{path.as_uri()}?mode=ro"
        db = sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
        _WATCHED[path] = _Watched(db, file, next(_NUMBERS))
        while len(_WATCHED) > MAX_CONNECTIONS:
            _forget(next(iter(_WATCHED)))
    _WATCHED.move_to_end(path)
    return _WATCHED[path]


def _forget(path: Path) -> None:
    if path in _WATCHED:
        _WATCHED.pop(path).db.close()
