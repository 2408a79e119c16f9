"""MLflow's search grammar for people: its errors in plain words, and conditions that are known to work here. Pure.

`filter_parser` does the parsing, with MLflow's own parser; this module only knows what its messages mean.
"""

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import finite_numbers
from lib.runs.table.types import MLFLOW_TAG_PREFIX, RunTable

EXAMPLE_FILTER = "metrics.accuracy > 0.9"
_FIELD_PREFIXES = {"metric": "metrics", "parameter": "params", "tag": "tags"}
_PLAIN_NAME = re.compile(r"(?!(as|case|from|in|using|values)$)[A-Za-z_]\w*", re.IGNORECASE)
"""Names that MLflow's parser takes without backquotes: not these few words of SQL."""
_UNSUPPORTED = re.compile(r"\b(or|not|between)\b|[()]", re.IGNORECASE)
_UNQUOTED_VALUE = re.compile(r"\b(params|tags)\.(?:\w+|`[^`]+`)\s*!?=\s*([A-Za-z_][\w.-]*)")
_SINGULAR = {"params": "parameter", "tags": "tag"}
_NUMBER_COMPARATORS = frozenset({"=", "!=", ">", ">=", "<", "<="})
_TIME_ATTRIBUTES = frozenset({"start_time", "end_time", "created", "Created"})
_TEXT_COMPARATORS = frozenset({"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"})


@dataclass(frozen=True)
class Clause:
    """One condition: kind (metric, parameter, tag, attribute, dataset), the name, the comparator in capitals, and the value."""

    kind: str
    name: str
    comparator: str
    value: object


@dataclass(frozen=True)
class KnownNames:
    """What the runs here have: names of metrics, parameters and tags, and conditions made of them that leave something."""

    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def example_filter(self) -> str:
        """A right filter: one of this experiment where there is one."""
        return self.conditions[0] if self.conditions else EXAMPLE_FILTER


@memoize_by_table
def collect_known_names(table: RunTable) -> KnownNames:
    """The names of these runs with a condition for each; tags that MLflow sets itself come last."""
    tags = sorted(table.tags.columns, key=lambda name: (name.startswith(MLFLOW_TAG_PREFIX), name))
    candidates = [_median_condition(str(name), table.metrics[name]) for name in table.metrics]
    candidates += [_mode_condition("params", str(name), table.params[name]) for name in table.params]
    candidates += [_mode_condition("tags", name, table.tags[name]) for name in tags if not name.startswith(MLFLOW_TAG_PREFIX)]
    conditions = [condition for condition in candidates if condition]
    return KnownNames(
        tuple(table.metrics.columns), tuple(table.params.columns), tuple(tags), (*conditions, "status = 'FINISHED'")
    )


def filter_field(kind: str, name: str) -> str:
    """A name as the grammar wants it: metrics.accuracy, metrics.`log loss`."""
    return f"{kind}.{name}" if _PLAIN_NAME.fullmatch(name) else f"{kind}.`{name}`"


def quote_value(value: str) -> str:
    """A value in quotes; "" when it holds both kinds of quotes, because the grammar has no way to say that."""
    if "'" not in value:
        return f"'{value}'"
    return f'"{value}"' if '"' not in value else ""


