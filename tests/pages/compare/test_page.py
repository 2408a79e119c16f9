"""The Compare page: the view is in the URL, runs are identified by id, and every empty state names the next step."""

import json

import pytest
from mlflow.entities import TraceInfo, TraceLocation, TraceState
from streamlit.testing.v1 import AppTest

from lib.backends.mlflow_client import client
from tests.support.compare_page import EVIL, chart_spec, open_popover, page_text, query_values, run_names
from tests.support.page_driver import click_button
from tests.support.run_factories import log_run, make_experiment


def difference_rows(page) -> list[list[str]]:
    return page.table[0].value.values.tolist()


def test_the_header_says_how_much_one_row_is_worth(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0])
    assert page.title[0].value == "Compare"
    assert (
        page.caption[0]
        .value.replace("\u00a0", " ")
        .endswith("wine · 3 runs · accuracy is measured on 18 held-out rows, so one row is 5.6 points")
    )


def test_without_an_address_the_experiment_where_something_ran_last_is_shown_and_put_into_it(app, fresh_store, wine):
    make_experiment(fresh_store, "empty and newer")
    page = app("compare", fresh_store)
    assert query_values(page, "experiment") == [wine[0]]
    assert run_names(page) == ["forest-15", "forest-5", "forest-1"]


def test_constants_are_folded_into_one_line_and_are_no_columns(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0])
    assert "Same in all runs: seed 42 · test&#95;rows 18." in page_text(page)
    assert [column for column in page.dataframe[0].value if column.startswith("params.")] == ["params.trees"]


def test_picked_runs_of_a_link_stand_side_by_side_in_the_order_of_the_link(app, fresh_store, wine):
    one_tree, _, fifteen_trees = wine[1]
    page = app("compare", fresh_store, experiment=wine[0], pick=[fifteen_trees, one_tree])
    rows = difference_rows(page)
    assert [[cell.replace("&#46;", ".") for cell in row[1:3]] for row in rows] == [
        ["0.9444", "0.6667"],
        ["0.2000", "0.9000"],
        ["15", "1"],
    ]
    assert ":green[better]" in str(rows)
    assert "One run each on 18 rows: a difference of one row is not evidence." in page_text(page).replace("\u00a0", " ")


def test_the_best_two_are_one_click_away_and_the_click_goes_into_the_address(app, fresh_store, wine):
    one_tree, _, fifteen_trees = wine[1]
    page = app("compare", fresh_store, experiment=wine[0])
    page.button(key="compare.best_two").click().run()
    assert query_values(page, "pick") == [fifteen_trees, one_tree]
    page.button(key="compare.let_go").click().run()
    assert "pick" not in page.query_params


def test_a_filter_of_the_address_leaves_its_runs(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], filter="metrics.accuracy > 0.9 and params.trees = '5'")
    assert run_names(page) == ["forest-5"]
    assert "1 of 3" in page_text(page)


def test_a_wrong_filter_is_told_in_plain_words_and_not_applied(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0])
    page.text_input(key="compare.filter").set_value("accuracy > 0.9").run()
    assert query_values(page, "filter") == ["accuracy > 0.9"]
    assert "accuracy needs a prefix: metrics&#46;accuracy" in page_text(page)
    assert len(run_names(page)) == 3
    assert not page.error


def test_a_name_that_no_run_has_is_told_with_the_nearest_one(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], filter="metrics.acuracy > 0.5")
    assert "Did you mean metrics&#46;accuracy?" in page_text(page)
    page.button(key="compare.clear").click().run()
    assert "filter" not in page.query_params
    assert len(run_names(page)) == 3


def test_an_offered_condition_is_added_to_the_filter(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], filter="status = 'FINISHED'")
    open_popover(page, "refine").selectbox(key="compare.add").set_value("params.trees = '1'").run()
    assert run_names(page) == ["forest-1"]
    assert page.text_input(key="compare.filter").value == "status = 'FINISHED' and params.trees = '1'"


def test_the_order_is_carried_by_the_address_and_a_loss_starts_with_the_smallest(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], sort="metrics.log loss")
    assert run_names(page) == ["forest-15", "forest-5", "forest-1"]
    page.button(key="compare.turn").click().run()
    assert run_names(page) == ["forest-1", "forest-5", "forest-15"]
    assert query_values(page, "order") == ["falling"]


def test_another_experiment_forgets_filter_and_picks_and_keeps_the_plot(app, fresh_store, wine, search):
    page = app("compare", fresh_store, experiment=wine[0], pick=wine[1], plot="Scatter", filter="metrics.accuracy > 0")
    page.selectbox(key="compare.experiment").set_value(search[0]).run()
    assert {key: query_values(page, key) for key in page.query_params} == {"experiment": [search[0]], "plot": ["Scatter"]}


