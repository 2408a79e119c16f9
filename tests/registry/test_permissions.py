"""A team on a server with users: two who decide and one who reads, each in a separate process."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from lib.backends.backend import Backend
from lib.backends.capabilities import forget_capabilities, read_capabilities
from lib.backends.mlflow_client import client
from lib.errors import MissingPermission, NotWritable
from lib.ledger.entry.timestamps import format_timestamp, timestamp_from_millis
from lib.registry.drift import find_drifts
from lib.registry.ledger_search import describe_unreadable
from lib.registry.model_survey import record_changes, survey_models
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.recover import recover_decisions
from lib.registry.register import register
from tests.support.auth_server import ADMIN, acting, password, run_code, serve_with_users
from tests.support.ledger_stores import DECISION, REASON, make_trained_run, make_writer


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    server = serve_with_users(tmp_path_factory.mktemp("users"))
    yield Backend(server.url, "server")
    server.stop()


def train(backend, name, experiment):
    return make_trained_run(backend, name, experiment=experiment)


def register_as(backend, run_id, model, name):
    return register(make_writer(backend, name), run_id, model).version


def move_as(backend, model, version, to, name):
    return move_version(
        make_writer(backend, name), MoveRequest(model, version, to, "archive" if to == "Archived" else "promote"), DECISION
    ).outcome


def move_outside(backend, model, version):
    client(backend).transition_model_version_stage(model, version, "Production")
    client(backend).set_registered_model_alias(model, "production", version)


def drop_alias_outside(backend, model):
    client(backend).delete_registered_model_alias(model, "production")


def experiment_of(backend, run_id):
    return client(backend).get_run(run_id).info.experiment_id


def read_drifts(backend, model):
    """Read the status like a page: recorded if the user may, else only shown. Returns the drifted slots and whether the user may write."""
    try:
        status, may_write = sync_model_status(make_writer(backend), model), True
    except NotWritable:
        status, may_write = read_model_status(backend, model, datetime.now(UTC)), False
    return [(drift.slot, drift.observed) for drift in find_drifts(status)], may_write


def record_survey(backend):
    try:
        return record_changes(make_writer(backend), survey_models(backend, datetime.now(UTC)))
    except NotWritable:
        return "may not"


def count_versions_and_entries(backend, model):
    state = read_book_state(backend, model)
    return len(read_snapshot(backend, model).versions), state.book.head if state else 0


def require_refusal(name, action, *args):
    """The missing grant that blocks a user."""
    with pytest.raises(MissingPermission) as refusal:
        acting(name, action, *args)
    assert refusal.value.grant_code.split("\n")[-1] in refusal.value.next
    return refusal.value


def test_what_the_second_person_needs_is_named_with_the_call_that_grants_it_and_then_works(team):
    model = "wine"
    run_id = acting("ana", train, team, "forest-1-tree", "wine-ana")
    assert acting("ana", register_as, team, run_id, model, "ana") == "1"
    assert acting("ana", move_as, team, model, "1", "Production", "ana") == "applied"
    second_run_id = acting("ben", train, team, "forest-5-trees", "wine-ben")
    before = acting("ana", count_versions_and_entries, team, model)

    missing = require_refusal("ben", register_as, team, second_run_id, model, "ben")
    assert missing.what.startswith("ben needs EDIT permission on experiment podium-ledger (number ")
    capabilities = acting("ben", read_capabilities, team)
    assert (capabilities.user_name, capabilities.write_access.is_available, capabilities.ledger_access.is_available) == (
        "ben",
        True,
        False,
    )
    assert capabilities.ledger_access.grant_code == missing.grant_code
    acting(ADMIN, run_code, missing.grant_code)
    assert acting("ben", read_capabilities, team).ledger_access.is_available

    missing = require_refusal("ben", register_as, team, second_run_id, model, "ben")
    assert missing.what.startswith("ben needs EDIT permission on model wine")
    assert (
        "MANAGE permission on model wine" in require_refusal("ben", move_as, team, model, "1", "Staging", "ben").what
    )  # deletes an alias
    assert acting("ana", count_versions_and_entries, team, model) == before, "nothing was written"
    acting("ana", run_code, missing.grant_code)  # the creator may grant it, too
    assert acting("ben", register_as, team, second_run_id, model, "ben") == "2"
    assert acting("ben", move_as, team, model, "2", "Production", "ben") == "applied"

    before = acting("ana", count_versions_and_entries, team, model)
    missing = require_refusal("ben", move_as, team, model, "2", "Archived", "ben")
    assert "MANAGE permission on model wine" in missing.what
    assert acting("ana", count_versions_and_entries, team, model) == before
    acting(ADMIN, run_code, missing.grant_code)
    assert acting("ben", move_as, team, model, "2", "Archived", "ben") == "applied"
    assert acting("rae", read_snapshot, team, model).slot_states["production"].holders == ()


def test_a_reader_sees_a_move_behind_our_back_and_nothing_is_recorded_until_somebody_may(team):
    model = "seen"
    for n in (1, 2):
        run_id = acting("ana", train, team, f"forest-{n}-trees", "wine-ana")
        acting("ana", register_as, team, run_id, model, "ana")
    acting("ana", move_as, team, model, "1", "Production", "ana")
    acting(ADMIN, move_outside, team, model, "2")
    before = acting("rae", count_versions_and_entries, team, model)
    drift = [("production", ("2", "1"))]
    assert acting("rae", read_drifts, team, model) == (drift, False)
    assert acting("rae", record_survey, team) == "may not"
    assert acting("rae", count_versions_and_entries, team, model) == before
    missing = require_refusal("rae", move_as, team, model, "2", "Staging", "rae")
    assert "rae needs EDIT permission" in missing.what
    assert acting("ana", read_drifts, team, model) == (drift, True)
    assert acting("rae", count_versions_and_entries, team, model) == (before[0], before[1] + 1)


def plant_decision(backend, model, version):
    """Write a well-chained decision in Ana's name by plain MLflow calls. Returns its id."""
    mlflow = client(backend)
    ledger = mlflow.get_experiment_by_name("podium-ledger").experiment_id
    (book,) = mlflow.search_runs([ledger], f"tags.`podium.model` = '{model}'")
    head = max(int(name) for name in book.data.params if name.isdigit())
    _, _, chain, text = book.data.params[f"{head:06d}"].split(" ", 3)
    target = mlflow.get_model_version(model, version)
    body = {
        "schema": 1,
        "type": "DECIDED",
        "model": model,
        "recorded_at": format_timestamp(datetime.now(UTC) - timedelta(seconds=125)),
        "backend": json.loads(text)["backend"],
        "by": {"name": "ana", "how": "server"},
        "verdict": "approve",
        "kind": "promote",
        "version": version,
        "from": "None",
        "to": "Production",
        "identity": {"created": timestamp_from_millis(target.creation_timestamp), "run_id": target.run_id},
        "slots": ["production"],
        "reason": {"category": "compliance", "text": "Signed off by the model risk committee."},
    }
    body_text, entry_id = json.dumps(body, sort_keys=True, separators=(",", ":")), "01M8ZZZZZZZZZZZZZZZZZZZZZ3"
    body_sha = sha256(body_text.encode()).hexdigest()
    value = f"{entry_id} {body_sha} {sha256((chain + body_sha).encode()).hexdigest()} {body_text}"
    mlflow.log_param(book.info.run_id, f"{head + 1:06d}", value)
    return entry_id


