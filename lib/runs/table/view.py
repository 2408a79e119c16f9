"""A view of runs: which runs are listed, and how they are drawn. Compare stores it in its URL; a script is exported from it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ViewState:
    """The settings of a view, under the names of Compare's URL parameters. Columns are named as in a filter.

    `pick` holds run ids in the order they were picked; with `only` no other run is drawn.
    Runs: `experiment` ids, `filter` (MLflow's syntax), `facet` conditions, `since` and `until`, `state`, `children` (shown, hidden, best),
    `parent` (only its children), and the read `limit`. Metric value: `stat`. Chart: `plot` with its options; `base` is the baseline run.
    Table: `sort`, `order`, `columns` and `pin`.
    """

    experiment: tuple[str, ...] = ()
    filter: str = ""
    facet: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    state: str = ""
    children: str = ""
    parent: str = ""
    limit: str = ""
    stat: str = ""
    color: str = ""
    plot: str = ""
    x: str = ""
    y: str = ""
    z: str = ""
    by: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    range: tuple[str, ...] = ()
    along: str = ""
    smooth: str = ""
    mark: tuple[str, ...] = ()
    path: str = ""
    base: str = ""
    sort: str = ""
    order: str = ""
    columns: tuple[str, ...] = ()
    pin: tuple[str, ...] = ()
    only: str = ""
    pick: tuple[str, ...] = ()
