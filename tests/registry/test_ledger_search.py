"""Records replaced, hidden, copied or forged through plain MLflow calls are found wherever they are, and no new one begins."""

from datetime import UTC, datetime

import pytest

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import BOOK_TAG, HEAD_TAG, INDEX_EXPERIMENT, INDEX_TAG, LEDGER_EXPERIMENT
from lib.errors import LedgerBroken, NotFound
from lib.ledger.chain.hash_chain import param_key
from lib.ledger.storage.index_run import create_ended_run
from lib.ledger.storage.inventory_reader import find_unexplained
from lib.registry.ledger_search import describe_absence
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.verify import verify, verify_all, verify_index
from tests.conftest import copy_store
from tests.support.ledger_stores import DECISION, book_id_of, make_registered_model, make_writer
from tests.support.ledger_tampering import (
    copy_run,
    delete_the_index_run,
    drop_the_tags,
    execute,
    plant_an_index,
    purge_run,
    rename_both,
    rename_the_index,
    rename_the_ledger,
    replace_the_record,
    rewrite_book,
)
from tests.support.variants import thin


def findings_by_model(backend):
    return {v.model: [finding.what for finding in v.findings] for v in verify_all(backend)}


def finding_of(backend, what):
    """The only finding of this kind that belongs to no model."""
    (finding,) = [finding for v in verify_index(backend) for finding in v.findings if finding.what == what]
    return finding


def count_runs(backend):
    return execute(
        backend, "select (select count(*) from runs), (select count(*) from params), (select count(*) from experiments)"
    )


def check_that_no_record_begins(backend, model="beer"):
    """Check that a new model gets no book and nothing is written."""
    make_registered_model(backend, model)
    before = count_runs(backend)
    with pytest.raises(LedgerBroken, match="No new record begins"):
        move_version(make_writer(backend), MoveRequest(model, "1", "Production"), DECISION)
    with pytest.raises(LedgerBroken, match="No new record begins"):
        read_model_status(backend, model, datetime.now(UTC))
    with pytest.raises(LedgerBroken, match="Run verify"):
        verify(backend, model)
    assert count_runs(backend) == before


# Attack R3: the record is replaced


def test_a_rewritten_book_under_a_second_sealed_index_is_named_with_both_and_what_each_holds(recorded):
    old_book = book_id_of(recorded)
    old_index, new_index = replace_the_record(client(recorded), old_book)
    assert read_book_state(recorded, "wine").intents[0].body.by.name == "ben", "the attack itself works"
    assert findings_by_model(recorded) == {INDEX_EXPERIMENT: ["two indexes", "book of another index"], "wine": []}
    finding = finding_of(recorded, "two indexes")
    assert f"Two indexes are sealed: run {new_index} (named by the tags) and run {old_index}" in finding.means
    assert finding.means.count("names 1 book: that of wine with 7 entries") == 2
    assert finding.subject == old_index
    orphan = finding_of(recorded, "book of another index")
    assert f"Run {old_book} in experiment podium-ledger (number 1) is a book of wine with 7 entries, head 7:" in orphan.means
    assert f"only index {old_index[:8]}… names it" in orphan.means
    assert orphan.subject == old_book
    check_that_no_record_begins(recorded)


def test_a_second_index_in_an_experiment_of_its_own_is_named_even_when_it_is_deleted(recorded):
    mlflow = client(recorded)
    elsewhere = mlflow.create_experiment("my tests")
    index = plant_an_index(mlflow, rewrite_book(mlflow, book_id_of(recorded), elsewhere), elsewhere)
    mlflow.delete_experiment(elsewhere)
    assert findings_by_model(recorded) == {INDEX_EXPERIMENT: ["two indexes", "book of another index"], "wine": []}
    assert (
        f"Run {index[:8]}… (deleted) in experiment my tests (number 3, deleted) was created"
        in finding_of(recorded, "two indexes").means
    )
    check_that_no_record_begins(recorded)


