"""The command line as used by a pipeline: one JSON document, exit codes, fast help (contract §4)."""

import logging
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.registry import convergence
from lib.registry.reader import read_book_state, read_snapshot
from tests.support.ledger_stores import book_id_of, make_registered_model, make_trained_run
from tests.support.registry_factories import leave_intent_open

WHY = ["--reason", "Five trees get seventeen of eighteen right.", "--category", "better"]


def test_help_and_usage_errors_import_neither_mlflow_nor_pandas():
    for arguments, code in (
        (["--help"], 0),
        (["promote", "--help"], 0),
        (["promote"], 2),
        (["promote", "m", "1", "--to", "Archive", *WHY], 2),
    ):
        script = f"import sys\nfrom lib.cli import podium\ntry:\n    podium({arguments!r})\nexcept SystemExit as e:\n    code = e.code\n"
        script += "heavy = {'mlflow', 'pandas', 'streamlit'} & set(sys.modules)\nassert not heavy, heavy\nsys.exit(code)"
        result = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stderr


def test_register_promote_history_current_and_verify_speak_json(run, fresh_store):
    run_id = make_trained_run(fresh_store)
    registered_version, _ = run("register", run_id, "--model", "wine", "--description", "Five trees.")
    assert (registered_version["model"], registered_version["version"], registered_version["place"]) == ("wine", "1", 2)
    move, _ = run("promote", "wine", "1", "--to", "production", *WHY, "--expect-champion", "none")
    assert {key: move[key] for key in ("model", "version", "from", "to", "outcome", "place", "displaced")} == {
        "model": "wine",
        "version": "1",
        "from": "None",
        "to": "Production",
        "outcome": "applied",
        "place": 3,
        "displaced": [],
    }
    history, _ = run("history", "wine")
    assert [(entry["place"], entry["type"], entry["by"]["name"]) for entry in history["entries"]] == [
        (1, "OPENED", "Podium"),
        (2, "REGISTERED", "pipeline"),
        (3, "DECIDED", "pipeline"),
        (4, "APPLIED", "pipeline"),
    ]
    current, _ = run("current", "wine")
    assert (current["version"], current["stage"], current["uri"]) == ("1", "Production", "models:/wine@production")
    assert current["since"] == history["entries"][3]["effective_at"]
    verdict, _ = run("verify")
    assert verdict["models"][0]["findings"] == []
    assert verdict["models"][0]["entries"] == 4
    listed, _ = run("models")
    assert listed == [{"model": "wine", "description": "Five trees.", "versions": 1, "production": ["1"], "staging": []}]


def test_promoting_what_is_there_already_is_unchanged_and_leaves_no_entry(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    move, _ = run("promote", "wine", "v1", "--to", "Production", *WHY)
    assert move["outcome"] == "unchanged"
    assert "entry" not in move


def test_rollback_goes_back_and_says_to_which(run, fresh_store):
    make_registered_model(fresh_store)
    for version in "12":
        run("promote", "wine", version, "--to", "Production", *WHY)
    move, _ = run("rollback", "wine", *WHY, "--expect-champion", "2")
    assert (move["version"], move["outcome"], move["displaced"]) == ("1", "applied", ["2"])


def test_a_refusal_is_one_line_on_stderr_and_exit_1_with_the_registry_unchanged(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    before = read_snapshot(fresh_store, "wine"), read_book_state(fresh_store, "wine").book.head
    document, stderr = run("promote", "wine", "2", "--to", "Production", *WHY, "--expect-champion", "3", code=1)
    assert document is None
    assert stderr.count("\n") == 1
    assert "it now holds v1" in stderr
    assert (read_snapshot(fresh_store, "wine"), read_book_state(fresh_store, "wine").book.head) == before


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["promote", "wine", "9", "--to", "Production", *WHY], 1, "has no version 9"),
        (["promote", "nope", "1", "--to", "Production", *WHY], 1, "no registered model nope"),
        (["promote", "wine", "1", "--to", "Development", *WHY], 2, "None (or Staging)"),
        (["promote", "wine", "1", "--to", "Production", "--reason", "short", "--category", "better"], 2, "15 more"),
        (
            ["promote", "wine", "1", "--to", "Production", "--reason", "x" * 30, "--category", "mood"],
            2,
            "is not a valid category",
        ),
        (["register", "f" * 32, "--model", "wine"], 1, "was not found"),
        (["history", "nope"], 1, "no registered model nope"),
        (["current", "wine"], 1, "No version holds Production"),
        (["runs", "nope"], 1, "There is no experiment nope"),
        (["runs", "Default", "--filter", "metrics.a > 1 or metrics.b > 1"], 1, "Conditions can only be joined by AND"),
        (["verify", "wine", "--anchor", "x"], 2, "An anchor is N:CHAIN"),
        (["demo", "run", "nope"], 1, "There is no demo"),
    ],
)
def test_bad_input_says_what_and_what_next(run, fresh_store, words, code, text):
    make_registered_model(fresh_store)
    document, error = run(*words, code=code)
    assert document is None
    assert text in error
    assert book_id_of(fresh_store) is None or read_book_state(fresh_store, "wine").intents == ()


