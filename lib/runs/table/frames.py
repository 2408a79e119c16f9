"""Build typed tables from columns or runs. Pure: the only module that decides which parameter is numeric."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from lib.runs.analysis.direction_tags import OPTUNA_TAG, optuna_statements
from lib.runs.analysis.metric_direction import DirectionStatement, MetricDirections
from lib.runs.table.types import (
    COMMIT_TAG,
    MODEL_HISTORY_TAG,
    PARENT_TAG,
    RUN_NAME_TAG,
    SOURCE_TAG,
    USER_TAG,
    VALID_MILLIS,
    RegisteredVersion,
    Run,
    RunTable,
    Search,
    millis_from_datetime,
)

# Each value ends in a line break, so one match covers a complete column; possessive quantifiers prevent backtracking.
_INTEGER_LINES = re.compile(r"(?:-?(?:0|[1-9]\d{0,17})\n)*+", re.ASCII)
_DECIMAL_LINES = re.compile(r"(?:[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\n)*+", re.ASCII)
_EXACT_DIGITS = 17


@dataclass(frozen=True)
class RunColumns:
    """A reader's result, column by column: one cell per run in every list, newest run first; None means missing.

    `facts`: name, experiment, status, lifecycle, started and ended (milliseconds), user, artifact_uri. `inputs`: run id, name, digest
    and context of each dataset. `models` and `versions`: by run id. `total` and `nans` as in RunTable.
    """

    ids: Sequence[str]
    facts: Mapping[str, Sequence[Any]]
    metrics: Mapping[str, Sequence[float | None]]
    params: Mapping[str, Sequence[str | None]]
    tags: Mapping[str, Sequence[str | None]]
    inputs: Sequence[tuple[str, str, str, str]]
    models: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, tuple[RegisteredVersion, ...]]
    total: int | None
    nans: frozenset[tuple[str, str]] = frozenset()


def build_run_table(search: Search, columns: RunColumns, read_at: datetime | None) -> RunTable:
    """Build the typed table of a reader's result."""
    index = pd.Index(list(columns.ids), name="run_id", dtype="str")
    texts = _text_frame(columns.params, index)
    return RunTable(
        search=search,
        read_at=read_at,
        identity=_identity_frame(columns, index),
        metrics=_float_frame(columns.metrics, index),
        params=pd.DataFrame({name: convert_numeric(texts[name]) for name in texts}, index=index, columns=texts.columns),
        texts=texts,
        tags=_text_frame(columns.tags, index),
        inputs=pd.DataFrame(columns.inputs, columns=["run_id", "name", "digest", "context"], dtype="str"),
        total=columns.total,
        nans=columns.nans,
        directions=MetricDirections(_optuna_statements(columns)),
    )


def _optuna_statements(columns: RunColumns) -> tuple[DirectionStatement, ...]:
    """Return the statements of Optuna runs; runs with the same tag and metrics count once."""
    tags = columns.tags.get(OPTUNA_TAG, ())
    trials = {
        (tag, tuple(name for name, values in columns.metrics.items() if values[row] is not None))
        for row, tag in enumerate(tags)
        if tag
    }
    return optuna_statements(sorted(trials))


def columns_from_runs(runs: Sequence[Run]) -> RunColumns:
    """Convert runs to columns."""
    return RunColumns(
        ids=[run.run_id for run in runs],
        facts={
            "name": [run.name for run in runs],
            "experiment": [run.experiment_id for run in runs],
            "status": [run.status for run in runs],
            "lifecycle": [run.lifecycle for run in runs],
            "started": [run.started and millis_from_datetime(run.started) for run in runs],
            "ended": [run.ended and millis_from_datetime(run.ended) for run in runs],
            "user": [run.user for run in runs],
            "artifact_uri": [run.artifact_uri for run in runs],
        },
        metrics=_columns_from_rows([run.metrics for run in runs]),
        params=_columns_from_rows([run.params for run in runs]),
        tags=_columns_from_rows([run.tags for run in runs]),
        inputs=[(run.run_id, data.name, data.digest, data.context) for run in runs for data in run.inputs],
        models={run.run_id: run.model_ids for run in runs},
        versions={run.run_id: run.versions for run in runs},
        total=None,
        nans=frozenset((run.run_id, name) for run in runs for name, value in run.metrics.items() if value != value),  # noqa: PLR0124 - NaN
    )


