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
_UNSEEN = re.compile(r'<path [^<>]*\bopacity="0"[^<>]*/>')
"""Points that only the pointer finds."""
_VEILED = re.compile(r'(<path (?:(?!-opacity=)[^<>])*?) opacity="([\d.]+)"(?=(?:(?!-opacity=)[^<>])*>)')
_PARTS = ("layer", "hconcat", "vconcat", "concat")
_VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def render_png(chart: Any, colors: ChartColors, font_folder: Path) -> bytes:
    """The chart as a PNG on the colour of the page. `fonts` is the folder that holds Inter as TTF."""
    return bytes(vl_convert.svg_to_png(_flat(render_svg(chart, colors, font_folder)), scale=SCALE))


def render_svg(chart: Any, colors: ChartColors, font_folder: Path) -> str:
    """The chart as an SVG. Its text stays text, in Inter where that is installed."""
    _know(font_folder)
    return _UNSEEN.sub("", vl_convert.vegalite_to_svg(_spec(chart, colors), vl_version=_version(), allowed_base_urls=[]))


def _flat(drawn: str) -> str:
    """The same picture with see-through lines instead of see-through layers: a layer per line took a minute for 300 runs."""
    return _VEILED.sub(r'\1 stroke-opacity="\2" fill-opacity="\2"', drawn)


@lru_cache(maxsize=4)
def _know(fonts: Path) -> None:
    """Tell the renderer of our fonts, once: it reads TTF and no WOFF2."""
    vl_convert.register_font_directory(str(fonts))


def _version() -> str | None:
    """The Vega-Lite that Altair speaks, where the renderer has it; else its newest."""
    return _VERSION if _VERSION in vl_convert.get_vegalite_versions() else None


def _spec(chart: Any, ink: ChartColors) -> dict[str, Any]:
    whole = chart.copy(deep=True)
    _fill(whole)
    spec: dict[str, Any] = whole.to_dict()
    spec["background"] = ink["page"]
    spec["padding"] = 16
    spec["config"] = {"font": FONT} | spec.get("config", {})
    if not any(part in spec for part in ("hconcat", "vconcat", "concat", "facet", "repeat")):
        spec.setdefault("width", WIDTH)
    return spec


def _fill(chart: Any) -> None:
    """Turn the tables of a chart and of its parts into plain values."""
    if isinstance(getattr(chart, "data", None), pd.DataFrame):
        chart.data = alt.InlineData(**alt.to_values(chart.data))
    parts = [part for name in _PARTS if isinstance(found := getattr(chart, name, None), list) for part in found]
    for part in [*parts, getattr(chart, "spec", None)]:
        if part is not None and part is not alt.Undefined:
            _fill(part)
