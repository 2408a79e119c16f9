"""Draw Compare's charts and record them for the download menu.

Every plot calls `draw_chart` instead of `st.altair_chart`, with the same key and `alt`: `draw_chart(chart, "compare.scatter",
"Accuracy against…")`, or `event = draw_chart(chart, key, alt, on_select="rerun")["selection"]`. The first chart of a page run is the one
that is downloaded. A page calls `reset_drawn_charts` before drawing, so a chart of the previous run is never served.
"""

from dataclasses import dataclass, field
from typing import Any

import altair as alt
import streamlit as st

DRAWN_CHARTS_KEY = "compare.sheet"


@dataclass
class DrawnCharts:
    """The charts drawn in this run of the page: key → chart, in drawing order.

    Filled while the page is drawn. A download button in the header keeps a reference and reads it on click.
    """

    charts: dict[str, Any] = field(default_factory=dict)

    @property
    def main_chart(self) -> Any | None:
        """The first chart drawn; None for a view without one."""
        return next(iter(self.charts.values()), None)


def reset_drawn_charts() -> DrawnCharts:
    """Start an empty record for the charts of this page run."""
    charts = st.session_state[DRAWN_CHARTS_KEY] = DrawnCharts()
    return charts


def draw_chart(chart: Any, key: str, alt: str, **selection: Any) -> Any:
    """Draw an Altair chart across its card and record it. Returns the selection, like `st.altair_chart`."""
    drawn_charts = st.session_state.get(DRAWN_CHARTS_KEY)
    if isinstance(drawn_charts, DrawnCharts):
        drawn_charts.charts[key] = chart
    return st.altair_chart(_without_validation(chart), key=key, alt=alt, **selection)


class _UnvalidatedChart(alt.LayerChart):
    """A chart that skips Altair's schema validation on each draw, which takes half the time of a click.

    The tests validate every plot instead.
    """

    def to_dict(self, validate: bool = True, **kwargs: Any) -> dict[str, Any]:  # noqa: FBT001, FBT002 - Altair's own
        """Return the chart as Vega-Lite without validation."""
        return super().to_dict(validate=False, **kwargs)


def _without_validation(chart: Any) -> Any:
    if type(chart) is alt.LayerChart:
        object.__setattr__(chart, "__class__", _UnvalidatedChart)
    return chart
