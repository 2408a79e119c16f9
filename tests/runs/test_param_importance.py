"""Importance: relevant parameters come first, noise is not called important, the same runs give the same numbers."""

import math

import numpy as np

from lib.runs.analysis import param_importance
from lib.runs.analysis.param_importance import MIN_R_SQUARED, MIN_RUNS, compute_importances, input_hash, missing_requirement
from lib.runs.plots.importance import format_percent, importance_plot
from lib.runs.table.run_table import subset
from lib.theme import LIGHT
from tests.support.chart_specs import HOSTILE_NAME, chart_values
from tests.support.run_factories import make_run, make_run_table


def search(run_count=80, height=lambda depth, kind, noise: depth + 3 * (kind == "b") + noise / 10):
    """A random search over a depth, a kind and a parameter without effect."""
    generator = np.random.default_rng(3)
    rows = [(int(generator.integers(1, 9)), str(generator.choice(list("abc"))), generator.normal()) for _ in range(run_count)]
    return make_run_table(
        *(
            make_run(
                f"r{n}",
                params={"depth": depth, "kind": kind, "nothing": n * 7 % 11},
                metrics={"m": float(height(depth, kind, noise))},
            )
            for n, (depth, kind, noise) in enumerate(rows)
        )
    )


def test_what_the_metric_is_made_of_comes_first_and_what_does_nothing_is_not_clear():
    result = compute_importances(search(), "metrics.m")
    assert [importance.name for importance in result.params] == ["params.depth", "params.kind", "params.nothing"]
    assert [importance.is_clear for importance in result.params] == [True, True, False]
    assert result.r_squared > 0.8
    assert all(importance.low <= importance.mean <= importance.high for importance in result.params)


def test_the_shares_of_an_additive_metric_are_shares_of_its_variance():
    result = compute_importances(search(200, lambda depth, kind, noise: depth), "metrics.m")
    assert 0.8 < result.params[0].mean < 1.1


def test_noise_is_explained_next_to_nothing():
    assert compute_importances(search(height=lambda depth, kind, noise: noise), "metrics.m").r_squared < MIN_R_SQUARED


def test_the_same_runs_give_the_same_numbers_in_whatever_order():
    table = search(40)
    reversed_table = subset(table, list(reversed(table.ids)))
    assert (
        compute_importances(table, "metrics.m")
        == compute_importances(table, "metrics.m")
        == compute_importances(reversed_table, "metrics.m")
    )
    assert input_hash(table, "metrics.m") == input_hash(reversed_table, "metrics.m")


def test_another_value_or_another_metric_is_another_fingerprint():
    first, second = search(30), search(30, lambda depth, kind, noise: depth)
    assert input_hash(first, "metrics.m") != input_hash(second, "metrics.m")
    tables = [
        make_run_table(make_run("a", params={"p": p}, metrics={"m": 1}), make_run("b", params={"p": q}))
        for p, q in ((1, 2), (2, 1))
    ]
    assert input_hash(tables[0], "metrics.m") != input_hash(tables[1], "metrics.m")


def test_missing_odd_and_huge_values_are_no_obstacle():
    runs = [
        make_run(
            f"r{n}",
            params={"a": 10.0**n, "text": f"{HOSTILE_NAME}{n}"} | ({"some": n % 3} if n % 2 else {}),
            metrics={"m": [math.nan, math.inf, 1e300, -1e300][n % 4] if n > 30 else n * 1e290},
        )
        for n in range(60)
    ]
    result = compute_importances(make_run_table(*runs), "metrics.m")
    assert all(
        math.isfinite(number) for importance in result.params for number in (importance.mean, importance.low, importance.high)
    )
    assert result.measured_count == result.sampled_count < 60


def test_a_large_search_is_sampled_and_says_so(monkeypatch):
    monkeypatch.setattr(param_importance, "MAX_SAMPLED_RUNS", 40)
    result = compute_importances(search(90), "metrics.m")
    assert (result.sampled_count, result.measured_count) == (40, 90)


def test_missing_requirements_are_explained():
    assert missing_requirement(search(MIN_RUNS), "metrics.m") == ""
    assert f"At least {MIN_RUNS} runs with a number in this metric are needed; there are 3" in missing_requirement(
        search(3), "metrics.m"
    )
    assert "same in all runs" in missing_requirement(search(30, lambda depth, kind, noise: 1), "metrics.m")
    runs = make_run_table(*(make_run(f"r{n}", params={"p": 1}, metrics={"m": n}) for n in range(30)))
    assert "parameter with at least two distinct values" in missing_requirement(runs, "metrics.m")


def test_the_picture_says_cannot_tell_where_chance_could_have_given_it():
    rows = chart_values(importance_plot(compute_importances(search(), "metrics.m").params, LIGHT))
    assert {row["name"]: row["word"] == "cannot tell" for row in rows} == {"depth": False, "kind": False, "nothing": True}


def test_shares_read_as_people_write_them():
    assert [format_percent(share) for share in (0.314, 0.0, 0.002, -0.04)] == ["31%", "0%", "under 1%", "−4%"]
