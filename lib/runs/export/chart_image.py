"""A chart as a picture to keep: PNG or SVG, made in this process without a browser.

The charts say nothing about their width and their font, because the page decides both; here they get what the page would give.
Altair's data transformers belong to the whole process, and pages of other people draw meanwhile: so the data is put into a copy of
the chart first, and no global is touched.
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
"""Pixels of a PNG per pixel of the chart: sharp in a slide."""
FONT = "Inter, Arial, sans-serif"
_INVISIBLE_PATH = re.compile(r'<path [^<>]*\bopacity="0"[^<>]*/>')
"""Points that only the pointer finds."""
_TRANSLUCENT_PATH = re.compile(r'(<path (?:(?!-opacity=)[^<>])*?) opacity="([\d.]+)"(?=(?:(?!-opacity=)[^<>])*>)')
_SUBCHART_FIELDS = ("layer", "hconcat", "vconcat", "concat")
_VEGALITE_VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def render_png(chart: Any, colors: ChartColors, font_folder: Path) -> bytes:
    """The chart as a PNG on the colour of the page. `font_folder` is the folder that holds Inter as TTF."""
    return bytes(vl_convert.svg_to_png(_move_opacity_to_paint(render_svg(chart, colors, font_folder)), scale=SCALE))


def render_svg(chart: Any, colors: ChartColors, font_folder: Path) -> str:
    """The chart as an SVG. Its text stays text, in Inter where that is installed."""
    _register_fonts(font_folder)
    return _INVISIBLE_PATH.sub(
        "", vl_convert.vegalite_to_svg(_vegalite_spec(chart, colors), vl_version=_vegalite_version(), allowed_base_urls=[])
    )


def _move_opacity_to_paint(svg: str) -> str:
    """The same picture with see-through lines instead of see-through layers: a layer per line took a minute for 300 runs."""
    return _TRANSLUCENT_PATH.sub(r'\1 stroke-opacity="\2" fill-opacity="\2"', svg)


@lru_cache(maxsize=4)
def _register_fonts(font_folder: Path) -> None:
    """Tell the renderer of our fonts, once: it reads TTF and no WOFF2."""
    vl_convert.register_font_directory(str(font_folder))


def _vegalite_version() -> str | None:
    """The Vega-Lite that Altair speaks, where the renderer has it; else its newest."""
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
    """Turn the tables of a chart and of its parts into plain values."""
    if isinstance(getattr(chart, "data", None), pd.DataFrame):
        chart.data = alt.InlineData(**alt.to_values(chart.data))
    subcharts = [
        subchart for name in _SUBCHART_FIELDS if isinstance(value := getattr(chart, name, None), list) for subchart in value
    ]
    for subchart in [*subcharts, getattr(chart, "spec", None)]:
        if subchart is not None and subchart is not alt.Undefined:
            _inline_data(subchart)
