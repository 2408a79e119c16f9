"""MLflow's search grammar explained: its errors in plain English, and conditions that work for these runs. Pure.

`filter_parser` does the parsing with MLflow's own parser; this module only interprets its messages.
"""

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import finite_numbers
from lib.runs.table.types import MLFLOW_TAG_PREFIX, Clause, Filter, RunTable

EXAMPLE_FILTER = "metrics.accuracy > 0.9"
_FIELD_PREFIXES = {"metric": "metrics", "parameter": "params", "tag": "tags"}
_PLAIN_NAME = re.compile(r"(?!(as|case|from|in|using|values)$)[A-Za-z_]\w*", re.IGNORECASE)
"""Names that MLflow's parser accepts without backquotes: all but a few SQL keywords."""
_UNSUPPORTED = re.compile(r"\b(or|not|between)\b|[()]", re.IGNORECASE)
_UNQUOTED_VALUE = re.compile(r"\b(params|tags)\.(?:\w+|`[^`]+`)\s*!?=\s*([A-Za-z_][\w.-]*)")
_SINGULAR = {"params": "parameter", "tags": "tag"}
_NUMBER_COMPARATORS = frozenset({"=", "!=", ">", ">=", "<", "<="})
_TIME_ATTRIBUTES = frozenset({"start_time", "end_time", "created", "Created"})
_TEXT_COMPARATORS = frozenset({"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"})


@dataclass(frozen=True)
class KnownNames:
    """Names of the metrics, parameters and tags of these runs, and conditions on them that match some runs."""

    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def example_filter(self) -> str:
        """A valid filter, from this experiment if possible."""
        return self.conditions[0] if self.conditions else EXAMPLE_FILTER


@memoize_by_table
def collect_known_names(table: RunTable) -> KnownNames:
    """Collect the names in these runs with a condition for each; tags set by MLflow come last."""
    tags = sorted(table.tags.columns, key=lambda name: (name.startswith(MLFLOW_TAG_PREFIX), name))
    candidates = [_median_condition(str(name), table.metrics[name]) for name in table.metrics]
    candidates += [_mode_condition("params", str(name), table.params[name]) for name in table.params]
    candidates += [_mode_condition("tags", name, table.tags[name]) for name in tags if not name.startswith(MLFLOW_TAG_PREFIX)]
    conditions = [condition for condition in candidates if condition]
    return KnownNames(
        tuple(table.metrics.columns), tuple(table.params.columns), tuple(tags), (*conditions, "status = 'FINISHED'")
    )


def filter_field(kind: str, name: str) -> str:
    """Return a name in the grammar's form: metrics.accuracy, metrics.`log loss`."""
    return f"{kind}.{name}" if _PLAIN_NAME.fullmatch(name) else f"{kind}.`{name}`"


def quote_value(value: str) -> str:
    """Return a quoted value; "" if it contains both kinds of quotes, which the grammar cannot express."""
    if "'" not in value:
        return f"'{value}'"
    return f'"{value}"' if '"' not in value else ""