def test_children_stand_below_their_parent_and_fold_away(app, fresh_store, search):
    page = app("compare", fresh_store, experiment=search[0])
    assert run_names(page) == ["grid", "trial-2", "trial-1"]
    assert page.dataframe[0].value["name"].iloc[1].endswith("└ trial-2")
    open_popover(page, "refine").segmented_control(key="compare.families").set_value("hidden").run()
    assert run_names(page) == ["grid"]
    assert query_values(page, "children") == ["hidden"]


def test_a_run_that_is_picked_but_filtered_out_stays_picked_and_the_card_says_so(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], pick=wine[1][:2], filter="params.trees = '15'", only="picked")
    assert run_names(page) == ["forest-15"]
    assert "Not in the table: A, B." in page_text(page)


def test_a_scatter_draws_the_two_chosen_columns(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], plot="Scatter", x="params.trees", y="metrics.log loss")
    assert chart_spec(page)["title"]["text"] == "log loss ↓"
    page.selectbox(key="compare.y").set_value("metrics.accuracy").run()
    assert chart_spec(page)["title"]["text"] == "accuracy ↑"


def test_an_unknown_experiment_is_named_and_the_newest_shown(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment="4711", pick=["deadbeef"])
    assert "Experiment 4711 does not exist on this backend" in page_text(page)
    assert "not in this experiment: deadbeef" in page_text(page)
    assert len(run_names(page)) == 3


@pytest.mark.parametrize(
    "odd", [{"color": "metrics.nope"}, {"plot": "Pie"}, {"x": "params.nope", "plot": "Scatter"}, {"sort": "1"}, {"order": "?"}]
)
def test_an_odd_address_falls_back_quietly(app, fresh_store, wine, odd):
    assert len(run_names(app("compare", fresh_store, experiment=wine[0], **odd))) == 3


def test_an_experiment_without_runs_points_to_launch(app, fresh_store):
    page = app("compare", fresh_store)
    assert "No runs yet" in page_text(page)
    assert page.button(key="compare.launch").label == "Start a demo"


def test_a_backend_without_experiments_points_to_launch(app, fresh_store):
    client(fresh_store).delete_experiment("0")
    page = app("compare", fresh_store)
    assert "No experiments yet" in page_text(page)
    assert page.button(key="compare.launch").label == "Launch a demo"


def test_one_run_alone_has_nothing_to_be_compared_with(app, fresh_store):
    experiment = make_experiment(fresh_store, "single")
    log_run(fresh_store, experiment, "only", metrics={"accuracy": 0.9})
    page = app("compare", fresh_store, experiment=experiment)
    assert "Only one run to show" in page_text(page)
    assert "Pick two runs" not in page_text(page)
    assert page.button(key="compare.launch").label == "Start a demo"


def test_runs_without_any_metric_are_listed_newest_first(app, fresh_store):
    experiment = make_experiment(fresh_store, "bare")
    for minute in range(2):
        log_run(fresh_store, experiment, f"r{minute}", params={"n": minute}, minute=minute)
    page = app("compare", fresh_store, experiment=experiment)
    assert run_names(page) == ["r1", "r0"]
    assert page.button(key="compare.register").disabled


def test_the_best_run_goes_to_the_models_page(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0])
    assert not page.button(key="compare.register").disabled
    page.button(key="compare.register").click().run()
    assert query_values(page, "register") == [wine[1][2]]


def test_the_best_of_a_search_is_the_parent_that_keeps_the_model(app, fresh_store, search):
    button = app("compare", fresh_store, experiment=search[0]).button(key="compare.register")
    assert button.help.replace("&#45;", "-").startswith("grid:")
    assert "measured in trial-2" in button.help.replace("&#45;", "-")


def test_hostile_names_stay_text(app, fresh_store):
    experiment = make_experiment(fresh_store, EVIL)
    ids = [
        log_run(
            fresh_store,
            experiment,
            f"{EVIL} {n}",
            params={"kind": ["**b**", "`c`"][n], "same": EVIL},
            metrics={"accuracy": n / 2},
            minute=n,
        )
        for n in range(2)
    ]
    page = app("compare", fresh_store, experiment=experiment, pick=ids, filter=f"tags.note = '{EVIL}'")
    page.button(key="compare.clear").click().run()
    texts = page_text(page) + str(difference_rows(page)) + page.button(key="compare.register").help
    for mark in ("![x]", "<img", ":green-badge[All", "**b**", "`c`"):
        assert mark not in texts


def _select_rows_page() -> None:
    import streamlit as st

    from lib.ui.pages.compare.run_picker import on_row_selection

    st.session_state["table"] = {"selection": {"rows": [int(row) for row in st.query_params.get_all("row")]}}
    on_row_selection("table", ["a", "b", "c"], [int(row) for row in st.query_params.get_all("drawn")])