def test_books_whose_experiment_was_renamed_go_on_where_another_one_leads_to_the_same_index(recorded):
    """The index names a book by its run id, so moving the run to another experiment hides nothing."""
    mlflow = client(recorded)
    book = book_id_of(recorded)
    index = mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    rename_the_ledger(mlflow)
    mlflow.create_experiment(LEDGER_EXPERIMENT, tags={INDEX_TAG: index})
    assert findings_by_model(recorded) == {"wine": []}
    assert move_version(make_writer(recorded), MoveRequest("wine", "3", "Production"), DECISION).outcome == "applied"
    assert book_id_of(recorded) == book
    make_registered_model(recorded, "beer")
    assert sync_model_status(make_writer(recorded), "beer").state.is_opened
    assert findings_by_model(recorded) == {"wine": [], "beer": []}


def test_an_index_without_a_seal_that_all_tags_name_does_not_hide_the_sealed_one(recorded):
    mlflow = client(recorded)
    old_index = mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    unsealed = create_ended_run(recorded, mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id, "index", {})
    for name in (LEDGER_EXPERIMENT, INDEX_EXPERIMENT):
        mlflow.set_experiment_tag(mlflow.get_experiment_by_name(name).experiment_id, INDEX_TAG, unsealed)
    drop_the_tags(mlflow)
    assert findings_by_model(recorded) == {INDEX_EXPERIMENT: ["two indexes", "book of another index"]}
    assert (
        f"run {unsealed} (named by the tags, without a seal of its own) and run {old_index}"
        in verify_all(recorded)[0].findings[0].means
    )
    with pytest.raises(LedgerBroken, match="two indexes"):
        sync_model_status(make_writer(recorded), "wine")


def test_a_book_that_no_index_names_is_named_without_its_tag_and_wherever_it_stands(recorded):
    mlflow = client(recorded)
    elsewhere = mlflow.create_experiment("a ledger\x1b[31m")
    planted = rewrite_book(mlflow, book_id_of(recorded), elsewhere, tags={"note": "nothing to see"})
    assert findings_by_model(recorded) == {INDEX_EXPERIMENT: ["book without an index"], "wine": []}
    finding = finding_of(recorded, "book without an index")
    assert f"Run {planted} in experiment a ledger" in finding.means
    assert "\x1b" not in finding.means
    assert "with 7 entries" in finding.means
    assert "no index names it" in finding.means
    check_that_no_record_begins(recorded)


# Attack R4: the record is hidden


def renamed(mlflow, backend):
    rename_both(mlflow)


def renamed_without_tags(mlflow, backend):
    rename_both(mlflow)
    drop_the_tags(mlflow)


def renamed_and_deleted(mlflow, backend):
    for experiment_id in rename_both(mlflow):
        mlflow.delete_experiment(experiment_id)
    drop_the_tags(mlflow)


def index_renamed_and_its_notes_dropped(mlflow, backend):
    rename_the_index(mlflow)
    mlflow.set_experiment_tag(mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id, INDEX_TAG, "")
    drop_the_tags(mlflow)


def renamed_with_the_book_deleted(mlflow, backend):
    mlflow.delete_run(book_id_of(backend))
    rename_both(mlflow)
    drop_the_tags(mlflow)


@pytest.mark.parametrize(
    "hide",
    thin(
        [renamed, renamed_without_tags, renamed_and_deleted, index_renamed_and_its_notes_dropped, renamed_with_the_book_deleted],
        5,
    ),
)
def test_a_record_whose_experiments_were_renamed_is_found_by_its_seal_and_no_new_one_begins(recorded, hide):
    mlflow = client(recorded)
    index, book = mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG], book_id_of(recorded)
    hide(mlflow, recorded)
    index_verdict, wine = verify_all(recorded)
    assert (index_verdict.model, [f.what for f in index_verdict.findings]) == (INDEX_EXPERIMENT, ["index changed"])
    assert f"An index exists, run {index} in experiment" in index_verdict.findings[0].means
    assert "It names 1 book: that of wine with 7 entries" in index_verdict.findings[0].means
    assert index_verdict.findings[0].subject == index
    assert (wine.model, wine.book.head) == ("wine", 7)
    is_deleted = hide in (renamed_and_deleted, renamed_with_the_book_deleted)
    assert [f.subject for f in wine.findings] == [book] * is_deleted
    before = count_runs(recorded)
    with pytest.raises(LedgerBroken, match="No new record begins"):
        move_version(make_writer(recorded), MoveRequest("wine", "3", "Production"), DECISION)
    assert count_runs(recorded) == before
    check_that_no_record_begins(recorded)


