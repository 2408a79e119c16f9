"""Says which runs of a table MLflow's search grammar leaves, exactly as its SQLite store would. Pure.

`grammar` takes the filter apart. What a table does not hold (the `user_id` column of the store, whether a missing number is a NaN)
is not guessed: then the answer is None, and the backend has to be asked.
"""

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from lib.runs.filters.explain import Clause
from lib.runs.table.types import RUN_NAME_TAG, RunTable

_ALIASES = {"created": "start_time", "Created": "start_time"} | dict.fromkeys(("run name", "Run name", "Run Name"), "run_name")
"""MLflow takes these as other names of two attributes, and does so for metrics, parameters and tags too."""
_TIMES = {"start_time": "started", "end_time": "ended"}
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_MILLISECOND = pd.Timedelta(milliseconds=1)
_EPOCH = pd.Timestamp(0, tz="UTC")
_CANNOT_TELL = "\ufffd\ufffe\uffff"
"""SQLite reads the last two of these code points as the first one."""
_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_Test = Callable[[str], bool]


def matching_run_ids(clauses: Sequence[Clause], table: RunTable) -> list[str] | None:
    """The ids of the runs that meet all conditions, in the order of the table; None when the backend has to be asked.

    It is asked about `user_id`, about `!=` on a metric that is NaN or missing in a run, and about an empty dataset context or
    artifact place that could as well be none; and only where the other conditions leave such a run.
    """
    left = _everywhere(table, answer=True)
    for clause in clauses:
        left &= _KINDS[clause.kind](clause, table)
    return None if left.isna().any() else left.index[left.astype(bool)].tolist()


def _everywhere(table: RunTable, *, answer: bool | None) -> "pd.Series[bool]":
    return pd.Series(answer, index=table.identity.index, dtype="boolean")


def _name(clause: Clause) -> str:
    return _ALIASES.get(clause.name, clause.name)


def _metric(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    """A NaN differs from every number and is neither larger nor smaller; a run without the metric meets nothing."""
    if _name(clause) not in table.metrics:
        return _everywhere(table, answer=False)
    values = table.metrics[_name(clause)]
    met = _NUMBERS[clause.comparator](values, float(str(clause.value))).astype("boolean")
    return met.mask(values.isna()) if clause.comparator == "!=" else met


def _parameter(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    return _of_column(clause, table, table.texts)


def _tag(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    return _of_column(clause, table, table.tags)


def _of_column(clause: Clause, table: RunTable, columns: pd.DataFrame) -> "pd.Series[bool]":
    if _name(clause) not in columns:
        return _everywhere(table, answer=clause.comparator == "IS NULL")
    texts = columns[_name(clause)]
    if clause.comparator.startswith("IS "):
        return (texts.isna() if clause.comparator == "IS NULL" else texts.notna()).astype("boolean")
    return _of_texts(clause, texts)


def _of_texts(clause: Clause, texts: "pd.Series[str]") -> "pd.Series[bool]":
    """A text that is missing meets nothing, not even `!=`."""
    meets = _test(clause)
    return pd.Series([isinstance(text, str) and meets(text) for text in texts.tolist()], index=texts.index, dtype="boolean")


def _attribute(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    name = _name(clause)
    if name in _TIMES:
        return _time(clause, table, table.identity[_TIMES[name]])
    if name == "run_name":
        return _of_column(Clause("tag", RUN_NAME_TAG, clause.comparator, clause.value), table, table.tags)
    if name == "run_id":
        return _of_texts(clause, table.identity.index.to_series())
    if name not in table.identity:
        return _everywhere(table, answer=None)
    texts = table.identity[name]
    return _of_texts(clause, texts).mask(texts == "")


def _time(clause: Clause, table: RunTable, times: "pd.Series[pd.Timestamp]") -> "pd.Series[bool]":
    value = clause.value
    if not isinstance(value, int | float) or (isinstance(value, int) and not _SMALLEST <= value <= _LARGEST):
        return _everywhere(table, answer=None)
    millis = ((times - _EPOCH) // _MILLISECOND).astype("Int64")
    return _NUMBERS[clause.comparator](millis, value).fillna(False).astype("boolean")  # noqa: FBT003 - what fills the gaps


def _dataset(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    """One of the run's datasets is enough. An empty context stands for none in a table, so it may or may not meet a condition."""
    meets, unsure = _test(clause), {""} if clause.name == "context" else set()
    said = zip(table.inputs.run_id.tolist(), table.inputs[clause.name].tolist(), strict=True)
    hits = [(run_id, text in unsure) for run_id, text in said if meets(text)]
    answers = {run_id: None for run_id, open_ in hits if open_} | {run_id: True for run_id, open_ in hits if not open_}
    index = table.identity.index
    return pd.Series([answers.get(run_id, False) for run_id in index.tolist()], index=index, dtype="boolean")


_KINDS = {"metric": _metric, "parameter": _parameter, "tag": _tag, "attribute": _attribute, "dataset": _dataset}


def _test(clause: Clause) -> _Test:
    value = clause.value
    if isinstance(value, tuple):
        listed = frozenset(map(str, value))
        return listed.__contains__ if clause.comparator == "IN" else lambda text: text not in listed
    wanted = str(value)
    if clause.comparator in ("LIKE", "ILIKE"):
        return compile_like(wanted, re.IGNORECASE if clause.comparator == "ILIKE" else re.NOFLAG)
    return wanted.__eq__ if clause.comparator == "=" else wanted.__ne__


def compile_like(pattern: str, flags: re.RegexFlag = re.NOFLAG) -> _Test:
    """A test for SQLite's LIKE: % is any text, _ any character, neither can be escaped, and a text ends at a zero character.

    `case` is IGNORECASE for ILIKE, which knows the letters of ASCII only.
    """
    first, *others = [_literal(part) for part in _to_zero(pattern).split("%")]
    # Each part is taken where it is found first and never again: no text makes the test slow.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    found = re.compile(first + (f"{middle}.*{others[-1]}" if others else ""), re.DOTALL | re.ASCII | flags)
    return lambda text: found.fullmatch(_to_zero(text)) is not None


def _to_zero(text: str) -> str:
    return text.partition("\0")[0]


def _literal(part: str) -> str:
    return "".join("." if one == "_" else f"[{_CANNOT_TELL}]" if one in _CANNOT_TELL else re.escape(one) for one in part)
