"""The Pareto front of two metrics: the runs not dominated by any other. Pure."""

from collections.abc import Sequence

from lib.runs.analysis.metric_direction import Direction
from lib.runs.table.number_format import is_finite_number

Point = tuple[float | None, float | None]


def pareto_front(points: Sequence[Point], directions: tuple[Direction, Direction]) -> list[int]:
    """Return the positions of the points on the front, from the smallest to the largest first value.

    A point is dominated by one that is at least as good in both and better in one; equal points do not dominate each other. Points
    without both values are ignored. Raises ValueError for a metric without a direction.
    """
    if "neither" in directions:
        raise ValueError("a front needs two metrics with a direction")
    signs = [1.0 if direction == "less" else -1.0 for direction in directions]
    costs = {
        index: (signs[0] * x, signs[1] * y)  # type: ignore[operator]
        for index, (x, y) in enumerate(points)
        if is_finite_number(x) and is_finite_number(y)
    }
    front: list[int] = []
    for index in sorted(costs, key=lambda index: costs[index]):
        if not front or costs[index][1] < costs[front[-1]][1] or costs[index] == costs[front[-1]]:
            front.append(index)
    return front if directions[0] == "less" else front[::-1]
