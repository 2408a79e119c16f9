"""Signatures of entries cover what the contract specifies, and nothing changed, moved or made up is valid."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backends.mlflow_client import client
from lib.errors import BadInput, LedgerBroken
from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.book_findings import blocking_finding
from lib.ledger.chain.entry_signatures import count_signatures, entry_fingerprint, signature_findings, signature_status
from lib.ledger.chain.hash_chain import encode_entry, hash_text, param_key
from lib.ledger.chain.signatures import (
    NO_KEYS,
    Signature,
    SignedPosition,
    is_valid_signature,
    key_fingerprint,
    parse_fingerprint,
    signed_body_text,
    trust_fingerprints,
)
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.types import canonical_json, to_json
from lib.ledger.state import volumes
from lib.ledger.state.book_lookup import ModelIncarnation
from lib.ledger.storage.book import Writer, append, read_book
from lib.ledger.storage.book_index import ensure_book
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.verify import verify
from tests.support.entry_signing import (
    fingerprint_of,
    key_text_of,
    make_param,
    make_private_key,
    make_signer,
    make_text_param,
    sign_fields,
    to_base64url,
)
from tests.support.ledger_entries import make_newer_entry
from tests.support.ledger_factories import make_book_state, make_opened
from tests.support.ledger_stores import DECISION, book_id_of, clear_book_cache, make_registered_model, make_writer
from tests.support.ledger_workers import append_signed, run_together

ANA, MAL = make_private_key("ana's Podium"), make_private_key("mal")
FIELDS = to_json(make_opened())
BOOK, OTHER_BOOK = "a" * 32, "b" * 32
FITS, DOES_NOT_FIT = [], ["signature does not fit"]


def decode(*params, run_id=BOOK, book_so_far=None):
    return decode_volume(dict(params), run_id, book_so_far)


def make_signed_param(changes=None, fields=FIELDS, key=ANA):
    return make_param(decode(), fields, key, changes)


def problems(book):
    return [finding.what for finding in signature_findings(book)]


def status(book, keys=NO_KEYS):
    return signature_status(book, book.entries[-1], keys)


def rewrite(param, change):
    """The same place with another text, well chained."""
    fields = json.loads(param[1].split(" ", 3)[3])
    text = canonical_json(parse_body(json.dumps(fields)))
    assert json.loads(text) == fields
    return make_text_param(decode(), change(text), param[1].split(" ")[0])


@pytest.fixture
def signing_writer(fresh_store, tmp_path):
    """A writer with the key of a Podium."""
    writer = make_writer(fresh_store)
    return Writer(writer.backend, writer.actor, writer.clock, make_signer(tmp_path / "podium"))


@pytest.fixture
def keys(tmp_path, signing_writer):
    """The key of that Podium is trusted."""
    return trust_fingerprints([fingerprint_of(signing_writer.signer.load_key())])


# Tampering: the chain is intact each time, only the signature reveals it


def test_a_signature_made_by_the_words_of_the_contract_fits():
    book = decode(make_signed_param())
    assert (problems(book), status(book), entry_fingerprint(book.entries[0])) == (FITS, "unknown", fingerprint_of(ANA))
    assert status(book, trust_fingerprints([fingerprint_of(ANA)])) == "trusted"
    assert status(book, trust_fingerprints([fingerprint_of(MAL)])) == "unknown"


@pytest.mark.parametrize(
    "change",
    [
        {"book": OTHER_BOOK},
        {"run": OTHER_BOOK},
        {"place": 2},
        {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        {"previous": "0" * 64},
        {"podium": "entry 2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_of_another_book_volume_place_id_or_chain_does_not_fit(change):
    book = decode(make_signed_param(change))
    assert (problems(book), status(book)) == (DOES_NOT_FIT, "invalid")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"ana"', '"mal"'),
        lambda text: text.replace(key_text_of(ANA), key_text_of(MAL)),
        lambda text: text.replace('"how":"declared"', '"how":"server"'),
        lambda text: text.replace('"sig":{', '"sig":{"more":1,'),
        lambda text: text.replace('"type":', '"extra":1,"type":'),
        lambda text: text.replace("{", "{ ", 1),
    ],
    ids=["name", "key", "how", "more in sig", "more in the body", "blanks"],
)
def test_a_changed_body_or_key_does_not_fit_its_signature(change):
    param = make_signed_param()
    assert problems(decode(rewrite(param, lambda text: text))) == FITS
    assert rewrite(param, change) != param
    assert problems(decode(rewrite(param, change))) == DOES_NOT_FIT


def test_a_signature_that_is_copied_onto_another_entry_does_not_fit():
    signature = json.loads(make_signed_param()[1].split(" ", 3)[3])["sig"]
    book = decode(make_param(decode(), to_json(make_opened(why="re-created")) | {"sig": signature}))
    assert problems(book) == DOES_NOT_FIT


def test_an_entry_that_somebody_signed_again_with_another_key_is_no_more_trusted():
    book = decode(make_signed_param(fields=FIELDS | {"by": {"name": "ana", "how": "server"}}, key=MAL))
    assert (problems(book), status(book, trust_fingerprints([fingerprint_of(ANA)]))) == (FITS, "unknown")


@pytest.mark.parametrize(
    "sig",
    [
        None,
        "x",
        7,
        [],
        {},
        {"key": key_text_of(ANA)},
        {"key": 7, "value": "A" * 86},
        {"key": key_text_of(ANA), "value": "A" * 86},
        {"key": key_text_of(ANA)[:-1], "value": "A" * 86},
        {"key": key_text_of(ANA) + "=", "value": "A" * 86 + "=="},
        {"key": "A" * 43, "value": "A" * 10_000},
        {"key": "é" * 43, "value": "A" * 86},
        {"key": "\u0661" * 43, "value": "\u0661" * 86},
        {"deep": {"deep": [{}] * 500}},
    ],
    ids=lambda sig: str(sig)[:40],
)
def test_what_is_no_signature_is_named_and_read_without_an_error(sig):
    book = decode(make_param(decode(), FIELDS | {"sig": sig}))
    assert problems(book) == DOES_NOT_FIT
    assert count_signatures(book, NO_KEYS).none == 1
    assert book.entries[0].body.why == "first look"


@settings(deadline=None, max_examples=60)
@given(st.recursive(st.none() | st.booleans() | st.text(max_size=9), lambda part: st.dictionaries(st.text(max_size=5), part)))
def test_no_value_in_the_place_of_a_signature_changes_what_an_entry_says(sig):
    book = decode(make_param(decode(), FIELDS | {"sig": sig}))
    assert to_json(book.entries[0].body) | {"sig": None} == FIELDS | {"sig": None}
    assert status(book) == "invalid"


def test_a_second_way_to_write_the_same_signature_does_not_fit():
    """The last of 43 or 86 characters has unused bits: setting them gives another text, but not another valid signature."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    fields = json.loads(make_signed_param()[1].split(" ", 3)[3])
    position = SignedPosition(BOOK, BOOK, 1, "x", decode().tip)
    for name in ("key", "value"):
        text = fields["sig"][name]
        other_text = text[:-1] + letters[letters.index(text[-1]) + 1]
        assert base64.urlsafe_b64decode(other_text + "==") == base64.urlsafe_b64decode(text + "==")
        assert not is_valid_signature(Signature(**fields["sig"] | {name: other_text}), position, hash_text("{}"))
    assert key_fingerprint(fields["sig"]["key"]) == fingerprint_of(ANA)
    assert key_fingerprint(fields["sig"]["key"][:-1] + "_") == ""


