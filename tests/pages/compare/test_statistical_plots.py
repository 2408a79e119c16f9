"""Box, Contour, Groups and Importance on the Compare page: each draws, reports what it omits, or states what it needs."""

import json
import re

import pytest
from playwright.sync_api import expect

from lib.ui.pages.compare.plot_groups import as_csv
from tests.support.compare_page import EVIL, chart_alt, chart_spec, open_popover, plain_text, query_values
from tests.support.run_factories import log_run, make_experiment

PLOTS = ("Box", "Contour", "Groups", "Importance")


def make_repeats(store, name="repeats", depths=(2, 4, 8), seeds=range(3)):
    """An experiment with several depths and seeds: (experiment id, run ids)."""
    experiment = make_experiment(store, name)
    ids = [
        log_run(
            store,
            experiment,
            f"d{depth}-s{seed}",
            params={"depth": depth, "trees": depth * (seed + 1), "seed": seed},
            metrics={"accuracy": 0.5 + depth / 20 + seed / 500, "log loss": 1 / depth},
            tags={"team": "ab"[seed % 2]},
            minute=n,
            model=False,
        )
        for n, (depth, seed) in enumerate((depth, seed) for depth in depths for seed in seeds)
    ]
    return experiment, ids


def test_a_box_plot_has_a_box_for_each_group_and_says_n(app, fresh_store):
    page = app("compare", fresh_store, experiment=make_repeats(fresh_store)[0], plot="Box", by="params.depth")
    assert json.dumps(chart_spec(page)).count("n = 3") >= 3
    assert "accuracy ↑ by depth: 2 has a median of 0.6020, n = 3; 4 has" in chart_alt(page)
    assert "In groups with fewer than five runs, look at the points" in plain_text(page)


def test_a_box_plot_of_a_tag_in_the_order_of_the_median_is_in_the_address(app, fresh_store):
    page = app("compare", fresh_store, experiment=make_repeats(fresh_store)[0], plot="Box", by="params.depth")
    page.selectbox(key="compare.box.order").set_value("median").run()
    assert query_values(page, "by") == ["params.depth", "median"]
    assert "by depth: 8 has a median" in chart_alt(page)
    page.selectbox(key="compare.box.by").set_value("tags.team").run()
    assert query_values(page, "by") == ["tags.team", "median"]
    assert "by tag team" in chart_alt(page)
    page.selectbox(key="compare.y").set_value("metrics.log loss").run()
    assert "log loss ↓ by tag team" in chart_alt(page)


def test_a_box_plot_cuts_a_number_with_many_values_into_ranges_and_says_so(app, fresh_store):
    experiment_and_ids = make_repeats(fresh_store, depths=range(2, 20), seeds=range(1))
    page = app("compare", fresh_store, experiment=experiment_and_ids[0], plot="Box", by="params.depth")
    assert "depth has too many values; runs are binned into ranges" in plain_text(page)
    assert "2 to 5 has a median" in chart_alt(page)


def test_a_box_plot_with_many_groups_says_which_are_left_out(app, fresh_store):
    experiment = make_experiment(fresh_store, "texts")
    for n in range(15):
        log_run(fresh_store, experiment, f"r{n}", params={"p": f"p{n}"}, metrics={"m": n}, minute=n, model=False)
    page = app("compare", fresh_store, experiment=experiment, plot="Box")
    assert "Showing 12 of 15 groups, the largest and those of picked runs; 3 runs not shown." in plain_text(page)


def test_a_contour_says_that_it_is_interpolated_and_names_the_best(app, fresh_store):
    page = app(
        "compare", fresh_store, experiment=make_repeats(fresh_store)[0], plot="Contour", x="params.depth", y="params.trees"
    )
    assert "Interpolated from 9 runs; between the points the surface is an estimate." in plain_text(page)
    assert chart_alt(page) == "accuracy ↑ over depth and trees, interpolated between 9 runs; the best run is d8-s2"


def test_a_contour_without_enough_runs_says_how_many_it_takes(app, fresh_store):
    page = app("compare", fresh_store, experiment=make_repeats(fresh_store, depths=(2, 4))[0], plot="Contour")
    assert "At least 8 runs with a number in all three columns are needed; there are 6." in plain_text(page)
    assert "Usable columns" not in plain_text(page)


def test_a_contour_of_columns_that_move_together_is_refused_and_says_what_would_do(app, fresh_store):
    experiment = make_experiment(fresh_store, "line")
    for n in range(9):
        log_run(
            fresh_store,
            experiment,
            f"r{n}",
            params={"a": n, "b": 2 * n, "c": n * n % 7},
            metrics={"m": n % 4},
            minute=n,
            model=False,
        )
    page = app("compare", fresh_store, experiment=experiment, plot="Contour", x="params.a", y="params.b")
    assert "All runs are on one line" in plain_text(page)
    assert "Usable columns: c." in plain_text(page)