def holders_and_open_decisions(backend, model):
    state = read_book_state(backend, model)
    return read_snapshot(backend, model).slot_states["production"].holders, [intent.id for intent in state.open_intents]


def recover_as(backend, model, intent_id, choice, name):
    return recover_decisions(make_writer(backend, name), model, [intent_id], choice, REASON)[0].outcome


def test_a_decision_planted_by_who_may_only_write_the_ledger_is_carried_out_by_nobodys_credentials(app, team, monkeypatch):
    """Ben may write the ledger and read the model. Ana's pages, her next promotion and her command move what she decides, and no more."""
    model = "planted"
    for n in (1, 2, 3):
        acting("ana", register_as, team, acting("ana", train, team, f"forest-{n}-trees", "wine-ana"), model, "ana")
    acting("ana", move_as, team, model, "1", "Production", "ana")
    grant_code = acting("ben", read_capabilities, team).ledger_access.grant_code
    if grant_code:  # not granted by another test yet
        acting(ADMIN, run_code, grant_code)
    planted_id = acting("ben", plant_decision, team, model, "3")
    assert "model planted" in require_refusal("ben", recover_as, team, model, planted_id, "finish", "ben").what
    assert "model planted" in require_refusal("ben", recover_as, team, model, planted_id, "give up", "ben").what

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ana")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password("ana"))
    forget_capabilities(team)
    for name in ("overview", "models", "audit"):
        assert not app(name, team, model=model).exception
    assert acting("rae", holders_and_open_decisions, team, model) == (("1",), [planted_id])
    assert acting("ana", move_as, team, model, "2", "Production", "ana") == "applied"
    assert acting("rae", holders_and_open_decisions, team, model) == (("2",), [planted_id])
    assert acting("ana", recover_as, team, model, planted_id, "give up", "ana") == "FAILED"
    assert acting("rae", holders_and_open_decisions, team, model) == (("2",), [])


