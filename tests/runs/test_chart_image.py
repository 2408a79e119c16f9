"""Charts as images: real pixels, the page's colours, and no process state changed."""

import io
import time
from xml.etree import ElementTree as ET

import altair as alt
import pandas as pd
import pytest
from PIL import Image

from lib.runs.export import chart_image
from lib.runs.plots.axes import build_axis
from lib.runs.plots.parallel import parallel_plot
from lib.runs.plots.scatter import scatter_plot
from lib.runs.plots.style import chart_style
from lib.theme import DARK, FONT_FOLDER, LIGHT
from tests.support.run_factories import make_run, make_run_table

COLUMNS = ("params.n", "metrics.loss", "metrics.acc")
SVG = "{http://www.w3.org/2000/svg}"
RUNS = make_run_table(*(make_run(f"r{n}", metrics={"acc": n / 10, "loss": 1 - n / 10}, params={"n": n}) for n in range(9)))


def draw_chart(colors):
    return scatter_plot(
        RUNS,
        (build_axis(RUNS, "params.n"), build_axis(RUNS, "metrics.acc")),
        chart_style(RUNS, "metrics.acc", ("r1", "r5"), colors),
    )


@pytest.mark.parametrize(("ink", "page"), [(LIGHT, (255, 255, 255)), (DARK, (15, 21, 29))])
def test_a_png_has_the_colour_of_the_page_and_twice_the_pixels(ink, page):
    image = Image.open(io.BytesIO(chart_image.render_png(draw_chart(ink), ink, FONT_FOLDER))).convert("RGB")
    assert image.getpixel((1, 1)) == page
    assert image.width > chart_image.SCALE * chart_image.WIDTH
    assert len(image.getcolors(1 << 24)) > 100


def test_an_svg_is_well_formed_and_says_the_axis_in_text_of_our_font():
    root = ET.fromstring(chart_image.render_svg(draw_chart(LIGHT), LIGHT, FONT_FOLDER))
    texts = [element for element in root.iter(f"{SVG}text") if element.text == "acc ↑"]
    assert texts
    assert texts[0].get("font-family").startswith("Inter")


def test_a_parallel_plot_with_its_brushes_becomes_a_picture():
    chart = parallel_plot(RUNS, [build_axis(RUNS, name) for name in COLUMNS], chart_style(RUNS, "metrics.acc", (), LIGHT))
    assert chart_image.render_svg(chart, LIGHT, FONT_FOLDER).count("<path") > len(RUNS)


def test_more_rows_than_altair_allows_are_drawn_and_its_settings_stay():
    before = (alt.data_transformers.active, dict(alt.data_transformers.options))
    chart = alt.Chart(pd.DataFrame({"x": range(6_000)})).mark_tick().encode(x="x:Q")
    assert chart_image.render_svg(chart, LIGHT, FONT_FOLDER).count("<path") > 6_000
    assert (alt.data_transformers.active, dict(alt.data_transformers.options)) == before


def test_charts_beside_each_other_keep_their_own_width():
    chart = alt.Chart(pd.DataFrame({"x": [1, 2]})).mark_tick().encode(x="x:Q").properties(width=200)
    image = Image.open(io.BytesIO(chart_image.render_png(chart | chart, LIGHT, FONT_FOLDER)))
    assert image.width < chart_image.SCALE * 700


def test_the_chart_itself_is_left_as_it_was():
    chart = draw_chart(LIGHT)
    before = chart.to_json()
    chart_image.render_svg(chart, LIGHT, FONT_FOLDER)
    assert chart.to_json() == before


def test_hostile_names_stay_text():
    evil = "<script>alert(1)</script>"
    chart = alt.Chart(pd.DataFrame({"x": [evil]})).mark_text().encode(text="x:N")
    assert evil not in chart_image.render_svg(chart, LIGHT, FONT_FOLDER)


def test_three_hundred_half_transparent_lines_become_a_picture_in_seconds():
    runs = make_run_table(
        *(make_run(f"r{n}", metrics={"acc": n / 300, "loss": (n * 7 % 300) / 300}, params={"n": n}) for n in range(300))
    )
    chart = parallel_plot(runs, [build_axis(runs, name) for name in COLUMNS], chart_style(runs, "metrics.acc", (), LIGHT))
    before = time.process_time()
    image = Image.open(io.BytesIO(chart_image.render_png(chart, LIGHT, FONT_FOLDER)))
    assert time.process_time() - before < 4
    assert len(image.convert("RGB").getcolors(1 << 24)) > 100


def test_a_run_that_is_called_like_an_attribute_stays_text():
    evil = '<path opacity="0"/> opacity="0.5"'
    chart = (
        alt.Chart(pd.DataFrame({"x": [1, 2], "run": [evil, "b"]}))
        .mark_line(opacity=0.5)
        .encode(x="x:Q", y="x:Q", tooltip="run:N")
    )
    root = ET.fromstring(chart_image.render_svg(chart, LIGHT, FONT_FOLDER))
    assert [element for element in root.iter(f"{SVG}path") if element.get("aria-roledescription") == "line mark"]
    assert chart_image.render_png(chart, LIGHT, FONT_FOLDER).startswith(b"\x89PNG")