def test_how_a_renamed_ledger_is_put_back_is_said_and_works(recorded):
    mlflow = client(recorded)
    ledger, index = rename_both(mlflow)
    means = verify_all(recorded)[0].findings[0].means
    assert (
        f"To restore it, rename experiment old-1 (number {ledger}) back to podium-ledger, then rename experiment old-2 (number {index}) "
        "back to podium-ledger-index."
    ) in means
    mlflow.rename_experiment(ledger, LEDGER_EXPERIMENT)
    mlflow.rename_experiment(index, INDEX_EXPERIMENT)
    assert findings_by_model(recorded) == {"wine": []}
    assert move_version(make_writer(recorded), MoveRequest("wine", "3", "Production"), DECISION).outcome == "applied"


def test_a_renamed_ledger_is_put_back_although_another_one_has_taken_its_name(recorded):
    mlflow = client(recorded)
    index = mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    _, election = rename_both(mlflow)
    namesake = mlflow.create_experiment(LEDGER_EXPERIMENT)
    assert (
        f"To restore it, set tag podium.index of experiment podium-ledger (number {namesake}), which is a different one, to {index}, then "
        f"rename experiment old-2 (number {election}) back to podium-ledger-index."
    ) in finding_of(recorded, "index changed").means
    mlflow.set_experiment_tag(namesake, INDEX_TAG, index)
    mlflow.rename_experiment(election, INDEX_EXPERIMENT)
    assert findings_by_model(recorded) == {"wine": []}


def test_of_a_record_removed_for_good_the_tags_on_its_models_still_tell(recorded):
    mlflow = client(recorded)
    book, index = book_id_of(recorded), mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    rename_both(mlflow)
    for experiment in ("old-1", "old-2"):
        mlflow.set_experiment_tag(mlflow.get_experiment_by_name(experiment).experiment_id, INDEX_TAG, "")
    for run_id in (book, index):
        purge_run(recorded, run_id)
    verdicts = {v.model: v.findings for v in verify_all(recorded)}
    assert {what for findings in verdicts.values() for what in {f.what for f in findings}} == {"tag without a record"}
    assert {f.subject for f in verdicts["wine"]} == {book}
    assert f"The tag podium.book of the model leads to run {book}" in verdicts["wine"][0].means
    assert "which the index of this ledger does not" in verdicts["wine"][0].means
    check_that_no_record_begins(recorded)


def test_an_experiment_whose_tag_names_an_index_that_is_gone_is_named(recorded):
    mlflow = client(recorded)
    mlflow.create_experiment("old-index", tags={INDEX_TAG: "f" * 32})
    assert findings_by_model(recorded) == {INDEX_EXPERIMENT: ["tag without a record"], "wine": []}
    assert "Tag podium.index of experiment old-index (number 3)" in finding_of(recorded, "tag without a record").means
    check_that_no_record_begins(recorded)


def test_an_index_run_that_is_gone_for_good_is_a_finding_and_no_error(recorded):
    index = client(recorded).get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    delete_the_index_run(client(recorded))
    purge_run(recorded, index)
    index_verdict, *_ = verify_all(recorded)
    assert [f.what for f in index_verdict.findings] == ["index changed", "book without an index"]
    assert f"should be run {index}, but there is no such run" in index_verdict.findings[0].means
    with pytest.raises(LedgerBroken, match="no such run"):
        sync_model_status(make_writer(recorded), "wine")


# Attack R5, row 8: tags are forged