def _median_condition(name: str, column: "pd.Series[float]") -> str:
    """A condition that about half of the runs meet. Plain decimals, because MLflow's parser knows no 1e+06."""
    numbers = finite_numbers(column)
    sorted_numbers = np.sort(numbers[(numbers == 0) | ((np.abs(numbers) > 1e-9) & (np.abs(numbers) < 1e15))])
    if not len(sorted_numbers) or "`" in name:
        return ""
    limit = _round_below(float(sorted_numbers[len(sorted_numbers) // 2]), float(sorted_numbers[-1]))
    return f"{filter_field('metrics', name)} > {Decimal(f'{limit:.2g}'):f}"


def _round_below(middle: float, maximum: float) -> float:
    """A round number not above `middle` and below `maximum`, so that "larger than it" leaves something."""
    unit = 10.0 ** (math.floor(math.log10(abs(middle))) - 1) if middle else 0.01
    lower = float(f"{math.floor(middle / unit) * unit:.2g}")
    return lower if lower < maximum else lower - unit


def _mode_condition(kind: str, name: str, column: "pd.Series") -> str:
    present = column.dropna()
    value = quote_value(str(present.mode().iloc[0])) if len(present) else ""
    return f"{filter_field(kind, name)} = {value}" if value and "`" not in name and len(value) < 60 else ""


def comparator_error(clause: Clause) -> str:
    """What is wrong with the comparator of a clause that could be parsed; "" for nothing."""
    if clause.comparator == "==":
        return "Equal is written with one =."
    numeric = clause.kind == "metric" or (clause.kind == "attribute" and clause.name in _TIME_ATTRIBUTES)
    if numeric and clause.comparator not in _NUMBER_COMPARATORS:
        return f"{clause.comparator} does not work on numbers: use one of = != > >= < <=."
    if not numeric and clause.comparator not in _TEXT_COMPARATORS:
        return f"{clause.comparator} does not work on text: use = != LIKE or ILIKE. MLflow keeps parameters as text."
    return ""


def unknown_name_messages(clauses: Sequence[Clause], known_names: KnownNames) -> tuple[str, ...]:
    """A sentence for each name that no run here has, with the nearest one that is known."""
    messages = []
    for clause in clauses:
        names: tuple[str, ...] = getattr(known_names, _FIELD_PREFIXES.get(clause.kind, ""), ())
        if clause.kind in _FIELD_PREFIXES and clause.name not in names:
            close_matches = difflib.get_close_matches(clause.name, names, n=1)
            hint = f" Did you mean {filter_field(_FIELD_PREFIXES[clause.kind], close_matches[0])}?" if close_matches else ""
            messages.append(f"No run here has a {clause.kind} called {clause.name}.{hint}")
    return tuple(dict.fromkeys(messages))


def explain_error(filter_text: str, message: str, known_names: KnownNames) -> str:
    """MLflow's message about a filter, as one plain sentence."""
    for pattern, explain in _EXPLANATIONS:
        if match := re.search(pattern, message, re.DOTALL):
            return explain(match, filter_text, known_names)
    return "MLflow cannot read this filter."


def _explain_attribute(match: re.Match[str], _: str, known_names: KnownNames) -> str:
    name = match[1]
    for kind, names in (("metrics", known_names.metrics), ("params", known_names.params), ("tags", known_names.tags)):
        if name in names:
            return f"{name} needs its kind in front: {filter_field(kind, name)}."
    return f"{name} is nothing that every run has. In front of a name stands metrics., params. or tags."


def _explain_clauses(match: re.Match[str], filter_text: str, known_names: KnownNames) -> str:
    if filter_text.count("'") % 2 or filter_text.count('"') % 2 or filter_text.count("`") % 2:
        return "A quote is opened and not closed."
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
        return f"A name with a blank or a sign in it stands in backquotes: `{unquoted_names[0]}`."
    return f"A condition is a name, a comparator and a value, joined by AND. This part is not complete: {match[1][:80]}."


def _explain_text(match: re.Match[str], filter_text: str, _: KnownNames) -> str:
    kind, value = match[1], match[2].strip()
    if value.startswith("("):
        return f"A list does not work on a {kind}: use = or LIKE."
    if re.search(r"[<>]=?\s*" + re.escape(value), filter_text):
        return f"A {kind} is text in MLflow and cannot be larger or smaller: use = != LIKE or ILIKE, or a metric."
    return f"The value of a {kind} stands in quotes: '{value}'."


def _explain_unquoted(_: re.Match[str], filter_text: str, __: KnownNames) -> str:
    match = _UNQUOTED_VALUE.search(filter_text)
    return f"The value of a {_SINGULAR[match[1]]} stands in quotes: '{match[2]}'." if match else "A text value stands in quotes."


_Explanation = Callable[[re.Match[str], str, KnownNames], str]
_EXPLANATIONS: tuple[tuple[str, _Explanation], ...] = (
    (r"Invalid attribute key '(.*?)' specified", _explain_attribute),
    (r"Invalid clause\(s\) in filter string: (.*)", _explain_clauses),
    (r"Expected a quoted string value for (parameter|tag) .*Got value (.*)", _explain_text),
    (
        r"Expected numeric value type for metric. Found (.*)",
        lambda m, *_: f"A metric is compared with a number, and {m[1]} is none.",
    ),
    (r"numeric attribute: (\w+)", lambda m, *_: f"{m[1]} is compared with milliseconds since 1970, without quotes."),
    (r"Invalid entity type '(.*?)'", lambda m, *_: f"{m[1]} is no kind of thing: use metrics., params. or tags."),
    (r"list of quoted string", lambda *_: "IN works for run_id and for datasets only."),
    (r"not quoted|quoted string value", _explain_unquoted),
    (r"IS NULL", lambda *_: "IS NULL works for parameters and tags only."),
    (r"multiple expression", lambda *_: "Conditions are joined by AND, not by a semicolon."),
    (r"dataset key '(.*?)'", lambda m, *_: f"A dataset has a name, a digest and a context, but no {m[1]}."),
    (r"Expected 'Identifier' found '(.*)'", lambda m, *_: f"On the left stands a name such as metrics.accuracy, not {m[1]}."),
)
