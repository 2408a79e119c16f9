"""Exported scripts: they run unchanged for every plot, and no name can become code."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric

from lib.backends.mlflow_client import client
from lib.runs.export.script import Condition, ScriptSpec, build_script
from lib.runs.export.script_templates import PLOT_PARTS
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.table.types import Filter, Search
from lib.runs.table.view import ViewState
from tests.support.run_factories import NOON, RUN_SCRIPTS, log_run, make_experiment
from tests.support.variants import thin

URI = "sqlite:////nowhere/mlflow.db"
ANY_TEXT = st.text(max_size=30)
EVIL = '"""\nimport os; os.system("true")\n\'\\" + x #'


def make_spec(plot: str = "Scatter", text: str = "m") -> ScriptSpec:
    """A specification with `text` in every foreign field."""
    view = ViewState(
        plot=plot,
        parent=text or "x",
        pick=(text,),
        color=f"metrics.{text}",
        x=f"params.{text}",
        y=f"metrics.{text}",
        z=f"metrics.{text}",
        by=(f"params.{text}",),
        axes=(f"params.{text}", "metrics.x"),
        log=(text,),
        base=text,
    )
    conditions = (Condition(text, values=(text,)), Condition(text, low=1.0), Condition(text, text=text or "x"))
    return ScriptSpec(URI, Search((text,), Filter(text)), view, conditions)


class _StringBlanker(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("" if isinstance(node.value, str) else node.value)


def code_structure(code: str) -> str:
    return ast.dump(_StringBlanker().visit(ast.parse(code)))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(ANY_TEXT, st.sampled_from(sorted(PLOT_PARTS)))
def test_no_name_changes_the_structure_of_the_code(text, plot):
    assert code_structure(build_script(make_spec(plot, text))) == code_structure(build_script(make_spec(plot)))


@pytest.mark.parametrize("plot", [*PLOT_PARTS, "Artifacts"])
def test_hostile_names_stay_in_their_quotes_and_the_script_is_plain_ascii(plot):
    code = build_script(make_spec(plot, EVIL + "\u202e\ud800"))
    assert code.isascii()
    assert "os" not in {alias.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import) for alias in node.names}
    assert code_structure(code) == code_structure(build_script(make_spec(plot)))


def test_there_is_no_password_in_it():
    code = build_script(ScriptSpec("https://ana:secret@host/mlflow", Search(("1",)), ViewState()))
    assert "secret" not in code
    assert "TRACKING_URI = 'https://host/mlflow'" in code
    assert "MLFLOW_TRACKING_USERNAME" in code


@pytest.mark.parametrize("since", ["yesterday", "2023-13-01", "9999-12-31", "0001-01-01T00:00:00+14:00"])
def test_times_that_cannot_be_read_are_left_out(since):
    code = build_script(ScriptSpec(URI, Search(("1",)), ViewState(since="noon", until=since, plot="Scatter")))
    assert "SINCE" not in code
    assert "BEFORE" not in code


@pytest.mark.parametrize(
    ("smooth", "weight"), [("0.6", 0.6), ("", 0.0), ("x", 0.0), ("0", 0.0), ("1", 0.0), ("-0.5", 0.0), ("nan", 0.0), ("inf", 0.0)]
)
def test_a_smoothing_that_is_no_weight_is_none(smooth, weight):
    code = build_script(ScriptSpec(URI, Search(("1",)), ViewState(plot="Curves", y="metrics.m", smooth=smooth)))
    assert f"SMOOTH = {weight}\n" in code


def test_a_picture_without_its_columns_becomes_the_table():
    assert "chart" not in build_script(ScriptSpec(URI, Search(("1",)), ViewState(plot="Contour", x="params.n")))
    assert "runs.csv" in build_script(ScriptSpec(URI, Search(("1",)), ViewState(plot="Artifacts")))


