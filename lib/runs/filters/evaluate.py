"""Evaluate MLflow's search grammar on a run table, exactly as its SQLite store would. Pure.

`filter_parser` parses the filter. Facts that are not in a table (the store's `user_id` column, whether a missing number is NaN) are not
guessed: the answer is then None, and the backend must be queried.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from lib.runs.table.types import RUN_NAME_TAG, Clause, Filter, RunTable

_ALIASES = {"created": "start_time", "Created": "start_time"} | dict.fromkeys(("run name", "Run name", "Run Name"), "run_name")
"""MLflow accepts these as aliases of two attributes, also for metrics, parameters and tags."""
_TIME_COLUMNS = {"start_time": "started", "end_time": "ended"}
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
_MILLISECOND = pd.Timedelta(milliseconds=1)
_EPOCH = pd.Timestamp(0, tz="UTC")
_ALIKE_IN_SQLITE = "\ufffd\ufffe\uffff"
"""SQLite reads the last two of these code points as the first."""
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_TextTest = Callable[[str], bool]


def matching_run_ids(run_filter: Filter, table: RunTable) -> list[str] | None:
    """Return the ids of the runs that meet all conditions, in table order; None if the backend must be queried.

    That is the case for `user_id`, for `!=` on a metric that is NaN or missing in a run, and for an empty dataset context or artifact
    location that could also be missing, but only if the other conditions keep such a run.
    """
    matches = _same_answer(table, answer=True)
    for clause in run_filter.clauses:
        matches &= _MATCHERS[clause.kind](clause, table)
    return None if matches.isna().any() else matches.index[matches.astype(bool)].tolist()


def _same_answer(table: RunTable, *, answer: bool | None) -> "pd.Series[bool]":
    return pd.Series(answer, index=table.identity.index, dtype="boolean")


def _canonical_name(clause: Clause) -> str:
    return _ALIASES.get(clause.name, clause.name)


def _match_metric(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    """Match a metric: NaN differs from every number and is neither larger nor smaller; a run without the metric never matches."""
    if _canonical_name(clause) not in table.metrics:
        return _same_answer(table, answer=False)
    values = table.metrics[_canonical_name(clause)]
    matches = _COMPARISONS[clause.comparator](values, float(str(clause.value))).astype("boolean")
    return matches.mask(values.isna()) if clause.comparator == "!=" else matches


def _match_param(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    return _match_column(clause, table, table.texts)


def _match_tag(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    return _match_column(clause, table, table.tags)


def _match_column(clause: Clause, table: RunTable, columns: pd.DataFrame) -> "pd.Series[bool]":
    if _canonical_name(clause) not in columns:
        return _same_answer(table, answer=clause.comparator == "IS NULL")
    texts = columns[_canonical_name(clause)]
    if clause.comparator.startswith("IS "):
        return (texts.isna() if clause.comparator == "IS NULL" else texts.notna()).astype("boolean")
    return _match_texts(clause, texts)


def _match_texts(clause: Clause, texts: "pd.Series[str]") -> "pd.Series[bool]":
    """Match texts: a missing text never matches, not even `!=`."""
    test = _text_test(clause)
    return pd.Series([isinstance(text, str) and test(text) for text in texts.tolist()], index=texts.index, dtype="boolean")


def _match_attribute(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    name = _canonical_name(clause)
    if name in _TIME_COLUMNS:
        return _match_time(clause, table, table.identity[_TIME_COLUMNS[name]])
    if name == "run_name":
        return _match_column(Clause("tag", RUN_NAME_TAG, clause.comparator, clause.value), table, table.tags)
    if name == "run_id":
        return _match_texts(clause, table.identity.index.to_series())
    if name not in table.identity:
        return _same_answer(table, answer=None)
    texts = table.identity[name]
    return _match_texts(clause, texts).mask(texts == "")


def _match_time(clause: Clause, table: RunTable, times: "pd.Series[pd.Timestamp]") -> "pd.Series[bool]":
    value = clause.value
    if not isinstance(value, int | float) or (isinstance(value, int) and not _MIN_INTEGER <= value <= _MAX_INTEGER):
        return _same_answer(table, answer=None)
    millis = ((times - _EPOCH) // _MILLISECOND).astype("Int64")
    return _COMPARISONS[clause.comparator](millis, value).fillna(False).astype("boolean")  # noqa: FBT003 - the fill value


def _match_dataset(clause: Clause, table: RunTable) -> "pd.Series[bool]":
    """Match if any dataset of the run does. In a table an empty context may mean a missing one, so its result is unknown."""
    test, ambiguous_texts = _text_test(clause), {""} if clause.name == "context" else set()
    rows = zip(table.inputs.run_id.tolist(), table.inputs[clause.name].tolist(), strict=True)
    hits = [(run_id, text in ambiguous_texts) for run_id, text in rows if test(text)]
    answers: dict[str, bool | None] = {run_id: None for run_id, is_ambiguous in hits if is_ambiguous}
    answers |= {run_id: True for run_id, is_ambiguous in hits if not is_ambiguous}
    index = table.identity.index
    return pd.Series([answers.get(run_id, False) for run_id in index.tolist()], index=index, dtype="boolean")


_MATCHERS = {
    "metric": _match_metric,
    "parameter": _match_param,
    "tag": _match_tag,
    "attribute": _match_attribute,
    "dataset": _match_dataset,
}


def _text_test(clause: Clause) -> _TextTest:
    value = clause.value
    if isinstance(value, tuple):
        values = frozenset(map(str, value))
        return values.__contains__ if clause.comparator == "IN" else lambda text: text not in values
    operand = str(value)
    if clause.comparator in ("LIKE", "ILIKE"):
        return compile_like(operand, re.IGNORECASE if clause.comparator == "ILIKE" else re.NOFLAG)
    return operand.__eq__ if clause.comparator == "=" else operand.__ne__


def compile_like(pattern: str, flags: re.RegexFlag = re.NOFLAG) -> _TextTest:
    """Return a test for SQLite's LIKE: % is any text, _ any character, neither can be escaped, and a text ends at a NUL character.

    `flags` is IGNORECASE for ILIKE, which folds ASCII letters only.
    """
    first, *others = [_like_pattern(part) for part in _text_before_zero(pattern).split("%")]
    # Each part is matched at its first occurrence without backtracking, so no text makes the test slow.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    regex = re.compile(first + (f"{middle}.*{others[-1]}" if others else ""), re.DOTALL | re.ASCII | flags)
    return lambda text: regex.fullmatch(_text_before_zero(text)) is not None


def _text_before_zero(text: str) -> str:
    return text.partition("\0")[0]


def _like_pattern(part: str) -> str:
    return "".join(
        "." if character == "_" else f"[{_ALIKE_IN_SQLITE}]" if character in _ALIKE_IN_SQLITE else re.escape(character)
        for character in part
    )
