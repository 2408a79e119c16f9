"""Reads the active runs of an experiment straight from the tables of a local SQLite file: a second road beside the client.

It only reads, in one transaction, and only a schema it was checked against; whatever it does not know it leaves to the client
(`reading` decides). Filters, single runs and everything behind a server are the client's too.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lib.backends.connect import quick_reading
from lib.backends.uri import Backend
from lib.errors import Busy
from lib.runs.values import CONTEXT_TAG, RUN_NAME_TAG, USER_TAG, DataInput, Run

KNOWN_SCHEMAS = frozenset({"dc11669786a5"})
"""Alembic revisions on which this road was compared with the client, cell by cell."""
LOCKED_SECONDS = 3.0

_EXPERIMENT = re.compile(r"[0-9]{1,18}")
_RUNS = """
    SELECT rowid, run_uuid, name, experiment_id, status, lifecycle_stage, start_time, end_time, user_id, artifact_uri
    FROM runs WHERE experiment_id = ? AND lifecycle_stage = 'active' ORDER BY start_time DESC, run_uuid DESC"""
_METRICS = """
    SELECT r.rowid, t.key, CASE WHEN t.is_nan THEN NULL ELSE t.value END
    FROM runs r JOIN latest_metrics t ON t.run_uuid = r.run_uuid
    WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active'"""
_PARAMS = """
    SELECT r.rowid, t.key, t.value FROM runs r JOIN params t ON t.run_uuid = r.run_uuid
    WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active'"""
_TAGS = """
    SELECT r.rowid, t.key, t.value FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid
    WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active'"""
_INPUTS = """
    SELECT r.rowid, d.dataset_uuid, d.name, d.digest, d.dataset_source, g.value
    FROM runs r JOIN inputs i ON i.destination_type = 'RUN' AND i.destination_id = r.run_uuid
    JOIN datasets d ON d.dataset_uuid = i.source_id
    LEFT JOIN input_tags g ON g.input_uuid = i.input_uuid AND g.name = ?
    WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active' ORDER BY r.rowid, i.source_type, i.rowid"""
_MODELS = """
    SELECT r.rowid, i.destination_id
    FROM runs r JOIN inputs i ON i.source_type = 'RUN_OUTPUT' AND i.source_id = r.run_uuid AND i.destination_type = 'MODEL_OUTPUT'
    WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active' ORDER BY r.rowid, i.step DESC, i.destination_id"""

_Row = tuple[int, str, str | None, int, str, str, int | None, int | None, str | None, str | None]


@dataclass(frozen=True)
class _Rows:
    """What the tables hold, by the place of a run in its table: the road's own key, never shown."""

    runs: list[_Row]
    metrics: dict[int, dict[str, float]]
    params: dict[int, dict[str, str]]
    tags: dict[int, dict[str, str]]
    inputs: dict[int, tuple[DataInput, ...]]
    models: dict[int, tuple[str, ...]]


def active_runs(backend: Backend, experiment_id: str) -> list[Run] | None:
    """The active runs of an experiment, newest first; None where the client must be asked instead.

    None for a server, an id that is no number, a schema unknown here, and a file that cannot be read without writing (none there,
    or a killed writer's journal beside it). Raises Busy when the file stays locked for three seconds.
    """
    if backend.path is None or not _EXPERIMENT.fullmatch(experiment_id):
        return None
    try:
        with quick_reading(), reading(backend.path) as db:
            if not is_known(db):
                return None
            rows = _rows(db, int(experiment_id))
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise Busy("The database is locked by another program.", next="Wait a moment, then try again.") from error
        return None
    return [_run(row, rows) for row in rows.runs]


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """One read transaction. The address is quoted by pathlib, so that ?, # and % in a path stay part of it."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=LOCKED_SECONDS, isolation_level=None)) as db:
        db.execute("BEGIN")
        yield db


def is_known(db: sqlite3.Connection) -> bool:
    """Was this road compared with the client on the schema of this file?"""
    found = {revision for (revision,) in db.execute("SELECT version_num FROM alembic_version")}
    return len(found) == 1 and found <= KNOWN_SCHEMAS


def _rows(db: sqlite3.Connection, experiment: int) -> _Rows:
    return _Rows(
        runs=db.execute(_RUNS, (experiment,)).fetchall(),
        metrics=_metrics(db, experiment),
        params=_texts(db, _PARAMS, experiment),
        tags=_texts(db, _TAGS, experiment),
        inputs=_inputs(db, experiment),
        models=_models(db, experiment),
    )


def _metrics(db: sqlite3.Connection, experiment: int) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = defaultdict(dict)
    nan = float("nan")
    for place, key, value in db.execute(_METRICS, (experiment,)):
        found[place][key] = nan if value is None else value
    return found


def _texts(db: sqlite3.Connection, asked: str, experiment: int) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for place, key, value in db.execute(asked, (experiment,)):
        found[place][key] = value
    return found


def _inputs(db: sqlite3.Connection, experiment: int) -> dict[int, tuple[DataInput, ...]]:
    """A dataset counts once for a run, with the first context that was given, as in the client."""
    found: dict[int, dict[str, DataInput]] = defaultdict(dict)
    for place, dataset, name, digest, source, context in db.execute(_INPUTS, (CONTEXT_TAG, experiment)):
        if dataset not in found[place] or (context and not found[place][dataset].context):
            found[place][dataset] = DataInput(name, digest, context or "", source or "")
    return {place: tuple(of.values()) for place, of in found.items()}


def _models(db: sqlite3.Connection, experiment: int) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = defaultdict(list)
    for place, model in db.execute(_MODELS, (experiment,)):
        found[place].append(model)
    return {place: tuple(of) for place, of in found.items()}


def _run(row: _Row, rows: _Rows) -> Run:
    place, run_id, name, experiment, status, lifecycle, started, ended, user, artifact_uri = row
    tags = rows.tags.get(place, {})
    return Run(
        run_id=run_id,
        name=name or tags.get(RUN_NAME_TAG, ""),
        experiment_id=str(experiment),
        status=status,
        lifecycle=lifecycle,
        started=_time(started),
        ended=_time(ended),
        user=tags.get(USER_TAG) or user or "",
        artifact_uri=artifact_uri or "",
        params=rows.params.get(place, {}),
        metrics=rows.metrics.get(place, {}),
        tags=tags,
        inputs=rows.inputs.get(place, ()),
        model_ids=rows.models.get(place, ()),
    )


def _time(millis: int | None) -> datetime | None:
    return datetime.fromtimestamp(millis / 1000, UTC) if millis is not None else None
