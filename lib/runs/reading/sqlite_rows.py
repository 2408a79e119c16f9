"""Asks one question of a local SQLite file, read-only and with the guards of `sqlite_road`; or says that the client must be asked.

The questions themselves belong to who asks them: `histories` and `extremes`.
"""

import json
from collections.abc import Sequence
from typing import Any

from lib.backends.backend import Backend
from lib.runs.reading.sqlite_reader import query_sqlite


def query_rows(backend: Backend, sql: str, *values: str | int) -> list[tuple[Any, ...]] | None:
    """What the tables answer; None for a server, an unknown schema, and a file that cannot be read without writing.

    Raises Busy when the file stays locked for three seconds.
    """
    return query_sqlite(backend, lambda db: db.execute(sql, values).fetchall())


def json_array(values: Sequence[str]) -> str:
    """Ids or names as one value of a question, however many: `IN (SELECT value FROM json_each(?))`."""
    return json.dumps(list(values))
