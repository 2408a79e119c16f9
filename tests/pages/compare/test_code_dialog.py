"""The generated script selects the same runs and draws the same columns as the page; run on a real store, view by view."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.entities import Metric

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.runs.export.script import ScriptSpec, build_script
from lib.runs.table.run_table import subset
from lib.runs.table.view import ViewState
from lib.ui.pages.compare.code_dialog import build_script_spec, script_conditions
from lib.ui.pages.compare.plot_context import runs_to_draw
from lib.ui.pages.compare.queries import search_runs
from lib.ui.pages.compare.table import sorted_rows
from lib.ui.pages.compare.view_state import PLOT_NAMES, resolve_view
from tests.conftest import copy_store
from tests.support.run_factories import NOON, RUN_SCRIPTS, log_run, make_experiment

PRINT_RUN_IDS = "\nprint('IDS=' + __import__('json').dumps(list(runs['run_id'])))\n"
NARROW = {"facet": ("params.n:1..3", "metrics.acc:0.1..0.6"), "state": "all"}
ODD_VIEWS = {
    "all": {},
    "deleted": {"state": "deleted"},
    "both": {"state": "all", "children": "best", "color": "metrics.acc"},
    "parents only": {"children": "hidden"},
    "best child": {"children": "best", "color": "metrics.log loss"},
    "best child of one": {"parent": 0, "children": "best", "color": "metrics.acc"},
    "best child by its best value": {"children": "best", "color": "metrics.log loss", "stat": "best"},
    "a range of best values": {"facet": ("metrics.acc:0.5..",), "stat": "best"},
    "a range of smallest values": {"facet": ("metrics.log loss:..0.5",), "stat": "min"},
    "curves of a range of best values": {"facet": ("metrics.acc:0.5..",), "stat": "best", "plot": "Curves"},
    "any number": {"facet": ("metrics.odd:..",)},
    "any text": {"facet": ("params.mode~", "params.mixed~")},
    "not set": {"facet": ("params.lr=~|0.1",)},
    "as logged": {"facet": ("params.hot=1.0|1e0",)},
    "a range of words and numbers": {"facet": ("params.mixed:2..9",)},
    "in a name": {"facet": ("name~FOREST",)},
    "a span": {"since": "2023-11-15T03:00:00+02:00", "until": "2023-11-18"},
    "a few": {"limit": "4", "filter": "metrics.acc > 0.1"},
    "a filter that cannot be read": {"filter": "metrics.acc > "},
    "two experiments": {
        "experiment": (0, 1),
        "facet": ("name~r",),
        "filter": "metrics.acc < 2",
        "children": "hidden",
        "state": "all",
    },
    "picked and hidden by the filter": {"pick": (0, 5, 1), "only": "1", "filter": "metrics.acc > 0.2"},
    "nobody": {"plot": "nope", "stat": "nope", "state": "nope", "x": "params.zzz", "pick": ("nope",), "only": "1"},
}
VIEW_PARAMETERS = ODD_VIEWS | {
    f"{plot} {number}": {"plot": plot} | parameters
    for plot in PLOT_NAMES
    for number, parameters in enumerate(({}, NARROW, {"pick": (2, 5)}))
}


def fill_store(store: Backend) -> tuple[list[str], list[str]]:
    """Two experiments with two-level families, odd numbers, mixed text and numbers, and deleted runs: (experiment ids, run ids)."""
    experiment_ids = [make_experiment(store, name) for name in ("one", "two")]
    ids: list[str] = []
    for n in range(14):
        params = {"n": n % 5, "mode": "ab"[n % 2], "mixed": "x" if n == 3 else n, "hot": ("1.0", "1", "1e0")[n % 3]}
        params |= {"lr": 10.0 ** -(n % 3)} if n % 4 else {}
        odd = {3: float("inf"), 6: float("-inf"), 7: float("nan")}.get(n, float(n))
        metrics = {"acc": float("nan") if n == 2 else n / 14, "log loss": 1 - n / 14, "odd": odd}
        parent = {1: 0, 2: 0, 3: 0, 6: 4, 7: 4, 9: 6}.get(n)
        name = "Forest =x" if n == 5 else f"r{n}"
        parent_id = None if parent is None else ids[parent]
        ids.append(
            log_run(
                store,
                experiment_ids[n // 10],
                name,
                params=params,
                metrics=metrics,
                parent=parent_id,
                minute=n * 700,
                model=False,
            )
        )
    client(store).set_tag(ids[8], "mlflow.parentRunId", ids[8])
    client(store).log_batch(
        ids[1], metrics=[Metric("acc", value, NOON + step, step) for step, value in enumerate((0.99, 0.1), 1)]
    )
    client(store).log_batch(
        ids[7], metrics=[Metric("log loss", value, NOON + step, step) for step, value in enumerate((float("nan"), 1e-4, 0.7), 1)]
    )
    client(store).delete_run(ids[3])
    return experiment_ids, ids


def build_view(parameters: dict, experiment_ids: list[str], ids: list[str]) -> ViewState:
    fields = dict(parameters)
    fields["experiment"] = tuple(experiment_ids[key] for key in fields.get("experiment", (0,)))
    fields["pick"] = tuple(ids[key] if isinstance(key, int) else key for key in fields.get("pick", ()))
    fields["parent"] = ids[fields["parent"]] if "parent" in fields else ""
    return ViewState(**fields)


@pytest.fixture(scope="module")
def script_results(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> dict[str, tuple[list[str], str, ScriptSpec]]:
    """Return the page's result and the script's output, by case name."""
    store = copy_store(empty_database, tmp_path_factory.mktemp("code-store"))
    folder = tmp_path_factory.mktemp("code")
    experiment_ids, ids = fill_store(store)
    expected: dict[str, tuple[list[str], ScriptSpec]] = {}
    for name, parameters in VIEW_PARAMETERS.items():
        result = search_runs(store, build_view(parameters, experiment_ids, ids))
        view = resolve_view(build_view(parameters, experiment_ids, ids), result.all_runs)
        listed_runs = subset(result.runs, [row.run_id for row in sorted_rows(view, result.runs)])
        spec = build_script_spec(view, result, store, script_conditions(view)[0])
        expected[name] = list(runs_to_draw(view, listed_runs, result.all_runs).ids), spec
        (folder / name).mkdir()
        (folder / name / "script.py").write_text(build_script(spec) + PRINT_RUN_IDS, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    command = [sys.executable, "-c", RUN_SCRIPTS, str(folder)]
    subprocess.run(command, env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true"}, timeout=240, check=True)
    return {name: (run_ids, (folder / name / "said.txt").read_text("utf-8"), spec) for name, (run_ids, spec) in expected.items()}


@pytest.mark.parametrize("name", VIEW_PARAMETERS)
def test_the_script_of_a_view_leaves_the_runs_that_the_page_shows(script_results, name):
    ids, output, spec = script_results[name]
    if "at least eight runs" in output:
        assert spec.view.plot == "Importance"
        return
    assert output.startswith("ok"), output
    script_ids = json.loads(output.rpartition("IDS=")[2])
    assert set(script_ids) == set(spec.view.pick if spec.view.plot == "Differences" else ids)


def test_the_differences_of_the_script_are_between_the_runs_that_the_page_compares(script_results):
    ids, _, spec = script_results["Differences 0"]
    assert len(spec.view.pick) > 2
    assert spec.view.base == spec.view.pick[0]
    assert set(spec.view.pick) <= set(ids)


def test_the_script_draws_the_columns_that_the_page_chooses(script_results):
    assert script_results["Contour 0"][2].view.z == "metrics.acc"
    assert script_results["Contour 0"][2].view.x.startswith("params.")
    assert script_results["Curves 0"][2].view.pick == ()
    assert len(script_results["Box 0"][2].view.by) == 1
