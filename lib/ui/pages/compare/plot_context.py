"""What every plot of Compare is given: the view, the runs to draw, all runs, and how runs look everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lib.runs.plots.style import Look, look
from lib.runs.table.run_table import subset, with_homes
from lib.runs.table.types import RunTable
from lib.ui.components.chart_theme import ink
from lib.ui.components.formatting import plain
from lib.ui.pages.compare.marks import is_marked
from lib.ui.pages.compare.view_state import EXPERIMENT, View


@dataclass(frozen=True)
class Scene:
    """`runs` are those that the filter leaves, or the picked ones; `whole` are all runs of the reading."""

    view: View
    runs: RunTable
    whole: RunTable
    look: Look


def drawn(view: View, table: RunTable, whole: RunTable) -> RunTable:
    """The runs to draw: those in the table, or the picked ones, which a filter may hide there."""
    return subset(whole, view.pick) if view.only and view.pick else table


def scene(view: View, table: RunTable, whole: RunTable, names: Mapping[str, str]) -> Scene:
    """The scene of a view: the runs in the table, or the picked ones, which a filter may hide there.

    Of several experiments each is called by its name, so that equal runs of two of them stay two; `names` are those of all, by id.
    """
    runs, seen = drawn(view, table, whole), look(whole, view.color, view.pick, ink())
    if len(view.experiment) < 2:
        return Scene(view, runs, whole, seen)
    homes = tuple((one, plain(names.get(one, one))) for one in view.experiment)
    tint: Literal["metric", "experiment"] = "experiment" if is_marked(view, EXPERIMENT) else "metric"
    seen = replace(seen, homes=tuple(name for _, name in homes), tint=tint)
    return Scene(view, with_homes(runs, homes), with_homes(whole, homes), seen)
