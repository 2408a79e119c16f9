"""Parallel and Scatter on the Compare page: axes, ranges and overlays come from the URL, and a selection returns run ids."""

import html
import json

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.compare_page import EVIL, chart_spec, open_popover, page_text, query_values
from tests.support.run_factories import log_run, make_experiment

TREES = (1, 5, 15, 40, 100)


@pytest.fixture
def forests(fresh_store):
    """Five forests, the last without a depth: (experiment id, run ids by growing number of trees)."""
    experiment = make_experiment(fresh_store, "wine")
    ids = [
        log_run(
            fresh_store,
            experiment,
            f"forest-{trees}",
            params={"trees": trees, **({"depth": 3 + number % 2} if number < 4 else {})},
            metrics={"accuracy": 0.6 + number / 20, "log loss": 0.9 - number / 10},
            minute=number,
        )
        for number, trees in enumerate(TREES)
    ]
    return experiment, ids


def axis_titles(page) -> list[str]:
    """Return the axis titles of a parallel plot, from left to right."""
    layers = chart_spec(page)["layer"]
    label_expression = next(layer["encoding"]["x"]["axis"]["labelExpr"] for layer in layers if layer["encoding"]["x"].get("axis"))
    return list(json.JSONDecoder().raw_decode(label_expression)[0].values())


def selected_run_names(page) -> list[str]:
    """Return the runs in the table below the plot."""
    return page.dataframe[0].value["run"].tolist()


def widget(kind, start: str):
    return next(element for element in kind if element.key.startswith(start))


def test_without_a_wish_the_axes_are_those_that_differ_and_the_colour_comes_last(app, fresh_store, forests):
    assert axis_titles(app("compare", fresh_store, experiment=forests[0])) == ["depth", "trees", "log loss ↓", "accuracy ↑"]


def test_the_axes_stand_in_the_order_of_the_address_and_nonsense_in_it_is_left_out(app, fresh_store, forests):
    axes = ["metrics.accuracy", "params.nope", "params.trees", "nonsense"]
    page = app("compare", fresh_store, experiment=forests[0], axes=axes)
    assert axis_titles(page) == ["accuracy ↑", "trees"]
    widget(open_popover(page, "axes").multiselect, "compare.axes").set_value(["params.trees", "metrics.log loss"]).run()
    assert axis_titles(page) == ["trees", "log loss ↓"]
    assert query_values(page, "axes") == ["params.trees", "metrics.log loss"]
    page.button(key="compare.axes_auto").click().run()
    assert len(axis_titles(page)) == 4


def test_a_range_of_the_address_is_listed_and_brushed(app, fresh_store, forests):
    page = app("compare", fresh_store, experiment=forests[0], range=["params.trees:5..40", "metrics.nope:1..2", "odd"])
    assert selected_run_names(page) == ["forest-40", "forest-15", "forest-5"]
    assert "3 of 5 runs in the range**" in page_text(page).replace("\u00a0", " ")
    brushes = [param for param in chart_spec(page)["params"] if param["name"].startswith("b_n")]
    assert [param["name"] for param in brushes if "value" in param] == ["b_n1"]


def test_runs_without_a_value_are_in_a_range_only_when_it_begins_below_the_axis(app, fresh_store, forests):
    page = app("compare", fresh_store, experiment=forests[0], range=["params.depth:3..4"])
    assert "forest-100" not in selected_run_names(page)
    page = app("compare", fresh_store, experiment=forests[0], range=["params.depth:.."])
    assert selected_run_names(page) == ["forest-100"]


def test_between_two_texts_no_run_is_in_the_range_and_the_page_says_so_and_offers_no_empty_condition(app, fresh_store):
    experiment = make_experiment(fresh_store, "texts")
    for number, mode in enumerate(("a", "b", "c")):
        log_run(fresh_store, experiment, mode, params={"mode": mode}, metrics={"accuracy": number / 4})
    for parameters in ({}, {"plot": "Scatter", "x": "params.mode"}):
        page = app("compare", fresh_store, experiment=experiment, range=["params.mode:c..b"], **parameters)
        assert "0 of 3 runs in the" in page_text(page).replace("\u00a0", " ")
        assert "mode between two values" in html.unescape(page_text(page))
        assert not [button for button in page.button if button.key == "compare.keep_only"]
        page.button(key="compare.let_go_of_range").click().run()
        assert query_values(page, "range") == []


