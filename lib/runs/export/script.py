"""Export a view of runs as a self-contained Python script with plain MLflow, pandas and Altair. Pure.

All foreign text (names, values, the filter) is in quoted constants at the top of the script. The code below them is fixed
(`script_templates`), so no name can become code. The script contains no password: MLflow reads those from the environment.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lib.runs.analysis.metric_direction import NO_STATEMENTS, MetricDirections
from lib.runs.export import script_templates
from lib.runs.table.run_table import METRIC_PREFIX
from lib.runs.table.types import MAX_RUNS, Search
from lib.runs.table.view import ViewState

SCRIPT_DOCSTRING = '"""Read and plot MLflow runs without Podium."""'


@dataclass(frozen=True)
class Condition:
    """One condition on a column: any of several values, a contained text, or else a range of numbers (None is an open end).

    Columns are named as in a filter; the plain ones are name, status, user, started and seconds. `include_missing` also keeps runs
    without the column. Values are texts as logged. A range open at both ends includes every real number.
    """

    column: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    text: str | None = None
    include_missing: bool = False


@dataclass(frozen=True)
class ScriptSpec:
    """The specification of a script. `uri` has no user and password.

    `search` and `conditions` are the view's experiments, filter, state, limit and facets; the rest is taken from the `view`. With `only`
    set, only its picked runs are kept, regardless of the filter. `directions` are the metrics' directions. An unknown plot yields the
    table.
    """

    uri: str
    search: Search
    view: ViewState
    conditions: tuple[Condition, ...] = ()
    directions: MetricDirections = NO_STATEMENTS


def build_script(spec: ScriptSpec) -> str:
    """Return the complete script. It writes chart.html for a plot, a CSV file for a table."""
    plot = _plot_part(spec)
    narrowing = (
        {"PICKED": (list(spec.view.pick), script_templates.KEEP_SELECTED)} if _is_selection_only(spec) else _narrowing(spec)
    )
    narrowing |= {} if "EXTREMES" in narrowing else _extremes_narrowing(spec, _plotted_columns(spec))
    constants = _head_constants(spec) | {name: value for name, (value, _) in narrowing.items()}
    constants |= {
        name: value
        for name, value in _column_constants(spec).items()
        if name in plot.constants or name in _best_children_constants(narrowing)
    }
    imports = [*script_templates.BASE_IMPORTS, *plot.imports]
    blocks = [
        SCRIPT_DOCSTRING,
        "\n".join(sorted(imports, key=lambda line: (line.startswith("from"), line))),
        script_templates.SIGN_IN_COMMENT
        + "\n"
        + "".join(f"{name} = {python_literal(value)}\n" for name, value in constants.items()),
        script_templates.READ_RUNS,
        "".join(code for _, code in narrowing.values()) + script_templates.STOP_WHEN_EMPTY,
        plot.code,
    ]
    return "\n".join(block.rstrip("\n") + "\n" for block in blocks)


def python_literal(value: object) -> str:
    """Return a plain value as ASCII Python source; foreign text stays inside its quotes."""
    return ascii(value)


def _plot_part(spec: ScriptSpec) -> script_templates.ScriptPart:
    """Return the plot part, or the table if the plot's columns are missing."""
    plot = script_templates.PLOT_PARTS.get(spec.view.plot.casefold(), script_templates.TABLE_PART)
    constants = _column_constants(spec)
    return (
        plot
        if all(constants[name] for name in plot.constants if name in ("X", "Y", "Z", "BY", "AXES"))
        else script_templates.TABLE_PART
    )


def _head_constants(spec: ScriptSpec) -> dict[str, object]:
    search = spec.search
    return {
        "TRACKING_URI": re.sub(r"//[^/@]*@", "//", spec.uri),
        "EXPERIMENTS": list(search.experiment_ids),
        "FILTER": "" if _is_selection_only(spec) else search.filter.text,
        "STATE": search.state,
        "MOST": min(search.limit, MAX_RUNS),
    }


def _column_constants(spec: ScriptSpec) -> dict[str, object]:
    view, along = spec.view, spec.view.along.casefold()
    return {
        "X": view.x,
        "Y": view.y,
        "Z": view.z,
        "BY": [name for name in view.by if name],
        "AXES": list(dict.fromkeys(view.axes)),
        "LOG": list(view.log),
        "COLOR": view.color,
        "LESS_IS_BETTER": spec.directions.of(view.color.removeprefix(METRIC_PREFIX)) == "less",
        "PICKED": list(view.pick),
        "BASE": view.base,
        "ALONG": "relative" if "relative" in along else "time" if "time" in along or "wall" in along else "step",
        "SMOOTH": _parse_smoothing(view.smooth),
    }


