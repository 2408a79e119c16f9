"""Soft-deleting a run: its dependents, and when it is refused."""

from dataclasses import replace

import pytest

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, NotFound
from lib.registry.code_snippets import delete_run_snippet
from lib.registry.delete_run import delete_run, read_dependents
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from lib.runs.reading.run_reader import read_run
from tests.support.ledger_stores import DECISION, book_id_of, make_registered_model, make_trained_run, make_writer
from tests.support.run_factories import log_run, make_experiment


@pytest.fixture
def source(fresh_store):
    """A run whose model is version 1 of "wine"."""
    run_id = make_trained_run(fresh_store)
    register(make_writer(fresh_store), run_id, "wine")
    return run_id


def lifecycle(store, run_id):
    return read_run(store, run_id).lifecycle


def test_a_run_nothing_depends_on_is_deleted_at_once_and_can_come_back(fresh_store):
    run_id = make_trained_run(fresh_store)
    dependents = read_dependents(fresh_store, run_id)
    assert (dependents.version_uses, dependents.children, dependents.confirmation_text) == ((), (), "")
    delete_run(fresh_store, dependents)
    assert lifecycle(fresh_store, run_id) == "deleted"
    with pytest.raises(ActionRefused, match="already"):
        delete_run(fresh_store, dependents)
    client(fresh_store).restore_run(run_id)
    assert lifecycle(fresh_store, run_id) == "active"


def test_a_version_nobody_holds_is_named_and_does_not_forbid(fresh_store, source):
    dependents = read_dependents(fresh_store, source)
    assert [(use.model, use.version, use.stage, use.is_in_use, use.is_stored_in_run) for use in dependents.version_uses] == [
        ("wine", "1", "None", False, False)
    ]
    delete_run(fresh_store, dependents)
    assert lifecycle(fresh_store, source) == "deleted"


def test_the_source_of_the_champion_goes_only_when_its_id_is_typed(fresh_store, source):
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    dependents = read_dependents(fresh_store, source)
    use = dependents.versions_in_use[0]
    assert (use.stage, use.aliases, [holding.slot for holding in use.holdings]) == ("Production", ("production",), ["production"])
    for confirmation in ("", "yes", dependents.confirmation_text[:-1]):
        with pytest.raises(ActionRefused, match="wine v1"):
            delete_run(fresh_store, dependents, confirmation)
    assert lifecycle(fresh_store, source) == "active"
    delete_run(fresh_store, dependents, f" {source[:8]} ")
    assert lifecycle(fresh_store, source) == "deleted"


def test_an_alias_of_the_team_counts_as_use(fresh_store, source):
    client(fresh_store).set_registered_model_alias("wine", "champion", "1")
    assert read_dependents(fresh_store, source).versions_in_use[0].aliases == ("champion",)


def test_a_version_that_held_production_once_is_told_with_its_time(fresh_store, source):
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Archived", "archive"), DECISION)
    use = read_dependents(fresh_store, source).version_uses[0]
    assert use.holdings[0].until is not None
    assert not use.is_in_use


def test_a_move_between_the_look_and_the_deed_is_noticed(fresh_store, source):
    dependents = read_dependents(fresh_store, source)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Staging"), DECISION)
    with pytest.raises(ActionRefused, match="since you looked"):
        delete_run(fresh_store, dependents, source[:8])
    assert lifecycle(fresh_store, source) == "active"


def test_a_running_run_is_not_deleted_under_its_program(fresh_store):
    run_id = make_trained_run(fresh_store, status="RUNNING")
    dependents = read_dependents(fresh_store, run_id)
    with pytest.raises(ActionRefused, match="still running"):
        delete_run(fresh_store, dependents)
    delete_run(fresh_store, dependents, dependents.confirmation_text)
    assert lifecycle(fresh_store, run_id) == "deleted"


def test_a_book_of_the_record_is_never_deleted(fresh_store, source):
    book = book_id_of(fresh_store)
    with pytest.raises(ActionRefused, match="record"):
        delete_run(fresh_store, read_dependents(fresh_store, book), book[:8])
    assert lifecycle(fresh_store, book) == "active"


def test_children_are_named_and_stay(fresh_store):
    experiment = make_experiment(fresh_store, "search")
    parent = log_run(fresh_store, experiment, "parent", model=False)
    child = log_run(fresh_store, experiment, "child", parent=parent, model=False)
    dependents = read_dependents(fresh_store, parent)
    assert [child.name for child in dependents.children] == ["child"]
    delete_run(fresh_store, dependents)
    assert lifecycle(fresh_store, child) == "active"


def test_a_version_without_its_run_is_known_by_its_model(fresh_store):
    run_id = make_trained_run(fresh_store)
    model_id = read_run(fresh_store, run_id).model_ids[0]
    registry = client(fresh_store)
    registry.create_registered_model("wine")
    registry.create_model_version("wine", registry.get_logged_model(model_id).artifact_location)
    assert [use.version for use in read_dependents(fresh_store, run_id).version_uses] == ["1"]


def test_a_version_whose_files_lie_in_the_run_says_so(fresh_store):
    run_id = make_trained_run(fresh_store)
    client(fresh_store).create_registered_model("old")
    client(fresh_store).create_model_version("old", f"{read_run(fresh_store, run_id).artifact_uri}/model", run_id=run_id)
    assert [use.is_stored_in_run for use in read_dependents(fresh_store, run_id).version_uses] == [True]


def test_models_of_others_are_no_dependents(fresh_store, source):
    make_registered_model(fresh_store, "other")
    assert {use.model for use in read_dependents(fresh_store, source).version_uses} == {"wine"}


def test_an_unknown_run_is_not_found(fresh_store):
    with pytest.raises(NotFound):
        read_dependents(fresh_store, "0" * 32)


def test_the_call_that_is_shown_does_the_same(fresh_store):
    run_id = make_trained_run(fresh_store)
    exec(delete_run_snippet(run_id, fresh_store.uri), {})
    assert lifecycle(fresh_store, run_id) == "deleted"


@pytest.mark.slow
def test_a_server_tells_and_deletes_the_same(mlflow_server):
    name = "deleted by a test"
    run_id = make_trained_run(mlflow_server, "forest-77-trees")
    register(make_writer(mlflow_server), run_id, name)
    move_version(make_writer(mlflow_server), MoveRequest(name, "1", "Staging"), DECISION)
    dependents = read_dependents(mlflow_server, run_id)
    assert [(use.model, use.version, use.stage) for use in dependents.versions_in_use] == [(name, "1", "Staging")]
    with pytest.raises(ActionRefused, match="Versions in use"):
        delete_run(mlflow_server, replace(dependents))
    delete_run(mlflow_server, dependents, dependents.confirmation_text)
    assert lifecycle(mlflow_server, run_id) == "deleted"
