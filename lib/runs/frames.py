"""From runs to typed tables. Pure: the one place that decides which parameter is a number."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import pandas as pd

from lib.runs.values import COMMIT_TAG, PARENT_TAG, SOURCE_TAG, Run, RunTable, Search

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
IDENTITY = (
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
    "has_model",
    "model_ids",
    "versions",
)


def table(search: Search, found: Sequence[Run], read_at: datetime | None, total: int | None = None) -> RunTable:
    """The table of these runs, in their order."""
    index = pd.Index([run.run_id for run in found], name="run_id", dtype="str")
    texts = _wide([run.params for run in found], index)
    return RunTable(
        search=search,
        read_at=read_at,
        identity=_identity(found, index),
        metrics=_wide([run.metrics for run in found], index).astype("float64"),
        params=pd.DataFrame({name: typed(texts[name]) for name in texts}, index=index),
        texts=texts.astype("str"),
        tags=_wide([run.tags for run in found], index).astype("str"),
        inputs=_inputs(found),
        total=total,
    )


def typed(column: "pd.Series[str]") -> "pd.Series":
    """A column of text as Int64 or float64 when every value that is there is a number, else as text.

    A number written with a leading zero, `nan` or `inf` keeps a column text: "007" and "7" are two values.
    """
    present = column.dropna().unique().tolist()
    if present and all(_WHOLE.fullmatch(value) for value in present):
        return pd.to_numeric(column, errors="raise").astype("Int64")
    if present and all(_is_number(value) for value in present):
        return pd.to_numeric(column, errors="raise").astype("float64")
    return column.astype("str")


def _is_number(text: str) -> bool:
    """A decimal that a float holds: with more than 17 digits two values could become one."""
    digits = sum(map(str.isdigit, text))
    return 0 < digits <= 17 and bool(_DECIMAL.fullmatch(text)) and abs(float(text)) != float("inf")


def _wide(rows: Sequence[Mapping[str, object]], index: "pd.Index[str]") -> pd.DataFrame:
    """One row per run, one column per key, sorted by name; what a run lacks is missing."""
    names = sorted({name for row in rows for name in row})
    return pd.DataFrame({name: [row.get(name) for row in rows] for name in names}, index=index, columns=names)


def _identity(found: Sequence[Run], index: "pd.Index[str]") -> pd.DataFrame:
    made = pd.DataFrame([_facts(run) for run in found], index=index, columns=list(IDENTITY))
    started, ended = (pd.to_datetime(made[name], utc=True) for name in ("started", "ended"))
    return made.assign(started=started, ended=ended, seconds=(ended - started).dt.total_seconds())


def _facts(run: Run) -> dict[str, object]:
    return {
        "name": run.name,
        "experiment": run.experiment_id,
        "status": run.status,
        "lifecycle": run.lifecycle,
        "started": run.started,
        "ended": run.ended,
        "user": run.user,
        "source": run.tags.get(SOURCE_TAG, ""),
        "git_commit": run.tags.get(COMMIT_TAG, ""),
        "parent": run.tags.get(PARENT_TAG, ""),
        "has_model": run.has_model,
        "model_ids": run.model_ids,
        "versions": run.versions,
    }


def _inputs(found: Iterable[Run]) -> pd.DataFrame:
    rows = [(run.run_id, data.name, data.digest, data.context) for run in found for data in run.inputs]
    return pd.DataFrame(rows, columns=["run_id", "name", "digest", "context"], dtype="str")
