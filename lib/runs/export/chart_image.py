"""Export a chart as PNG or SVG, rendered in this process without a browser.

Charts do not set their width and font because the page decides both; here they get the page's values.
Altair's data transformers are process-wide, and other sessions draw at the same time. So the data is first put into a copy of the chart,
and no global is changed.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from lib.theme import ChartColors

WIDTH = 1100
SCALE = 2
"""PNG pixels per chart pixel: sharp on a slide."""
FONT = "Inter, Arial, sans-serif"
_INVISIBLE_PATH = re.compile(r'<path [^<>]*\bopacity="0"[^<>]*/>')
"""Invisible points, for the pointer only."""
_TRANSLUCENT_PATH = re.compile(r'(<path (?:(?!-opacity=)[^<>])*?) opacity="([\d.]+)"(?=(?:(?!-opacity=)[^<>])*>)')
_SUBCHART_FIELDS = ("layer", "hconcat", "vconcat", "concat")
_VEGALITE_VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def render_png(chart: Any, colors: ChartColors, font_folder: Path) -> bytes:
    """Render the chart as a PNG on the page colour. `font_folder` is the folder with Inter as TTF."""
    return bytes(vl_convert.svg_to_png(_move_opacity_to_paint(render_svg(chart, colors, font_folder)), scale=SCALE))


def render_svg(chart: Any, colors: ChartColors, font_folder: Path) -> str:
    """Render the chart as an SVG. Its text stays text, in Inter if installed."""
    _register_fonts(font_folder)
    return _INVISIBLE_PATH.sub(
        "", vl_convert.vegalite_to_svg(_vegalite_spec(chart, colors), vl_version=_vegalite_version(), allowed_base_urls=[])
    )


def _move_opacity_to_paint(svg: str) -> str:
    """Replace transparent layers by transparent lines: a layer per line took a minute for 300 runs."""
    return _TRANSLUCENT_PATH.sub(r'\1 stroke-opacity="\2" fill-opacity="\2"', svg)


@lru_cache(maxsize=4)
def _register_fonts(font_folder: Path) -> None:
    """Register our fonts with the renderer, once: it reads TTF but not WOFF2."""
    vl_convert.register_font_directory(str(font_folder))


def _vegalite_version() -> str | None:
    """Return Altair's Vega-Lite version if the renderer has it, else None for its newest."""
    return _VEGALITE_VERSION if _VEGALITE_VERSION in vl_convert.get_vegalite_versions() else None


def _vegalite_spec(chart: Any, colors: ChartColors) -> dict[str, Any]:
    copied_chart = chart.copy(deep=True)
    _inline_data(copied_chart)
    spec: dict[str, Any] = copied_chart.to_dict()
    spec["background"] = colors["page"]
    spec["padding"] = 16
    spec["config"] = {"font": FONT} | spec.get("config", {})
    if not any(part in spec for part in ("hconcat", "vconcat", "concat", "facet", "repeat")):
        spec.setdefault("width", WIDTH)
    return spec


def _inline_data(chart: Any) -> None:
    """Convert the tables of a chart and of its parts to plain values."""
    if isinstance(getattr(chart, "data", None), pd.DataFrame):
        chart.data = alt.InlineData(**alt.to_values(chart.data))
    subcharts = [
        subchart for name in _SUBCHART_FIELDS if isinstance(value := getattr(chart, name, None), list) for subchart in value
    ]
    for subchart in [*subcharts, getattr(chart, "spec", None)]:
        if subchart is not None and subchart is not alt.Undefined:
            _inline_data(subchart)