def test_verify_ends_with_3_when_the_book_was_tampered_with(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    client(fresh_store).log_param(book_id_of(fresh_store), "000009", "hello")
    verdict, _ = run("verify", "wine", code=3)
    assert [finding["what"] for finding in verdict["models"][0]["findings"]] == ["beyond the end"]
    verdict, _ = run("verify", "wine", "--anchor", f"3:{'0' * 64}", code=3)
    assert "differs from its anchor" in [finding["what"] for finding in verdict["models"][0]["findings"]]


def test_a_missing_database_that_was_asked_for_is_an_error_and_is_not_made(run, tmp_path):
    missing = tmp_path / "nowhere.db"
    _, stderr = run("models", "--backend", f"sqlite:///{missing}", code=1)
    assert "There is no database" in stderr
    assert not missing.exists()


def test_the_runs_of_an_experiment_come_with_numbers_as_json_can_hold_them(run, fresh_store):
    run_id = make_trained_run(fresh_store)
    for name, value in (("loss", "nan"), ("high", "inf"), ("low", "-inf")):
        client(fresh_store).log_metric(run_id, name, float(value))
    run_without_metrics = client(fresh_store).create_run(client(fresh_store).get_run(run_id).info.experiment_id).info.run_id
    listed, _ = run("runs", "wine", "--filter", "metrics.accuracy > 0.9")
    assert listed[0]["run_id"] == run_id
    metrics = listed[0]["metrics"]
    assert metrics["accuracy"] == 0.9444
    assert (metrics["loss"], metrics["high"], metrics["low"]) == ("NaN", "Infinity", "-Infinity")
    all_runs, _ = run("runs", "wine")
    assert next(row for row in all_runs if row["run_id"] == run_without_metrics)["metrics"] == {}
    assert listed[0]["params"] == {"n_estimators": 5}


def test_recover_says_when_nothing_was_left_open(run, fresh_store):
    make_registered_model(fresh_store)
    document, _ = run("recover")
    assert document == {"models": []}


def test_recover_lists_what_is_open_and_moves_nothing(run, fresh_store):
    make_registered_model(fresh_store)
    intent_id = leave_intent_open(fresh_store)
    document, _ = run("recover", code=3)
    (intent,) = document["models"][0]["intents"]
    assert (intent["id"], intent["outcome"], intent["place"], intent["version"], intent["to"]) == (
        intent_id,
        "open",
        2,
        "2",
        "Production",
    )
    assert read_snapshot(fresh_store, "wine").aliases == {}
    assert run("recover", "wine", code=3)[0] == document


@pytest.mark.parametrize(
    ("choice", "outcome", "aliases"), [("--finish", "applied", {"production": "2"}), ("--give-up", "failed", {})]
)
def test_recover_finishes_or_gives_up_with_a_reason(run, fresh_store, choice, outcome, aliases):
    make_registered_model(fresh_store)
    intent_id = leave_intent_open(fresh_store)
    document, _ = run("recover", "wine", choice, "--intent", intent_id, *WHY)
    assert [(intent["id"], intent["outcome"]) for intent in document["models"][0]["intents"]] == [(intent_id, outcome)]
    assert read_snapshot(fresh_store, "wine").aliases == aliases
    closing = read_book_state(fresh_store, "wine").book.entries[-1].body
    assert (closing.by.name, closing.reason.text) == ("pipeline", WHY[1])
    assert run("recover")[0] == {"models": []}


def test_recover_needs_a_choice_with_its_reason_and_a_decision_that_is_open(run, fresh_store):
    make_registered_model(fresh_store)
    leave_intent_open(fresh_store)
    run("recover", "--finish", code=2)
    run("recover", *WHY, code=2)
    _, error = run("recover", "--finish", "--intent", "nothing", *WHY, code=1)
    assert "There is no open decision nothing" in error
    assert read_snapshot(fresh_store, "wine").aliases == {}


def test_a_promotion_that_a_later_open_decision_overtakes_exits_with_1_and_names_it(run, fresh_store, monkeypatch):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "production", *WHY)
    monkeypatch.setattr(convergence, "LATER_DECISION_WAIT", 0.2)
    real, later_ids = client(fresh_store).set_registered_model_alias, []

    def decide_first(*args):
        later_ids.extend([] if later_ids else [leave_intent_open(fresh_store, "3")])
        return real(*args)

    monkeypatch.setattr(client(fresh_store), "set_registered_model_alias", decide_first)
    move, error = run("promote", "wine", "2", "--to", "production", *WHY, code=1)
    assert (move["outcome"], [move["waiting_for"]]) == ("overtaken", later_ids)
    assert "a later decision is still open" in error
    assert read_snapshot(fresh_store, "wine").slot_states["production"].holders == ("2",)


def test_the_demos_are_listed_with_their_parameters(run):
    listed, _ = run("demo", "list")
    assert [demo["name"] for demo in listed["demos"]] == ["first-run", "by-id", "by-name", "remote", "autolog", "search"]


@pytest.mark.slow
def test_a_demo_runs_and_can_be_promoted_without_a_browser(run, fresh_store):
    document, _ = run("demo", "run", "first-run", "--param", "n_estimators=1,5")
    assert (document["demo"], document["status"]) == ("first-run", "finished")
    assert [round(row["metrics"]["accuracy"], 3) for row in document["runs"]] == [0.667, 0.944]
    registered_version, _ = run("register", document["runs"][1]["run_id"], "--model", "wine-forest")
    move, _ = run("promote", "wine-forest", registered_version["version"], "--to", "Production", *WHY)
    assert move["outcome"] == "applied"
    lineage = read_book_state(fresh_store, "wine-forest").book.entries[1].body.lineage
    assert lineage.artifact
    assert lineage.environment
    assert lineage.signature
    assert lineage.data
    assert lineage.parameters


def test_python_m_lib_is_the_program_podium():
    result = subprocess.run(
        [sys.executable, "-m", "lib", "--help"],
        cwd=PROJECT_FOLDER,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT_FOLDER)},
    )
    assert result.stdout.startswith("Usage: podium")


def test_an_error_of_the_database_is_one_line_without_the_log_of_a_library(fresh_store):
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("drop table model_versions")
    result = CliRunner().invoke(podium, ["models", "--backend", fresh_store.uri])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1), result.output
    assert result.stderr.startswith("podium: ")
    assert not logging.root.manager.disable
