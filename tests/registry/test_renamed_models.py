"""Models that are renamed, swapped, copied, deleted and re-created: each life has its own record."""

import pytest

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import HEAD_TAG
from lib.errors import LedgerBroken, NotFound
from lib.ledger.chain.hash_chain import param_key
from lib.ledger.state.book_lookup import BookLives, ModelIncarnation, resolve_book_id
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_all_book_states, read_all_snapshots, read_book_state
from lib.registry.reconcile import sync_model_status
from lib.registry.verify import verify, verify_all
from tests.support.ledger_stores import DECISION, book_id_of, ledger_findings, make_registered_model, make_writer
from tests.support.registry_factories import finish_open_decisions, leave_intent_open
from tests.support.variants import thin_rows


def move_request(model, version="1", stage="Production"):
    return MoveRequest(model, version, stage)


def production_holder(backend, model):
    return read_book_state(backend, model).desired_holders()["production"].holder


def test_a_new_model_under_the_old_name_of_a_renamed_one_gets_a_book_of_its_own(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("wine"), DECISION)
    client(fresh_store).rename_registered_model("wine", "wine-old")
    make_registered_model(fresh_store)
    for _ in range(2):
        sync_model_status(make_writer(fresh_store), "wine")
        sync_model_status(make_writer(fresh_store), "wine-old")
    assert book_id_of(fresh_store, "wine") != book_id_of(fresh_store, "wine-old")
    assert production_holder(fresh_store, "wine-old") == "1"
    move_version(make_writer(fresh_store), move_request("wine", "2"), DECISION)
    assert (production_holder(fresh_store, "wine"), production_holder(fresh_store, "wine-old")) == ("2", "1")
    assert [e.body.type for e in read_book_state(fresh_store, "wine-old").book.entries].count("OPENED") == 1


def test_two_models_that_swap_names_keep_their_records(fresh_store):
    for name, version in (("a", "1"), ("b", "2")):
        make_registered_model(fresh_store, name)
        move_version(make_writer(fresh_store), move_request(name, version), DECISION)
    mlflow = client(fresh_store)
    for old, new in (("a", "x"), ("b", "a"), ("x", "b")):
        mlflow.rename_registered_model(old, new)
    assert (production_holder(fresh_store, "a"), production_holder(fresh_store, "b")) == ("2", "1")
    move_version(make_writer(fresh_store), move_request("a", "3"), DECISION)
    assert (production_holder(fresh_store, "a"), production_holder(fresh_store, "b")) == ("3", "1")
    assert ledger_findings(fresh_store, "a") == ledger_findings(fresh_store, "b") == ()
    assert set(read_all_book_states(fresh_store, read_all_snapshots(fresh_store))) == {"a", "b"}


def test_a_rename_onto_the_name_of_a_deleted_model_keeps_the_record_it_came_with(fresh_store):
    for name in ("a", "b"):
        make_registered_model(fresh_store, name)
        move_version(make_writer(fresh_store), move_request(name), DECISION)
    client(fresh_store).delete_registered_model("b")
    client(fresh_store).rename_registered_model("a", "b")
    move_version(make_writer(fresh_store), move_request("b", "2"), DECISION)
    assert production_holder(fresh_store, "b") == "2"
    assert ledger_findings(fresh_store, "b") == ()


def test_a_rename_forth_and_back_leaves_one_record_in_every_sweep(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("wine"), DECISION)
    for old, new in (("wine", "beer"), ("beer", "wine")):
        client(fresh_store).rename_registered_model(old, new)
        sync_model_status(make_writer(fresh_store), new)
    assert set(read_all_book_states(fresh_store, read_all_snapshots(fresh_store))) == {"wine"}
    assert [(v.model, v.findings) for v in verify_all(fresh_store)] == [("wine", ())]


def test_the_tag_that_leads_to_the_book_is_put_back_when_it_was_dropped(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("wine"), DECISION)
    client(fresh_store).delete_registered_model_tag("wine", "podium.book")
    sync_model_status(make_writer(fresh_store), "wine")
    client(fresh_store).rename_registered_model("wine", "beer")
    sync_model_status(make_writer(fresh_store), "beer")
    assert production_holder(fresh_store, "beer") == "1"


def test_a_version_that_mlflow_copied_with_its_tags_does_not_stop_the_other_model(fresh_store):
    make_registered_model(fresh_store, "dev")
    move_version(make_writer(fresh_store), move_request("dev"), DECISION)
    client(fresh_store).copy_model_version("models:/dev/1", "prod")
    assert client(fresh_store).get_model_version("prod", "1").tags[HEAD_TAG]
    assert move_version(make_writer(fresh_store), move_request("prod"), DECISION).outcome == "applied"
    assert [v.findings for v in verify_all(fresh_store)] == [(), ()]


