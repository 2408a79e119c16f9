"""Importance: what matters comes first, noise is not called important, the same runs give the same numbers."""

import math

import numpy as np

from lib.runs.analysis import param_importance
from lib.runs.analysis.param_importance import MIN_R_SQUARED, MIN_RUNS, compute_importances, input_hash, missing_requirement
from lib.runs.plots.importance import format_percent, importance_plot
from lib.runs.table.run_table import subset
from lib.theme import LIGHT
from tests.runs.test_axes_and_style import EVIL, values
from tests.support.run_factories import make_run, make_run_table


def search(number=80, height=lambda depth, kind, noise: depth + 3 * (kind == "b") + noise / 10):
    """A random search over a depth, a kind and a parameter that does nothing."""
    chance = np.random.default_rng(3)
    rows = [(int(chance.integers(1, 9)), str(chance.choice(list("abc"))), chance.normal()) for _ in range(number)]
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
    made_ = compute_importances(search(), "metrics.m")
    assert [one.name for one in made_.params] == ["params.depth", "params.kind", "params.nothing"]
    assert [one.is_clear for one in made_.params] == [True, True, False]
    assert made_.r_squared > 0.8
    assert all(one.low <= one.mean <= one.high for one in made_.params)


def test_the_shares_of_an_additive_metric_are_shares_of_its_variance():
    made_ = compute_importances(search(200, lambda depth, kind, noise: depth), "metrics.m")
    assert 0.8 < made_.params[0].mean < 1.1


def test_noise_is_explained_next_to_nothing():
    assert compute_importances(search(height=lambda depth, kind, noise: noise), "metrics.m").r_squared < MIN_R_SQUARED


def test_the_same_runs_give_the_same_numbers_in_whatever_order():
    table = search(40)
    again = subset(table, list(reversed(table.ids)))
    assert (
        compute_importances(table, "metrics.m")
        == compute_importances(table, "metrics.m")
        == compute_importances(again, "metrics.m")
    )
    assert input_hash(table, "metrics.m") == input_hash(again, "metrics.m")


def test_another_value_or_another_metric_is_another_fingerprint():
    one, other = search(30), search(30, lambda depth, kind, noise: depth)
    assert input_hash(one, "metrics.m") != input_hash(other, "metrics.m")
    swapped = [
        make_run_table(make_run("a", params={"p": p}, metrics={"m": 1}), make_run("b", params={"p": q}))
        for p, q in ((1, 2), (2, 1))
    ]
    assert input_hash(swapped[0], "metrics.m") != input_hash(swapped[1], "metrics.m")


def test_missing_odd_and_huge_values_are_no_obstacle():
    runs = [
        make_run(
            f"r{n}",
            params={"a": 10.0**n, "text": f"{EVIL}{n}"} | ({"some": n % 3} if n % 2 else {}),
            metrics={"m": [math.nan, math.inf, 1e300, -1e300][n % 4] if n > 30 else n * 1e290},
        )
        for n in range(60)
    ]
    made_ = compute_importances(make_run_table(*runs), "metrics.m")
    assert all(math.isfinite(number) for one in made_.params for number in (one.mean, one.low, one.high))
    assert made_.measured_count == made_.sampled_count < 60


def test_a_large_search_is_sampled_and_says_so(monkeypatch):
    monkeypatch.setattr(param_importance, "MAX_SAMPLED_RUNS", 40)
    made_ = compute_importances(search(90), "metrics.m")
    assert (made_.sampled_count, made_.measured_count) == (40, 90)


def test_what_is_lacking_is_said():
    assert missing_requirement(search(MIN_RUNS), "metrics.m") == ""
    assert f"at least {MIN_RUNS} runs with a number in this metric; here are 3" in missing_requirement(search(3), "metrics.m")
    assert "same in all runs" in missing_requirement(search(30, lambda depth, kind, noise: 1), "metrics.m")
    alike = make_run_table(*(make_run(f"r{n}", params={"p": 1}, metrics={"m": n}) for n in range(30)))
    assert "parameter with at least two different values" in missing_requirement(alike, "metrics.m")


def test_the_picture_says_cannot_tell_where_chance_could_have_given_it():
    rows = values(importance_plot(compute_importances(search(), "metrics.m").params, LIGHT))
    assert {row["name"]: row["word"] == "cannot tell" for row in rows} == {"depth": False, "kind": False, "nothing": True}


def test_shares_read_as_people_write_them():
    assert [format_percent(share) for share in (0.314, 0.0, 0.002, -0.04)] == ["31%", "0%", "under 1%", "−4%"]
