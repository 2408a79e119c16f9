"""Export runs as files: CSV for spreadsheets, JSON for programs. Pure.

A metric logged as NaN is the word NaN; one never logged is an empty cell in CSV and absent in JSON. JSON has no such numbers, so NaN,
Infinity and -Infinity are strings there. A SQL store's stand-in for infinity is written as infinity.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from lib.runs.table.number_format import STORED_INFINITY
from lib.runs.table.run_table import METRIC_PREFIX, PARAM_PREFIX, TAG_PREFIX, subset
from lib.runs.table.types import MLFLOW_TAG_PREFIX, RunTable

IDENTITY_COLUMNS = (
    "name",
    "experiment",
    "status",
    "lifecycle",
    "started",
    "ended",
    "seconds",
    "user",
    "source",
    "git_commit",
    "parent",
)
NAN_TEXT = "NaN"
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
"""Characters that start a formula; spreadsheets also accept the full-width forms."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|-?Infinity", re.ASCII)
_UNSAFE_CHARACTERS = re.compile(r"[^\w.-]+")
_DEVICE_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def as_csv(table: RunTable, ids: Sequence[str]) -> bytes:
    """Return these runs in this order as CSV, with columns named as in a filter, parameters as logged, times in UTC.

    UTF-8 with a byte-order mark, because Excel reads a file without one as Latin-1; pandas and R skip it. A cell that a spreadsheet
    would run as a formula gets a leading apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    columns = _text_columns(subset(table, ids))
    writer.writerow([escape_formula(str(name)) for name in columns])
    writer.writerows([escape_formula(cell) for cell in row] for row in zip(*columns.values(), strict=True))
    return (BOM + buffer.getvalue()).encode("utf-8", "replace")


def as_json(table: RunTable, ids: Sequence[str]) -> bytes:
    """Return these runs in this order as typed JSON: non-finite numbers as "NaN", "Infinity" and "-Infinity", times in UTC.

    A parameter is numeric if every value of it is a number, else the logged text.
    """
    selected_table = subset(table, ids)
    document = {
        "experiments": list(table.search.experiment_ids),
        "filter": table.search.filter.text,
        "state": table.search.state,
        "read_at": _iso_time(table.read_at),
        "runs": _run_documents(selected_table),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode("utf-8", "replace")


def metrics_by_run(table: RunTable) -> list[dict[str, Any]]:
    """Return each run's metrics as JSON values: a number, or the word NaN, Infinity or -Infinity."""
    return [
        {str(name): value for name, value in zip(table.metrics, values, strict=True) if value is not None}
        for values in zip(*_metric_columns(table).values(), strict=True)
    ] or [{} for _ in table.ids]


def escape_formula(cell: str) -> str:
    """Escape a cell so that no spreadsheet runs it as a formula. Plain numbers, including negative ones, stay numbers."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(cell) else cell


def safe_file_name(name: str, extension: str) -> str:
    """Return a portable file name for an experiment: at most 60 letters, digits, dots and dashes."""
    plain = _UNSAFE_CHARACTERS.sub("-", name).strip(".-")[:60].rstrip(".-")
    return f"{'runs-' * bool(_DEVICE_NAMES.match(plain))}{plain or 'runs'}.{extension}"


def _text_columns(table: RunTable) -> dict[str, list[str]]:
    """Return the cells of each column as text."""
    columns = {"run_id": list(table.ids)} | {name: _cell_texts(table.identity[name]) for name in IDENTITY_COLUMNS}
    columns["versions"] = [_join_versions(cell, ", ") for cell in table.identity["versions"]]
    columns |= {
        METRIC_PREFIX + name: ["" if cell is None else str(cell) for cell in cells]
        for name, cells in _metric_columns(table).items()
    }
    columns |= {PARAM_PREFIX + str(name): _cell_texts(table.texts[name]) for name in table.texts}
    return columns | {TAG_PREFIX + name: _cell_texts(table.tags[name]) for name in _user_tags(table)}


def _user_tags(table: RunTable) -> list[str]:
    """Return tags set by users and their scripts; MLflow's own are in the other columns."""
    return [str(name) for name in table.tags if not str(name).startswith(MLFLOW_TAG_PREFIX)]


def _join_versions(versions: Any, separator: str) -> str:
    return separator.join(f"{version.model} v{version.version}" for version in versions) if isinstance(versions, tuple) else ""


def _cell_texts(cells: "pd.Series") -> list[str]:
    return ["" if value is None else str(value) for value in map(_plain_value, cells)]


def _run_documents(table: RunTable) -> list[dict[str, Any]]:
    facts = {name: list(map(_plain_value, table.identity[name])) for name in IDENTITY_COLUMNS}
    metrics, params = metrics_by_run(table), _plain_columns(table.params)
    tags = _plain_columns(table.tags[_user_tags(table)])
    inputs: dict[str, list[dict[str, Any]]] = {}
    for run_id, name, digest, context in table.inputs.itertuples(index=False):
        inputs.setdefault(run_id, []).append({"name": name, "digest": digest, "context": _plain_value(context) or ""})
    return [
        {
            "run_id": run_id,
            **{name: values[row] for name, values in facts.items()},
            "metrics": metrics[row],
            "params": _row_values(params, row),
            "tags": _row_values(tags, row),
            "inputs": inputs.get(run_id, []),
        }
        for row, run_id in enumerate(table.ids)
    ]


def _metric_columns(table: RunTable) -> dict[str, list[Any]]:
    """Return the metrics column by column; None if a run did not log one."""
    columns = _plain_columns(table.metrics)
    positions = {run_id: row for row, run_id in enumerate(table.ids)}
    for run_id, name in table.nans:
        if run_id in positions and name in columns and columns[name][positions[run_id]] is None:
            columns[name][positions[run_id]] = NAN_TEXT
    return columns


def _plain_columns(cells: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): list(map(_plain_value, cells[name])) for name in cells}


def _row_values(columns: dict[str, list[Any]], row: int) -> dict[str, Any]:
    return {name: values[row] for name, values in columns.items() if values[row] is not None}


def _plain_value(value: Any) -> Any:
    """Convert a table value to a JSON value; None if missing."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, datetime):
        return _iso_time(value)
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and abs(plain) >= STORED_INFINITY:
        return "Infinity" if plain > 0 else "-Infinity"
    return plain


def _iso_time(at: datetime | None) -> str | None:
    """ISO 8601, UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
