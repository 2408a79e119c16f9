"""Asks one question of a local SQLite file, read-only and with the guards of `sqlite_road`; or says that the client must be asked.

The questions themselves belong to who asks them: `histories` and `extremes`.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from lib.backends.connect import quick_reading
from lib.backends.uri import Backend
from lib.errors import Busy
from lib.runs.sqlite_road import is_known, reading


def rows(backend: Backend, question: str, *values: str | int) -> list[tuple[Any, ...]] | None:
    """What the tables answer; None for a server, an unknown schema, and a file that cannot be read without writing.

    Raises Busy when the file stays locked for three seconds.
    """
    if backend.path is None:
        return None
    try:
        with quick_reading(), reading(backend.path) as db:
            return db.execute(question, values).fetchall() if is_known(db) else None
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise Busy("The database is locked by another program.", next="Wait a moment, then try again.") from error
        return None


def listed(names: Sequence[str]) -> str:
    """Ids or names as one value of a question, however many: `IN (SELECT value FROM json_each(?))`."""
    return json.dumps(list(names))
