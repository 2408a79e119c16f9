"""Saved views, downloads, code and experiment actions on the Compare page."""

import ast
import json

import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.mlflow_client import client
from lib.runs.edit.saved_views import SavedView, read_saved_views, save
from lib.runs.filters.explain import collect_known_names
from lib.runs.reading.run_reader import read_experiments
from lib.runs.table.view import ViewState
from lib.theme import LIGHT
from lib.ui.pages.compare.code_dialog import build_script_spec
from lib.ui.pages.compare.downloads import as_png, as_svg
from lib.ui.pages.compare.drawn_charts import DrawnCharts
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.view_state import resolve_view
from tests.support.compare_page import EVIL, open_popover, page_text, query_values
from tests.support.run_factories import START, make_run, make_run_table

MENU = "compare.views.menu"


def open_menu(page: AppTest) -> AppTest:
    """Open the page with the Views menu open."""
    page.session_state[MENU] = True
    return page.run()


def test_a_view_is_saved_for_the_team_with_the_typed_name(app, fresh_store, wine):
    page = open_menu(app("compare", fresh_store, experiment=wine[0], plot="Scatter", pick=wine[1][:2]))
    assert "No saved views yet" in page_text(page)
    page.button(key="compare.views.save").click().run()
    page.text_input(key="compare.views.name").set_value("my forests").run()
    page.text_input(key="session.name").set_value("Ana").run()
    page.button(key="compare.views.confirm").click().run()
    (saved_view,) = read_saved_views(fresh_store, wine[0]).views
    assert (saved_view.name, saved_view.by) == ("my forests", "Ana")
    assert "plot=Scatter" in saved_view.query
    assert "Saved the view my forests" in page.success[0].value
    assert not page.exception


def save_view(store, experiment: str, name: str, query: str) -> SavedView:
    return save(store, SavedView("", experiment, name, query, "Ana", START))


def test_a_kept_view_opens_whole_and_what_it_does_not_say_is_forgotten(app, fresh_store, wine):
    saved_view = save_view(fresh_store, wine[0], "two", f"plot=Scatter&pick={wine[1][0]}&pick={wine[1][2]}&evil=1")
    page = open_menu(app("compare", fresh_store, experiment=wine[0], filter="metrics.accuracy > 0.9"))
    assert "by Ana, typed · " in page_text(page)
    page.button(key=f"compare.views.{saved_view.key}.open").click().run()
    assert query_values(page, "pick") == [wine[1][0], wine[1][2]]
    assert query_values(page, "plot") == ["Scatter"]
    assert not {"filter", "evil"} & set(page.query_params)
    assert page.session_state[MENU] is False


def test_a_hostile_view_is_only_text_and_opens_as_nothing(app, fresh_store, wine):
    saved_view = save_view(
        fresh_store, wine[0], EVIL, "plot=%00&axes=<script>&limit=-1&" + "&".join("pick=x" for _ in range(400))
    )
    client(fresh_store).set_experiment_tag(wine[0], "podium.view.x", "no json")
    page = open_menu(app("compare", fresh_store, experiment=wine[0]))
    assert "![x](http" not in page_text(page)
    assert "1 tag of the experiment looks like a saved view but cannot be read" in page_text(page).replace("\u00a0", " ")
    page.button(key=f"compare.views.{saved_view.key}.open").click().run()
    assert not page.exception


def test_a_view_is_renamed_and_deleted_after_a_question(app, fresh_store, wine):
    saved_view = save_view(fresh_store, wine[0], "old", "plot=Scatter")
    page = open_menu(app("compare", fresh_store, experiment=wine[0]))
    page.button(key=f"compare.views.{saved_view.key}.rename").click().run()
    page.text_input(key="compare.views.name").set_value("new").run()
    page.button(key="compare.views.confirm").click().run()
    assert [view.name for view in read_saved_views(fresh_store, wine[0]).views] == ["new"]
    open_menu(page).button(key=f"compare.views.{saved_view.key}.delete").click().run()
    page.button(key="compare.views.confirm").click().run()
    assert read_saved_views(fresh_store, wine[0]).views == ()


def test_a_taken_name_is_told_in_the_dialog_and_nothing_is_lost(app, fresh_store, wine):
    save_view(fresh_store, wine[0], "mine", "plot=Scatter")
    page = open_menu(app("compare", fresh_store, experiment=wine[0]))
    page.button(key="compare.views.save").click().run()
    page.text_input(key="compare.views.name").set_value("mine").run()
    page.button(key="compare.views.confirm").click().run()
    assert "already" in page.error[0].value
    assert len(read_saved_views(fresh_store, wine[0]).views) == 1


def test_the_code_of_the_page_is_shown_and_is_python(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], plot="Scatter", filter="metrics.accuracy > 0.6")
    page.button(key="compare.code").click().run()
    code = next(block.value for block in page.code if "search_runs" in block.value)
    ast.parse(code)
    assert "FILTER = 'metrics.accuracy > 0.6'" in code
    assert "Y = 'metrics.accuracy'" in code


@pytest.mark.parametrize("plot", ["Parallel", "Scatter", "Box", "Contour", "Curves", "Groups", "Importance", "Artifacts"])
def test_the_recipe_of_a_view_fills_what_the_address_leaves_open(plot, fresh_store):
    table = make_run_table(*(make_run(f"r{n}", params={"n": n, "seed": n}, metrics={"acc": n / 3}) for n in range(4)))
    result = SearchResult(table, table, collect_known_names(table))
    view = ViewState(("1",), plot=plot, color="metrics.acc", x="params.n", y="metrics.acc")
    drawn_view = build_script_spec(resolve_view(view, table), result, fresh_store).view
    assert "metrics.acc" in (drawn_view.y, drawn_view.z)
    assert drawn_view.axes == ("params.n", "params.seed", "metrics.acc")
    assert drawn_view.by == (("params.n",) if plot in ("Box", "Groups") else ())


