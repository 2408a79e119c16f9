"""What every plot of Compare is given: the view, the runs to draw, all runs, and how runs look everywhere."""

from dataclasses import dataclass

from lib.runs.plots.charts import Look, look
from lib.runs.table import subset
from lib.runs.values import RunTable
from lib.ui.compare.view import View
from lib.ui.ink import ink


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


def scene(view: View, table: RunTable, whole: RunTable) -> Scene:
    """The scene of a view: the runs in the table, or the picked ones, which a filter may hide there."""
    runs = drawn(view, table, whole)
    return Scene(view, runs, whole, look(whole, view.color, view.pick, ink()))