@pytest.mark.parametrize(
    "key",
    [
        (1).to_bytes(32, "little"),
        bytes(32),
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        (2**255 - 20).to_bytes(32, "little"),
        (2**255 - 18).to_bytes(32, "little"),
        b"\xff" * 32,
    ],
    ids=lambda key: key.hex()[:8],
)
def test_a_key_under_which_one_signature_fits_every_message_fits_none(key):
    """Without the check, the first of these would accept the signature below for every message."""
    sig = {"key": to_base64url(key), "value": to_base64url((1).to_bytes(32, "little") + bytes(32))}
    book = decode(make_param(decode(), FIELDS | {"sig": sig}))
    assert (problems(book), status(book, trust_fingerprints([key_fingerprint(sig["key"])]))) == (DOES_NOT_FIT, "invalid")


def test_a_fingerprint_is_read_with_and_without_its_padding_and_nothing_else_is_one():
    fingerprint = fingerprint_of(ANA)
    assert parse_fingerprint(f" {fingerprint.rstrip('=')}\n") == fingerprint == parse_fingerprint(fingerprint)
    for text in (
        "",
        "SHA256:",
        fingerprint.removeprefix("SHA256:"),
        fingerprint + "=",
        fingerprint.replace("SHA256", "MD5"),
        "x" * 9_999,
    ):
        with pytest.raises(BadInput):
            parse_fingerprint(text)


# A newer schema


def put(backend, param):
    client(backend).log_param(book_id_of(backend), *param)


def test_only_a_signed_entry_of_a_newer_schema_stops_the_writing(fresh_store, signing_writer):
    make_registered_model(fresh_store)
    move_version(signing_writer, MoveRequest("wine", "1", "Production"), DECISION)
    state = read_book_state(fresh_store, "wine")
    put(fresh_store, make_newer_entry(state))
    assert move_version(signing_writer, MoveRequest("wine", "2", "Production"), DECISION).outcome == "applied"
    key, value = make_newer_entry(read_book_state(fresh_store, "wine"), MAL)
    put(
        fresh_store,
        (key, make_text_param(read_book_state(fresh_store, "wine").book, value.split(" ", 3)[3].replace("zoe", "zac"))[1]),
    )
    assert move_version(signing_writer, MoveRequest("wine", "3", "Production"), DECISION).outcome == "applied"
    put(fresh_store, make_newer_entry(read_book_state(fresh_store, "wine"), MAL))
    with pytest.raises(LedgerBroken, match="newer schema"):
        move_version(signing_writer, MoveRequest("wine", "1", "Production"), DECISION)
    whats = [finding.what for finding in verify(fresh_store, "wine").findings if finding.what != "clock ran backwards"]
    assert sorted(whats) == ["newer schema"] * 3 + ["signature does not fit", "unsigned after signed"]


