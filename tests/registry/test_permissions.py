"""A team on a server with users: two who decide and one who reads, each in a process of their own."""

import pytest

from lib.backends.backend import Backend
from lib.backends.capabilities import forget_capabilities, read_capabilities
from lib.backends.mlflow_client import client
from lib.errors import MissingPermission, NotWritable
from lib.registry.drift import find_drifts
from lib.registry.model_survey import record_changes, survey_models
from lib.registry.promote import MoveRequest, move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.register import register
from tests.support.auth_server import ADMIN, acting, password, run_code, serve_with_users
from tests.support.ledger_stores import REASON, make_trained_run, make_writer

pytestmark = pytest.mark.xdist_group("users")


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    served = serve_with_users(tmp_path_factory.mktemp("users"))
    yield Backend(served.url, "server")
    served.stop()


def train(here, name, experiment):
    return make_trained_run(here, name, experiment=experiment)


def registers(here, run_id, model, name):
    return register(make_writer(here, name), run_id, model).version


def moves(here, model, version, to, name):
    return move_version(
        make_writer(here, name), MoveRequest(model, version, to, REASON, "archive" if to == "Archived" else "promote")
    ).outcome


def moves_plainly(here, model, version):
    client(here).transition_model_version_stage(model, version, "Production")
    client(here).set_registered_model_alias(model, "production", version)


def moves_plainly_off(here, model):
    client(here).delete_registered_model_alias(model, "production")


def experiment_of(here, run_id):
    return client(here).get_run(run_id).info.experiment_id


def sees(here, model):
    """What somebody sees, as a page does: recorded if they may, else only shown. Gives the slots that drift, and whether they may."""
    try:
        found, may_write = sync_model_status(make_writer(here), model), True
    except NotWritable:
        found, may_write = read_model_status(here, model), False
    return [(one.slot, one.observed) for one in find_drifts(found)], may_write


def surveys(here):
    try:
        return record_changes(make_writer(here), survey_models(here))
    except NotWritable:
        return "may not"


def counts(here, model):
    state = read_book_state(here, model)
    return len(read_snapshot(here, model).versions), state.book.head if state else 0


def refused(name, deed, *args):
    """The missing grant that stops a person."""
    with pytest.raises(MissingPermission) as told:
        acting(name, deed, *args)
    assert told.value.grant_code.split("\n")[-1] in told.value.next
    return told.value


def test_what_the_second_person_needs_is_named_with_the_call_that_grants_it_and_then_works(team):
    model = "wine"
    one = acting("ana", train, team, "forest-1-tree", "wine-ana")
    assert acting("ana", registers, team, one, model, "ana") == "1"
    assert acting("ana", moves, team, model, "1", "Production", "ana") == "applied"
    two = acting("ben", train, team, "forest-5-trees", "wine-ben")
    before = acting("ana", counts, team, model)

    missing = refused("ben", registers, team, two, model, "ben")
    assert missing.what.startswith("ben needs the right EDIT on experiment podium-ledger (number ")
    can = acting("ben", read_capabilities, team)
    assert (can.user_name, can.write_access.is_available, can.ledger_access.is_available) == ("ben", True, False)
    assert can.ledger_access.grant_code == missing.grant_code
    acting(ADMIN, run_code, missing.grant_code)
    assert acting("ben", read_capabilities, team).ledger_access.is_available

    missing = refused("ben", registers, team, two, model, "ben")
    assert missing.what.startswith("ben needs the right EDIT on model wine")
    assert "MANAGE on model wine" in refused("ben", moves, team, model, "1", "Staging", "ben").what  # takes an alias off
    assert acting("ana", counts, team, model) == before, "nothing was written"
    acting("ana", run_code, missing.grant_code)  # who made it may grant it, too
    assert acting("ben", registers, team, two, model, "ben") == "2"
    assert acting("ben", moves, team, model, "2", "Production", "ben") == "applied"

    before = acting("ana", counts, team, model)
    missing = refused("ben", moves, team, model, "2", "Archived", "ben")
    assert "MANAGE on model wine" in missing.what
    assert acting("ana", counts, team, model) == before
    acting(ADMIN, run_code, missing.grant_code)
    assert acting("ben", moves, team, model, "2", "Archived", "ben") == "applied"
    assert acting("rae", read_snapshot, team, model).now["production"].holders == ()


def test_a_reader_sees_a_move_behind_our_back_and_nothing_is_recorded_until_somebody_may(team):
    model = "seen"
    for n in (1, 2):
        run_id = acting("ana", train, team, f"forest-{n}-trees", "wine-ana")
        acting("ana", registers, team, run_id, model, "ana")
    acting("ana", moves, team, model, "1", "Production", "ana")
    acting(ADMIN, moves_plainly, team, model, "2")
    before = acting("rae", counts, team, model)
    drift = [("production", ("2", "1"))]
    assert acting("rae", sees, team, model) == (drift, False)
    assert acting("rae", surveys, team) == "may not"
    assert acting("rae", counts, team, model) == before
    missing = refused("rae", moves, team, model, "2", "Staging", "rae")
    assert "rae needs the right EDIT" in missing.what
    assert acting("ana", sees, team, model) == (drift, True)
    assert acting("rae", counts, team, model) == (before[0], before[1] + 1)


def test_a_reader_finds_the_deeds_greyed_out_with_what_to_ask_for(app, team, monkeypatch):
    model = "greyed"
    run_id = acting("ana", train, team, "forest-1-tree", "wine-ana")
    acting("ana", registers, team, run_id, model, "ana")
    acting("ana", moves, team, model, "1", "Production", "ana")
    acting(ADMIN, moves_plainly_off, team, model)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "rae")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password("rae"))
    forget_capabilities(team)
    page = app("models", team, model=model, version="1")
    assert [one for one in page.warning if "the ledger says v1" in one.value]
    for key in ("models.register", "models.promote.Staging", "models.archive.Archived"):
        assert page.button(key=key).disabled
        assert "rae needs the right EDIT" in page.button(key=key).help
    assert any("grant_user_permission('rae', 'experiment'" in code.value for code in page.code)

    run = app("run", team, run=run_id)
    for key in ("run.rename", "run.delete", "run.note.edit", "run.tags.edit", "run.register"):
        assert run.button(key=key).disabled, key
    experiment = acting("rae", experiment_of, team, run_id)
    compare = app("compare", team, experiment=experiment)
    assert compare.button(key="compare.register").disabled
    assert "rae" in compare.button(key="compare.register").help

    acting("ana", registers, team, run_id, "calm", "ana")
    acting("ana", moves, team, "calm", "1", "Staging", "ana")
    page = app("models", team, model="calm", version="1")
    assert page.button(key="models.promote.Production").disabled, "where there is nothing to record, too"


def test_where_others_may_not_even_be_read_the_missing_right_is_named_without_its_number(tmp_path):
    served = serve_with_users(tmp_path, default="NO_PERMISSIONS")
    here = Backend(served.url, "server")
    try:
        one = acting("ana", train, here, "forest-1-tree", "wine-ana")
        acting("ana", registers, here, one, "wine", "ana")
        two = acting("ben", train, here, "forest-5-trees", "wine-ben")
        missing = refused("ben", registers, here, two, "cider", "ben")
        assert "podium-ledger" in missing.what
        assert "get_experiment_by_name('podium-ledger')" in missing.grant_code
    finally:
        served.stop()