@pytest.mark.parametrize(
    ("before", "drawn", "rows", "after"),
    [
        (["b"], ["1"], ["0", "1"], ["b", "a"]),
        (["hidden", "b"], ["1"], [], ["hidden"]),
        (["x"], ["0"], ["0"], ["x"]),
        ([], [], ["2", "0"], ["a", "c"]),
    ],
    ids=["picks keep their order", "hidden ones stay", "an echo of what was drawn picks nothing", "ids not rows"],
)
def test_a_click_in_the_table_is_kept_by_id(before, drawn, rows, after):
    script = AppTest.from_function(_select_rows_page)
    for name, value in {"experiment": ["1"], "pick": before, "drawn": drawn, "row": rows}.items():
        if value:
            script.query_params[name] = value
    script.run()
    assert not script.exception
    assert query_values(script, "pick") == after


def tick_first_row(driver) -> None:
    """Click the checkbox of the first row, below a header of 32 pixels."""
    table = driver.page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    driver.page.mouse.click(box["x"] + 16, box["y"] + 32 + 15)
    driver.page.wait_for_timeout(300)
    driver.settle()


@pytest.mark.browser
def test_in_a_browser_rows_are_picked_by_id_whatever_the_order_and_let_go_with_the_experiment(
    window, podium, fresh_store, wine, search
):
    one_tree, _, fifteen_trees = wine[1]
    driver = window(podium(fresh_store), scheme="dark", width=1280).open(f"/compare?experiment={wine[0]}&order=rising")
    tick_first_row(driver)
    assert f"&pick={one_tree}" in driver.page.url
    driver.click("Lowest")
    tick_first_row(driver)
    assert f"pick={one_tree}&pick={fifteen_trees}" in driver.page.url
    assert driver.page.locator(".st-key-compare-chart svg [fill^=url]").count() == 0, (
        "a fill by address goes white when that changes"
    )
    driver.page.get_by_role("combobox", name="Experiment").click()
    driver.page.get_by_role("option", name="search").click()
    driver.settle()
    assert driver.query() == {"experiment": [search[0]]}
    driver.visit("Models").visit("Compare")
    assert driver.query() == {"experiment": [search[0]]}


@pytest.mark.slow
@pytest.mark.browser
def test_in_a_browser_dragging_along_an_axis_fades_the_runs_outside(window, podium, fresh_store, wine):
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine[0]}")
    head = driver.page.locator(".st-key-compare-chart svg text", has_text="trees").first.bounding_box()
    x = head["x"] + head["width"] / 2
    lines = driver.page.locator(".st-key-compare-chart svg g.mark-line path[opacity='0.6']")
    line_count = lines.count()
    driver.page.mouse.move(x, head["y"] + 30)
    driver.page.mouse.down()
    driver.page.mouse.move(x, head["y"] + 60, steps=5)
    driver.page.mouse.up()
    driver.page.mouse.move(2, 2)
    assert line_count == 3
    faded = ".st-key-compare-chart svg g.mark-line path[opacity='0.05']"
    driver.page.wait_for_function(f'document.querySelectorAll("{faded}").length === 2')


def test_names_and_values_that_share_their_beginning_stay_apart_in_the_table(app, fresh_store):
    experiment = make_experiment(fresh_store, "twins")
    for number, end in enumerate(("one", "two")):
        log_run(
            fresh_store,
            experiment,
            f"a run whose name is much longer than its cell, number {end}",
            params={"note": f"a value that is cut by the edge of its cell, {end}", "acc": end},
            metrics={"acc": number},
            minute=number,
        )
    table = app("compare", fresh_store, experiment=experiment).dataframe[0]
    for column, length in (("name", 18), ("params.note", 24)):
        cells = list(table.value[column])
        assert len({cell[:length] for cell in cells}) == 2, "cut by the edge they would be one"
    labels = [column["label"] for column in json.loads(table.proto.columns).values() if "label" in column]
    assert len(labels) == len(set(labels)), labels


def test_an_experiment_with_traces_only_says_so(app, fresh_store):
    experiment = make_experiment(fresh_store, "chat")
    trace = TraceInfo(
        trace_id="tr-1",
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=0,
        state=TraceState.OK,
        execution_duration=1,
    )
    client(fresh_store)._tracing_client.start_trace(trace)
    page = app("compare", fresh_store, experiment=experiment)
    assert "Traces only, no runs" in page_text(page)
    assert "Start a demo" not in [button.label for button in page.button]


def test_more_than_four_picked_runs_lead_to_all_of_them(app, fresh_store):
    experiment = make_experiment(fresh_store, "many")
    ids = [log_run(fresh_store, experiment, f"r{n}", params={"n": n}, metrics={"accuracy": n / 10}) for n in range(6)]
    page = click_button(app("compare", fresh_store, experiment=experiment, pick=ids), "compare.all_differences")
    assert query_values(page, "plot") == ["Differences"]
    assert any("Differences between 6 runs" in table.proto.alt for table in page.dataframe)