# Complete books


def test_an_unsigned_entry_after_a_signed_one_is_named_and_one_before_is_not():
    unsigned, signed = make_param(decode(), FIELDS), None
    book = decode(unsigned)
    signed = make_param(book, FIELDS, ANA)
    book = decode(unsigned, signed)
    last = make_param(book, FIELDS)
    book = decode(unsigned, signed, last)
    assert [(finding.position, finding.what, finding.blocks_writing) for finding in signature_findings(book)] == [
        (3, "unsigned after signed", False)
    ]
    counts = count_signatures(book, trust_fingerprints([fingerprint_of(ANA)]))
    assert (counts.trusted, counts.unknown, counts.none) == (1, 0, 2)


def test_a_signature_that_does_not_fit_begins_no_signed_book():
    forged = make_signed_param({"place": 9})
    book = decode(forged, make_param(decode(forged), FIELDS))
    assert problems(book) == DOES_NOT_FIT
    assert not blocking_finding(signature_findings(book))


def test_a_book_in_memory_without_runs_is_not_signed():
    state = make_book_state(make_opened())
    assert (problems(state.book), status(state.book)) == (FITS, "none")


def test_everything_that_podium_writes_is_signed_in_every_volume(monkeypatch, fresh_store, signing_writer, keys):
    monkeypatch.setattr(volumes, "VOLUME_CAPACITY", 5)
    clear_book_cache()
    make_registered_model(fresh_store)
    for n in (1, 2, 3):
        move_version(signing_writer, MoveRequest("wine", str(n), "Production"), DECISION)
    verification = verify(fresh_store, "wine")
    assert {entry.body.type for entry in verification.book.entries} >= {"OPENED", "REGISTERED", "DECIDED", "APPLIED", "VOLUME"}
    assert len(verification.book.volumes) > 1
    assert verification.findings == ()
    counts = count_signatures(verification.book, keys)
    assert (counts.trusted, counts.unknown, counts.none) == (len(verification.book.entries), 0, 0)


def test_a_long_entry_that_goes_on_in_further_parameters_is_signed_too(fresh_store, signing_writer, keys):
    book_id = ensure_book(fresh_store, ModelIncarnation("wine", "a")).book_id
    append(signing_writer, book_id, lambda _: make_opened().model_copy(update={"note": "ü" * 9_000}))
    book = read_book(fresh_store, book_id).book
    assert (problems(book), status(book, keys)) == (FITS, "trusted")


def test_a_lost_place_is_signed_anew(fresh_store, signing_writer, keys):
    book_id, heads = ensure_book(fresh_store, ModelIncarnation("wine", "a")).book_id, []

    def lose_once(state):
        heads.append(state.book.head)
        if len(heads) == 1:
            append(make_writer(fresh_store), book_id, lambda _: make_opened())
        return make_opened(why="re-created")

    append(signing_writer, book_id, lose_once)
    book = read_book(fresh_store, book_id).book
    assert (heads, problems(book), status(book, keys)) == ([0, 1], FITS, "trusted")


def test_signed_entries_of_several_processes_at_once_all_fit(fresh_store, tmp_path):
    """Also the first write of each: they share one folder without a key."""
    book_id = ensure_book(fresh_store, ModelIncarnation("wine", "a")).book_id
    run_together(append_signed, [(fresh_store, book_id, str(tmp_path / "podium"))] * 4)
    book = read_book(fresh_store, book_id).book
    assert (book.head, problems(book)) == (8, FITS)
    assert {entry_fingerprint(entry) for entry in book.entries} == {fingerprint_of(make_signer(tmp_path / "podium").load_key())}


def test_the_text_in_the_place_is_what_is_hashed_and_the_signature_is_part_of_it():
    position = SignedPosition(BOOK, BOOK, 1, "01ARZ3NDEKTSV4RRFFQ69G5FAV", decode().tip)
    text = signed_body_text(make_opened(), position, ANA)
    value, chunks = encode_entry(position.entry_id, text, position.previous_chain)
    assert (value.split(" ")[1], chunks) == (hash_text(text), {})
    assert sign_fields(
        FIELDS, ANA, {"book": BOOK, "run": BOOK, "place": 1, "id": position.entry_id, "previous": decode().tip}
    ) == json.loads(text)
    assert problems(decode((param_key(1), value))) == FITS
