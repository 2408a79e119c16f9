"""Says who belongs to whom among runs: children below their parent, the children of one parent, the best child of each. Pure.

Parents come from a tag that anyone can set: a parent may be missing, a run may name itself, and two may name each other. No run is
ever lost for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lib.runs.analysis.metric_direction import metric_direction
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import is_finite_number
from lib.runs.table.run_table import METRIC_PREFIX, column_values, has_column
from lib.runs.table.types import RunTable


@dataclass(frozen=True)
class TreeRow:
    """A run in the table, and how deep it stands under its parents."""

    run_id: str
    depth: int


def build_run_tree(table: RunTable, ordered_run_ids: Sequence[str]) -> list[TreeRow]:
    """The runs as lines: children below their parent, families in the order of their first member in `order`.

    A child whose parent is not among the runs stands alone. Runs that name each other as parents are shown all the same.
    """
    if not table.identity.parent.any():
        return [TreeRow(run_id, 0) for run_id in ordered_run_ids]
    known = set(ordered_run_ids)
    parents = {run_id: parent for run_id, parent in _parents(table).items() if parent in known}
    children: dict[str, list[str]] = {}
    for run_id in ordered_run_ids:
        children.setdefault(parents.get(run_id, ""), []).append(run_id)
    depths: dict[str, int] = {}
    for run_id in ordered_run_ids:
        if run_id not in depths:
            depths |= _family(_eldest(run_id, parents), children)
    return [TreeRow(run_id, depth) for run_id, depth in depths.items()]


def family_sizes(table: RunTable) -> dict[str, int]:
    """Parent → how many of these runs are its children, the largest family first. The parent itself need not be among the runs."""
    return dict(_sizes(table))


@memoize_by_table
def _sizes(table: RunTable) -> tuple[tuple[str, int], ...]:
    named = pd.Series([parent for parent in _parents(table).values() if parent], dtype="str")
    return tuple((str(parent), int(number)) for parent, number in named.value_counts().items())


def children_of(table: RunTable, parent: str) -> list[str]:
    """The ids of the runs whose parent this is, in the order of the table."""
    return [run_id for run_id, above in _parents(table).items() if above == parent != ""]


def best_children(table: RunTable, metric: str) -> list[str]:
    """One run per family, in the order of the table: of the runs under one parent the one with the best value of a metric.

    The newest among equals, also where none has a value. A parent gives way to its children; a run without parent and children stays.
    All runs stay when these have no such metric, or when nobody can say which way it is better.
    """
    towards = metric_direction(metric.removeprefix(METRIC_PREFIX))
    if towards == "neither" or not metric.startswith(METRIC_PREFIX) or not has_column(table, metric):
        return list(table.ids)
    parents = _parents(table)
    goodness = _goodness(column_values(table, metric), falling=towards == "less")
    elders = set(parents.values())
    youngest = [run_id for run_id in table.ids if run_id not in elders]
    best: dict[str, str] = {}
    for run_id in youngest:
        family = parents[run_id] or run_id
        if family not in best or goodness[run_id] > goodness[best[family]]:
            best[family] = run_id
    kept = set(best.values()) | (set(table.ids) - _with_elders(youngest, parents))
    return [run_id for run_id in table.ids if run_id in kept]


def _parents(table: RunTable) -> dict[str, str]:
    """Run → its parent, "" for none; a run that names itself has none."""
    named = zip(table.ids, table.identity.parent.tolist(), strict=True)
    return {run_id: parent if parent != run_id else "" for run_id, parent in named}


def _eldest(run_id: str, parents: dict[str, str]) -> str:
    passed = {run_id}
    while (above := parents.get(run_id, "")) and above not in passed:
        run_id = above
        passed.add(run_id)
    return run_id


def _family(eldest: str, children: dict[str, list[str]]) -> dict[str, int]:
    """The depth of each run from the eldest down. Without recursion: a chain of runs may be long."""
    depths: dict[str, int] = {}
    waiting = [(eldest, 0)]
    while waiting:
        run_id, depth = waiting.pop()
        if run_id not in depths:
            depths[run_id] = depth
            waiting += [(child, depth + 1) for child in reversed(children.get(run_id, ()))]
    return depths


def _goodness(values: "pd.Series", *, falling: bool) -> dict[str, float]:
    """Larger is better; a run without a real value is worst."""
    turned = (-values if falling else values).tolist()
    return {
        run_id: value if is_finite_number(value) else float("-inf")
        for run_id, value in zip(values.index.tolist(), turned, strict=True)
    }


def _with_elders(youngest: Sequence[str], parents: dict[str, str]) -> set[str]:
    """These runs and all above them: the ones that a youngest run can speak for. Who is missing stands in a circle."""
    spoken_for: set[str] = set()
    for start in youngest:
        run_id = start
        while run_id and run_id not in spoken_for:
            spoken_for.add(run_id)
            run_id = parents.get(run_id, "")
    return spoken_for
