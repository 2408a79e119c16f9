"""The code that makes this: a view of runs as a Python script that stands alone, with plain MLflow, pandas and Altair. Pure.

Everything foreign (names, values, the filter) stands as a quoted constant at the head of the script; the code below is the same text
for everybody (`recipe_parts`), so that no name can become code. The script knows no password: MLflow reads those from its environment.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lib.runs.analysis.metric_direction import metric_direction
from lib.runs.export import script_templates
from lib.runs.table.run_table import METRIC_PREFIX
from lib.runs.table.types import MAX_RUNS, Search

SCRIPT_DOCSTRING = '"""Runs of MLflow, read and drawn without Podium."""'


@dataclass(frozen=True)
class Condition:
    """One condition on a column: any of some values, a text that stands in it, or else a range of numbers (None is an open end).

    Columns are named as in a filter; the plain ones are name, status, user, started and seconds. `missing` also keeps the runs that
    do not have the column. Values are texts as they were logged. A range that is open at both ends takes every real number.
    """

    column: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    text: str | None = None
    include_missing: bool = False


@dataclass(frozen=True)
class ScriptSpec:
    """What a script is made of. `uri` has no user and password; `conditions`, `since` and `until` narrow what the search gives.

    `picked` are run ids: with `only` nothing else is kept, whatever the filter says. `parent` leaves its children, `children` is
    shown, hidden or best. `plot` is a picture of Compare by its name, with its columns; a name unknown here gives the table.
    """

    uri: str
    search: Search
    conditions: tuple[Condition, ...] = ()
    since: str = ""
    until: str = ""
    parent: str = ""
    children: str = ""
    selected_run_ids: tuple[str, ...] = ()
    only_selected: bool = False
    stat: str = "last"
    plot: str = ""
    color: str = ""
    x: str = ""
    y: str = ""
    z: str = ""
    by: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    along: str = ""
    smooth: float = 0.0
    baseline: str = ""


def build_script(spec: ScriptSpec) -> str:
    """The whole script. It writes chart.html for a picture, a CSV file for a table."""
    plot = _part(spec)
    narrowing = (
        {"PICKED": (list(spec.selected_run_ids), script_templates.KEEP_SELECTED)} if _is_picked(spec) else _narrowing(spec)
    )
    narrowing |= {} if "EXTREMES" in narrowing else _extremes(spec, _drawn(spec))
    constants = _head(spec) | {name: value for name, (value, _) in narrowing.items()}
    constants |= {
        name: value for name, value in _columns(spec).items() if name in plot.constants or name in _with_best(narrowing)
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
    """A plain value as Python source in ASCII; what is foreign stays inside its quotes."""
    return ascii(value)


def _part(recipe: ScriptSpec) -> script_templates.ScriptPart:
    """The picture; the table where the picture lacks the columns it is made of."""
    plot = script_templates.PLOT_PARTS.get(recipe.plot.casefold(), script_templates.TABLE_PART)
    has = _columns(recipe)
    return (
        plot
        if all(has[name] for name in plot.constants if name in ("X", "Y", "Z", "BY", "AXES"))
        else script_templates.TABLE_PART
    )


def _head(recipe: ScriptSpec) -> dict[str, object]:
    search = recipe.search
    return {
        "TRACKING_URI": re.sub(r"//[^/@]*@", "//", recipe.uri),
        "EXPERIMENTS": list(search.experiment_ids),
        "FILTER": "" if _is_picked(recipe) else search.filter.strip(),
        "STATE": search.state,
        "MOST": min(search.limit, MAX_RUNS),
    }


def _columns(recipe: ScriptSpec) -> dict[str, object]:
    along = recipe.along.casefold()
    return {
        "X": recipe.x,
        "Y": recipe.y,
        "Z": recipe.z,
        "BY": [name for name in recipe.by if name],
        "AXES": list(dict.fromkeys(recipe.axes)),
        "LOG": list(recipe.log),
        "COLOR": recipe.color,
        "LESS_IS_BETTER": metric_direction(recipe.color.removeprefix(METRIC_PREFIX)) == "less",
        "PICKED": list(recipe.selected_run_ids),
        "BASE": recipe.baseline,
        "ALONG": "relative" if "relative" in along else "time" if "time" in along or "wall" in along else "step",
        "SMOOTH": recipe.smooth if 0 < recipe.smooth < 1 else 0.0,
    }


_Narrowing = dict[str, tuple[object, str]]
"""Name of a constant → its value and the code that uses it, in the order of use."""


def _is_picked(recipe: ScriptSpec) -> bool:
    return recipe.only_selected and bool(recipe.selected_run_ids)


def _narrowing(recipe: ScriptSpec) -> _Narrowing:
    found: _Narrowing = {}
    if recipe.parent:
        found["PARENT"] = recipe.parent, script_templates.KEEP_CHILDREN
    if since := _moment(recipe.since):
        found["SINCE"] = since, script_templates.KEEP_STARTED_SINCE
    if before := _moment(recipe.until, end=True):
        found["BEFORE"] = before, script_templates.KEEP_STARTED_BEFORE
    if any(one.column.startswith(METRIC_PREFIX) for one in recipe.conditions) or _is_best(recipe):
        found |= _extremes(recipe, [*(one.column for one in recipe.conditions), recipe.color, *_drawn(recipe)])
    if ranges := [
        (one.column, _end(one.low), _end(one.high), one.include_missing) for one in recipe.conditions if _is_range(one)
    ]:
        found["RANGES"] = ranges, script_templates.KEEP_IN_RANGES
    rest = [one for one in recipe.conditions if not _is_range(one)]
    if values := [(one.column, list(one.values), one.include_missing) for one in rest if one.values or one.include_missing]:
        found["VALUES"] = values, script_templates.KEEP_WITH_VALUES
    if texts := [(one.column, one.text) for one in rest if one.text is not None]:
        found["TEXTS"] = texts, script_templates.KEEP_WITH_TEXTS
    return found | _families(recipe)


def _families(recipe: ScriptSpec) -> _Narrowing:
    if recipe.children == "hidden":
        return {"CHILDREN": ("hidden", script_templates.DROP_CHILDREN)}
    return {"CHILDREN": ("best", script_templates.KEEP_BEST_CHILDREN)} if _is_best(recipe) else {}


def _is_best(recipe: ScriptSpec) -> bool:
    """Only the best child of each parent, by a metric of which one can say what is better."""
    judged = recipe.color.startswith(METRIC_PREFIX) and metric_direction(recipe.color.removeprefix(METRIC_PREFIX)) != "neither"
    return recipe.children == "best" and judged


def _with_best(narrowing: Mapping[str, tuple[object, str]]) -> tuple[str, ...]:
    """What the code for the best children reads besides its own constant."""
    return ("COLOR", "LESS_IS_BETTER") if narrowing.get("CHILDREN", ("",))[0] == "best" else ()


def _drawn(recipe: ScriptSpec) -> list[str]:
    """The columns of the picture. Curves draw histories, which have every value."""
    used = [recipe.color, recipe.x, recipe.y, recipe.z, *recipe.axes]
    return [] if recipe.plot.casefold() == "curves" else used


def _extremes(recipe: ScriptSpec, used: Sequence[str]) -> _Narrowing:
    """Another value than the last one, for these metrics. It is read before the first condition that judges by it."""
    ways = {name: _way(recipe.stat, name) for name in dict.fromkeys(used) if name.startswith(METRIC_PREFIX)}
    wanted = {name: way for name, way in ways.items() if way}
    return {"EXTREMES": (wanted, script_templates.READ_EXTREMES)} if wanted else {}


def _way(stat: str, name: str) -> str:
    if stat == "best":
        return {"less": "min", "more": "max"}.get(metric_direction(name.removeprefix(METRIC_PREFIX)), "")
    return stat if stat in ("min", "max") else ""


def _is_range(one: Condition) -> bool:
    return one.low is not None or one.high is not None or (one.text is None and not one.values and not one.include_missing)


def _end(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _moment(text: str, *, end: bool = False) -> str:
    """A time of the address as ISO text in UTC; "" for nonsense. As an `end` a bare day lasts until the next one begins."""
    try:
        at = datetime.fromisoformat(text)
        whole = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
        return (whole + timedelta(days=1) if end and len(text) == 10 else whole).isoformat()
    except (ValueError, OverflowError):
        return ""
