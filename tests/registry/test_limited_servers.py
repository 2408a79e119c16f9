"""The same journey on servers that lack stages, aliases or logged models: the registry moves take the other road.

A real MLflow server stands behind a proxy that leaves them out (see tests/support/limited_server.py).
"""

from collections import Counter
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
from lib.registry.promote import MoveRequest, move_version, preview_moves, roll_back
from lib.registry.reader import read_all_snapshots, read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, recover, sync_model_status
from lib.registry.register import find_candidates, register
from lib.registry.verify import verify
from lib.runs.reading.registered_versions import read_version_origins
from tests.support.ledger_stores import MLMODEL, REASON, make_trained_run, make_writer
from tests.support.ledger_workers import promote_often, run_together
from tests.support.limited_server import narrowed

pytestmark = pytest.mark.xdist_group("mlflow_server")
LACKS = [("stages",), ("aliases",), ("stages", "aliases"), ("logged models", "stages")]
TRANSITION, ALIAS = "transition_model_version_stage", "set_registered_model_alias"


def run_with_model_files(backend, name="forest-5-trees"):
    """A finished run whose model lies among its artifacts, as MLflow 2 keeps it."""
    mlflow = client(backend)
    home = mlflow.get_experiment_by_name("wine-2")
    run = mlflow.create_run(home.experiment_id if home else mlflow.create_experiment("wine-2"), run_name=name)
    mlflow.log_metric(run.info.run_id, "accuracy", 0.9444)
    with TemporaryDirectory() as folder:
        (Path(folder) / "MLmodel").write_text(MLMODEL)
        (Path(folder) / "requirements.txt").write_text("scikit-learn==1.9.1\n")
        mlflow.log_artifacts(run.info.run_id, folder, "model")
    mlflow.set_terminated(run.info.run_id)
    return run.info.run_id


def at_rest(backend, model):
    """Ledger and registry agree, nothing is open, the chain is whole; gives the entry types."""
    seen, state = read_snapshot(backend, model), read_book_state(backend, model)
    assert state.open_intents == ()
    assert verify(backend, model).findings == ()
    for slot, want in state.desired_holders().items():
        assert not want.is_managed or is_fulfilled(want, seen.slot_states[slot]), (slot, want, seen.slot_states)
    return Counter(entry.body.type for entry in state.book.entries)


@pytest.mark.parametrize("lacks", LACKS, ids=" and ".join)
def test_the_journey_on_a_server_without(mlflow_server, lacks):
    model = f"wine-without-{'-'.join(lacks)}"
    made = run_with_model_files if "logged models" in lacks else make_trained_run
    with narrowed(mlflow_server, *lacks) as (here, narrow):
        runs = [made(here, f"forest-{n}-trees") for n in (1, 5, 10)]
        versions = [register(make_writer(here), run_id, model).version for run_id in runs]
        assert versions == ["1", "2", "3"]
        move_version(make_writer(here), MoveRequest(model, "1", "Production", REASON, expected_holder=NO_HOLDER))
        done = move_version(make_writer(here), MoveRequest(model, "2", "Production", REASON, expected_holder="1"))
        assert (done.outcome, done.displaced_versions) == ("applied", ("1",))
        between = read_book_state(here, model).last_observed_at
        assert roll_back(make_writer(here), model, REASON, None, "2").version == "1"
        move_version(make_writer(here), MoveRequest(model, "3", "Staging", REASON))
        assert move_version(make_writer(here), MoveRequest(model, "3", "Archived", REASON, "archive")).outcome == "applied"
        move_version(make_writer(here), MoveRequest(model, "3", "Staging", REASON))

        seen = read_snapshot(here, model)
        assert (seen.slot_states["production"].holders, seen.slot_states["staging"].holders) == (("1",), ("3",))
        assert [v.stage for v in seen.versions.values()] == ["Staging", "Archived", "Production"]
        assert {o.version.version: o.version.stage for o in read_version_origins(here) if o.version.model == model}[
            "1"
        ] == "Production"
        told = as_of(read_book_state(here, model).book.entries, "production", TimeQuery(between))
        assert [holder.version for holder in told.holders] == ["2"]
        types = at_rest(here, model)
        assert (types["OBSERVED"], types["FAILED"], types["OVERTAKEN"]) == (0, 0, 0)
        lineage = next(e.body for e in read_book_state(here, model).book.entries if e.body.type == "REGISTERED").lineage
        assert lineage.artifact
        assert lineage.missing == ""
        moved = [path for path in narrow.asked if "logged-models" not in path]
        assert len(moved) <= 4, "after the one question about it nobody asks for what is not there"