def test_groups_take_the_seed_for_a_repeat_and_say_who_leads(app, fresh_store):
    experiment_and_ids = make_repeats(fresh_store)
    page = app("compare", fresh_store, experiment=experiment_and_ids[0], plot="Groups", by="params.depth")
    assert "**8** has the best mean among repeated runs: 0.9020 (0.8970 to 0.9070, n = 3). 2 groups are worse." in plain_text(
        page
    )
    table = page.dataframe[0].value
    assert table["params.depth"].tolist() == ["8", "4", "2"]
    assert table.n.tolist() == [3, 3, 3]
    assert table.standing.tolist() == ["best", "worse", "worse"]


def test_groups_by_default_leave_the_seed_out_and_say_so(app, fresh_store):
    experiment = make_experiment(fresh_store, "seeds")
    for n in range(6):
        log_run(fresh_store, experiment, f"r{n}", params={"p": n % 2, "seed": n}, metrics={"accuracy": n}, minute=n, model=False)
    page = app("compare", fresh_store, experiment=experiment, plot="Groups")
    assert "Treated as repeats: seed." in plain_text(page)
    assert "Cannot tell] it apart from 1 other group." in plain_text(page)


def test_groups_without_a_repeat_say_so_and_offer_the_column_that_tells_most(app, fresh_store):
    page = app("compare", fresh_store, experiment=make_repeats(fresh_store)[0], plot="Groups", by=["params.depth", "params.seed"])
    assert "Cannot tell: no repeated runs" in plain_text(page)
    page.button(key="compare.groups.fewer").click().run()
    assert query_values(page, "by") == ["params.depth"]
    assert "has the best mean" in plain_text(page)


def test_the_groups_can_be_chosen_and_the_address_follows(app, fresh_store):
    page = app("compare", fresh_store, experiment=make_repeats(fresh_store)[0], plot="Groups", by="params.depth")
    open_popover(page, "by").multiselect(key="compare.by").set_value(["tags.team"]).run()
    assert query_values(page, "by") == ["tags.team"]
    assert set(page.dataframe[0].value["tags.team"]) == {"a", "b"}


def test_the_csv_of_the_groups_holds_no_formula_and_keeps_negative_numbers():
    import pandas as pd

    table = pd.DataFrame({"=x": ["=1+1", "+1", "-1", "@a", "fine"], "mean": [-0.5] * 5})
    lines = as_csv(table).splitlines()
    assert lines == ["'=x,mean", "'=1+1,-0.5", "+1,-0.5", "-1,-0.5", "'@a,-0.5", "fine,-0.5"]


def test_importance_names_what_the_metric_depends_on(app, fresh_store):
    experiment_and_ids = make_repeats(fresh_store, depths=range(2, 12), seeds=range(3))
    page = app("compare", fresh_store, experiment=experiment_and_ids[0], plot="Importance")
    assert "of the variation in accuracy on unseen runs." in plain_text(page)
    assert "**depth**" in plain_text(page)
    assert chart_alt(page).startswith("Importance of parameters for accuracy ↑, explained")


def test_importance_of_noise_cannot_be_told(app, fresh_store):
    experiment = make_experiment(fresh_store, "noise")
    for n in range(24):
        log_run(fresh_store, experiment, f"r{n}", params={"p": n % 5}, metrics={"m": n * 7919 % 31}, minute=n, model=False)
    page = app("compare", fresh_store, experiment=experiment, plot="Importance")
    assert "Cannot tell] what m depends on: these parameters explain almost none" in plain_text(page)
    assert not page.get("vega_lite_chart")


def test_importance_of_few_runs_says_how_many_it_takes(app, fresh_store):
    page = app("compare", fresh_store, experiment=make_repeats(fresh_store)[0], plot="Importance")
    assert "At least 20 runs with a number in this metric are needed; there are 9." in plain_text(page)


@pytest.mark.parametrize("plot", PLOTS)
def test_nonsense_in_the_address_is_replaced_by_what_fits(app, fresh_store, plot):
    parameters = {"x": "params.gone", "y": "params.depth", "z": EVIL, "by": ["nope", "metrics.accuracy", "tags.", "median"]}
    page = app("compare", fresh_store, experiment=make_repeats(fresh_store)[0], plot=plot, **parameters)
    assert not page.exception
    assert not page.error


