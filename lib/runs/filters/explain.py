"""MLflow's search grammar for people: its errors in plain words, and conditions that are known to work here. Pure.

`grammar` does the parsing, with MLflow's own parser; this module only knows what its messages mean.
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
_KINDS = {"metric": "metrics", "parameter": "params", "tag": "tags"}
_PLAIN = re.compile(r"(?!(as|case|from|in|using|values)$)[A-Za-z_]\w*", re.IGNORECASE)
"""Names that MLflow's parser takes without backquotes: not these few words of SQL."""
_ONLY_AND = re.compile(r"\b(or|not|between)\b|[()]", re.IGNORECASE)
_BARE = re.compile(r"\b(params|tags)\.(?:\w+|`[^`]+`)\s*!?=\s*([A-Za-z_][\w.-]*)")
_SINGULAR = {"params": "parameter", "tags": "tag"}
_COMPARED = frozenset({"=", "!=", ">", ">=", "<", "<="})
_MOMENTS = frozenset({"start_time", "end_time", "created", "Created"})
_MATCHED = frozenset({"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"})


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
    made = [_half(str(name), table.metrics[name]) for name in table.metrics]
    made += [_usual("params", str(name), table.params[name]) for name in table.params]
    made += [_usual("tags", name, table.tags[name]) for name in tags if not name.startswith(MLFLOW_TAG_PREFIX)]
    conditions = [one for one in made if one]
    return KnownNames(
        tuple(table.metrics.columns), tuple(table.params.columns), tuple(tags), (*conditions, "status = 'FINISHED'")
    )


def filter_field(kind: str, name: str) -> str:
    """A name as the grammar wants it: metrics.accuracy, metrics.`log loss`."""
    return f"{kind}.{name}" if _PLAIN.fullmatch(name) else f"{kind}.`{name}`"


def quote_value(value: str) -> str:
    """A value in quotes; "" when it holds both kinds of quotes, because the grammar has no way to say that."""
    if "'" not in value:
        return f"'{value}'"
    return f'"{value}"' if '"' not in value else ""


def _half(name: str, column: "pd.Series[float]") -> str:
    """A condition that about half of the runs meet. Plain decimals, because MLflow's parser knows no 1e+06."""
    numbers = finite_numbers(column)
    real = np.sort(numbers[(numbers == 0) | ((np.abs(numbers) > 1e-9) & (np.abs(numbers) < 1e15))])
    if not len(real) or "`" in name:
        return ""
    return f"{filter_field('metrics', name)} > {Decimal(f'{_below(float(real[len(real) // 2]), float(real[-1])):.2g}'):f}"


def _below(middle: float, most: float) -> float:
    """A round number not above `middle` and below `most`, so that "larger than it" leaves something."""
    unit = 10.0 ** (math.floor(math.log10(abs(middle))) - 1) if middle else 0.01
    lower = float(f"{math.floor(middle / unit) * unit:.2g}")
    return lower if lower < most else lower - unit


def _usual(kind: str, name: str, column: "pd.Series") -> str:
    present = column.dropna()
    value = quote_value(str(present.mode().iloc[0])) if len(present) else ""
    return f"{filter_field(kind, name)} = {value}" if value and "`" not in name and len(value) < 60 else ""


def comparator_error(clause: Clause) -> str:
    """What is wrong with the comparator of a clause that could be parsed; "" for nothing."""
    if clause.comparator == "==":
        return "Equal is written with one =."
    numeric = clause.kind == "metric" or (clause.kind == "attribute" and clause.name in _MOMENTS)
    if numeric and clause.comparator not in _COMPARED:
        return f"{clause.comparator} does not work on numbers: use one of = != > >= < <=."
    if not numeric and clause.comparator not in _MATCHED:
        return f"{clause.comparator} does not work on text: use = != LIKE or ILIKE. MLflow keeps parameters as text."
    return ""


