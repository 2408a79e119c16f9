"""Charts under test: the Vega-Lite spec of an Altair chart, its data, and a name that no expression may contain."""

import json
from typing import Any

HOSTILE_NAME = "![x](http://evil/x) <img src=x onerror=alert(1)> \"];alert(1)//\u2028'"


def chart_spec(chart: Any) -> dict[str, Any]:
    """The spec as the browser gets it."""
    return json.loads(chart.to_json())


def chart_values(chart: Any) -> list[dict[str, Any]]:
    """The rows of all data sets of the chart."""
    return [row for rows in chart_spec(chart)["datasets"].values() for row in rows]