def _median_condition(name: str, column: "pd.Series[float]") -> str:
    """Return a condition that about half of the runs meet, in plain decimals because MLflow's parser rejects 1e+06."""
    numbers = finite_numbers(column)
    sorted_numbers = np.sort(numbers[(numbers == 0) | ((np.abs(numbers) > 1e-9) & (np.abs(numbers) < 1e15))])
    if not len(sorted_numbers) or "`" in name:
        return ""
    limit = _round_below(float(sorted_numbers[len(sorted_numbers) // 2]), float(sorted_numbers[-1]))
    return f"{filter_field('metrics', name)} > {Decimal(f'{limit:.2g}'):f}"


def _round_below(middle: float, maximum: float) -> float:
    """Return a round number at most `middle` and below `maximum`, so that "greater than" matches something."""
    unit = 10.0 ** (math.floor(math.log10(abs(middle))) - 1) if middle else 0.01
    lower = float(f"{math.floor(middle / unit) * unit:.2g}")
    return lower if lower < maximum else lower - unit


def _mode_condition(kind: str, name: str, column: "pd.Series") -> str:
    present = column.dropna()
    value = quote_value(str(present.mode().iloc[0])) if len(present) else ""
    return f"{filter_field(kind, name)} = {value}" if value and "`" not in name and len(value) < 60 else ""


def comparator_error(clause: Clause) -> str:
    """Return what is wrong with the comparator of a parsed clause; "" if nothing."""
    if clause.comparator == "==":
        return "Use a single = for equality."
    numeric = clause.kind == "metric" or (clause.kind == "attribute" and clause.name in _TIME_ATTRIBUTES)
    if numeric and clause.comparator not in _NUMBER_COMPARATORS:
        return f"{clause.comparator} does not work on numbers: use one of = != > >= < <=."
    if not numeric and clause.comparator not in _TEXT_COMPARATORS:
        return f"{clause.comparator} does not work on text: use = != LIKE or ILIKE. MLflow stores parameters as text."
    return ""


def unknown_name_messages(run_filter: Filter, known_names: KnownNames) -> tuple[str, ...]:
    """Return a sentence for each name that no run here has, with the closest known name."""
    messages = []
    for clause in run_filter.clauses:
        names: tuple[str, ...] = getattr(known_names, _FIELD_PREFIXES.get(clause.kind, ""), ())
        if clause.kind in _FIELD_PREFIXES and clause.name not in names:
            close_matches = difflib.get_close_matches(clause.name, names, n=1)
            hint = f" Did you mean {filter_field(_FIELD_PREFIXES[clause.kind], close_matches[0])}?" if close_matches else ""
            messages.append(f"No run here has a {clause.kind} called {clause.name}.{hint}")
    return tuple(dict.fromkeys(messages))


def explain_error(filter_text: str, message: str, known_names: KnownNames) -> str:
    """Translate MLflow's message about a filter into one plain sentence."""
    for pattern, explain in _EXPLANATIONS:
        if match := re.search(pattern, message, re.DOTALL):
            return explain(match, filter_text, known_names)
    return "MLflow cannot read this filter."


def _explain_attribute(match: re.Match[str], _: str, known_names: KnownNames) -> str:
    name = match[1]
    for kind, names in (("metrics", known_names.metrics), ("params", known_names.params), ("tags", known_names.tags)):
        if name in names:
            return f"{name} needs a prefix: {filter_field(kind, name)}."
    return f"{name} is not a run attribute. Prefix names with metrics., params. or tags."


def _explain_clauses(match: re.Match[str], filter_text: str, known_names: KnownNames) -> str:
    if filter_text.count("'") % 2 or filter_text.count('"') % 2 or filter_text.count("`") % 2:
        return "A quote is not closed."
    if _UNSUPPORTED.search(filter_text):
        return "Conditions can only be joined by AND: MLflow has no OR, NOT, BETWEEN or parentheses."
    if _UNQUOTED_VALUE.search(filter_text):
        return _explain_unquoted(match, filter_text, known_names)
    unquoted_names = [
        name
        for name in (*known_names.metrics, *known_names.params, *known_names.tags)
        if not _PLAIN_NAME.fullmatch(name) and f".{name}" in filter_text
    ]
    if unquoted_names:
        return f"Put names with spaces or special characters in backquotes: `{unquoted_names[0]}`."
    return f"A condition is a name, a comparator and a value; join conditions with AND. This part is incomplete: {match[1][:80]}."


def _explain_text(match: re.Match[str], filter_text: str, _: KnownNames) -> str:
    kind, value = match[1], match[2].strip()
    if value.startswith("("):
        return f"A list does not work on a {kind}: use = or LIKE."
    if re.search(r"[<>]=?\s*" + re.escape(value), filter_text):
        return f"A {kind} is text in MLflow and has no order: use = != LIKE or ILIKE, or a metric."
    return f"Put the value of a {kind} in quotes: '{value}'."


def _explain_unquoted(_: re.Match[str], filter_text: str, __: KnownNames) -> str:
    match = _UNQUOTED_VALUE.search(filter_text)
    return f"Put the value of a {_SINGULAR[match[1]]} in quotes: '{match[2]}'." if match else "Put text values in quotes."


_Explanation = Callable[[re.Match[str], str, KnownNames], str]
_EXPLANATIONS: tuple[tuple[str, _Explanation], ...] = (
    (r"Invalid attribute key '(.*?)' specified", _explain_attribute),
    (r"Invalid clause\(s\) in filter string: (.*)", _explain_clauses),
    (r"Expected a quoted string value for (parameter|tag) .*Got value (.*)", _explain_text),
    (
        r"Expected numeric value type for metric. Found (.*)",
        lambda m, *_: f"Compare a metric with a number: {m[1]} is not one.",
    ),
    (r"numeric attribute: (\w+)", lambda m, *_: f"Compare {m[1]} with milliseconds since 1970, without quotes."),
    (r"Invalid entity type '(.*?)'", lambda m, *_: f"{m[1]} is not a valid prefix: use metrics., params. or tags."),
    (r"list of quoted string", lambda *_: "IN works for run_id and for datasets only."),
    (r"not quoted|quoted string value", _explain_unquoted),
    (r"IS NULL", lambda *_: "IS NULL works for parameters and tags only."),
    (r"multiple expression", lambda *_: "Join conditions with AND, not with a semicolon."),
    (r"dataset key '(.*?)'", lambda m, *_: f"A dataset has a name, a digest and a context, but not {m[1]}."),
    (r"Expected 'Identifier' found '(.*)'", lambda m, *_: f"Start a condition with a name such as metrics.accuracy, not {m[1]}."),
)
