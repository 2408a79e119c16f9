"""Read runs directly from the tables of a local SQLite file, which is faster than the client.

It only reads, in one transaction, and only schemas on which its results were compared with the client's; anything unknown is left to
the client (`run_reader` decides). Filters, single runs and servers are also left to the client.
"""

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lib.backends.backend import Backend
from lib.backends.database_errors import database_error, find_database_fault
from lib.backends.mlflow_client import relaxed_gc
from lib.runs.reading.registered_versions import VersionOrigin, versions_by_run
from lib.runs.table.frames import RunColumns
from lib.runs.table.types import CONTEXT_TAG, LIFECYCLES_BY_FILTER, RegisteredVersion, Search

KNOWN_SCHEMAS = frozenset({"dc11669786a5"})
"""Alembic revisions on which this reader was compared with the client cell by cell."""
LOCK_TIMEOUT_SECONDS = 3.0

_EXPERIMENT_ID = re.compile(r"[0-9]{1,18}")
_OTHER_WORKSPACES = """
    SELECT EXISTS (SELECT 1 FROM experiments WHERE workspace <> 'default')
        OR EXISTS (SELECT 1 FROM model_versions WHERE workspace <> 'default')"""
_CREATE_CHOSEN = """
    CREATE TEMP TABLE chosen AS
    SELECT run_uuid, name, experiment_id, status, lifecycle_stage, start_time, end_time, user_id, artifact_uri
    FROM runs
    WHERE experiment_id IN (SELECT value FROM json_each(:experiments)) AND lifecycle_stage IN (SELECT value FROM json_each(:stages))
    ORDER BY start_time IS NULL, start_time DESC, run_uuid LIMIT :most"""
_COUNT = """
    SELECT count(*) FROM runs
    WHERE experiment_id IN (SELECT value FROM json_each(:experiments)) AND lifecycle_stage IN (SELECT value FROM json_each(:stages))"""
_NEWEST_EXPERIMENT = """
    SELECT experiment_id FROM runs
    WHERE experiment_id IN (SELECT value FROM json_each(:experiments)) AND lifecycle_stage IN (SELECT value FROM json_each(:stages))
    ORDER BY start_time IS NULL, start_time DESC, run_uuid LIMIT 1"""
_RUNS = "SELECT * FROM chosen ORDER BY rowid"
# In `chosen` SQLite numbers the rows from one in the order of its SELECT: a run's position in every column.
_METRICS = """
    SELECT c.rowid - 1, t.key, CASE WHEN t.is_nan THEN NULL ELSE t.value END
    FROM chosen c CROSS JOIN latest_metrics t ON t.run_uuid = c.run_uuid"""
_PARAMS = "SELECT c.rowid - 1, t.key, t.value FROM chosen c CROSS JOIN params t ON t.run_uuid = c.run_uuid"
_TAGS = "SELECT c.rowid - 1, t.key, t.value FROM chosen c CROSS JOIN tags t ON t.run_uuid = c.run_uuid"
_INPUTS = """
    SELECT c.run_uuid, d.dataset_uuid, d.name, d.digest, g.value
    FROM chosen c CROSS JOIN inputs i ON i.destination_type = 'RUN' AND i.destination_id = c.run_uuid
    JOIN datasets d ON d.dataset_uuid = i.source_id
    LEFT JOIN input_tags g ON g.input_uuid = i.input_uuid AND g.name = ?
    ORDER BY c.rowid, i.source_type, i.rowid"""
_MODELS = """
    SELECT c.run_uuid, i.destination_id
    FROM chosen c
    CROSS JOIN inputs i ON i.source_type = 'RUN_OUTPUT' AND i.source_id = c.run_uuid AND i.destination_type = 'MODEL_OUTPUT'
    ORDER BY c.rowid, i.step DESC, i.destination_id"""
MODEL_VERSIONS = """
    model_versions WHERE current_stage <> 'Deleted_Internal'
    AND name NOT IN (SELECT name FROM model_version_tags WHERE key = 'mlflow.prompt.is_prompt' AND value = 'true')"""
"""Model versions: the table also contains prompt versions and deleted ones."""
_VERSIONS = f"SELECT name, version, current_stage, run_id, source FROM {MODEL_VERSIONS}"  # noqa: S608 - constant text

Result = TypeVar("Result")


def read_run_columns(backend: Backend, search: Search) -> RunColumns | None:
    """Return the results of a search without a filter, newest first; None if the client must be used instead.

    None for a filter, a non-numeric id, and everything that `query_sqlite` leaves to the client.
    """
    if search.filter.text or not all(map(_EXPERIMENT_ID.fullmatch, search.experiment_ids)):
        return None
    return query_sqlite(backend, lambda db: _read_columns(db, search))


def query_sqlite(backend: Backend, query: Callable[[sqlite3.Connection], Result]) -> Result | None:
    """Run `query` on a local SQLite file in one read-only transaction; None if the client must be used instead.

    None for a server, an unknown schema, a file with several workspaces, and a file that cannot be read without writing (missing, or with
    a killed writer's journal next to it). Raises Busy if the file stays locked for three seconds.
    """
    if backend.path is None:
        return None
    try:
        with relaxed_gc(), read_transaction(backend.path) as db:
            return query(db) if is_known_schema(db) else None
    except sqlite3.Error as error:
        if find_database_fault(error) == "busy":
            raise database_error("busy") from error
        return None


