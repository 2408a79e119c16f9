"""Changing a run: renaming, tags, the note, restoring; and refusing reserved changes."""

import pytest

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import LEDGER_EXPERIMENT
from lib.errors import ActionRefused, BadInput, NotFound
from lib.runs.edit.run_changes import (
    NOTE_TAG,
    Change,
    apply_change,
    code_snippet,
    note_change,
    rename_change,
    restore_change,
    tag_change,
    untag_change,
)
from lib.runs.reading.related_runs import read_related_runs
from lib.runs.reading.run_reader import read_run
from tests.support.run_factories import log_run, make_experiment

NASTY = "![x](http://evil/x) <script>alert(1)</script> 'quoted\" {0}"


@pytest.fixture
def run_id(fresh_store):
    return log_run(fresh_store, make_experiment(fresh_store, "wine"), "first", tags={"Author": "ana"}, model=False)


def both_backends(fresh_store, mlflow_server):
    return [
        (
            store,
            log_run(
                store, make_experiment(store, f"changed by a test {store.kind}"), "first", tags={"Author": "ana"}, model=False
            ),
        )
        for store in (fresh_store, mlflow_server)
    ]


def test_a_file_and_a_server_take_every_change(fresh_store, mlflow_server):
    for store, run_id in both_backends(fresh_store, mlflow_server):
        apply_change(store, rename_change(read_run(store, run_id), "  second \n name "))
        apply_change(store, tag_change(read_run(store, run_id), "purpose", NASTY))
        apply_change(store, tag_change(read_run(store, run_id), "Author", "bo"))
        apply_change(store, note_change(read_run(store, run_id), "First line\nsecond *line*"))
        run = read_run(store, run_id)
        assert run.name == "second name"
        assert (run.tags["purpose"], run.tags["Author"]) == (NASTY, "bo")
        assert run.tags[NOTE_TAG] == "First line\nsecond *line*"
        assert run.status == "FINISHED"
        apply_change(store, untag_change(run, "purpose"))
        apply_change(store, note_change(run, "  "))
        assert {"purpose", NOTE_TAG} & set(read_run(store, run_id).tags) == set()
        client(store).delete_run(run_id)
        apply_change(store, restore_change(read_run(store, run_id)))
        assert read_run(store, run_id).lifecycle == "active"


def test_a_change_is_refused_after_a_concurrent_change(fresh_store, run_id):
    name_change, author_change, new_tag = (
        rename_change(read_run(fresh_store, run_id), "mine"),
        tag_change(read_run(fresh_store, run_id), "Author", "me"),
        tag_change(read_run(fresh_store, run_id), "new", "me"),
    )
    client(fresh_store).update_run(run_id, name="theirs")
    client(fresh_store).set_tag(run_id, "Author", "them")
    client(fresh_store).set_tag(run_id, "new", "them")
    for change in (name_change, author_change, new_tag):
        with pytest.raises(ActionRefused, match="since you opened it"):
            apply_change(fresh_store, change)
    run = read_run(fresh_store, run_id)
    assert (run.name, run.tags["Author"], run.tags["new"]) == ("theirs", "them", "them")


def test_a_deleted_run_is_restored_before_it_is_changed(fresh_store, run_id):
    change = rename_change(read_run(fresh_store, run_id), "late")
    client(fresh_store).delete_run(run_id)
    with pytest.raises(ActionRefused, match="Restore it first"):
        apply_change(fresh_store, change)


def test_a_run_of_a_deleted_experiment_cannot_be_restored_alone(fresh_store, run_id):
    client(fresh_store).delete_experiment(read_run(fresh_store, run_id).experiment_id)
    with pytest.raises(ActionRefused, match="experiment wine was deleted"):
        apply_change(fresh_store, restore_change(read_run(fresh_store, run_id)))


def test_a_run_of_the_record_is_left_alone(fresh_store):
    book = log_run(fresh_store, make_experiment(fresh_store, LEDGER_EXPERIMENT), "book", model=False)
    with pytest.raises(ActionRefused, match="record"):
        apply_change(fresh_store, tag_change(read_run(fresh_store, book), "a", "b"))


def test_a_run_that_is_gone_is_not_found(fresh_store):
    with pytest.raises(NotFound):
        apply_change(fresh_store, Change("0" * 32, "rename", value="x"))


@pytest.mark.parametrize("name", ["", "  \n", "\u202e", "x" * 251])
def test_a_name_that_says_nothing_or_too_much_is_reported(fresh_store, run_id, name):
    with pytest.raises(BadInput):
        rename_change(read_run(fresh_store, run_id), name)


@pytest.mark.parametrize("key", ["", "mlflow.user", "podium.kind", "a\\b", "../x", "/x", "a//b", "x" * 251, "a=b", "é" * 3 + "?"])
def test_a_tags_name_that_cannot_be_kept_is_reported_before_mlflow_is_asked(fresh_store, run_id, key):
    with pytest.raises(BadInput):
        tag_change(read_run(fresh_store, run_id), key, "value")


def test_what_changes_nothing_or_would_be_cut_is_reported(fresh_store, run_id):
    run = read_run(fresh_store, run_id)
    for change in (
        lambda: rename_change(run, "first"),
        lambda: tag_change(run, "Author", "ana"),
        lambda: tag_change(run, "Author", "x" * 8001),
        lambda: note_change(run, ""),
        lambda: untag_change(run, "nobody"),
        lambda: restore_change(run),
    ):
        with pytest.raises(BadInput):
            change()


@pytest.mark.parametrize("key", ["data source/v1.2:raw", "größe"])
def test_names_that_mlflow_takes_are_taken(fresh_store, run_id, key):
    apply_change(fresh_store, tag_change(read_run(fresh_store, run_id), key, "1"))
    assert read_run(fresh_store, run_id).tags[key] == "1"


def test_the_call_that_is_shown_does_the_same(fresh_store, run_id):
    change = tag_change(read_run(fresh_store, run_id), "purpose", NASTY)
    exec(code_snippet(change, fresh_store.uri), {})
    assert read_run(fresh_store, run_id).tags["purpose"] == NASTY


def test_parent_children_and_siblings_are_found_and_deleted_ones_left_out(fresh_store):
    experiment_id = make_experiment(fresh_store, "search")
    parent = log_run(fresh_store, experiment_id, "parent", model=False)
    first, second, deleted_id = (
        log_run(fresh_store, experiment_id, name, parent=parent, minute=n, model=False)
        for n, name in enumerate(("t1", "t2", "t3"))
    )
    client(fresh_store).delete_run(deleted_id)
    child_relatives = read_related_runs(fresh_store, read_run(fresh_store, first))
    assert (child_relatives.parent.name, [run.run_id for run in child_relatives.siblings], child_relatives.children) == (
        "parent",
        [second],
        (),
    )
    parent_relatives = read_related_runs(fresh_store, read_run(fresh_store, parent))
    assert (parent_relatives.parent, [run.name for run in parent_relatives.children], parent_relatives.has_more) == (
        None,
        ["t2", "t1"],
        False,
    )
    orphan = log_run(fresh_store, experiment_id, "orphan", parent="it's gone", model=False)
    orphan_relatives = read_related_runs(fresh_store, read_run(fresh_store, orphan))
    assert (orphan_relatives.parent_id, orphan_relatives.parent, orphan_relatives.siblings) == ("it's gone", None, ())