def unknown_name_messages(clauses: Sequence[Clause], known_names: KnownNames) -> tuple[str, ...]:
    """A sentence for each name that no run here has, with the nearest one that is known."""
    said = []
    for clause in clauses:
        have: tuple[str, ...] = getattr(known_names, _KINDS.get(clause.kind, ""), ())
        if clause.kind in _KINDS and clause.name not in have:
            near = difflib.get_close_matches(clause.name, have, n=1)
            hint = f" Did you mean {filter_field(_KINDS[clause.kind], near[0])}?" if near else ""
            said.append(f"No run here has a {clause.kind} called {clause.name}.{hint}")
    return tuple(dict.fromkeys(said))


def explain_error(filter_text: str, message: str, known_names: KnownNames) -> str:
    """MLflow's message about a filter, as one plain sentence."""
    for pattern, answer in _ANSWERS:
        if found := re.search(pattern, message, re.DOTALL):
            return answer(found, filter_text, known_names)
    return "MLflow cannot read this filter."


def _attribute(found: re.Match[str], _: str, known: KnownNames) -> str:
    name = found[1]
    for kind, have in (("metrics", known.metrics), ("params", known.params), ("tags", known.tags)):
        if name in have:
            return f"{name} needs its kind in front: {filter_field(kind, name)}."
    return f"{name} is nothing that every run has. In front of a name stands metrics., params. or tags."


def _clauses(found: re.Match[str], asked: str, known: KnownNames) -> str:
    if asked.count("'") % 2 or asked.count('"') % 2 or asked.count("`") % 2:
        return "A quote is opened and not closed."
    if _ONLY_AND.search(asked):
        return "Conditions can only be joined by AND: MLflow has no OR, NOT, BETWEEN or parentheses."
    if _BARE.search(asked):
        return _unquoted(found, asked, known)
    spaced = [name for name in (*known.metrics, *known.params, *known.tags) if not _PLAIN.fullmatch(name) and f".{name}" in asked]
    if spaced:
        return f"A name with a blank or a sign in it stands in backquotes: `{spaced[0]}`."
    return f"A condition is a name, a comparator and a value, joined by AND. This part is not complete: {found[1][:80]}."


def _text(found: re.Match[str], asked: str, _: KnownNames) -> str:
    kind, value = found[1], found[2].strip()
    if value.startswith("("):
        return f"A list does not work on a {kind}: use = or LIKE."
    if re.search(r"[<>]=?\s*" + re.escape(value), asked):
        return f"A {kind} is text in MLflow and cannot be larger or smaller: use = != LIKE or ILIKE, or a metric."
    return f"The value of a {kind} stands in quotes: '{value}'."


def _unquoted(_: re.Match[str], asked: str, __: KnownNames) -> str:
    bare = _BARE.search(asked)
    return f"The value of a {_SINGULAR[bare[1]]} stands in quotes: '{bare[2]}'." if bare else "A text value stands in quotes."


_Answer = Callable[[re.Match[str], str, KnownNames], str]
_ANSWERS: tuple[tuple[str, _Answer], ...] = (
    (r"Invalid attribute key '(.*?)' specified", _attribute),
    (r"Invalid clause\(s\) in filter string: (.*)", _clauses),
    (r"Expected a quoted string value for (parameter|tag) .*Got value (.*)", _text),
    (
        r"Expected numeric value type for metric. Found (.*)",
        lambda m, *_: f"A metric is compared with a number, and {m[1]} is none.",
    ),
    (r"numeric attribute: (\w+)", lambda m, *_: f"{m[1]} is compared with milliseconds since 1970, without quotes."),
    (r"Invalid entity type '(.*?)'", lambda m, *_: f"{m[1]} is no kind of thing: use metrics., params. or tags."),
    (r"list of quoted string", lambda *_: "IN works for run_id and for datasets only."),
    (r"not quoted|quoted string value", _unquoted),
    (r"IS NULL", lambda *_: "IS NULL works for parameters and tags only."),
    (r"multiple expression", lambda *_: "Conditions are joined by AND, not by a semicolon."),
    (r"dataset key '(.*?)'", lambda m, *_: f"A dataset has a name, a digest and a context, but no {m[1]}."),
    (r"Expected 'Identifier' found '(.*)'", lambda m, *_: f"On the left stands a name such as metrics.accuracy, not {m[1]}."),
)