@pytest.fixture(scope="module")
def script_results(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> dict[str, tuple[str, Path]]:
    """Every script, each run in a separate process on a real store: its output and folder by name."""
    from tests.conftest import copy_store

    store = copy_store(empty_database, tmp_path_factory.mktemp("recipe-store"))
    experiment = make_experiment(store, "wine ' \" é")
    ids = [
        log_run(
            store,
            experiment,
            f"r{n}",
            params={"n": n % 5, "mode: a/b.c": "ab"[n % 2], "rate": 10.0**-n},
            metrics={"acc": n / 12, "log loss": 1 - n / 12, "odd": float("inf") if n == 3 else float("nan") if n == 4 else n},
            minute=n,
            model=False,
        )
        for n in range(12)
    ]
    for step in range(1, 6):
        client(store).log_batch(ids[0], metrics=[Metric("acc", 0.99 if step == 2 else step / 100, NOON + step * 60_000, step)])
    log_run(store, experiment, "child", params={"n": 1}, metrics={"acc": 0.4}, parent=ids[1], minute=20, model=False)
    folder = tmp_path_factory.mktemp("recipes")
    for name, spec in make_specs(store.uri, experiment, ids).items():
        (folder / name).mkdir()
        (folder / name / "script.py").write_text(build_script(spec), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    process = subprocess.run(
        [sys.executable, "-c", RUN_SCRIPTS, str(folder)],
        env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        timeout=240,
        check=False,
    )
    assert process.returncode == 0
    return {path.name: ((path / "said.txt").read_text("utf-8"), path) for path in folder.iterdir()}


def make_specs(uri: str, experiment: str, ids: list[str]) -> dict[str, ScriptSpec]:
    search = Search((experiment,))
    columns = {
        "x": "params.n",
        "y": "metrics.acc",
        "z": "metrics.odd",
        "color": "metrics.log loss",
        "by": ("params.mode: a/b.c",),
    }
    columns |= {"axes": ("params.n", "params.rate", "params.mode: a/b.c", "metrics.odd", "metrics.acc")}
    specs = {
        plot: ScriptSpec(uri, search, ViewState(plot=plot.title(), pick=tuple(ids[:3]), base=ids[2], **columns))
        for plot in PLOT_PARTS
    }
    specs["curves-smooth"] = ScriptSpec(
        uri, search, ViewState(plot="Curves", y="metrics.acc", along="relative", smooth="0.6", log=("metrics.acc",))
    )
    specs["curves-wall"] = ScriptSpec(uri, search, ViewState(plot="Curves", y="metrics.acc", along="wall time"))
    specs["scatter-time"] = ScriptSpec(uri, search, ViewState(plot="Scatter", x="started", y="params.rate", log=("params.rate",)))
    specs["scatter-texts"] = ScriptSpec(
        uri, search, ViewState(plot="Scatter", x="params.mode: a/b.c", y="seconds", color="params.n")
    )
    specs["best"] = ScriptSpec(uri, search, ViewState(plot="Box", y="metrics.acc", by=("params.n", "median"), stat="best"))
    specs["table"] = ScriptSpec(uri, search, ViewState(plot="Artifacts"))
    specs["picked"] = ScriptSpec(
        uri, Search((experiment,), parse_filter("metrics.acc > 5")), ViewState(pick=tuple(ids[:2]), only="picked")
    )
    run_filter = parse_filter("metrics.`log loss` < 0.5 and params.`mode: a/b.c` = 'a'")
    specs["filter"] = ScriptSpec(uri, Search((experiment,), run_filter), ViewState())
    specs["hidden"] = ScriptSpec(uri, search, ViewState(children="hidden"))
    specs["best-child"] = ScriptSpec(uri, search, ViewState(children="best", color="metrics.acc"))
    specs["parent"] = ScriptSpec(uri, search, ViewState(parent=ids[1]))
    specs["none"] = ScriptSpec(uri, search, ViewState(), (Condition("params.gone", values=("x",)),))
    conditions = (
        Condition("metrics.odd", low=1),
        Condition("params.mode: a/b.c", values=("b",)),
        Condition("name", text="R"),
        Condition("params.rate", high=1e-2),
        Condition("tags.gone", values=("x",), include_missing=True),
    )
    specs["narrowed"] = ScriptSpec(uri, search, ViewState(since="2023-11-14", until="2023-11-14"), conditions)
    specs["early"] = ScriptSpec(uri, search, ViewState(until="2023-11-13"))
    return specs


CHART_NAMES = [
    *(name for name in PLOT_PARTS if name != "differences"),
    "curves-smooth",
    "curves-wall",
    "scatter-time",
    "scatter-texts",
    "best",
]


@pytest.mark.parametrize("name", thin(CHART_NAMES, 4))
def test_a_picture_comes_out_of_its_script(script_results, name):
    output, folder = script_results[name]
    assert output.startswith("ok"), output
    assert "vega" in (folder / "chart.html").read_text("utf-8")


def read_rows(script_results, name: str) -> pd.DataFrame:
    output, folder = script_results[name]
    assert output.startswith("ok"), output
    return pd.read_csv(folder / "runs.csv")


def test_the_table_has_all_runs(script_results):
    assert len(read_rows(script_results, "table")) == 13


def test_the_differences_stand_side_by_side_with_the_baseline_first(script_results):
    output, folder = script_results["differences"]
    assert output.startswith("ok"), output
    table = pd.read_csv(folder / "differences.csv", index_col=0)
    assert table.loc["name"].tolist() == ["r2", "r1", "r0"]
    assert "status" not in table.index


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("picked", ["r1", "r0"]),
        ("filter", ["r10", "r8"]),
        ("hidden", [f"r{n}" for n in range(11, -1, -1)]),
        ("best-child", ["child", *(f"r{n}" for n in range(11, -1, -1) if n != 1)]),
        ("parent", ["child"]),
        ("narrowed", ["r11", "r9", "r7", "r5"]),
    ],
)
def test_the_script_leaves_the_runs_that_the_page_leaves(script_results, name, left):
    assert read_rows(script_results, name)["name"].tolist() == left


@pytest.mark.parametrize("name", ["none", "early"])
def test_a_script_without_remaining_runs_says_so(script_results, name):
    assert script_results[name][0].startswith("No run left after filtering.")


def test_the_best_value_is_read_from_the_history(script_results):
    html = (script_results["best"][1] / "chart.html").read_text("utf-8")
    spec = json.loads(html[html.index("var spec = ") + 11 : html.index(";\n      var embedOpt")])
    drawn = [row for rows in spec["datasets"].values() for row in rows]
    assert max(row["y"] for row in drawn) == 0.99