def test_of_five_picked_runs_the_page_says_that_four_carry_a_mark(app, fresh_store, forests):
    page = app("compare", fresh_store, experiment=forests[0], pick=forests[1])
    assert "The first four of 5 picked runs have a letter." in page_text(page).replace("\u00a0", " ")
    page = app("compare", fresh_store, experiment=forests[0], pick=forests[1][:4])
    assert "have a letter" not in page_text(page)


def test_a_slider_keeps_a_range_in_the_address_and_its_whole_width_lets_go(app, fresh_store, forests):
    page = app("compare", fresh_store, experiment=forests[0], range=["metrics.accuracy:0.6..0.7"])
    slider = next(slider for slider in open_popover(page, "ranges").select_slider if slider.label == "trees")
    assert slider.options == ["1", "5", "15", "40", "100"]
    slider.set_range("5", "100").run()
    assert query_values(page, "range") == ["metrics.accuracy:0.6..0.7", "params.trees:5..100"]
    assert selected_run_names(page) == ["forest-15", "forest-5"]
    next(slider for slider in open_popover(page, "ranges").select_slider if slider.label == "trees").set_range("1", "100").run()
    assert query_values(page, "range") == ["metrics.accuracy:0.6..0.7"]


def test_the_runs_in_a_range_are_picked_by_id_and_join_those_picked_before(app, fresh_store, forests):
    one_tree, five_trees, fifteen_trees, *_ = forests[1]
    page = app("compare", fresh_store, experiment=forests[0], range=["params.trees:5..15"], pick=[one_tree])
    page.button(key="compare.pick_these").click().run()
    assert query_values(page, "pick") == [one_tree, fifteen_trees, five_trees]
    assert page.button(key="compare.pick_these").disabled
    page.button(key="compare.let_go_of_range").click().run()
    assert query_values(page, "range") == []
    assert query_values(page, "pick") == [one_tree, fifteen_trees, five_trees]


