"""The code that Models shows runs as it stands, in a Python of its own and without anything of Podium."""

import subprocess
import sys
from datetime import UTC, datetime

import mlflow.sklearn
from sklearn.dummy import DummyClassifier

from lib.backends.mlflow_client import client
from lib.registry.code_snippets import load_model_snippet, moves_snippet
from lib.registry.move_plan import MoveRequest, plan_move
from lib.registry.promote import move_version
from lib.registry.reader import read_snapshot
from lib.registry.reconcile import read_model_status
from tests.support.ledger_stores import DECISION, make_registered_model, make_writer


def run_python(code, folder):
    """Run a script as somebody would who copied it into a file in this folder."""
    return subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_the_calls_of_a_move_do_what_the_move_does(fresh_store, tmp_path):
    model, writer = make_registered_model(fresh_store), make_writer(fresh_store)
    move_version(writer, MoveRequest(model, "1", "Production"), DECISION)
    plan = plan_move(read_model_status(fresh_store, model, datetime.now(UTC)), MoveRequest(model, "2", "Production"))
    run_python(moves_snippet(fresh_store.uri, model, plan.moves), tmp_path)
    by_snippet = read_snapshot(fresh_store, model)
    assert {number: version.stage for number, version in by_snippet.versions.items()} == {
        "1": "Archived",
        "2": "Production",
        "3": "None",
    }
    assert by_snippet.slot_states["production"].alias == "2"


def test_the_code_that_loads_a_model_loads_it(fresh_store, tmp_path):
    mlflow.sklearn.save_model(
        DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1]),
        tmp_path / "model",
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    registry = client(fresh_store)
    registry.create_registered_model("it's wine")
    registry.create_model_version("it's wine", str(tmp_path / "model"))
    registry.set_registered_model_alias("it's wine", "production", "1")
    code = load_model_snippet(fresh_store.uri, "models:/it's wine@production")
    assert run_python(f"{code}print(model.predict([[5]]))", tmp_path).strip() == "[1]"