@pytest.mark.parametrize("plot", PLOTS)
def test_hostile_names_and_values_stay_text(app, fresh_store, plot):
    experiment = make_experiment(fresh_store, "evil")
    for n in range(24):
        name = f"{EVIL}{n % 3}"
        log_run(
            fresh_store,
            experiment,
            name,
            params={":material/home: __p__": name, "a": n, "b": n % 4},
            metrics={":material/home: __m__": n},
            tags={"t": name},
            minute=n,
            model=False,
        )
    page = app("compare", fresh_store, experiment=experiment, plot=plot, by=["params.:material/home: __p__"])
    text = " ".join(str(element.value) for kind in (page.markdown, page.caption) for element in kind)
    assert "<img" not in text
    assert "![x]" not in text
    assert ":green-badge[All" not in text
    assert ":material/home:" not in text
    assert "__" not in text


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_metric_without_a_number_says_what_it_needs(app, fresh_store, plot, odd):
    experiment = make_experiment(fresh_store, "odd")
    for n in range(3):
        log_run(fresh_store, experiment, f"r{n}", params={"p": n}, metrics={"m": odd}, minute=n, model=False)
    page = app("compare", fresh_store, experiment=experiment, plot=plot)
    assert "No metric to show" in plain_text(page) or "No surface to draw" in plain_text(page)


@pytest.mark.parametrize("plot", PLOTS)
def test_picked_runs_alone_are_drawn_or_it_is_said_what_is_lacking(app, fresh_store, plot):
    experiment, ids = make_repeats(fresh_store)
    page = app("compare", fresh_store, experiment=experiment, plot=plot, pick=[ids[0], ids[4]], only="picked")
    assert not page.exception
    assert (
        page.get("vega_lite_chart")
        or "are needed; there are" in plain_text(page)
        or "A contour needs" in plain_text(page)
        or "no repeated runs" in plain_text(page)
    )


@pytest.mark.parametrize("plot", PLOTS)
def test_one_run_has_nothing_to_compare_with(app, fresh_store, plot):
    experiment = make_experiment(fresh_store, "one")
    log_run(fresh_store, experiment, "only", params={"p": 1}, metrics={"m": 1})
    page = app("compare", fresh_store, experiment=experiment, plot=plot)
    assert "Only one run to show" in plain_text(page)


def test_a_change_of_plot_keeps_what_was_chosen_where_it_means_something(app, fresh_store):
    page = app("compare", fresh_store, experiment=make_repeats(fresh_store)[0], plot="Box", by="tags.team", y="metrics.log loss")
    for plot in ("Groups", "Importance", "Contour", "Scatter", "Parallel", "Box"):
        page.segmented_control(key="compare.plot").set_value(plot).run()
        assert not page.exception
    assert "log loss ↓ by tag team" in chart_alt(page)


@pytest.mark.slow
@pytest.mark.parametrize("plot", ["Box", "Groups"])
def test_a_click_on_a_run_picks_it_and_a_second_click_lets_it_go(fresh_store, podium, window, plot):
    experiment, ids = make_repeats(fresh_store)
    driver = window(podium(fresh_store)).open(f"/compare?experiment={experiment}&plot={plot}&by=params.depth")
    point = driver.page.locator("svg g.mark-symbol path[aria-roledescription=point]").first
    point.click(force=True)
    expect(driver.page).to_have_url(re.compile(f"pick=({'|'.join(ids)})$"))
    driver.settle()
    point.click(force=True)
    expect(driver.page).not_to_have_url(re.compile("pick="))


def test_a_box_plot_is_grouped_by_the_parent_only_when_the_reader_says_so(app, fresh_store):
    experiment = make_experiment(fresh_store, "families")
    parents = [log_run(fresh_store, experiment, f"search {n}", model=False) for n in range(2)]
    for n in range(6):
        log_run(
            fresh_store,
            experiment,
            f"child {n}",
            params={"depth": n % 3},
            metrics={"accuracy": n // 3 / 2 + n % 3 / 100},
            parent=parents[n // 3],
            model=False,
        )
    assert "by depth:" in chart_alt(app("compare", fresh_store, experiment=experiment, plot="Box"))
    page = app("compare", fresh_store, experiment=experiment, plot="Box", by="tags.mlflow.parentRunId")
    assert "by tag mlflow.parentRunId:" in chart_alt(page)


def test_groups_open_on_a_setting_that_repeats_runs_where_all_together_repeat_none(app, fresh_store):
    experiment = make_experiment(fresh_store, "grid")
    for depth in (2, 4):
        for rate in (1, 2, 3):
            log_run(
                fresh_store,
                experiment,
                f"{depth} {rate}",
                params={"depth": depth, "rate": rate},
                metrics={"accuracy": depth / 10 + rate / 1000},
            )
    page = app("compare", fresh_store, experiment=experiment, plot="Groups")
    assert "Cannot tell: no repeated runs" not in plain_text(page)
    assert "has the best mean among repeated runs" in plain_text(page)
    assert "runs count as repeats although these differ: rate" in plain_text(page)
