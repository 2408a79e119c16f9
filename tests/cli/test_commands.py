"""The command line as a pipeline uses it: one JSON document, exit codes, nothing heavy for help (contract §4)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.registry.reader import read_book_state, read_snapshot
from tests.support.ledger_stores import book_id_of, make_registered_model, make_trained_run

ROOT = Path(__file__).resolve().parents[2]
WHY = ["--reason", "Five trees get seventeen of eighteen right.", "--category", "better"]


@pytest.fixture
def run(fresh_store, monkeypatch, clean_session):
    """Run a command on a fresh store; gives exit code, JSON document and stderr."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fresh_store.uri)
    monkeypatch.setenv("PODIUM_USER", "pipeline")

    def command(*words, code=0):
        done = CliRunner().invoke(podium, [*words, "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout) if done.stdout.strip() else None, done.stderr

    return command


def test_help_and_usage_errors_import_neither_mlflow_nor_pandas():
    for words, code in (
        (["--help"], 0),
        (["promote", "--help"], 0),
        (["promote"], 2),
        (["promote", "m", "1", "--to", "Archive", *WHY], 2),
    ):
        script = (
            f"import sys\nfrom lib.cli import podium\ntry:\n    podium({words!r})\nexcept SystemExit as e:\n    code = e.code\n"
        )
        script += "heavy = {'mlflow', 'pandas', 'streamlit'} & set(sys.modules)\nassert not heavy, heavy\nsys.exit(code)"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr


def test_register_promote_history_current_and_verify_speak_json(run, fresh_store):
    run_id = make_trained_run(fresh_store)
    made, _ = run("register", run_id, "--model", "wine", "--description", "Five trees.")
    assert (made["model"], made["version"], made["place"]) == ("wine", "1", 2)
    moved, _ = run("promote", "wine", "1", "--to", "production", *WHY, "--expect-champion", "none")
    assert {k: moved[k] for k in ("model", "version", "from", "to", "outcome", "place", "displaced")} == {
        "model": "wine",
        "version": "1",
        "from": "None",
        "to": "Production",
        "outcome": "applied",
        "place": 3,
        "displaced": [],
    }
    told, _ = run("history", "wine")
    assert [(e["place"], e["type"], e["by"]["name"]) for e in told["entries"]] == [
        (1, "OPENED", "Podium"),
        (2, "REGISTERED", "pipeline"),
        (3, "DECIDED", "pipeline"),
        (4, "APPLIED", "pipeline"),
    ]
    now, _ = run("current", "wine")
    assert (now["version"], now["stage"], now["uri"]) == ("1", "Production", "models:/wine@production")
    assert now["since"] == told["entries"][3]["effective_at"]
    verdict, _ = run("verify")
    assert verdict["models"][0]["findings"] == []
    assert verdict["models"][0]["entries"] == 4
    listed, _ = run("models")
    assert listed == [{"model": "wine", "description": "Five trees.", "versions": 1, "production": ["1"], "staging": []}]


def test_promoting_what_is_there_already_is_unchanged_and_leaves_no_entry(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    again, _ = run("promote", "wine", "v1", "--to", "Production", *WHY)
    assert again["outcome"] == "unchanged"
    assert "entry" not in again


def test_rollback_goes_back_and_says_to_which(run, fresh_store):
    make_registered_model(fresh_store)
    for version in "12":
        run("promote", "wine", version, "--to", "Production", *WHY)
    back, _ = run("rollback", "wine", *WHY, "--expect-champion", "2")
    assert (back["version"], back["outcome"], back["displaced"]) == ("1", "applied", ["2"])


def test_a_refusal_is_one_line_on_stderr_and_exit_1_with_the_registry_unchanged(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    before = read_snapshot(fresh_store, "wine"), read_book_state(fresh_store, "wine").book.head
    document, said = run("promote", "wine", "2", "--to", "Production", *WHY, "--expect-champion", "3", code=1)
    assert document is None
    assert said.count("\n") == 1
    assert "held by v1 now" in said
    assert (read_snapshot(fresh_store, "wine"), read_book_state(fresh_store, "wine").book.head) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["promote", "wine", "9", "--to", "Production", *WHY], 1, "has no version 9"),
        (["promote", "nope", "1", "--to", "Production", *WHY], 1, "no registered model nope"),
        (["promote", "wine", "1", "--to", "Development", *WHY], 2, "None (or Staging)"),
        (["promote", "wine", "1", "--to", "Production", "--reason", "short", "--category", "better"], 2, "15 more"),
        (["promote", "wine", "1", "--to", "Production", "--reason", "x" * 30, "--category", "mood"], 2, "is no category"),
        (["register", "f" * 32, "--model", "wine"], 1, "was not found"),
        (["history", "nope"], 1, "no registered model nope"),
        (["current", "wine"], 1, "Nobody holds Production"),
        (["runs", "nope"], 1, "There is no experiment nope"),
        (["verify", "wine", "--anchor", "x"], 2, "An anchor is N:CHAIN"),
        (["demo", "run", "nope"], 1, "There is no demo"),
    ],
)
def test_bad_input_says_what_and_what_next(run, fresh_store, words, code, said):
    make_registered_model(fresh_store)
    document, error = run(*words, code=code)
    assert document is None
    assert said in error
    assert book_id_of(fresh_store) is None or read_book_state(fresh_store, "wine").intents == ()


def test_verify_ends_with_3_when_the_book_was_tampered_with(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    client(fresh_store).log_param(book_id_of(fresh_store), "000009", "hello")
    verdict, _ = run("verify", "wine", code=3)
    assert [f["what"] for f in verdict["models"][0]["findings"]] == ["beyond the end"]
    verdict, _ = run("verify", "wine", "--anchor", f"3:{'0' * 64}", code=3)
    assert "differs from its anchor" in [f["what"] for f in verdict["models"][0]["findings"]]


def test_a_missing_database_that_was_asked_for_is_an_error_and_is_not_made(run, tmp_path):
    missing = tmp_path / "nowhere.db"
    _, said = run("models", "--backend", f"sqlite:///{missing}", code=1)
    assert "There is no database" in said
    assert not missing.exists()


def test_the_runs_of_an_experiment_come_with_numbers_as_json_can_hold_them(run, fresh_store):
    run_id = make_trained_run(fresh_store)
    for name, value in (("loss", "nan"), ("high", "inf"), ("low", "-inf")):
        client(fresh_store).log_metric(run_id, name, float(value))
    bare = client(fresh_store).create_run(client(fresh_store).get_run(run_id).info.experiment_id).info.run_id
    listed, _ = run("runs", "wine", "--filter", "metrics.accuracy > 0.9")
    assert listed[0]["run_id"] == run_id
    told = listed[0]["metrics"]
    assert told["accuracy"] == 0.9444
    assert (told["loss"], told["high"], told["low"]) == ("NaN", "Infinity", "-Infinity")
    every, _ = run("runs", "wine")
    assert next(one for one in every if one["run_id"] == bare)["metrics"] == {}
    assert listed[0]["params"] == {"n_estimators": 5}


def test_recover_says_when_nothing_was_left_open(run, fresh_store):
    make_registered_model(fresh_store)
    done, _ = run("recover")
    assert done == {"closed": []}


def test_the_demos_are_listed_with_their_parameters(run):
    listed, _ = run("demo", "list")
    assert [demo["name"] for demo in listed["demos"]] == ["first-run", "by-id", "by-name", "remote", "autolog", "search"]


def test_a_demo_runs_and_can_be_promoted_without_a_browser(run, fresh_store):
    done, _ = run("demo", "run", "first-run", "--param", "n_estimators=1,5")
    assert (done["demo"], done["status"]) == ("first-run", "finished")
    assert [round(r["metrics"]["accuracy"], 3) for r in done["runs"]] == [0.667, 0.944]
    made, _ = run("register", done["runs"][1]["run_id"], "--model", "wine-forest")
    moved, _ = run("promote", "wine-forest", made["version"], "--to", "Production", *WHY)
    assert moved["outcome"] == "applied"
    lineage = read_book_state(fresh_store, "wine-forest").book.entries[1].body.lineage
    assert lineage.artifact
    assert lineage.environment
    assert lineage.signature
    assert lineage.data
    assert lineage.parameters


def test_python_m_lib_is_the_program_podium():
    done = subprocess.run(
        [sys.executable, "-m", "lib", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.startswith("Usage: podium")
