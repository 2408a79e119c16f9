"""The one place where Compare puts a chart on the page, and where the download finds it again.

Every plot calls `draw_chart` instead of `st.altair_chart`, with the same key and `alt`: `draw_chart(chart, "compare.scatter",
"Accuracy against…")`, or `event = draw_chart(chart, key, alt, on_select="rerun")["selection"]`. The first chart of a run is the one that
is downloaded. A page calls `reset_drawn_charts` before it draws, so a chart of the last run is never handed out.
"""

from dataclasses import dataclass, field
from typing import Any

import altair as alt
import streamlit as st

DRAWN_CHARTS_KEY = "compare.sheet"


@dataclass
class DrawnCharts:
    """What was drawn in this run of the page: key → chart, in the order of drawing.

    It changes while the page is drawn. A download made in the header holds on to it and looks into it when it is clicked.
    """

    charts: dict[str, Any] = field(default_factory=dict)

    @property
    def main_chart(self) -> Any | None:
        """The first chart that was drawn; None for a view without one."""
        return next(iter(self.charts.values()), None)


def reset_drawn_charts() -> DrawnCharts:
    """An empty record for the charts of this run."""
    charts = st.session_state[DRAWN_CHARTS_KEY] = DrawnCharts()
    return charts


def draw_chart(chart: Any, key: str, alt: str, **selection: Any) -> Any:
    """Draw an Altair chart over the width of its card and remember it. Gives what `st.altair_chart` gives: the selection."""
    drawn_charts = st.session_state.get(DRAWN_CHARTS_KEY)
    if isinstance(drawn_charts, DrawnCharts):
        drawn_charts.charts[key] = chart
    return st.altair_chart(_without_validation(chart), key=key, alt=alt, **selection)


class _UnvalidatedChart(alt.LayerChart):
    """A chart that is drawn as it was built: Altair holds one against its whole grammar each time, half of what a click costs.

    The tests of every plot do that.
    """

    def to_dict(self, validate: bool = True, **kwargs: Any) -> dict[str, Any]:  # noqa: FBT001, FBT002 - Altair's own
        """The chart as Vega-Lite, unchecked."""
        return super().to_dict(validate=False, **kwargs)


def _without_validation(chart: Any) -> Any:
    if type(chart) is alt.LayerChart:
        object.__setattr__(chart, "__class__", _UnvalidatedChart)
    return chart