def query_rows(backend: Backend, sql: str, *values: str | int) -> list[tuple[Any, ...]] | None:
    """Return the rows of one statement; None or Busy as in `query_sqlite`."""
    return query_sqlite(backend, lambda db: db.execute(sql, values).fetchall())


def json_array(values: Sequence[str]) -> str:
    """Encode any number of ids or names as one SQL value: `IN (SELECT value FROM json_each(?))`."""
    return json.dumps(list(values))


@contextmanager
def read_transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Open one read transaction. pathlib quotes the address, so ?, # and % in a path stay part of it."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)) as db:
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("BEGIN")
        yield db


def is_known_schema(db: sqlite3.Connection) -> bool:
    """Whether this reader was compared with the client on this file's schema. It supports a single workspace only."""
    revisions = {revision for (revision,) in db.execute("SELECT version_num FROM alembic_version")}
    return len(revisions) == 1 and revisions <= KNOWN_SCHEMAS and not db.execute(_OTHER_WORKSPACES).fetchone()[0]


def count_started_after(backend: Backend, experiment_ids: Sequence[str], after_millis: int) -> int | None:
    """Count active runs of these experiments started after `after_millis`; None if the client must be used instead."""
    if not all(map(_EXPERIMENT_ID.fullmatch, experiment_ids)):
        return None
    parameters = {**_search_parameters(Search(tuple(experiment_ids))), "after": after_millis}
    return query_sqlite(backend, lambda db: int(db.execute(f"{_COUNT} AND start_time > :after", parameters).fetchone()[0]))


def find_newest_experiment(backend: Backend, experiment_ids: Sequence[str]) -> str | None:
    """Return which of these experiments has the most recently started active run, "" for none; None if the client must be used."""
    if not all(map(_EXPERIMENT_ID.fullmatch, experiment_ids)):
        return None
    rows = query_sqlite(
        backend, lambda db: db.execute(_NEWEST_EXPERIMENT, _search_parameters(Search(tuple(experiment_ids)))).fetchall()
    )
    return None if rows is None else "".join(str(experiment) for (experiment,) in rows)


def _search_parameters(search: Search) -> dict[str, Any]:
    return {
        "experiments": json.dumps([int(experiment_id) for experiment_id in search.experiment_ids]),
        "stages": json.dumps(LIFECYCLES_BY_FILTER[search.state]),
        "most": max(search.limit, 0),
    }


def _read_columns(db: sqlite3.Connection, search: Search) -> RunColumns:
    parameters = _search_parameters(search)
    db.execute(_CREATE_CHOSEN, parameters)
    rows = db.execute(_RUNS).fetchall()
    ids, name, experiment, status, lifecycle, started, ended, user, artifact_uri = zip(*rows, strict=True) if rows else ((),) * 9
    models = _read_models(db)
    metrics, nans = _read_metrics(db, ids)
    return RunColumns(
        ids=ids,
        facts={
            "name": name,
            "experiment": tuple(map(str, experiment)),
            "status": status,
            "lifecycle": lifecycle,
            "started": started,
            "ended": ended,
            "user": user,
            "artifact_uri": artifact_uri,
        },
        metrics=metrics,
        params=_read_cells(db, _PARAMS, len(rows)),
        tags=_read_cells(db, _TAGS, len(rows)),
        inputs=_read_inputs(db),
        models=models,
        versions=versions_by_run(_read_origins(db), models),
        total=db.execute(_COUNT, parameters).fetchone()[0] if len(rows) >= parameters["most"] else len(rows),
        nans=nans,
    )


def _read_metrics(db: sqlite3.Connection, ids: Sequence[str]) -> tuple[dict[str, list[Any]], frozenset[tuple[str, str]]]:
    """Read one column per metric, and which of its empty cells were logged as NaN."""
    columns: dict[str, list[Any]] = defaultdict(lambda: [None] * len(ids))
    nans = []
    for position, key, value in db.execute(_METRICS):
        columns[key][position] = value
        if value is None:
            nans.append((ids[position], key))
    return columns, frozenset(nans)


def _read_cells(db: sqlite3.Connection, sql: str, count: int) -> dict[str, list[Any]]:
    """Read one column per key; missing cells are None."""
    columns: dict[str, list[Any]] = defaultdict(lambda: [None] * count)
    for position, key, value in db.execute(sql):
        columns[key][position] = value
    return columns


def _read_inputs(db: sqlite3.Connection) -> list[tuple[str, str, str, str]]:
    """Read datasets, each once per run with its first context, as in the client."""
    inputs: dict[tuple[str, str], tuple[str, str, str, str]] = {}
    for run_id, dataset, name, digest, context in db.execute(_INPUTS, (CONTEXT_TAG,)):
        if (run_id, dataset) not in inputs or (context and not inputs[run_id, dataset][-1]):
            inputs[run_id, dataset] = (run_id, name, digest, context or "")
    return list(inputs.values())


def _read_models(db: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    models: dict[str, list[str]] = defaultdict(list)
    for run_id, model in db.execute(_MODELS):
        models[run_id].append(model)
    return {run_id: tuple(model_ids) for run_id, model_ids in models.items()}


def _read_origins(db: sqlite3.Connection) -> list[VersionOrigin]:
    rows = db.execute(_VERSIONS)
    return [
        VersionOrigin(RegisteredVersion(name, str(number), stage), run or "", source or "")
        for name, number, stage, run, source in rows
    ]
