"""Families of runs: children below their parent, the children of one parent, the best child of each. Pure.

Parents come from a tag that anyone can set: a parent may be missing, a run may name itself, and two may name each other. No run is
dropped because of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import is_finite_number
from lib.runs.table.run_table import METRIC_PREFIX, column_direction, column_values, has_column
from lib.runs.table.types import RunTable


@dataclass(frozen=True)
class TreeRow:
    """A run in the table and its depth below its ancestors."""

    run_id: str
    depth: int


def build_run_tree(table: RunTable, ordered_run_ids: Sequence[str]) -> list[TreeRow]:
    """Return the runs as rows: children below their parent, families in the order of their first member in `ordered_run_ids`.

    A child whose parent is not among the runs is a root. Runs that name each other as parents are shown anyway.
    """
    if not table.identity.parent.any():
        return [TreeRow(run_id, 0) for run_id in ordered_run_ids]
    known_ids = set(ordered_run_ids)
    parents = {run_id: parent for run_id, parent in _parent_by_run(table).items() if parent in known_ids}
    children: dict[str, list[str]] = {}
    for run_id in ordered_run_ids:
        children.setdefault(parents.get(run_id, ""), []).append(run_id)
    depths: dict[str, int] = {}
    for run_id in ordered_run_ids:
        if run_id not in depths:
            depths |= _subtree_depths(_find_root(run_id, parents), children)
    return [TreeRow(run_id, depth) for run_id, depth in depths.items()]


def family_sizes(table: RunTable) -> dict[str, int]:
    """Return the number of children by parent, largest family first. The parent itself need not be among the runs."""
    return dict(_cached_family_sizes(table))


@memoize_by_table
def _cached_family_sizes(table: RunTable) -> tuple[tuple[str, int], ...]:
    parent_ids = pd.Series([parent for parent in _parent_by_run(table).values() if parent], dtype="str")
    return tuple((str(parent), int(count)) for parent, count in parent_ids.value_counts().items())


def children_of(table: RunTable, parent: str) -> list[str]:
    """Return the ids of this parent's children, in table order."""
    return [run_id for run_id, run_parent in _parent_by_run(table).items() if run_parent == parent != ""]


def best_children(table: RunTable, metric: str) -> list[str]:
    """Return one run per family, in table order: the child with the best value of a metric.

    Ties, including families without a value, go to the newest child. Parents are replaced by their child; runs without a family stay.
    All runs stay if they do not have this metric or it has no direction.
    """
    direction = column_direction(table, metric)
    if direction == "neither" or not metric.startswith(METRIC_PREFIX) or not has_column(table, metric):
        return list(table.ids)
    parents = _parent_by_run(table)
    goodness = _goodness(column_values(table, metric), lower_is_better=direction == "less")
    parent_ids = set(parents.values())
    leaf_ids = [run_id for run_id in table.ids if run_id not in parent_ids]
    best: dict[str, str] = {}
    for run_id in leaf_ids:
        family = parents[run_id] or run_id
        if family not in best or goodness[run_id] > goodness[best[family]]:
            best[family] = run_id
    kept_ids = set(best.values()) | (set(table.ids) - _add_ancestors(leaf_ids, parents))
    return [run_id for run_id in table.ids if run_id in kept_ids]


def _parent_by_run(table: RunTable) -> dict[str, str]:
    """Return the parent of each run, "" for none; a run that names itself has none."""
    pairs = zip(table.ids, table.identity.parent.tolist(), strict=True)
    return {run_id: parent if parent != run_id else "" for run_id, parent in pairs}


def _find_root(run_id: str, parents: dict[str, str]) -> str:
    visited = {run_id}
    while (parent := parents.get(run_id, "")) and parent not in visited:
        run_id = parent
        visited.add(run_id)
    return run_id


def _subtree_depths(root: str, children: dict[str, list[str]]) -> dict[str, int]:
    """Return the depth of each run from the root down. Not recursive: a chain of runs may be long."""
    depths: dict[str, int] = {}
    stack = [(root, 0)]
    while stack:
        run_id, depth = stack.pop()
        if run_id not in depths:
            depths[run_id] = depth
            stack += [(child, depth + 1) for child in reversed(children.get(run_id, ()))]
    return depths


def _goodness(values: "pd.Series", *, lower_is_better: bool) -> dict[str, float]:
    """Score each run so that higher is better; a run without a finite value is worst."""
    signed_values = (-values if lower_is_better else values).tolist()
    return {
        run_id: value if is_finite_number(value) else float("-inf")
        for run_id, value in zip(values.index.tolist(), signed_values, strict=True)
    }


def _add_ancestors(leaf_ids: Sequence[str], parents: dict[str, str]) -> set[str]:
    """Return these runs and all their ancestors. Any other run belongs to a cycle."""
    lineage_ids: set[str] = set()
    for leaf_id in leaf_ids:
        run_id = leaf_id
        while run_id and run_id not in lineage_ids:
            lineage_ids.add(run_id)
            run_id = parents.get(run_id, "")
    return lineage_ids