@pytest.mark.parametrize("value", thin(["f" * 32, "junk \x1b]0;X\x07", "0" * 4000], 3))
def test_a_forged_book_tag_is_told_as_one_and_undone_by_deleting_it(recorded, value):
    book = book_id_of(recorded)
    client(recorded).set_registered_model_tag("wine", BOOK_TAG, value)
    for findings in (verify(recorded, "wine").findings, verify_all(recorded)[-1].findings):
        assert [f.what for f in findings] == ["replaced book"]
        assert "The tag podium.book of the model leads to" in findings[0].means
        assert "it was written by hand" in findings[0].means
        assert "\x1b" not in findings[0].means
        assert findings[0].subject == value
    with pytest.raises(LedgerBroken, match="does not name"):
        move_version(make_writer(recorded), MoveRequest("wine", "3", "Production"), DECISION)
    check_that_no_record_begins(recorded)
    client(recorded).delete_registered_model_tag("wine", BOOK_TAG)
    assert book_id_of(recorded) == book
    assert move_version(make_writer(recorded), MoveRequest("wine", "3", "Production"), DECISION).outcome == "applied"


def test_a_forged_head_does_not_accuse_the_book_alone_and_is_undone_by_deleting_it(recorded):
    client(recorded).set_model_version_tag("wine", "1", HEAD_TAG, f"99 {'0' * 64} {book_id_of(recorded)}")
    (finding,) = verify(recorded, "wine").findings
    assert (finding.position, finding.what) == (99, "head behind its anchor")
    assert "or the stored head is wrong. Anyone who may change the model can write tags on its versions." in finding.means
    with pytest.raises(LedgerBroken, match="or the stored head is wrong"):
        move_version(make_writer(recorded), MoveRequest("wine", "3", "Production"), DECISION)
    client(recorded).delete_model_version_tag("wine", "1", HEAD_TAG)
    assert move_version(make_writer(recorded), MoveRequest("wine", "3", "Production"), DECISION).outcome == "applied"


@pytest.mark.parametrize("value", thin([f"3 {'a' * 64} {'b' * 32}", "9" * 4500 + " " + "a" * 64, "junk"], 3))
def test_a_forged_head_of_a_book_that_is_not_here_is_named_with_its_version(recorded, value):
    client(recorded).set_model_version_tag("wine", "3", HEAD_TAG, value)
    (finding,) = verify_all(recorded)[-1].findings
    assert finding.what == "replaced book"
    assert "The tag podium.head of version 3 leads to" in finding.means
    assert finding.subject == value.split(" ")[-1] if value.startswith("3 ") else value
    check_that_no_record_begins(recorded)


def test_a_forged_tag_on_a_model_without_a_record_is_named_under_that_model(recorded):
    make_registered_model(recorded, "cider")
    client(recorded).set_registered_model_tag("cider", BOOK_TAG, "e" * 32)
    assert findings_by_model(recorded) == {"wine": [], "cider": ["tag without a record"]}
    with pytest.raises(LedgerBroken, match=r"delete its tag podium\.book"):
        sync_model_status(make_writer(recorded), "cider")
    client(recorded).delete_registered_model_tag("cider", BOOK_TAG)
    assert sync_model_status(make_writer(recorded), "cider").state.is_opened


# Copies


def test_a_book_and_an_index_copied_into_another_experiment_are_named_copies(recorded):
    mlflow = client(recorded)
    elsewhere, book = mlflow.create_experiment("backup"), book_id_of(recorded)
    index = mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    copied_book, copied_index = copy_run(mlflow, book, elsewhere), copy_run(mlflow, index, elsewhere)
    assert findings_by_model(recorded) == {INDEX_EXPERIMENT: ["copy", "copy"], "wine": []}
    means = {finding.subject: finding.means for finding in verify_all(recorded)[0].findings}
    assert f"belong to run {book}: this is a copy, not the record" in means[copied_book]
    assert f"belong to run {index}: this is a copy, not the record" in means[copied_index]
    check_that_no_record_begins(recorded)
    for run_id in (copied_book, copied_index):
        mlflow.delete_run(run_id)
    assert findings_by_model(recorded) == {"wine": []}


