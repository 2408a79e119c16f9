"""The entry types and their published schema are the same, and every written entry conforms."""

import json

import pytest
from jsonschema import Draft202012Validator

from lib.errors import LedgerBroken
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.schema import entry_json_schema, is_newer_body, parse_body
from lib.ledger.entry.types import UnknownBody, canonical_json, to_json
from lib.ledger.entry.vocabulary import MIN_REASON_LENGTH, make_reason
from lib.ledger.storage.book import append
from lib.registry.correct_entry import append_correction
from lib.registry.import_history import ImportFile, import_history
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from lib.ui.app.page_links import PROJECT_ROOT
from tests.support.entry_signing import make_private_key
from tests.support.ledger_entries import make_body_of_each_type, make_newer_entry
from tests.support.ledger_factories import COMMON_FIELDS
from tests.support.ledger_stores import DECISION, REASON, book_id_of, make_registered_model, make_writer

SCHEMA_FILE = PROJECT_ROOT / "docs" / "entries.schema.json"
BODIES = make_body_of_each_type(COMMON_FIELDS)


def body_id(body):
    return f"{body.type}-{getattr(body, 'verdict', getattr(body, 'outcome', ''))}"


def test_the_published_schema_is_that_of_the_models():
    """To regenerate it: python -c "import json; from lib.ledger.entry.schema import entry_json_schema; print(json.dumps(entry_json_schema(), indent=2))" > docs/entries.schema.json"""
    assert json.loads(SCHEMA_FILE.read_text()) == entry_json_schema()
    Draft202012Validator.check_schema(entry_json_schema())


@pytest.mark.parametrize("body", BODIES, ids=body_id)
def test_an_entry_of_each_type_fits_the_published_schema_and_is_read_as_it_was_written(body):
    text = canonical_json(body)
    Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(json.loads(text))
    parsed_body = parse_body(text)
    assert type(parsed_body) is type(body)
    assert canonical_json(parsed_body) == text


def test_the_page_of_entries_names_every_type():
    text = (PROJECT_ROOT / "docs" / "entries.md").read_text()
    assert {body.type for body in BODIES} == set(entry_json_schema()["discriminator"]["mapping"])
    assert [body.type for body in BODIES if body.type not in text] == []


@pytest.mark.parametrize("body", BODIES, ids=body_id)
def test_an_entry_without_what_its_type_needs_does_not_fit(body):
    validator = Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    for missing_field in ("type", "schema", "by", "recorded_at", "model"):
        raw = {name: value for name, value in to_json(body).items() if name != missing_field}
        assert not validator.is_valid(raw)


def test_entries_that_were_really_written_fit_the_published_schema(fresh_store):
    make_registered_model(fresh_store, versions=2)
    book_writer = make_writer(fresh_store)
    lines = b"when,version,to,by,reason,metric.auc\n2022-02-07,1,Production,ana,it was the first,0.9\n"
    import_history(book_writer, "wine", ImportFile("a.csv", lines))
    move_version(book_writer, MoveRequest("wine", "1", "Production"), DECISION)
    entry = read_book_state(fresh_store, "wine").book.entries[1]
    append_correction(
        book_writer,
        "wine",
        entry.id,
        Correction(note="Seen in the minutes."),
        make_reason("other", "The minutes of the board were found."),
    )
    validator = Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    entries = read_book_state(fresh_store, "wine").book.entries
    assert {entry.body.type for entry in entries} >= {"OPENED", "IMPORTED", "REGISTERED", "DECIDED", "APPLIED", "CORRECTED"}
    for entry in entries:
        validator.validate(json.loads(canonical_json(entry.body)))