def convert_numeric(column: "pd.Series[str]") -> "pd.Series":
    """Convert a text column to Int64 or float64 if every present value is a number, else leave it as text.

    A number with a leading zero, `nan` or `inf` keeps a column as text: "007" and "7" are two values.
    """
    present = column.dropna().unique().tolist()
    lines = "\n".join([*present, ""])
    if not present or lines.count("\n") != len(present):
        return column
    values = column.tolist()
    if _INTEGER_LINES.fullmatch(lines):
        missing = column.isna().to_numpy()
        integers = [0 if is_missing else int(value) for value, is_missing in zip(values, missing, strict=True)]
        return pd.Series(pd.arrays.IntegerArray(np.array(integers, dtype="int64"), missing), index=column.index, name=column.name)
    if _DECIMAL_LINES.fullmatch(lines) and all(map(_is_exact, present)):
        numbers = np.array([float(value) for value in values], dtype="float64")
        return column if np.isinf(numbers).any() else pd.Series(numbers, index=column.index, name=column.name)
    return column


def _is_exact(number: str) -> bool:
    """Whether a float distinguishes this decimal from its neighbours. Python writes at most 17 significant digits; with more, two values
    could become one.
    """
    mantissa = number.lower().partition("e")[0]
    return len(number) <= _EXACT_DIGITS or len(mantissa.lstrip("+-0.").replace(".", "")) <= _EXACT_DIGITS


def _columns_from_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return one list per key, with a cell per row; None if a row lacks the key."""
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def _float_frame(columns: Mapping[str, Sequence[float | None]], index: "pd.Index[str]") -> pd.DataFrame:
    """Build float columns, sorted by name; missing cells are NaN."""
    names = sorted(columns)
    cells = np.array([columns[name] for name in names], dtype="float64").reshape(len(names), len(index))
    return pd.DataFrame(cells.T, index=index, columns=pd.Index(names, dtype="str"))


def _text_frame(columns: Mapping[str, Sequence[str | None]], index: "pd.Index[str]") -> pd.DataFrame:
    """Build text columns, sorted by name; missing cells stay missing."""
    names = sorted(columns)
    cells = {name: pd.array(columns[name], dtype="str") for name in names}
    return pd.DataFrame(cells, index=index, columns=pd.Index(names, dtype="str"))


def _identity_frame(columns: RunColumns, index: "pd.Index[str]") -> pd.DataFrame:
    facts, tags = columns.facts, columns.tags
    no_values: Sequence[None] = [None] * len(index)
    models = [columns.models.get(run_id, ()) for run_id in columns.ids]
    history = tags.get(MODEL_HISTORY_TAG, no_values)
    started, ended = _utc_times(facts["started"]), _utc_times(facts["ended"])
    cells = {
        "name": _first_texts(facts["name"], tags.get(RUN_NAME_TAG, no_values)),
        "experiment": _first_texts(facts["experiment"]),
        "status": _first_texts(facts["status"]),
        "lifecycle": _first_texts(facts["lifecycle"]),
        "started": started,
        "ended": ended,
        "seconds": (ended - started).total_seconds(),
        "user": _first_texts(tags.get(USER_TAG, no_values), facts["user"]),
        "source": _first_texts(tags.get(SOURCE_TAG, no_values)),
        "git_commit": _first_texts(tags.get(COMMIT_TAG, no_values)),
        "parent": _first_texts(tags.get(PARENT_TAG, no_values)),
        "artifact_uri": _first_texts(facts["artifact_uri"]),
        "has_model": np.array(
            [bool(model_ids) or history_tag is not None for model_ids, history_tag in zip(models, history, strict=True)],
            dtype="bool",
        ),
        "model_ids": pd.Series(models, index=index, dtype="object"),
        "versions": pd.Series([columns.versions.get(run_id, ()) for run_id in columns.ids], index=index, dtype="object"),
    }
    return pd.DataFrame(cells, index=index)


def _first_texts(*columns: Sequence[str | None]) -> "pd.api.extensions.ExtensionArray":
    """Return for each run the first non-empty text, else an empty one."""
    return pd.array([next(filter(None, texts), "") for texts in zip(*columns, strict=True)], dtype="str")


def _utc_times(millis: Sequence[int | None]) -> pd.DatetimeIndex:
    """Return times in UTC; one outside the calendar is missing, as in `datetime_from_millis`."""
    valid_millis = [value if value is not None and value in VALID_MILLIS else None for value in millis]
    return pd.DatetimeIndex(np.array(valid_millis, dtype="datetime64[ms]").astype("datetime64[us]"), tz="UTC")