def test_a_view_without_a_chart_gives_a_picture_that_says_so():
    assert as_png(DrawnCharts(), LIGHT).startswith(b"\x89PNG")
    assert "This view has no chart" in as_svg(DrawnCharts(), LIGHT)


def test_the_first_chart_drawn_is_the_one_that_is_downloaded():
    def page() -> None:
        import altair as alt
        import pandas as pd
        import streamlit as st

        from lib.ui.pages.compare import drawn_charts

        charts = drawn_charts.reset_drawn_charts()
        for name in ("first", "second"):
            drawn_charts.draw_chart(
                alt.Chart(pd.DataFrame({"said": [name]})).mark_text().encode(text="said:N"), f"compare.{name}", name
            )
        st.session_state["found"] = charts.main_chart

    test = AppTest.from_function(page, default_timeout=30).run()
    assert not test.exception
    assert "first" in json.dumps(test.session_state["found"].to_dict())
    assert len(test.get("vega_lite_chart")) == 2


def test_the_downloads_stand_in_one_menu_also_where_the_filter_leaves_nothing(app, fresh_store, wine):
    for filter_text in ("", "metrics.accuracy > 5"):
        page = app("compare", fresh_store, experiment=wine[0], filter=filter_text)
        assert [button.proto.label for button in page.get("download_button")] == ["CSV", "JSON", "PNG", "SVG"]


def open_experiment_dialog(page: AppTest, action: str) -> AppTest:
    """Open the experiment dialog at one of its actions."""
    open_popover(page, "more").button(key="compare.experiments").click().run()
    return page.segmented_control(key="compare.experiments.deed").set_value(action).run()


def test_an_experiment_is_created_and_shown(app, fresh_store, wine):
    page = open_experiment_dialog(app("compare", fresh_store, experiment=wine[0], filter="metrics.accuracy > 0"), "Create")
    page.text_input(key="compare.experiments.new").set_value("fresh").run()
    page.button(key="compare.experiments.confirm").click().run()
    experiment = next(experiment for experiment in read_experiments(fresh_store) if experiment.name == "fresh")
    assert query_values(page, "experiment") == [experiment.experiment_id]
    assert "filter" not in page.query_params
    assert "Created fresh" in page.success[0].value


def test_a_renamed_experiment_keeps_the_view(app, fresh_store, wine):
    page = open_experiment_dialog(app("compare", fresh_store, experiment=wine[0], filter="metrics.accuracy > 0"), "Rename")
    page.text_input(key=f"compare.experiments.name.{wine[0]}").set_value("wine 2").run()
    page.button(key="compare.experiments.confirm").click().run()
    assert {experiment.name for experiment in read_experiments(fresh_store)} == {"Default", "wine 2"}
    assert query_values(page, "filter") == ["metrics.accuracy > 0"]


def test_an_experiment_is_deleted_and_restored(app, fresh_store, wine):
    page = open_experiment_dialog(app("compare", fresh_store, experiment=wine[0]), "Delete")
    assert "and its 3 runs are hidden" in str(page.table[-1].value.values).replace("\u00a0", " ").replace("\\xa0", " ")
    page.button(key="compare.experiments.confirm").click().run()
    assert [experiment.name for experiment in read_experiments(fresh_store)] == ["Default"]
    assert query_values(page, "experiment") == ["0"]
    open_experiment_dialog(page, "Restore").button(key="compare.experiments.confirm").click().run()
    assert query_values(page, "experiment") == [wine[0]]


def test_the_home_of_a_held_version_is_deleted_only_by_typing_its_name(app, fresh_store, wine):
    mlflow = client(fresh_store)
    mlflow.create_registered_model("forest")
    version = mlflow.create_model_version("forest", f"runs:/{wine[1][0]}/model", run_id=wine[1][0])
    mlflow.set_registered_model_alias("forest", "canary", version.version)
    page = open_experiment_dialog(app("compare", fresh_store, experiment=wine[0]), "Delete")
    assert "forest v1 as" in page.warning[0].value
    page.button(key="compare.experiments.confirm").click().run()
    assert "forest v1" in page.error[0].value
    page.text_input(key=f"compare.experiments.typed.{wine[0]}").set_value("wine").run()
    page.button(key="compare.experiments.confirm").click().run()
    assert [experiment.name for experiment in read_experiments(fresh_store)] == ["Default"]


def test_what_became_held_since_the_look_is_not_let_go_unseen(app, fresh_store, wine):
    mlflow = client(fresh_store)
    mlflow.create_registered_model("forest")
    for run_id in wine[1][:2]:
        mlflow.create_model_version("forest", f"runs:/{run_id}/model", run_id=run_id)
    mlflow.set_registered_model_alias("forest", "canary", "1")
    page = open_experiment_dialog(app("compare", fresh_store, experiment=wine[0]), "Delete")
    page.text_input(key=f"compare.experiments.typed.{wine[0]}").set_value("wine").run()
    mlflow.set_registered_model_alias("forest", "blue", "2")
    page.button(key="compare.experiments.confirm").click().run()
    assert "forest v2" in page.error[0].value
    assert {experiment.name for experiment in read_experiments(fresh_store)} == {"Default", "wine"}