def test_an_axis_is_logarithmic_when_the_reader_says_so_and_stays_linear_when_they_say_that(app, fresh_store, forests):
    page = app("compare", fresh_store, experiment=forests[0])
    assert widget(open_popover(page, "axes").get("button_group"), "compare.log").value == ["params.trees"]
    page = app("compare", fresh_store, experiment=forests[0], plot="Scatter", x="params.trees", log="-params.trees")
    assert chart_spec(page)["layer"][0]["encoding"]["x"]["scale"]["type"] == "linear"
    page = app("compare", fresh_store, experiment=forests[0], plot="Scatter", x="metrics.log loss", log="metrics.log loss")
    assert chart_spec(page)["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"


def test_only_brushes_tell_the_page_anything_hovering_does_not(app, fresh_store, forests):
    page = app("compare", fresh_store, experiment=forests[0])
    assert list(page.get("vega_lite_chart")[0].proto.selection_mode) == ["b_n0", "b_n1", "b_n2", "b_n3"]
    assert "hover" in [param["name"] for param in chart_spec(page)["params"]]


def test_the_front_is_named_drawn_and_picked(app, fresh_store, forests):
    parameters = {"plot": "Scatter", "x": "metrics.log loss", "y": "metrics.accuracy"}
    page = app("compare", fresh_store, experiment=forests[0], mark="pareto", **parameters)
    text = page_text(page).replace("\u00a0", " ").replace("&#45;", "-")
    assert "Pareto front of log loss ↓ and accuracy ↑, 1 of 5 runs: forest-100." in html.unescape(text)
    page.button(key="compare.pick_front").click().run()
    assert query_values(page, "pick") == [forests[1][-1]]
    page = app("compare", fresh_store, experiment=forests[0], mark="pareto", plot="Scatter", x="params.trees")
    assert "A Pareto front needs two different metrics" in page_text(page)


def test_a_trend_says_where_it_goes_what_it_is_and_what_it_needs(app, fresh_store, forests):
    page = app("compare", fresh_store, experiment=forests[0], mark=["trend", "odd"], plot="Scatter", x="params.trees")
    text = page_text(page).replace("\u00a0", " ")
    assert (
        "Trend: accuracy rises with trees. Straight line through 5 runs with the 95% confidence interval of the mean"
        in html.unescape(text)
    )
    assert "fitted to the logarithm of trees" in text
    assert "Trend: accuracy rises" in page.get("vega_lite_chart")[0].proto.alt
    page = app(
        "compare", fresh_store, experiment=forests[0], mark="trend", plot="Scatter", x="params.depth", filter="params.depth = '3'"
    )
    assert "A trend needs" in page_text(page) or "Nothing to plot" in page_text(page)


def test_a_box_of_the_address_lists_its_runs(app, fresh_store, forests):
    parameters = {"plot": "Scatter", "x": "params.trees", "y": "metrics.accuracy"}
    page = app(
        "compare", fresh_store, experiment=forests[0], range=["params.trees:5..40", "metrics.accuracy:0.7..1"], **parameters
    )
    assert selected_run_names(page) == ["forest-40", "forest-15"]
    assert "2 of 5 runs in the box" in page_text(page).replace("\u00a0", " ")


def test_the_alt_text_tells_the_finding(app, fresh_store, forests):
    alt = app("compare", fresh_store, experiment=forests[0]).get("vega_lite_chart")[0].proto.alt
    assert alt.endswith("The best accuracy ↑ is 0.8000, reached by forest-100.")


def test_hostile_names_stay_text_in_the_foot_and_the_link(app, fresh_store):
    experiment = make_experiment(fresh_store, "odd")
    for n in range(5):
        log_run(
            fresh_store,
            experiment,
            f"{EVIL} {n}",
            params={"a:b../c d": n, "t": f"{EVIL}..{n}"},
            metrics={"a": n, "b": -n},
            minute=n,
        )
    page = app("compare", fresh_store, experiment=experiment, range=["params.a:b../c d:1..3", f"params.t:{EVIL}..0..{EVIL}..2"])
    assert [name[-1] for name in selected_run_names(page)] == ["2", "1"]
    page = app(
        "compare", fresh_store, experiment=experiment, plot="Scatter", x="metrics.a", y="metrics.b", mark=["pareto", "trend"]
    )
    for mark in ("![x]", "<img", ":green-badge[All"):
        assert mark not in page_text(page)


def test_two_long_names_with_the_same_beginning_stay_two_wherever_they_are_read(app, fresh_store):
    experiment, twins = (
        make_experiment(fresh_store, "twins"),
        ["a very long name that ends in one", "a very long name that ends in two"],
    )
    for n in range(4):
        log_run(fresh_store, experiment, f"r{n}", params={twins[0]: n, twins[1]: -n}, metrics={"a": n}, minute=n)
    page = app("compare", fresh_store, experiment=experiment, range=["metrics.a:1..2"])
    assert len(set(axis_titles(page))) == 3
    assert len(set(widget(open_popover(page, "axes").multiselect, "compare.axes").options)) == 3
    assert len({slider.label for slider in open_popover(page, "ranges").select_slider}) == 3
    columns = json.loads(page.dataframe[0].proto.columns)
    assert len({column.get("label", name) for name, column in columns.items()}) == len(columns)
    page = app("compare", fresh_store, experiment=experiment, plot="Scatter")
    assert len({label[-6:] for label in page.selectbox(key="compare.x").options}) == 3


def _draw_brushes_page() -> None:
    """Return the browser events of a brush on one axis, a second brush, and the first one cleared."""
    import streamlit as st

    from lib.runs.plots.axes import build_axis
    from lib.ui.pages.compare import brush
    from lib.ui.pages.compare.plot_parallel import _decode_brushes
    from tests.support.run_factories import make_run, make_run_table

    runs = make_run_table(*(make_run(str(n), params={"n": n, "k": n}) for n in range(11)))
    axes = [build_axis(runs, "params.n"), build_axis(runs, "params.k")]
    numbers = [brush.brush_state("p", axes).redraw_count]
    for selection in (
        {"b_n0": {"norm": [0.2, 0.5]}},
        {"b_n0": {"norm": [0.2, 0.5]}, "b_n1": {"norm": [0.31, 2]}},
        {"b_n0": {}, "b_n1": {"norm": [0.31, 2]}},
    ):
        st.session_state["key"] = {"selection": selection}
        brush.on_brush_change("p", "key", axes, lambda previous, current: _decode_brushes(axes, previous, current))
        st.text(" ".join(st.query_params.get_all("range")))
        numbers.append(brush.brush_state("p", axes).redraw_count)
    brush.update_ranges({"params.k": None}, axes)
    st.text([*numbers, brush.brush_state("p", axes).redraw_count])


def test_a_brush_changes_its_own_range_only_and_never_has_its_plot_drawn_anew():
    script = AppTest.from_function(_draw_brushes_page)
    script.query_params["range"] = "metrics.elsewhere:1..2"
    script.run()
    assert not script.exception
    assert [text.value for text in script.text] == [
        "metrics.elsewhere:1..2 params.n:2..5",
        "metrics.elsewhere:1..2 params.n:2..5 params.k:4..10",
        "metrics.elsewhere:1..2 params.k:4..10",
        "[0, 0, 0, 0, 1]",
    ]


def drag(driver, start: tuple[float, float], end: tuple[float, float]) -> None:
    mouse = driver.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(*end, steps=6)
    mouse.up()
    mouse.move(2, 2)
    driver.page.wait_for_timeout(400)
    driver.settle()


def mark_settled_plot(driver) -> None:
    """Mark the current plot once the browser has stopped re-embedding it; on a busy machine that is after the page has settled."""
    for _ in range(20):
        driver.page.evaluate("document.querySelector('svg.marks').dataset.mine = '1'")
        driver.page.wait_for_timeout(800)
        if driver.page.locator("svg.marks[data-mine]").count():
            return
    pytest.fail("the plot never stood still")


@pytest.mark.slow
@pytest.mark.browser
def test_in_a_browser_a_brush_gives_its_runs_survives_a_pick_and_hovering_changes_nothing(window, podium, fresh_store, forests):
    driver = window(podium(fresh_store)).open(f"/compare?experiment={forests[0]}")
    head = driver.page.locator(".st-key-compare-chart svg text", has_text="trees").first.bounding_box()
    x, y = head["x"] + head["width"] / 2, head["y"] + head["height"]
    mark_settled_plot(driver)
    drag(driver, (x, y + 30), (x, y + 110))
    assert "range=params.trees%3A" in driver.page.url
    assert driver.page.locator("svg.marks[data-mine]").count() == 1, "a brush must not have its own plot drawn anew"
    url = driver.page.url
    driver.page.mouse.move(x + 3, y + 60, steps=5)
    driver.page.wait_for_timeout(400)
    assert driver.page.url == url
    driver.click("Pick these")
    bars = driver.page.locator(".st-key-compare-chart svg line[opacity='0.6']")
    assert bars.count() == 1, "the brush is still there after a pick"
    driver.page.get_by_role("button", name="Axes").click()
    axis_tags = driver.page.get_by_test_id("stPopoverBody").locator("[data-tag]")
    axis_tags.first.wait_for()
    assert axis_tags.all_text_contents() == ["depth", "trees", "log loss", "accuracy"]


@pytest.mark.slow
@pytest.mark.browser
def test_in_a_browser_a_box_over_points_gives_its_runs_and_a_click_gives_one(window, podium, fresh_store, forests):
    path = f"/compare?experiment={forests[0]}&plot=Scatter&x=params.trees&y=metrics.accuracy"
    driver = window(podium(fresh_store), scheme="dark", width=1280).open(path)
    plot = driver.page.locator(".st-key-compare-chart svg.marks").bounding_box()
    drag(driver, (plot["x"] + 60, plot["y"] + 30), (plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] - 60))
    assert "range=params.trees" in driver.page.url
    assert "range=metrics.accuracy" in driver.page.url
    point = driver.page.locator(".st-key-compare-chart svg path[aria-roledescription=point]").last.bounding_box()
    driver.page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    driver.page.wait_for_timeout(400)
    driver.settle()
    assert "range=" not in driver.page.url
    assert driver.page.get_by_text("1 of 5 runs clicked").count() == 1
