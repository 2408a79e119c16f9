"""Parameter importance: the share of a metric's variation due to each parameter, with the lowest and highest round. Pure."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from lib.runs.analysis.param_importance import ParamImportance
from lib.runs.plots.groups import EXTRA_HEIGHT, row_axis, row_text
from lib.runs.plots.style import combine_layers
from lib.runs.table.number_format import MINUS, short_labels
from lib.runs.table.run_table import PARAM_PREFIX
from lib.theme import ChartColors

MAX_ROWS, ROW_HEIGHT = 20, 27
AXIS_TITLE = "Share of the variation due to the parameter"


def importance_plot(importances: Sequence[ParamImportance], colors: ChartColors) -> alt.LayerChart:
    """Draw a bar per parameter from zero to its mean and a line from the lowest to the highest round; pale if it may be chance."""
    data = _bar_data(importances)
    base, y = alt.Chart(data), alt.Y("place:Q", **row_axis(_param_labels(importances)))
    x = alt.X("mean:Q", title=AXIS_TITLE, axis=_X_AXIS, scale=alt.Scale(domain=_share_limits(importances), nice=False))
    tooltips = [
        alt.Tooltip("name:N", title="Parameter"),
        alt.Tooltip("said:N", title="Share"),
        alt.Tooltip("range:N", title="Rounds"),
    ]
    fill = alt.when("datum.clear").then(alt.value(colors["ramp4"])).otherwise(alt.value(colors["past"]))
    bars = base.mark_bar(size=12, cornerRadiusEnd=3).encode(x=x, x2="zero:Q", y=y, color=fill, tooltip=tooltips)
    interval_encoding: dict[str, Any] = {"x": alt.X("low:Q", axis=_X_AXIS), "x2": "high:Q", "y": y, "tooltip": tooltips}
    halo, line = (base.mark_rule(strokeWidth=width, color=colors[role]) for width, role in ((4.5, "page"), (1.8, "soft")))
    layers = [bars, halo.encode(**interval_encoding), line.encode(**interval_encoding), row_text(base, y, colors, "word")]
    return combine_layers(layers, colors).properties(
        height=max(ROW_HEIGHT * len(importances) + EXTRA_HEIGHT, 150), padding={"left": 0, "right": 96, "top": 2, "bottom": 5}
    )


_X_AXIS = alt.Axis(
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
    """Format a share as 31%, with a real minus sign; less than half a percent is not shown as zero."""
    if 0 < share < 0.005:
        return "under 1%"
    return f"{share:.0%}".replace("-", MINUS)


def _bar_data(importances: Sequence[ParamImportance]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place": range(len(importances)),
            "name": [importance.name.removeprefix(PARAM_PREFIX) for importance in importances],
            "mean": [importance.mean for importance in importances],
            "low": [importance.low for importance in importances],
            "high": [importance.high for importance in importances],
            "zero": 0.0,
            "clear": [importance.is_clear for importance in importances],
            "said": [format_percent(importance.mean) for importance in importances],
            "range": [f"{format_percent(importance.low)} to {format_percent(importance.high)}" for importance in importances],
            "word": [format_percent(importance.mean) if importance.is_clear else "cannot tell" for importance in importances],
        }
    )


def _share_limits(importances: Sequence[ParamImportance]) -> list[float]:
    return [
        min([0.0, *(importance.low for importance in importances)]),
        max([0.01, *(importance.high for importance in importances)]) * 1.02,
    ]


def _param_labels(importances: Sequence[ParamImportance]) -> list[str]:
    names = [importance.name.removeprefix(PARAM_PREFIX) for importance in importances]
    short_names = short_labels(names, 36)
    return [short_names[name] for name in names]