def test_a_signed_entry_of_a_newer_schema_is_read_as_far_as_it_is_known_and_nothing_is_written(fresh_store):
    from lib.backends.mlflow_client import client

    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")
    client(fresh_store).log_param(
        book_id_of(fresh_store), *make_newer_entry(read_book_state(fresh_store, "wine"), make_private_key("a newer Podium"))
    )
    entry = read_book_state(fresh_store, "wine").book.entries[-1]
    assert isinstance(entry.body, UnknownBody)
    assert (entry.body.type, entry.body.by.name, entry.body.schema_) == ("PLEDGED", "zoe", 3)
    assert entry.body.reason.text == "Something that schema 3 can say."
    head = read_book_state(fresh_store, "wine").book.head
    for write in (
        lambda: move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION),
        lambda: import_history(
            make_writer(fresh_store), "wine", ImportFile("a.csv", b"when,version,to\n2022-02-07T09:00Z,1,Production\n")
        ),
        lambda: append_correction(make_writer(fresh_store), "wine", entry.id, Correction(note="x"), REASON),
    ):
        with pytest.raises(LedgerBroken, match="newer schema"):
            write()
    assert read_book_state(fresh_store, "wine").book.head == head


def test_a_body_that_is_no_json_is_shown_and_the_writing_goes_on(fresh_store):
    from ulid import ULID

    from lib.backends.mlflow_client import client
    from lib.ledger.chain.hash_chain import encode_entry, param_key

    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")
    book = read_book_state(fresh_store, "wine").book
    value, _ = encode_entry(str(ULID()), "{ this is no JSON", book.chain)
    client(fresh_store).log_param(book_id_of(fresh_store), param_key(book.head + 1), value)
    assert read_book_state(fresh_store, "wine").book.entries[-1].body.note == "not readable"
    assert move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION).outcome == "applied"


def test_an_unknown_type_of_this_schema_is_shown_and_changes_nothing(fresh_store):
    make_registered_model(fresh_store)
    state_before = sync_model_status(make_writer(fresh_store), "wine").state
    stamp = make_writer(fresh_store).common_fields("wine")
    append(make_writer(fresh_store), book_id_of(fresh_store), lambda _: UnknownBody(**stamp, type="SUNG", reason=REASON))
    state_after = read_book_state(fresh_store, "wine")
    assert (state_after.observed_slots, state_after.desired_holders(), state_after.open_intents) == (
        state_before.observed_slots,
        state_before.desired_holders(),
        state_before.open_intents,
    )
    assert parse_body(canonical_json(state_after.book.entries[-1].body)).type == "SUNG"


@pytest.mark.parametrize("body", BODIES, ids=body_id)
def test_a_type_under_the_other_schema_is_not_understood_and_is_nothing_newer(body):
    """Schema 2 is only for its own types: a book without them stays schema 1 for every reader."""
    raw = to_json(body)
    assert raw["schema"] == (2 if body.type in ("SETTLED", "POLICY") else 1)
    other_body = parse_body(json.dumps(raw | {"schema": 3 - raw["schema"]}))
    assert (type(other_body), other_body.type, is_newer_body(other_body)) == (UnknownBody, body.type, False)
    assert is_newer_body(parse_body(json.dumps(raw | {"schema": 3})))


@pytest.mark.parametrize("type_name", ["ALIASED", "RENAMED", "DELETED", "PLEDGED", "?"])
def test_a_type_of_schema_2_that_is_not_known_here_is_a_newer_one(type_name):
    raw = {"schema": 2, "type": type_name, "model": "wine"}
    assert is_newer_body(parse_body(json.dumps(raw)))
    assert not is_newer_body(parse_body(json.dumps(raw | {"schema": 1})))


@pytest.mark.parametrize("schema", [None, "2", 2.5, [2], {"2": 2}, -1, 0, True, 10**30, 10**9])
def test_no_schema_however_odd_makes_reading_fail(schema):
    body = parse_body(json.dumps({"schema": schema, "type": "SETTLED", "model": "wine", "sig": {"key": [], "value": None}}))
    assert (body.type, is_newer_body(body)) == ("SETTLED", schema == 10**9)


@pytest.mark.parametrize("text", ["x" * 10_000, "", "x" * (MIN_REASON_LENGTH - 1), "\x00\u202e" * 40])
def test_a_reason_that_cannot_be_is_refused_in_words_before_anything_is_written(text):
    from lib.errors import BadInput

    with pytest.raises(BadInput, match="characters"):
        make_reason("better", text)
