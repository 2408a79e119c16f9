"""The shapes of the entries and their published schema: the two are the same, and every entry that is written fits."""

import json

import pytest
from jsonschema import Draft202012Validator

from lib.errors import LedgerBroken
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.schema import parse, schema
from lib.ledger.entry.types import Other, canonical, plain
from lib.ledger.entry.vocabulary import SHORTEST_REASON, reason
from lib.ledger.storage.book import append
from lib.registry.correct_entry import correct
from lib.registry.import_history import File, import_earlier
from lib.registry.promote import Wish, move
from lib.registry.reader import recorded
from lib.registry.reconcile import look
from lib.ui.app.routes import PROJECT
from tests.ledger.test_replay import COMMON
from tests.support.ledger_entries import every_type, newer
from tests.support.ledger_stores import WHY, book_id, registered, writer

PUBLISHED = PROJECT / "docs" / "entries.schema.json"
BODIES = every_type(COMMON)


def named(body):
    return f"{body.type}-{getattr(body, 'verdict', getattr(body, 'outcome', ''))}"


def test_the_published_schema_is_that_of_the_models():
    """To renew it: python -c "import json; from lib.ledger.entry.schema import schema; print(json.dumps(schema(), indent=2))" > docs/entries.schema.json"""
    assert json.loads(PUBLISHED.read_text()) == schema()
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("body", BODIES, ids=named)
def test_an_entry_of_each_type_fits_the_published_schema_and_is_read_as_it_was_written(body):
    text = canonical(body)
    Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(json.loads(text))
    again = parse(text)
    assert type(again) is type(body)
    assert canonical(again) == text


def test_the_page_of_entries_names_every_type():
    told = (PROJECT / "docs" / "entries.md").read_text()
    assert {body.type for body in BODIES} == set(schema()["discriminator"]["mapping"])
    assert [body.type for body in BODIES if body.type not in told] == []


@pytest.mark.parametrize("body", BODIES, ids=named)
def test_an_entry_without_what_its_type_needs_does_not_fit(body):
    validator = Draft202012Validator(json.loads(PUBLISHED.read_text()))
    for missing in ("type", "schema", "by", "recorded_at", "model"):
        raw = {name: value for name, value in plain(body).items() if name != missing}
        assert not validator.is_valid(raw)


def test_entries_that_were_really_written_fit_the_published_schema(fresh_store):
    registered(fresh_store, versions=2)
    ana = writer(fresh_store)
    lines = b"when,version,to,by,reason,metric.auc\n2022-02-07,1,Production,ana,it was the first,0.9\n"
    import_earlier(ana, "wine", File("a.csv", lines))
    move(ana, Wish("wine", "1", "Production", WHY))
    entry = recorded(fresh_store, "wine").reading.entries[1]
    correct(
        ana, "wine", entry.id, Correction(note="Seen in the minutes."), reason("other", "The minutes of the board were found.")
    )
    validator = Draft202012Validator(json.loads(PUBLISHED.read_text()))
    entries = recorded(fresh_store, "wine").reading.entries
    assert {one.body.type for one in entries} >= {"OPENED", "IMPORTED", "REGISTERED", "DECIDED", "APPLIED", "CORRECTED"}
    for one in entries:
        validator.validate(json.loads(canonical(one.body)))


def test_an_entry_of_a_newer_schema_is_read_as_far_as_it_is_known_and_nothing_is_written(fresh_store):
    from lib.backends.mlflow_client import client

    registered(fresh_store)
    look(writer(fresh_store), "wine")
    client(fresh_store).log_param(book_id(fresh_store), *newer(recorded(fresh_store, "wine")))
    entry = recorded(fresh_store, "wine").reading.entries[-1]
    assert isinstance(entry.body, Other)
    assert (entry.body.type, entry.body.by.name, entry.body.schema_) == ("PLEDGED", "zoe", 2)
    assert entry.body.reason.text == "Something that schema 2 can say."
    head = recorded(fresh_store, "wine").reading.head
    for deed in (
        lambda: move(writer(fresh_store), Wish("wine", "1", "Production", WHY)),
        lambda: import_earlier(writer(fresh_store), "wine", File("a.csv", b"when,version,to\n2022-02-07T09:00Z,1,Production\n")),
        lambda: correct(writer(fresh_store), "wine", entry.id, Correction(note="x"), WHY),
    ):
        with pytest.raises(LedgerBroken, match="newer schema"):
            deed()
    assert recorded(fresh_store, "wine").reading.head == head


def test_a_body_that_is_no_json_is_shown_and_the_writing_goes_on(fresh_store):
    from ulid import ULID

    from lib.backends.mlflow_client import client
    from lib.ledger.chain.hash_chain import encode, key

    registered(fresh_store)
    look(writer(fresh_store), "wine")
    reading = recorded(fresh_store, "wine").reading
    value, _ = encode(str(ULID()), "{ this is no JSON", reading.chain)
    client(fresh_store).log_param(book_id(fresh_store), key(reading.head + 1), value)
    assert recorded(fresh_store, "wine").reading.entries[-1].body.note == "not readable"
    assert move(writer(fresh_store), Wish("wine", "1", "Production", WHY)).outcome == "applied"


def test_an_unknown_type_of_this_schema_is_shown_and_changes_nothing(fresh_store):
    registered(fresh_store)
    before = look(writer(fresh_store), "wine").state
    stamp = writer(fresh_store).stamp("wine")
    append(fresh_store, book_id(fresh_store), lambda _: Other(**stamp, type="SUNG", reason=WHY))
    after = recorded(fresh_store, "wine")
    assert (after.now, after.wanted(), after.open) == (before.now, before.wanted(), before.open)
    assert parse(canonical(after.reading.entries[-1].body)).type == "SUNG"


@pytest.mark.parametrize("text", ["x" * 10_000, "", "x" * (SHORTEST_REASON - 1), "\x00\u202e" * 40])
def test_a_reason_that_cannot_be_is_refused_in_words_before_anything_is_written(text):
    from lib.errors import BadInput

    with pytest.raises(BadInput, match="characters"):
        reason("better", text)