def test_a_head_of_an_unknown_book_is_named_with_the_way_out(fresh_store):
    make_registered_model(fresh_store)
    client(fresh_store).set_model_version_tag("wine", "2", HEAD_TAG, f"7 {'a' * 64} {'b' * 32}")
    with pytest.raises(LedgerBroken, match=r"If it was copied, delete its tag podium\.head"):
        sync_model_status(make_writer(fresh_store), "wine")
    client(fresh_store).delete_model_version_tag("wine", "2", HEAD_TAG)
    assert move_version(make_writer(fresh_store), move_request("wine"), DECISION).outcome == "applied"


def test_a_decision_left_open_is_closed_when_its_model_is_deleted(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("wine"), DECISION)
    intent = leave_intent_open(fresh_store)
    client(fresh_store).delete_registered_model("wine")
    finish_open_decisions(make_writer(fresh_store), "wine")
    bodies = [e.body for e in read_book_state(fresh_store, "wine").book.entries]
    assert [(body.type, getattr(body, "intent", "")) for body in bodies[-2:]] == [("FAILED", intent), ("OPENED", "")]


def test_verify_names_a_deleted_or_hidden_book_among_all(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("wine"), DECISION)
    book = book_id_of(fresh_store)
    client(fresh_store).set_tag(book, "podium.kind", "hidden")
    assert [v.model for v in verify_all(fresh_store)] == ["wine"]
    client(fresh_store).delete_run(book)
    assert [f.what for f in verify_all(fresh_store)[0].findings] == ["book deleted"]
    assert "book deleted" in [f.what for f in verify(fresh_store, "wine").findings]


def test_a_model_without_a_record_is_said_so(fresh_store):
    make_registered_model(fresh_store)
    with pytest.raises(NotFound, match="no record yet"):
        verify(fresh_store, "wine")
    assert verify_all(fresh_store) == ()


@pytest.mark.parametrize(
    ("text", "entry_type"),
    thin_rows(
        [
            (
                '{"schema":1,"type":"OPENED","model":"m","recorded_at":"x","by":{"name":"e"},"backend":{"kind":"","uri":""},"why":"deleted","now":{}}',
                "OPENED",
            ),
            ("[" * 3000, "?"),
            ('{"schema":1,"type":"NOTE","note":"\\ud800"}', "?"),
            ('{"schema":1,"type":"DECIDED","recorded_at":"2026-01-01T00:00:00"}', "DECIDED"),
        ],
        3,
    ),
)
def test_a_well_formed_entry_with_nonsense_in_it_cannot_break_reading(fresh_store, text, entry_type):
    from ulid import ULID

    from lib.ledger.chain.hash_chain import encode_entry
    from lib.ledger.queries.history import entry_to_json, history_rows
    from lib.ledger.state.holdings import recorded_holdings

    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("wine"), DECISION)
    state, book = read_book_state(fresh_store, "wine"), book_id_of(fresh_store)
    value, _ = encode_entry(str(ULID()), text, state.book.chain)
    client(fresh_store).log_param(book, param_key(state.book.head + 1), value)
    assert move_version(make_writer(fresh_store), move_request("wine", "2"), DECISION).outcome == "applied"
    after = read_book_state(fresh_store, "wine")
    assert entry_type in [e.body.type for e in after.book.entries]
    assert history_rows(after)
    assert recorded_holdings(after.book.entries)
    assert [str(entry_to_json(e)).encode() for e in after.book.entries]


def test_whose_book_is_a_question_of_lives_not_of_names():
    def find_book(incarnation, created_at_by_book, existing_times, index):
        lives = {book: BookLives("wine", (time,)) for book, time in created_at_by_book.items()}
        return resolve_book_id(index, incarnation, lives.get, lambda: dict.fromkeys(existing_times, ("",)))

    named = {ModelIncarnation("wine", "1").name_key: "b1"}
    with_second_book = named | {ModelIncarnation("wine", "2").incarnation_key: "b2"}
    assert find_book(ModelIncarnation("wine", "1"), {"b1": "1"}, {"1"}, named) == "b1"
    assert find_book(ModelIncarnation("wine", "2"), {"b1": "1"}, {"2"}, named) == "b1"
    assert find_book(ModelIncarnation("wine", "2"), {"b1": "1"}, {"1", "2"}, named) is None
    assert find_book(ModelIncarnation("old", "1", "b1"), {"b1": "1"}, {"1", "2"}, named) == "b1"
    assert find_book(ModelIncarnation("copy", "3", "b1"), {"b1": "1"}, {"1", "3"}, named) is None
    assert find_book(ModelIncarnation("wine", "2", "strange"), {"b1": "1", "b2": "2"}, {"1", "2"}, with_second_book) == "b2"
    assert find_book(ModelIncarnation("wine", "2", "b2"), {"b1": "1", "b2": "2"}, {"2"}, with_second_book) == "b2"
    assert find_book(ModelIncarnation("wine", "2", "", ("b2",)), {"b1": "1", "b2": "2"}, {"2"}, with_second_book) == "b2"
    assert find_book(ModelIncarnation("wine", "2"), {"b1": "1", "b2": "2"}, {"2"}, with_second_book) == "b1", "b2 may be planted"
    assert find_book(ModelIncarnation("wine", None), {}, set(), named) == "b1"
