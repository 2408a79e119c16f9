"""The contour: rejects data without a surface, stays within the hull and the measured range, and averages duplicate points."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.metric_direction import direction_by_name
from lib.runs.plots.contour import (
    GRID_SIZE,
    MAX_DISTINCT_POINTS,
    axis_columns,
    best_run_id,
    compute_coordinates,
    contour_plot,
    interpolate_surface,
    surface_problem,
)
from lib.runs.plots.style import chart_style
from lib.theme import LIGHT
from tests.support.chart_specs import HOSTILE_NAME, chart_spec, chart_values
from tests.support.run_factories import make_run, make_run_table

AXES = ("params.x", "params.y")


def runs_at(*points, name="r"):
    """Runs at (x, y) with a metric m."""
    return make_run_table(
        *(make_run(f"{name}{n}", params={"x": x, "y": y}, metrics={"m": value}) for n, (x, y, value) in enumerate(points))
    )


def runs_on_grid(size=4, height=lambda x, y: x + y):
    return runs_at(*((x, y, height(x, y)) for x in range(size) for y in range(size)))


def problem_of(table) -> str:
    return surface_problem(compute_coordinates(table, AXES, "metrics.m"), AXES)


def test_a_grid_of_runs_has_a_surface():
    assert problem_of(runs_on_grid()) == ""


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            runs_at(*((n, n % 3, n) for n in range(7))),
            "At least 8 runs with a number in all three columns are needed; there are 7",
        ),
        (runs_at(*((n, n, n % 3) for n in range(12))), "All runs are on one line"),
        (runs_at(*((n, n % 2, n) for n in range(12))), "at least 3 distinct numbers each"),
        (runs_on_grid(height=lambda x, y: 1), "The metric is the same"),
        (runs_at(*((x, y, math.nan) for x in range(4) for y in range(4))), "here are 0"),
        (runs_at((1, 1, 1)), "here are 1"),
    ],
)
def test_missing_requirements_are_explained(table, message):
    assert message in problem_of(table)


def test_a_column_against_itself_is_refused():
    assert "Two different columns" in surface_problem(
        compute_coordinates(runs_on_grid(), ("params.x", "params.x"), "metrics.m"), ("params.x", "params.x")
    )


def test_only_columns_with_three_numbers_would_do():
    table = make_run_table(
        *(make_run(str(n), params={"a": n, "b": n % 2, "t": f"t{n}"}, metrics={"m": n, "i": math.inf}) for n in range(4))
    )
    assert axis_columns(table) == ["params.a", "metrics.m"]


def test_a_line_over_decades_is_found_on_the_axes_that_are_drawn():
    assert "one line" in problem_of(runs_at(*((10**n, 10 ** (n + 1), n % 3) for n in range(9))))


def test_the_surface_goes_through_a_plane_and_ends_at_the_hull():
    corner = runs_at(*((x, y, x + y) for x in range(5) for y in range(5) if x + y <= 4))
    heights = interpolate_surface(compute_coordinates(corner, AXES, "metrics.m")).heights
    assert heights[0, 0] == pytest.approx(0, abs=0.05)
    assert heights[0, -1] == pytest.approx(4, abs=0.05)
    assert heights[GRID_SIZE // 4, GRID_SIZE // 4] == pytest.approx(2 * 4 * (GRID_SIZE // 4) / (GRID_SIZE - 1), abs=0.1)
    assert np.isnan(heights[-1, -1])


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.floats(-1e300, 1e300)), min_size=8, max_size=30))
def test_no_height_leaves_the_measured_range(points):
    coordinates = compute_coordinates(runs_at(*points), AXES, "metrics.m")
    if not surface_problem(coordinates, AXES):
        heights = interpolate_surface(coordinates).heights
        inside = heights[~np.isnan(heights)]
        slack = 1e-9 * np.abs(coordinates.heights).max()
        assert inside.min() >= coordinates.heights.min() - slack
        assert inside.max() <= coordinates.heights.max() + slack


def test_runs_on_one_place_are_averaged_and_counted():
    table = runs_at(*((x, y, x + y + offset) for x in range(3) for y in range(3) for offset in (-1, 1)))
    coordinates = compute_coordinates(table, AXES, "metrics.m")
    assert coordinates.duplicate_count == 9
    assert interpolate_surface(coordinates).heights[0, 0] == pytest.approx(0, abs=0.05)


def test_very_many_places_are_averaged_in_cells_and_the_surface_stays():
    generator = np.random.default_rng(1)
    table = runs_at(*((round(x, 5), round(y, 5), x + y) for x, y in generator.uniform(1, 2, (MAX_DISTINCT_POINTS + 300, 2))))
    coordinates = compute_coordinates(table, AXES, "metrics.m")
    assert len(np.unique(coordinates.points, axis=0)) > MAX_DISTINCT_POINTS
    assert interpolate_surface(coordinates).heights[GRID_SIZE // 2, GRID_SIZE // 2] == pytest.approx(3, abs=0.1)


def test_the_best_run_follows_the_direction_of_the_metric():
    table = make_run_table(
        *(make_run(f"r{n}", params={"x": n, "y": n * n}, metrics={"loss": n, "acc": n, "epoch": n}) for n in range(9))
    )
    best_run_ids = {
        metric: best_run_id(compute_coordinates(table, AXES, f"metrics.{metric}"), direction_by_name(metric))
        for metric in ("loss", "acc", "epoch")
    }
    assert best_run_ids == {"loss": "r0", "acc": "r8", "epoch": ""}


def test_the_picture_has_cells_lines_runs_and_letters_and_no_value_that_is_no_number():
    table = runs_on_grid(height=lambda x, y: math.inf if x == y == 0 else x * y)
    chart = contour_plot(table, AXES, "metrics.m", chart_style(table, "metrics.m", ("r5",), LIGHT))
    rows = chart_values(chart)
    runs = {row["run_id"]: row for row in rows if "run_id" in row}
    assert len(runs) == 15
    assert runs["r5"]["letter"] == "A"
    assert any("line" in row for row in rows)
    assert all(row["shade"] is not None for row in rows if "x2" in row)
    assert "(interpolated)" in json.dumps(chart_spec(chart))


def test_a_hostile_name_is_never_part_of_an_expression():
    table = make_run_table(
        *(make_run(f"{HOSTILE_NAME}{n}", params={"x": n % 4, "y": n // 4}, metrics={HOSTILE_NAME: n}) for n in range(16))
    )
    spec = chart_spec(
        contour_plot(table, AXES, f"metrics.{HOSTILE_NAME}", chart_style(table, f"metrics.{HOSTILE_NAME}", (), LIGHT))
    )
    assert not [
        layer for layer in spec["layer"] for step in layer.get("transform", []) if HOSTILE_NAME in str(step.get("filter"))[:9]
    ]
    assert all(
        "Expr" not in key or HOSTILE_NAME not in str(axis) for layer in spec["layer"] for key, axis in layer["encoding"].items()
    )