@pytest.mark.slow
def test_a_reader_finds_the_deeds_greyed_out_with_what_to_ask_for(app, team, monkeypatch):
    model = "greyed"
    run_id = acting("ana", train, team, "forest-1-tree", "wine-ana")
    acting("ana", register_as, team, run_id, model, "ana")
    acting("ana", move_as, team, model, "1", "Production", "ana")
    acting(ADMIN, drop_alias_outside, team, model)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "rae")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password("rae"))
    forget_capabilities(team)
    page = app("models", team, model=model, version="1")
    assert [warning for warning in page.warning if "the ledger says v1" in warning.value]
    for key in ("models.register", "models.promote.Staging", "models.archive.Archived"):
        assert page.button(key=key).disabled
        assert "rae needs EDIT permission" in page.button(key=key).help
    assert any("grant_user_permission('rae', 'experiment'" in block.value for block in page.code)

    run = app("run", team, run=run_id)
    for key in ("run.rename", "run.delete", "run.note.edit", "run.tags.edit", "run.register"):
        assert run.button(key=key).disabled, key
    experiment = acting("rae", experiment_of, team, run_id)
    compare = app("compare", team, experiment=experiment)
    assert compare.button(key="compare.register").disabled
    assert "rae" in compare.button(key="compare.register").help

    acting("ana", register_as, team, run_id, "calm", "ana")
    acting("ana", move_as, team, "calm", "1", "Staging", "ana")
    page = app("models", team, model="calm", version="1")
    assert page.button(key="models.promote.Production").disabled, "where there is nothing to record, too"


@pytest.mark.slow
def test_where_others_may_not_even_be_read_the_missing_right_is_named_without_its_number(tmp_path):
    server = serve_with_users(tmp_path, default="NO_PERMISSIONS")
    backend = Backend(server.url, "server")
    try:
        run_id = acting("ana", train, backend, "forest-1-tree", "wine-ana")
        acting("ana", register_as, backend, run_id, "wine", "ana")
        second_run_id = acting("ben", train, backend, "forest-5-trees", "wine-ben")
        missing = require_refusal("ben", register_as, backend, second_run_id, "cider", "ben")
        assert "podium-ledger" in missing.what
        assert "get_experiment_by_name('podium-ledger')" in missing.grant_code
        assert acting("rae", describe_unreadable, backend) == (
            "This account can read only experiments granted to it. There may be others."
        )
    finally:
        server.stop()
