"""Importance of parameters: the share of a metric's differences that comes from each, with the lowest and highest of the rounds. Pure."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from lib.runs.analysis.param_importance import ParamImportance
from lib.runs.plots.groups import EXTRA_HEIGHT, row_axis, row_text
from lib.runs.plots.style import column_title, combine_layers
from lib.runs.table.number_format import MINUS, short_labels
from lib.theme import ChartColors

MAX_ROWS, ROW_HEIGHT = 20, 27
AXIS_TITLE = "Share of the differences that comes from the parameter"


def importance_plot(importances: Sequence[ParamImportance], colors: ChartColors) -> alt.LayerChart:
    """A bar per parameter from zero to its mean, a line from the lowest to the highest round; pale where chance alone could have given it."""
    data = _rows(importances)
    base, y = alt.Chart(data), alt.Y("place:Q", **row_axis(_labels(importances)))
    x = alt.X("mean:Q", title=AXIS_TITLE, axis=_AXIS, scale=alt.Scale(domain=_ends(importances), nice=False))
    tips = [
        alt.Tooltip("name:N", title="Parameter"),
        alt.Tooltip("said:N", title="Share"),
        alt.Tooltip("range:N", title="Rounds"),
    ]
    fill = alt.when("datum.clear").then(alt.value(colors["ramp4"])).otherwise(alt.value(colors["past"]))
    bars = base.mark_bar(size=12, cornerRadiusEnd=3).encode(x=x, x2="zero:Q", y=y, color=fill, tooltip=tips)
    ends: dict[str, Any] = {"x": alt.X("low:Q", axis=_AXIS), "x2": "high:Q", "y": y, "tooltip": tips}
    halo, line = (base.mark_rule(strokeWidth=width, color=colors[role]) for width, role in ((4.5, "page"), (1.8, "soft")))
    layers = [bars, halo.encode(**ends), line.encode(**ends), row_text(base, y, colors, "word")]
    return combine_layers(layers, colors).properties(
        height=max(ROW_HEIGHT * len(importances) + EXTRA_HEIGHT, 150), padding={"left": 0, "right": 96, "top": 2, "bottom": 5}
    )


_AXIS = alt.Axis(
    format="%",
    domain=False,
    ticks=False,
    grid=True,
    gridDash=[2, 3],
    labelPadding=6,
    titlePadding=8,
    titleAnchor="end",
    tickCount=6,
)


def format_percent(share: float) -> str:
    """31%, with a real minus; what is less than half a percent is not called nothing."""
    if 0 < share < 0.005:
        return "under 1%"
    return f"{share:.0%}".replace("-", MINUS)


def _rows(found: Sequence[ParamImportance]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place": range(len(found)),
            "name": [column_title(one.name) for one in found],
            "mean": [one.mean for one in found],
            "low": [one.low for one in found],
            "high": [one.high for one in found],
            "zero": 0.0,
            "clear": [one.is_clear for one in found],
            "said": [format_percent(one.mean) for one in found],
            "range": [f"{format_percent(one.low)} to {format_percent(one.high)}" for one in found],
            "word": [format_percent(one.mean) if one.is_clear else "cannot tell" for one in found],
        }
    )


def _ends(found: Sequence[ParamImportance]) -> list[float]:
    return [min([0.0, *(one.low for one in found)]), max([0.01, *(one.high for one in found)]) * 1.02]


def _labels(found: Sequence[ParamImportance]) -> list[str]:
    names = [column_title(one.name) for one in found]
    short = short_labels(names, 36)
    return [short[name] for name in names]
