"""The same journey on servers without stages, aliases or logged models: registry moves use the fallback.

A real MLflow server runs behind a proxy that disables them (see tests/support/limited_server.py).
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lib.backends.capabilities import read_capabilities
from lib.backends.mlflow_client import client
from lib.backends.reserved_names import STAGE_TAG
from lib.ledger.entry.vocabulary import NO_HOLDER
from lib.ledger.queries.as_of import as_of
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.state.replay import is_fulfilled
from lib.registry.code_snippets import moves_snippet
from lib.registry.drift import find_drifts
from lib.registry.move_plan import Decision, MoveRequest, plan_move
from lib.registry.promote import move_version
from lib.registry.reader import read_all_snapshots, read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.register import find_candidates, register
from lib.registry.roll_back import roll_back
from lib.registry.verify import verify
from lib.runs.reading.registered_versions import read_version_origins
from tests.support.ledger_stores import DECISION, MLMODEL, REASON, make_trained_run, make_writer
from tests.support.ledger_workers import promote_often, run_together
from tests.support.limited_server import narrowed
from tests.support.registry_factories import finish_open_decisions
from tests.support.variants import thin

LACKS = thin([("stages", "aliases"), ("stages",), ("aliases",), ("logged models", "stages")], 4)
TRANSITION, ALIAS = "transition_model_version_stage", "set_registered_model_alias"


def run_with_model_files(backend, name="forest-5-trees"):
    """A finished run with its model among its artifacts, as stored by MLflow 2."""
    mlflow = client(backend)
    experiment = mlflow.get_experiment_by_name("wine-2")
    run = mlflow.create_run(experiment.experiment_id if experiment else mlflow.create_experiment("wine-2"), run_name=name)
    mlflow.log_metric(run.info.run_id, "accuracy", 0.9444)
    with TemporaryDirectory() as folder:
        (Path(folder) / "MLmodel").write_text(MLMODEL)
        (Path(folder) / "requirements.txt").write_text("scikit-learn==1.9.1\n")
        mlflow.log_artifacts(run.info.run_id, folder, "model")
    mlflow.set_terminated(run.info.run_id)
    return run.info.run_id


def check_at_rest(backend, model):
    """Check that ledger and registry agree, nothing is open and the chain is intact. Returns the entry types."""
    snapshot, state = read_snapshot(backend, model), read_book_state(backend, model)
    assert state.open_intents == ()
    assert verify(backend, model).findings == ()
    for slot, desired in state.desired_holders().items():
        assert not desired.is_managed or is_fulfilled(desired, snapshot.slot_states[slot]), (slot, desired, snapshot.slot_states)
    return Counter(entry.body.type for entry in state.book.entries)


@pytest.mark.parametrize("missing_features", LACKS, ids=" and ".join)
def test_the_journey_on_a_server_without(mlflow_server, missing_features):
    model = f"wine-without-{'-'.join(missing_features)}"
    train = run_with_model_files if "logged models" in missing_features else make_trained_run
    with narrowed(mlflow_server, *missing_features) as (backend, proxy):
        runs = [train(backend, f"forest-{n}-trees") for n in (1, 5, 10)]
        versions = [register(make_writer(backend), run_id, model).version for run_id in runs]
        assert versions == ["1", "2", "3"]
        move_version(make_writer(backend), MoveRequest(model, "1", "Production"), Decision(REASON, NO_HOLDER))
        result = move_version(make_writer(backend), MoveRequest(model, "2", "Production"), Decision(REASON, "1"))
        assert (result.outcome, result.displaced_versions) == ("applied", ("1",))
        between = read_book_state(backend, model).last_observed_at
        assert roll_back(make_writer(backend), model, None, Decision(REASON, "2")).version == "1"
        move_version(make_writer(backend), MoveRequest(model, "3", "Staging"), DECISION)
        assert move_version(make_writer(backend), MoveRequest(model, "3", "Archived", "archive"), DECISION).outcome == "applied"
        move_version(make_writer(backend), MoveRequest(model, "3", "Staging"), DECISION)

        snapshot = read_snapshot(backend, model)
        assert (snapshot.slot_states["production"].holders, snapshot.slot_states["staging"].holders) == (("1",), ("3",))
        assert [v.stage for v in snapshot.versions.values()] == ["Staging", "Archived", "Production"]
        assert {o.version.version: o.version.stage for o in read_version_origins(backend) if o.version.model == model}[
            "1"
        ] == "Production"
        answer = as_of(read_book_state(backend, model).book.entries, "production", TimeQuery(between))
        assert [holder.version for holder in answer.holders] == ["2"]
        entry_counts = check_at_rest(backend, model)
        assert (entry_counts["OBSERVED"], entry_counts["FAILED"], entry_counts["OVERTAKEN"]) == (0, 0, 0)
        lineage = next(e.body for e in read_book_state(backend, model).book.entries if e.body.type == "REGISTERED").lineage
        assert lineage.artifact
        assert lineage.missing == ""
        refused_paths = [path for path in proxy.asked if "logged-models" not in path]
        assert len(refused_paths) <= 4, "after the one question about it nobody asks for what is not there"


def test_a_model_among_the_artifacts_is_registered_from_there(mlflow_server):
    with narrowed(mlflow_server, "logged models", answer="dagshub") as (backend, _):
        candidates = find_candidates(backend, run_with_model_files(backend))
        assert [(candidate.name, candidate.model_id) for candidate in candidates] == [("model", "")]
        assert candidates[0].source.endswith("/artifacts/model")


def test_without_stages_the_calls_that_are_shown_write_the_tag(mlflow_server):
    model = "wine-shown"
    with narrowed(mlflow_server, "stages") as (backend, _):
        register(make_writer(backend), make_trained_run(backend), model)
        snippet = moves_snippet(
            backend.uri,
            model,
            plan_move(read_model_status(backend, model, datetime.now(UTC)), MoveRequest(model, "1", "Production")).moves,
        )
        assert ALIAS in snippet
        assert f"set_model_version_tag('{model}', '1', '{STAGE_TAG}', 'Production')" in snippet
        assert TRANSITION not in snippet
        exec(snippet, {})
        assert read_snapshot(backend, model).slot_states["production"].alias == "1"
        assert read_snapshot(backend, model).versions["1"].stage == "Production"


def test_without_aliases_a_move_behind_our_back_is_seen_and_can_be_put_back(mlflow_server):
    model = "wine-behind"
    with narrowed(mlflow_server, "aliases") as (backend, _):
        for n in (1, 2):
            register(make_writer(backend), make_trained_run(backend, f"forest-{n}-trees"), model)
        move_version(make_writer(backend), MoveRequest(model, "1", "Production"), DECISION)
        client(backend).transition_model_version_stage(model, "2", "Production")
        client(backend).transition_model_version_stage(model, "1", "Archived")
        drifts = find_drifts(sync_model_status(make_writer(backend), model))
        assert [(drift.slot, drift.observed) for drift in drifts] == [("production", ("2",))]
        revert = next(resolution for resolution in drifts[0].resolutions if resolution.kind == "revert")
        move_version(make_writer(backend), MoveRequest(model, revert.version, revert.to_stage, "revert"), DECISION)
        assert read_snapshot(backend, model).slot_states["production"].holders == ("1",)
        assert check_at_rest(backend, model)["OBSERVED"] == 1


@pytest.mark.slow
def test_a_server_that_loses_its_stages_while_podium_runs_is_noticed_and_the_promotion_is_carried_out(mlflow_server):
    model = "wine-renewed"
    with narrowed(mlflow_server) as (backend, proxy):
        for n in (1, 2):
            register(make_writer(backend), make_trained_run(backend, f"forest-{n}-trees"), model)
        move_version(make_writer(backend), MoveRequest(model, "1", "Production"), DECISION)
        assert read_capabilities(backend).stages.is_available
        proxy.without.add("stages")
        request = MoveRequest(model, "2", "Production")
        moves = [
            (move.verb, move.target, move.version)
            for move in plan_move(read_model_status(backend, model, datetime.now(UTC)), request).moves
        ]
        assert sorted(moves) == [("alias", "production", "2"), ("stage", "Archived", "1"), ("stage", "Production", "2")]
        assert move_version(make_writer(backend), request, DECISION).outcome == "applied"
        assert {v.number: v.stage for v in read_snapshot(backend, model).versions.values()} == {
            "2": "Production",
            "1": "Archived",
        }
        assert check_at_rest(backend, model)["OBSERVED"] == 0


@pytest.mark.parametrize("answer", ["mlflow", "dagshub"])
def test_a_server_that_stops_taking_stages_in_the_middle_is_asked_again_and_the_decision_is_carried_out(mlflow_server, answer):
    model = f"wine-middle-{answer}"
    with narrowed(mlflow_server, answer=answer) as (backend, proxy):
        register(make_writer(backend), make_trained_run(backend), model)
        assert read_capabilities(backend).stages.is_available
        proxy.without.add("transition")
        assert move_version(make_writer(backend), MoveRequest(model, "1", "Production"), DECISION).outcome == "applied"
        assert read_capabilities(backend).stages.is_available is False
        assert read_snapshot(backend, model).versions["1"].stage == "Production"
        assert check_at_rest(backend, model)["OBSERVED"] == 0


@pytest.mark.parametrize("missing_features", thin([("stages",), ("aliases",), ("stages", "aliases")], 2), ids=" and ".join)
def test_two_processes_racing_three_times_leave_one_production(mlflow_server, missing_features):
    model = "wine"
    with narrowed(mlflow_server, *missing_features) as (backend, _):
        if any(snapshot.model == model for snapshot in read_all_snapshots(backend)):
            client(backend).delete_registered_model(model)
        client(backend).create_registered_model(model)
        for n in (1, 2):
            client(backend).create_model_version(model, f"s3://nowhere/{n}")
        answers = [
            answer
            for process_answers in run_together(promote_often, [(backend, n, 3) for n in (1, 2)])
            for answer in process_answers
        ]
        finish_open_decisions(make_writer(backend), model)
        assert set(answers) <= {"applied", "overtaken", "unchanged"}
        entry_counts = check_at_rest(backend, model)
        assert entry_counts["OBSERVED"] == 0
        assert len(read_snapshot(backend, model).slot_states["production"].stage) == 1