def _parse_smoothing(text: str) -> float:
    try:
        weight = float(text or 0)
    except ValueError:
        return 0.0
    return weight if 0 < weight < 1 else 0.0


_Narrowing = dict[str, tuple[object, str]]
"""Constants by name, each with its value and the code that uses it, in order of use."""


def _is_selection_only(spec: ScriptSpec) -> bool:
    return bool(spec.view.only and spec.view.pick)


def _narrowing(spec: ScriptSpec) -> _Narrowing:
    steps: _Narrowing = {}
    if spec.view.parent:
        steps["PARENT"] = spec.view.parent, script_templates.KEEP_CHILDREN
    if since := _utc_time(spec.view.since):
        steps["SINCE"] = since, script_templates.KEEP_STARTED_SINCE
    if before := _utc_time(spec.view.until, end=True):
        steps["BEFORE"] = before, script_templates.KEEP_STARTED_BEFORE
    if any(condition.column.startswith(METRIC_PREFIX) for condition in spec.conditions) or _keeps_best_children(spec):
        steps |= _extremes_narrowing(
            spec, [*(condition.column for condition in spec.conditions), spec.view.color, *_plotted_columns(spec)]
        )
    if ranges := [
        (condition.column, _finite_end(condition.low), _finite_end(condition.high), condition.include_missing)
        for condition in spec.conditions
        if _is_range(condition)
    ]:
        steps["RANGES"] = ranges, script_templates.KEEP_IN_RANGES
    other_conditions = [condition for condition in spec.conditions if not _is_range(condition)]
    if values := [
        (condition.column, list(condition.values), condition.include_missing)
        for condition in other_conditions
        if condition.values or condition.include_missing
    ]:
        steps["VALUES"] = values, script_templates.KEEP_WITH_VALUES
    if texts := [(condition.column, condition.text) for condition in other_conditions if condition.text is not None]:
        steps["TEXTS"] = texts, script_templates.KEEP_WITH_TEXTS
    return steps | _child_narrowing(spec)


def _child_narrowing(spec: ScriptSpec) -> _Narrowing:
    if spec.view.children == "hidden":
        return {"CHILDREN": ("hidden", script_templates.DROP_CHILDREN)}
    return {"CHILDREN": ("best", script_templates.KEEP_BEST_CHILDREN)} if _keeps_best_children(spec) else {}


def _keeps_best_children(spec: ScriptSpec) -> bool:
    """Whether only the best child of each parent is kept, by a metric with a direction."""
    has_direction = (
        spec.view.color.startswith(METRIC_PREFIX) and spec.directions.of(spec.view.color.removeprefix(METRIC_PREFIX)) != "neither"
    )
    return spec.view.children == "best" and has_direction


def _best_children_constants(narrowing: Mapping[str, tuple[object, str]]) -> tuple[str, ...]:
    """Return the constants that the code for the best children reads besides its own."""
    return ("COLOR", "LESS_IS_BETTER") if narrowing.get("CHILDREN", ("",))[0] == "best" else ()


def _plotted_columns(spec: ScriptSpec) -> list[str]:
    """Return the columns of the plot. Curves are drawn from complete histories."""
    columns = [spec.view.color, spec.view.x, spec.view.y, spec.view.z, *spec.view.axes]
    return [] if spec.view.plot.casefold() == "curves" else columns


def _extremes_narrowing(spec: ScriptSpec, columns: Sequence[str]) -> _Narrowing:
    """Return the code that replaces the last value of these metrics, to run before the first condition that uses it."""
    extremes = {name: _extreme_of(spec, name) for name in dict.fromkeys(columns) if name.startswith(METRIC_PREFIX)}
    known_extremes = {name: extreme for name, extreme in extremes.items() if extreme}
    return {"EXTREMES": (known_extremes, script_templates.READ_EXTREMES)} if known_extremes else {}


def _extreme_of(spec: ScriptSpec, name: str) -> str:
    if spec.view.stat == "best":
        return {"less": "min", "more": "max"}.get(spec.directions.of(name.removeprefix(METRIC_PREFIX)), "")
    return spec.view.stat if spec.view.stat in ("min", "max") else ""


def _is_range(condition: Condition) -> bool:
    return (
        condition.low is not None
        or condition.high is not None
        or (condition.text is None and not condition.values and not condition.include_missing)
    )


def _finite_end(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _utc_time(text: str, *, end: bool = False) -> str:
    """Return a time from the address as ISO text in UTC; "" if invalid. As an `end` a bare day lasts until the next one starts."""
    try:
        at = datetime.fromisoformat(text)
        moment = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
        return (moment + timedelta(days=1) if end and len(text) == 10 else moment).isoformat()
    except (ValueError, OverflowError):
        return ""