def test_a_store_into_which_another_one_was_imported_says_so_and_begins_nothing(recorded, tmp_path, empty_database):
    target = copy_store(empty_database, tmp_path / "target")
    source_book, source = book_id_of(recorded), client(recorded)
    index = source.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    imported = client(target)
    ledger = imported.create_experiment(LEDGER_EXPERIMENT)
    for run_id in (source_book, index):
        run = source.get_run(run_id)
        copied_id = imported.create_run(ledger, tags=run.data.tags).info.run_id
        for name, value in run.data.params.items():
            imported.log_param(copied_id, name, value)
    make_registered_model(target)
    imported.set_registered_model_tag("wine", BOOK_TAG, source_book)
    assert findings_by_model(target) == {INDEX_EXPERIMENT: ["copy", "copy"], "wine": ["tag without a record"]}
    check_that_no_record_begins(target)
    with pytest.raises(LedgerBroken, match="No new record begins"):
        sync_model_status(make_writer(target), "wine")


def test_a_book_moved_by_its_index_to_a_copy_is_the_copy_that_counts_and_does_not_fit(recorded):
    """A new index points to a copy. The copy's chain is seeded with another run id, so none of its entries counts."""
    mlflow = client(recorded)
    ledger = mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id
    copied_id = copy_run(mlflow, book_id_of(recorded), ledger)
    index = plant_an_index(mlflow, copied_id, ledger)
    for name in (LEDGER_EXPERIMENT, INDEX_EXPERIMENT):
        mlflow.set_experiment_tag(mlflow.get_experiment_by_name(name).experiment_id, INDEX_TAG, index)
    verdicts = findings_by_model(recorded)
    assert verdicts[INDEX_EXPERIMENT] == ["two indexes", "book of another index"]
    assert "chain broken" in verdicts["wine"]


def test_a_volume_that_no_book_goes_on_in_is_named(recorded):
    mlflow = client(recorded)
    params = mlflow.get_run(book_id_of(recorded)).data.params
    elsewhere = mlflow.create_experiment("elsewhere")
    volume = mlflow.create_run(elsewhere, tags={"podium.kind": "book", "podium.model": "wine"}).info.run_id
    mlflow.log_param(volume, param_key(1001), params[param_key(1)])
    assert findings_by_model(recorded) == {INDEX_EXPERIMENT: ["volume without a book"], "wine": []}
    assert "has the places 1001 to 1001 of a book of wine" in finding_of(recorded, "volume without a book").means


# Not findings


def test_what_a_lost_race_leaves_and_ordinary_runs_are_no_finding(recorded):
    mlflow = client(recorded)
    ledger = mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id
    for kind in ("index", "book"):
        create_ended_run(recorded, ledger, kind, {"podium.kind": kind, "podium.model": "wine"})
    mlflow.log_param(create_ended_run(recorded, ledger, "x", {"podium.kind": "book"}), param_key(1), "a stray")
    run = mlflow.create_run(mlflow.create_experiment("iris")).info.run_id
    mlflow.log_param(run, "index", "0" * 32)
    mlflow.log_param(run, param_key(1), "0.5")
    assert findings_by_model(recorded) == {"wine": []}
    make_registered_model(recorded, "beer")
    assert move_version(make_writer(recorded), MoveRequest("beer", "1", "Production"), DECISION).outcome == "applied"
    assert findings_by_model(recorded) == {"wine": [], "beer": []}


def test_no_record_yet_is_said_only_where_there_is_nothing_of_podium(fresh_store):
    make_registered_model(fresh_store)
    mlflow = client(fresh_store)
    run = mlflow.create_run(mlflow.create_experiment("iris")).info.run_id
    mlflow.log_param(run, "index", "7" * 32)
    mlflow.log_param(run, param_key(1), "0.5")
    assert verify_all(fresh_store) == ()
    assert describe_absence(fresh_store) == "No record yet."
    with pytest.raises(NotFound, match="wine has no record yet"):
        verify(fresh_store, "wine")
    create_ended_run(fresh_store, mlflow.create_experiment(LEDGER_EXPERIMENT), "book", {"podium.kind": "book"})
    assert verify_all(fresh_store) == ()
    assert describe_absence(fresh_store) == "A ledger exists here, but has no books yet."
    assert find_unexplained(fresh_store) == ()