def test_a_model_among_the_artifacts_is_registered_from_there(mlflow_server):
    with narrowed(mlflow_server, "logged models", answer="dagshub") as (here, _):
        found = find_candidates(here, run_with_model_files(here))
        assert [(one.name, one.model_id) for one in found] == [("model", "")]
        assert found[0].source.endswith("/artifacts/model")


def test_without_stages_the_calls_that_are_shown_write_the_tag(mlflow_server):
    model = "wine-shown"
    with narrowed(mlflow_server, "stages") as (here, _):
        register(make_writer(here), make_trained_run(here), model)
        shown = moves_snippet(
            here.uri,
            model,
            preview_moves(read_model_status(here, model), MoveRequest(model, "1", "Production", REASON), make_writer(here)),
        )
        assert ALIAS in shown
        assert f"set_model_version_tag('{model}', '1', '{STAGE_TAG}', 'Production')" in shown
        assert TRANSITION not in shown
        exec(shown, {})
        assert read_snapshot(here, model).slot_states["production"].alias == "1"
        assert read_snapshot(here, model).versions["1"].stage == "Production"


def test_without_aliases_a_move_behind_our_back_is_seen_and_can_be_put_back(mlflow_server):
    model = "wine-behind"
    with narrowed(mlflow_server, "aliases") as (here, _):
        for n in (1, 2):
            register(make_writer(here), make_trained_run(here, f"forest-{n}-trees"), model)
        move_version(make_writer(here), MoveRequest(model, "1", "Production", REASON))
        client(here).transition_model_version_stage(model, "2", "Production")
        client(here).transition_model_version_stage(model, "1", "Archived")
        drift = find_drifts(sync_model_status(make_writer(here), model))
        assert [(one.slot, one.observed) for one in drift] == [("production", ("2",))]
        back = next(way for way in drift[0].resolutions if way.kind == "revert")
        move_version(make_writer(here), MoveRequest(model, back.version, back.to_stage, REASON, "revert"))
        assert read_snapshot(here, model).slot_states["production"].holders == ("1",)
        assert at_rest(here, model)["OBSERVED"] == 1


def test_a_server_that_loses_its_stages_while_podium_runs_is_noticed_and_the_promotion_is_carried_out(mlflow_server):
    model = "wine-renewed"
    with narrowed(mlflow_server) as (here, narrow):
        for n in (1, 2):
            register(make_writer(here), make_trained_run(here, f"forest-{n}-trees"), model)
        move_version(make_writer(here), MoveRequest(model, "1", "Production", REASON))
        assert read_capabilities(here).stages.is_available
        narrow.without.add("stages")
        wish = MoveRequest(model, "2", "Production", REASON)
        shown = [
            (step.verb, step.target, step.version)
            for step in preview_moves(read_model_status(here, model), wish, make_writer(here))
        ]
        assert sorted(shown) == [("alias", "production", "2"), ("stage", "Archived", "1"), ("stage", "Production", "2")]
        assert move_version(make_writer(here), wish).outcome == "applied"
        assert {v.number: v.stage for v in read_snapshot(here, model).versions.values()} == {"2": "Production", "1": "Archived"}
        assert at_rest(here, model)["OBSERVED"] == 0


@pytest.mark.parametrize("answer", ["mlflow", "dagshub"])
def test_a_server_that_stops_taking_stages_in_the_middle_is_asked_again_and_the_decision_is_carried_out(mlflow_server, answer):
    model = f"wine-middle-{answer}"
    with narrowed(mlflow_server, answer=answer) as (here, narrow):
        register(make_writer(here), make_trained_run(here), model)
        assert read_capabilities(here).stages.is_available
        narrow.without.add("transition")
        assert move_version(make_writer(here), MoveRequest(model, "1", "Production", REASON)).outcome == "applied"
        assert read_capabilities(here).stages.is_available is False
        assert read_snapshot(here, model).versions["1"].stage == "Production"
        assert at_rest(here, model)["OBSERVED"] == 0


@pytest.mark.parametrize("lacks", [("stages",), ("aliases",), ("stages", "aliases")], ids=" and ".join)
def test_two_processes_racing_three_times_leave_one_production(mlflow_server, lacks):
    model = "wine"
    with narrowed(mlflow_server, *lacks) as (here, _):
        if any(seen.model == model for seen in read_all_snapshots(here)):
            client(here).delete_registered_model(model)
        client(here).create_registered_model(model)
        for n in (1, 2):
            client(here).create_model_version(model, f"s3://nowhere/{n}")
        answers = [one for many in run_together(promote_often, [(here, n, 3) for n in (1, 2)]) for one in many]
        recover(make_writer(here), model)
        assert set(answers) <= {"applied", "overtaken", "unchanged"}
        types = at_rest(here, model)
        assert types["OBSERVED"] == 0
        assert len(read_snapshot(here, model).slot_states["production"].stage) == 1
