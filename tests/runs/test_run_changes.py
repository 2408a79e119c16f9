"""Changing a run: renaming, tags, the note, restoring; and refusing what nobody should change."""

import pytest
from mlflow import MlflowClient

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BadInput, NotFound
from lib.ledger.storage.book_index import LEDGER_EXPERIMENT
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
def made(fresh_store):
    return log_run(fresh_store, make_experiment(fresh_store, "wine"), "first", tags={"Author": "ana"}, model=False)


def both(fresh_store, mlflow_server):
    for n, store in enumerate((fresh_store, mlflow_server)):
        home = make_experiment(store, f"changed by a test {n} {store.kind}")
        yield store, log_run(store, home, "first", tags={"Author": "ana"}, model=False)


def test_a_file_and_a_server_take_every_change(fresh_store, mlflow_server):
    for store, run_id in both(fresh_store, mlflow_server):
        apply_change(store, rename_change(read_run(store, run_id), "  second \n name "))
        apply_change(store, tag_change(read_run(store, run_id), "purpose", NASTY))
        apply_change(store, tag_change(read_run(store, run_id), "Author", "bo"))
        apply_change(store, note_change(read_run(store, run_id), "First line\nsecond *line*"))
        now = read_run(store, run_id)
        assert now.name == "second name"
        assert (now.tags["purpose"], now.tags["Author"]) == (NASTY, "bo")
        assert now.tags[NOTE_TAG] == "First line\nsecond *line*"
        assert now.status == "FINISHED"
        apply_change(store, untag_change(now, "purpose"))
        apply_change(store, note_change(now, "  "))
        assert {"purpose", NOTE_TAG} & set(read_run(store, run_id).tags) == set()
        client(store).delete_run(run_id)
        apply_change(store, restore_change(read_run(store, run_id)))
        assert read_run(store, run_id).lifecycle == "active"


def test_a_change_is_refused_when_somebody_else_was_quicker(fresh_store, made):
    rename, tag, fresh = (
        rename_change(read_run(fresh_store, made), "mine"),
        tag_change(read_run(fresh_store, made), "Author", "me"),
        tag_change(read_run(fresh_store, made), "new", "me"),
    )
    client(fresh_store).update_run(made, name="theirs")
    client(fresh_store).set_tag(made, "Author", "them")
    client(fresh_store).set_tag(made, "new", "them")
    for change in (rename, tag, fresh):
        with pytest.raises(ActionRefused, match="since you looked"):
            apply_change(fresh_store, change)
    now = read_run(fresh_store, made)
    assert (now.name, now.tags["Author"], now.tags["new"]) == ("theirs", "them", "them")


def test_a_deleted_run_is_restored_before_it_is_changed(fresh_store, made):
    change = rename_change(read_run(fresh_store, made), "late")
    client(fresh_store).delete_run(made)
    with pytest.raises(ActionRefused, match="Restore it first"):
        apply_change(fresh_store, change)


def test_a_run_of_a_deleted_experiment_cannot_be_restored_alone(fresh_store, made):
    client(fresh_store).delete_experiment(read_run(fresh_store, made).experiment_id)
    with pytest.raises(ActionRefused, match="experiment wine was deleted"):
        apply_change(fresh_store, restore_change(read_run(fresh_store, made)))


def test_a_run_of_the_record_is_left_alone(fresh_store):
    book = log_run(fresh_store, make_experiment(fresh_store, LEDGER_EXPERIMENT), "book", model=False)
    with pytest.raises(ActionRefused, match="record"):
        apply_change(fresh_store, tag_change(read_run(fresh_store, book), "a", "b"))


def test_a_run_that_is_gone_is_not_found(fresh_store):
    with pytest.raises(NotFound):
        apply_change(fresh_store, Change("0" * 32, "rename", value="x"))


@pytest.mark.parametrize("name", ["", "  \n", "\u202e", "x" * 251])
def test_a_name_that_says_nothing_or_too_much_is_told(fresh_store, made, name):
    with pytest.raises(BadInput):
        rename_change(read_run(fresh_store, made), name)


@pytest.mark.parametrize("key", ["", "mlflow.user", "podium.kind", "a\\b", "../x", "/x", "a//b", "x" * 251, "a=b", "é" * 3 + "?"])
def test_a_tags_name_that_cannot_be_kept_is_told_before_mlflow_is_asked(fresh_store, made, key):
    with pytest.raises(BadInput):
        tag_change(read_run(fresh_store, made), key, "value")


def test_what_changes_nothing_or_would_be_cut_is_told(fresh_store, made):
    now = read_run(fresh_store, made)
    for change in (
        lambda: rename_change(now, "first"),
        lambda: tag_change(now, "Author", "ana"),
        lambda: tag_change(now, "Author", "x" * 8001),
        lambda: note_change(now, ""),
        lambda: untag_change(now, "nobody"),
        lambda: restore_change(now),
    ):
        with pytest.raises(BadInput):
            change()


@pytest.mark.parametrize("key", ["data source/v1.2:raw", "größe"])
def test_names_that_mlflow_takes_are_taken(fresh_store, made, key):
    apply_change(fresh_store, tag_change(read_run(fresh_store, made), key, "1"))
    assert read_run(fresh_store, made).tags[key] == "1"


def test_the_call_that_is_shown_does_the_same(fresh_store, made):
    change = tag_change(read_run(fresh_store, made), "purpose", NASTY)
    exec(code_snippet(change, fresh_store.uri), {"MlflowClient": MlflowClient})
    assert read_run(fresh_store, made).tags["purpose"] == NASTY


def test_parent_children_and_siblings_are_found_and_deleted_ones_left_out(fresh_store):
    home = make_experiment(fresh_store, "search")
    parent = log_run(fresh_store, home, "parent", model=False)
    first, second, gone = (
        log_run(fresh_store, home, name, parent=parent, minute=n, model=False) for n, name in enumerate(("t1", "t2", "t3"))
    )
    client(fresh_store).delete_run(gone)
    found = read_related_runs(fresh_store, read_run(fresh_store, first))
    assert (found.parent.name, [one.run_id for one in found.siblings], found.children) == ("parent", [second], ())
    above = read_related_runs(fresh_store, read_run(fresh_store, parent))
    assert (above.parent, [one.name for one in above.children], above.has_more) == (None, ["t2", "t1"], False)
    orphan = log_run(fresh_store, home, "orphan", parent="it's gone", model=False)
    alone = read_related_runs(fresh_store, read_run(fresh_store, orphan))
    assert (alone.parent_id, alone.parent, alone.siblings) == ("it's gone", None, ())
