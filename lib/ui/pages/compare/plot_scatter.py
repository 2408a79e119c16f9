"""Compare's scatter: its two columns to choose, what is drawn over the points, and the runs in a box or under a click."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lib.runs.analysis.metric_direction import direction
from lib.runs.analysis.pareto import front
from lib.runs.plots import scatter
from lib.runs.plots import style as charts
from lib.runs.plots.axes import Axis, axis
from lib.runs.plots.axis_ranges import Range, between, passing
from lib.runs.plots.axis_ranges import said as said_range
from lib.runs.plots.trend import NoTrend, Trend, trend
from lib.runs.table.run_table import METRIC, varying
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import empty
from lib.ui.components.popover import drawer
from lib.ui.pages.compare import drawn_charts as canvas
from lib.ui.pages.compare.axes import labels, pick_scales, scale
from lib.ui.pages.compare.brush import anew, brushes, change, conditions, digest, follow, picture, ranges, see_through
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.plot_footer import best_run, capped, foot, of_all, telling
from lib.ui.pages.compare.selection_panel import Held, brushed
from lib.ui.pages.compare.view_state import View, asked, bound, drawable, keep, said

PLOT = "scatter"
MARKS = {"pareto": "Pareto front", "trend": "Trend"}
MOST_NAMES = 6
MOST_COLUMNS = 10
Pair = tuple[Axis, Axis]


@dataclass(frozen=True)
class Overlay:
    """The runs on the front and the trend, each None when it is not wanted, and what is to be said of them, as plain text."""

    front: tuple[str, ...] | None
    trend: Trend | None
    notes: tuple[str, ...]


def draw(scene: Scene) -> None:
    """A point per run at the two chosen columns."""
    view, runs = scene.view, scene.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        x, y = _places(view, drawable(runs))
        axes = axis(runs, x, scale(view, x)), axis(runs, y, scale(view, y))
        with drawer("scales", "Scales", icon=":material/tune:", width="content") as is_open:
            if is_open:
                pick_scales(axes)
        over = overlay(scene, axes)
        _marks(view, over)
    lost = scatter.unplaced(axes)
    if lost == len(runs):
        empty(
            "scatter_plot", "No point to draw", "A point takes a run with a value in both columns; here is none. Choose another."
        )
        return
    shown = charts.sampled(runs, (*telling(scene), *(over.front or ())), scatter.MOST_POINTS)
    clicked = _plot(scene, axes, over, shown)
    missing = f"{count(lost, 'run')} without both values {'is' if lost == 1 else 'are'} not drawn." if lost else ""
    foot(
        view,
        [capped(shown, runs), *map(md, over.notes), missing, "Drag a box or click a point. ↑ more is better, ↓ less is better."],
    )
    _held(scene, axes, clicked)


def _places(view: View, places: Sequence[str]) -> tuple[str, str]:
    x, y = (name if name in places else places[0] for name in (view.x, view.y))
    options = labels(places)
    for field, title, value in (("y", "Up", y), ("x", "Across", x)):
        st.selectbox(
            title,
            places,
            format_func=lambda name, title=title: f"{title}: {options[name]}",
            label_visibility="collapsed",
            width=230,
            **bound(field, value),
        )
    return x, y


def _marks(view: View, over: Overlay) -> None:
    kept = bound("mark", [mark for mark in view.mark if mark in MARKS]) | {"on_change": _marked, "args": ()}
    st.pills(
        "Over the points",
        list(MARKS),
        format_func=MARKS.__getitem__,
        selection_mode="multi",
        label_visibility="collapsed",
        **kept,
    )
    if over.front:
        ids = tuple(dict.fromkeys((*view.pick, *over.front)))
        st.button("Pick the front", type="tertiary", key="compare.pick_front", on_click=keep, kwargs={"pick": ids})


def _marked() -> None:
    others = [mark for mark in asked().mark if mark not in MARKS]
    keep(mark=(*others, *st.session_state["compare.mark"]))


def overlay(scene: Scene, axes: Pair) -> Overlay:
    """What the address wants over the points, of all runs and not only of those that are drawn."""
    notes: list[str] = []
    line, kept = None, None
    if "pareto" in scene.view.mark:
        kept = _front(scene, axes)
        notes.append(_front_said(scene, axes, kept))
    if "trend" in scene.view.mark:
        line = _trend(axes)
        notes.append(_trend_said(axes, line))
    return Overlay(kept, line if isinstance(line, Trend) else None, tuple(notes))


def _front(scene: Scene, axes: Pair) -> tuple[str, ...] | None:
    names = [one.name for one in axes]
    ways = direction(names[0].removeprefix(METRIC)), direction(names[1].removeprefix(METRIC))
    if "neither" in ways or not all(name.startswith(METRIC) for name in names) or names[0] == names[1]:
        return None
    across, up = (scatter.spots(one) for one in axes)
    return tuple(scene.runs.ids[row] for row in front(list(zip(across, up, strict=True)), ways))


def _front_said(scene: Scene, axes: Pair, kept: Sequence[str] | None) -> str:
    if kept is None:
        return "A Pareto front needs two different metrics, each better one way."
    names = scene.runs.identity.name
    said_ = [f"{names[one] or one}" + (f" ({one[:8]})" if list(names).count(names[one]) > 1 else "") for one in kept[:MOST_NAMES]]
    more = f" and {len(kept) - MOST_NAMES:,} more" if len(kept) > MOST_NAMES else ""
    titles = " and ".join(one.title for one in axes)
    return f"Pareto front of {titles}, {len(kept):,} of {count(len(scene.runs), 'run')}: {', '.join(said_)}{more}."


def _trend(axes: Pair) -> Trend | NoTrend:
    across, up = axes
    if across.lanes or up.lanes:
        return NoTrend("A trend needs numbers on both axes.")
    return trend(scatter.spots(across), scatter.spots(up), log_x=across.log, log_y=up.log)


def _trend_said(axes: Pair, line: Trend | NoTrend) -> str:
    if isinstance(line, NoTrend):
        return line.why
    across, up = (said(one.name) for one in axes)
    goes = {
        "up": f"{up} rises with {across}",
        "down": f"{up} falls with {across}",
        "unclear": f"cannot tell whether {up} follows {across}",
    }
    bent = " and ".join(name for name, one in zip((across, up), axes, strict=True) if one.log)
    logs = f", fitted to the logarithm of {bent}" if bent else ""
    return f"Trend: {goes[line.goes]}. Straight line through {count(line.n, 'run')} with the 95% interval of its mean{logs}."


def _plot(scene: Scene, axes: Pair, over: Overlay, shown: RunTable) -> tuple[str, ...]:
    """The chart. Returns the runs that were clicked."""
    runs, state = scene.runs, brushes(PLOT, axes)
    rows = {run_id: row for row, run_id in enumerate(runs.ids)}
    kept = [rows[run_id] for run_id in shown.ids]
    here, key = (axes[0].of(kept), axes[1].of(kept)), f"compare.scatter.{state.number}"
    see_through()
    drawn_over = scatter.Over(state.spans, _line(axes, over, rows), over.trend)
    told = canvas.draw(
        picture(
            digest(PLOT, shown.search, shown.read_at, shown.ids, state.of, scene.look, drawn_over),
            lambda: scatter.scatter(shown, here, scene.look, drawn_over),
        ),
        key=key,
        on_select=lambda: follow(PLOT, key, axes, lambda before, now: _told(axes, before, now)),
        selection_mode=[scatter.BOX, scatter.CLICK],
        alt=f"{axes[1].title} against {axes[0].title}, a point for each of {of_all(shown, runs)}. {best_run(scene)} {' '.join(over.notes)}",
    )
    ids = [point.get("run_id") for point in (told["selection"].get(scatter.CLICK) or [])]
    return tuple(run_id for run_id in ids if run_id in rows)


def _line(axes: Pair, over: Overlay, rows: Mapping[str, int]) -> scatter.Line | None:
    if not over.front:
        return None
    across, up = (tuple(scatter.spots(one)[rows[run_id]] or 0.0 for run_id in over.front) for one in axes)
    return scatter.Line(across, up, "after" if direction(axes[0].name.removeprefix(METRIC)) == "less" else "before")


def _told(axes: Pair, before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Range | None]:
    """Both columns, when the box changed; without a box, no range."""
    if now.get(scatter.BOX) == before.get(scatter.BOX):
        return {}
    box = now.get(scatter.BOX) or {}
    return {one.name: between(one, *box[field]) if field in box else None for field, one in zip("xy", axes, strict=True)}


def _held(scene: Scene, axes: Pair, clicked: Sequence[str]) -> None:
    kept, by = ranges(axes), {one.name: one for one in axes}
    ids = tuple(passing(kept, axes, scene.runs.ids)) if kept else tuple(clicked)
    if not kept and not clicked:
        return
    where = "in the box" if kept else "clicked"
    said_ = tuple(said_range(one, by[one.column]) for one in kept)
    columns = tuple(dict.fromkeys([*filter(None, [scene.view.color]), *by, *varying(scene.runs)]))[:MOST_COLUMNS]
    brushed(scene, Held(ids, where, said_, columns, lambda: _let_go(axes, kept), conditions(axes)))


def _let_go(axes: Pair, kept: Sequence[Range]) -> None:
    change({one.column: None for one in kept}, axes)
    anew(PLOT)
