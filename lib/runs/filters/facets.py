"""Facets, which are conditions without a grammar: a range of numbers, any of several values, a contained text, a date range. Pure.

A column is named as in a filter (`metrics.accuracy`, `params.depth`, `tags.team`) or by one word: name, status, user, dataset,
version (the registered one), seconds. `facet_options` determines which conditions make sense for some runs.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
import pandas as pd

from lib.runs.table.number_format import STORED_INFINITY
from lib.runs.table.run_table import METRIC_PREFIX, PARAM_PREFIX, TAG_PREFIX
from lib.runs.table.types import RegisteredVersion, RunTable

SECONDS_COLUMN = "seconds"
TEXT_COLUMNS = ("name", "dataset", "version", "status", "user")


@dataclass(frozen=True)
class RangeFacet:
    """Numbers from `least` to `most`, inclusive; None is an open end. NaN and infinity are in no range."""

    column: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class AnyOfFacet:
    """Any of these values, of which there is at least one; None means "not set"."""

    column: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class ContainsFacet:
    """The text contains this part, ignoring case."""

    column: str
    part: str


Facet = RangeFacet | AnyOfFacet | ContainsFacet

_SIGNS = {RangeFacet: ":", AnyOfFacet: "=", ContainsFacet: "~"}
_SPECIAL_CHARACTERS = re.compile("[%:=~|]")
_ESCAPE_SEQUENCE = re.compile("%(25|3A|3D|7E|7C)")
_FACET_PATTERN = re.compile(r"([^:=~]+)([:=~])(.*)", re.DOTALL)
_NOT_SET = "~"


def format_facet(facet: Facet) -> str:
    """Format a facet for a link: `metrics.accuracy:0.9..`, `params.depth=5|7|~` (~ for not set), `name~forest`."""
    return _escape(facet.column) + _SIGNS[type(facet)] + _format_condition(facet)


def parse_facet(text: str) -> Facet | None:
    """Parse a facet from a link; None if it is invalid or does not apply to the column."""
    if not (match := _FACET_PATTERN.fullmatch(text)):
        return None
    column, rest = _unescape(match[1]), match[3]
    if match[2] == ":":
        return _parse_range(column, rest) if can_have_range(column) else None
    if not can_have_values(column):
        return None
    if match[2] == "~":
        return ContainsFacet(column, _unescape(rest))
    return AnyOfFacet(column, tuple(None if value == _NOT_SET else _unescape(value) for value in rest.split("|")))


def can_have_range(column: str) -> bool:
    """Whether a range applies to the column."""
    return column == SECONDS_COLUMN or column.startswith((METRIC_PREFIX, PARAM_PREFIX))


def can_have_values(column: str) -> bool:
    """Whether a choice of values or a contained text applies to the column."""
    return column in TEXT_COLUMNS or column.startswith((PARAM_PREFIX, TAG_PREFIX))


def _format_condition(facet: Facet) -> str:
    if isinstance(facet, RangeFacet):
        return f"{_format_end(facet.least)}..{_format_end(facet.most)}"
    if isinstance(facet, ContainsFacet):
        return _escape(facet.part)
    return "|".join(_NOT_SET if value is None else _escape(value) for value in facet.values)


def _escape(part: str) -> str:
    return _SPECIAL_CHARACTERS.sub(lambda match: f"%{ord(match[0]):X}", part)


def _unescape(part: str) -> str:
    return _ESCAPE_SEQUENCE.sub(lambda match: chr(int(match[1], 16)), part)


def _format_end(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _parse_range(column: str, rest: str) -> RangeFacet | None:
    low, dots, high = rest.partition("..")
    try:
        ends = [float(end) if end else None for end in (low, high)]
    except ValueError:
        return None
    return RangeFacet(column, *ends) if dots and all(end is None or math.isfinite(end) for end in ends) else None


def run_ids_by_facets(table: RunTable, facets: Iterable[Facet]) -> list[str]:
    """Return the ids of the runs that meet every facet, in table order. A missing value matches "not set" and no other condition."""
    matches = np.ones(len(table), dtype=bool)
    for facet in facets:
        matches &= _match_facet(facet, table)
    return table.identity.index[matches].tolist()


def run_ids_by_start(table: RunTable, since: str, until: str) -> list[str]:
    """Return the ids of the runs that started between two days (or moments) in ISO form, inclusive, in UTC.

    An empty or invalid end is open.
    """
    begin, end = _parse_moment(since, time.min), _parse_moment(until, time.max)
    times = table.identity.started
    matches = np.ones(len(table), dtype=bool)
    if begin:
        matches &= (times >= begin).to_numpy(dtype=bool)
    if end:
        matches &= (times <= end).to_numpy(dtype=bool)
    return table.identity.index[matches].tolist()


def _parse_moment(text: str, default_time: time) -> datetime | None:
    try:
        if len(text) <= len("2024-03-01"):
            return datetime.combine(date.fromisoformat(text), default_time, UTC)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _match_facet(facet: Facet, table: RunTable) -> np.ndarray:
    if isinstance(facet, RangeFacet):
        numbers = column_numbers(table, facet.column)
        low = -math.inf if facet.least is None else facet.least
        return (numbers >= low) & (numbers <= (math.inf if facet.most is None else facet.most))
    texts = column_texts(table, facet.column)
    test = _contains_test(facet.part) if isinstance(facet, ContainsFacet) else set(facet.values).__contains__
    rows = zip(texts.index.tolist(), texts.tolist(), strict=True)
    hits = {run_id for run_id, text in rows if test(text if isinstance(text, str) else None)}
    return np.array([run_id in hits for run_id in table.identity.index.tolist()], dtype=bool)


def _contains_test(part: str) -> Callable[[str | None], bool]:
    folded_part = part.casefold()
    return lambda text: text is not None and folded_part in text.casefold()


def column_numbers(table: RunTable, column: str) -> np.ndarray:
    """Return one number per run for a column; NaN if missing, infinite, not a number, or if these runs lack the column."""
    values = _logged_column(table, column)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64", na_value=math.nan)
    return np.where(np.abs(numbers) < STORED_INFINITY, numbers, math.nan)


def column_texts(table: RunTable, column: str) -> "pd.Series[str]":
    """Return the texts of a column by run id, missing if a run has none. A run with two datasets or versions appears twice."""
    if column == "dataset":
        return _dataset_texts(table)
    if column == "version":
        return table.identity.versions.explode().map(_version_text)
    return _logged_column(table, column)


def _logged_column(table: RunTable, column: str) -> "pd.Series":
    for prefix, columns in ((METRIC_PREFIX, table.metrics), (PARAM_PREFIX, table.texts), (TAG_PREFIX, table.tags)):
        if column.startswith(prefix) and (name := column.removeprefix(prefix)) in columns:
            return columns[name]
    if column == SECONDS_COLUMN:
        return table.identity[SECONDS_COLUMN]
    if column in TEXT_COLUMNS:
        return table.identity[column].replace("", None)
    return pd.Series(None, index=table.identity.index, dtype="str")


def _dataset_texts(table: RunTable) -> "pd.Series[str]":
    inputs = table.inputs
    rows = zip(inputs.name.tolist(), inputs.digest.tolist(), strict=True)
    texts = pd.Series([f"{name} ({digest})" for name, digest in rows], index=inputs.run_id, dtype="str")
    run_ids_without = table.identity.index.difference(texts.index, sort=False)
    return pd.concat([texts, pd.Series(None, index=run_ids_without, dtype="str")])


def _version_text(version: object) -> str | None:
    return f"{version.model} v{version.version}" if isinstance(version, RegisteredVersion) else None
