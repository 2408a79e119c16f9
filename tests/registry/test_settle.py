"""Planted entries block decisions only until an authorized person has reviewed and settled them with a reason."""

import hashlib
import json
import os
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from ulid import ULID

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import BOOK_TAG, HEAD_TAG, INDEX_EXPERIMENT, INDEX_TAG, LEDGER_EXPERIMENT
from lib.cli import podium
from lib.errors import ActionRefused, LedgerBroken, NotFound, PodiumError
from lib.ledger.chain.hash_chain import encode_entry, param_key
from lib.ledger.entry.schema_2_types import Settlement
from lib.ledger.entry.types import Volume, canonical_json
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.state.book_lookup import ModelIncarnation
from lib.ledger.storage.book import Writer
from lib.ledger.storage.signing_keys import create_signer
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.settle import describe_findings, settle
from lib.registry.unsettled import Unsettled, list_unsettled
from lib.registry.verify import verify, verify_all
from tests.support.entry_signing import make_param, make_private_key, make_text_param
from tests.support.ledger_factories import COMMON_FIELDS, EMPTY_CARRY
from tests.support.ledger_stores import DECISION, REASON, book_id_of, make_registered_model, make_writer
from tests.support.ledger_tampering import plant_an_index, purge_run, rewrite_book
from tests.support.variants import thin


@pytest.fixture(autouse=True)
def own_podium(monkeypatch, tmp_path):
    """A Podium with a key of its own."""
    use_podium(monkeypatch, tmp_path / "ours")


def use_podium(monkeypatch, home):
    monkeypatch.setenv("PODIUM_HOME", str(home))


def signed_writer(backend, name="ana"):
    clock = lambda: datetime.now(UTC)  # noqa: E731 - the clock of the writer
    return Writer(backend, Actor(name=name), clock, create_signer(os.environ, clock))


def promote(backend, version="3", model="wine"):
    return move_version(signed_writer(backend), MoveRequest(model, version, "Production"), DECISION).outcome


def settle_all(backend, model="wine"):
    return settle(signed_writer(backend), model, list_unsettled(backend, model), REASON)


def log(backend, key, value):
    client(backend).log_param(book_id_of(backend), key, value)


def plant_newer_entry(backend):
    """R5: one entry of a newer schema, signed with any key."""
    log(backend, *make_param(read_book_state(backend, "wine").book, {"schema": 3, "type": "X"}, make_private_key("mal")))


def plant_chain(backend):
    """R5: two values that continue each other from a made-up chain."""
    book = read_book_state(backend, "wine").book
    chain = "0" * 64
    for n in (1, 2):
        _, value = make_text_param(book, json.dumps({"n": n}))
        entry_id, sha256, _, text = value.split(" ", 3)
        chain = hashlib.sha256(f"{chain}{sha256}".encode()).hexdigest()
        log(backend, f"{book.head + n:06d}", f"{entry_id} {sha256} {chain} {text}")


def forge_head(backend):
    """R5: a head that the book never had, on a version."""
    client(backend).set_model_version_tag("wine", "1", HEAD_TAG, f"99 {'0' * 64} {book_id_of(backend)}")


def forge_book_tag(backend):
    """R5: a tag that leads to no book."""
    client(backend).set_registered_model_tag("wine", BOOK_TAG, "f" * 32)


def forge_head_of_another_book(backend):
    client(backend).set_model_version_tag("wine", "1", HEAD_TAG, f"5 {'0' * 64} {'e' * 32}")


def plant_volume_end(backend, next_run_id="d" * 32):
    """The end of a volume that leads nowhere."""
    book = read_book_state(backend, "wine").book
    value, _ = encode_entry(str(ULID()), canonical_json(Volume(**COMMON_FIELDS, next=next_run_id, carry=EMPTY_CARRY)), book.tip)
    log(backend, param_key(book.head + 1), value)


def plant_volume_end_that_leads_back(backend):
    plant_volume_end(backend, book_id_of(backend))


ATTACKS = thin(
    [
        plant_newer_entry,
        plant_chain,
        forge_head,
        forge_book_tag,
        forge_head_of_another_book,
        plant_volume_end,
        plant_volume_end_that_leads_back,
    ],
    3,
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_stops_the_decisions_is_settled_with_a_reason_and_stays_listed(recorded, attack):
    book_id = book_id_of(recorded)
    attack(recorded)
    before = read_book_state(recorded, "wine").settled_holders()
    with pytest.raises(LedgerBroken, match="settle"):
        promote(recorded)
    findings = list_unsettled(recorded, "wine").all_findings
    assert findings
    settled = settle_all(recorded)
    assert settled.findings == findings
    entry = next(e for e in read_book_state(recorded, "wine").book.entries if e.id == settled.entry_id)
    assert isinstance(entry.body, Settlement)
    assert (entry.body.by.name, entry.body.reason, entry.position) == ("ana", REASON, settled.position)
    assert findings[0].what in entry.body.why
    assert read_book_state(recorded, "wine").settled_holders() == before
    assert promote(recorded) == "applied"
    assert read_snapshot(recorded, "wine").slot_states["production"].holders == ("3",)
    assert book_id_of(recorded) == book_id
    verification = verify(recorded, "wine")
    assert verification.unsettled_findings == ()
    assert {finding.settled_by for finding in verification.findings} <= {settled.position}
    assert list_unsettled(recorded, "wine") == Unsettled()


@pytest.mark.parametrize("attack", ATTACKS)
def test_another_podium_asks_its_own_person(recorded, attack, monkeypatch, tmp_path):
    attack(recorded)
    settle_all(recorded)
    use_podium(monkeypatch, tmp_path / "theirs")
    if attack is forge_book_tag:  # the tag was fixed by the settlement
        assert promote(recorded) == "applied"
        return
    with pytest.raises(LedgerBroken):
        promote(recorded)
    settle_all(recorded)
    assert promote(recorded) == "applied"


def test_what_is_planted_after_it_was_settled_stops_them_again(recorded):
    plant_newer_entry(recorded)
    settle_all(recorded)
    plant_newer_entry(recorded)
    with pytest.raises(LedgerBroken):
        promote(recorded)
    (finding,) = list_unsettled(recorded, "wine").all_findings
    assert finding.position == settle_all(recorded).position - 1
    assert promote(recorded) == "applied"


def test_a_settlement_that_somebody_planted_settles_nothing(recorded):
    plant_newer_entry(recorded)
    book = read_book_state(recorded, "wine").book
    fields = {"schema": 2, "type": "SETTLED", "model": "wine", "recorded_at": "2026-01-01T00:00:00.000Z", "places": [book.head]}
    fields |= {"by": {"name": "ana", "how": "server"}, "why": "x", "backend": {"kind": "sqlite", "uri": "x"}}
    fields |= {"reason": {"category": "other", "text": "It is quite all right, believe me."}}
    log(recorded, *make_param(book, fields, make_private_key("mal")))
    assert isinstance(read_book_state(recorded, "wine").book.entries[-1].body, Settlement)
    with pytest.raises(LedgerBroken, match="newer schema"):
        promote(recorded)


def test_only_who_may_sign_settles(recorded, monkeypatch):
    plant_newer_entry(recorded)
    findings = list_unsettled(recorded, "wine")
    with pytest.raises(ActionRefused, match="signing key"):
        settle(make_writer(recorded), "wine", findings, REASON)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ActionRefused, match="signing key"):
        settle(signed_writer(recorded), "wine", findings, REASON)
    assert list_unsettled(recorded, "wine") == findings


def test_of_two_who_settle_at_once_the_second_is_told(recorded):
    plant_newer_entry(recorded)
    findings = list_unsettled(recorded, "wine")
    settle(signed_writer(recorded), "wine", findings, REASON)
    with pytest.raises(ActionRefused, match="already settled by another user"):
        settle(signed_writer(recorded, "ben"), "wine", findings, REASON)


def test_where_nothing_stops_them_there_is_nothing_to_settle(recorded):
    head = read_book_state(recorded, "wine").book.head
    with pytest.raises(ActionRefused, match="Nothing blocks"):
        settle(signed_writer(recorded), "wine", list_unsettled(recorded, "wine"), REASON)
    with pytest.raises(NotFound):
        list_unsettled(recorded, "beer")
    assert read_book_state(recorded, "wine").book.head == head


def plant_book(backend):
    experiment = client(backend).get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id
    return rewrite_book(client(backend), book_id_of(backend), experiment)


def plant_second_index(backend):
    experiment = client(backend).get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id
    return plant_an_index(client(backend), plant_book(backend), experiment)


@pytest.mark.parametrize("attack", [plant_book, plant_second_index])
def test_a_record_that_somebody_planted_holds_up_no_new_book_once_it_is_settled(recorded, attack):
    attack(recorded)
    make_registered_model(recorded, "beer")
    with pytest.raises(LedgerBroken, match="unexplained record"):
        promote(recorded, "1", "beer")
    settled = settle_all(recorded)
    assert promote(recorded, "1", "beer") == "applied"
    index = next(v for v in verify_all(recorded) if v.model == INDEX_EXPERIMENT)
    assert index.unsettled_findings == ()
    assert {(f.settled_by, f.settled_in) for f in index.findings} == {(settled.position, "wine")}
    plant_book(recorded)
    make_registered_model(recorded, "cider")
    with pytest.raises(LedgerBroken, match="unexplained record"):
        promote(recorded, "1", "cider")


def test_the_settlement_is_the_first_entry_where_there_is_no_book_yet(recorded):
    plant_book(recorded)
    make_registered_model(recorded, "beer")
    settled = settle_all(recorded, "beer")
    assert [entry.body.type for entry in read_book_state(recorded, "beer").book.entries][:2] == ["SETTLED", "OPENED"]
    assert settled.position == 1
    assert promote(recorded, "1", "beer") == "applied"
    assert promote(recorded) == "applied"


def squat_name(backend):
    """A name in the index taken before the model exists, for a missing run."""
    index_id = client(backend).get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    client(backend).log_param(index_id, ModelIncarnation("beer", None).name_key, "d" * 32)


def test_a_name_in_the_index_that_leads_nowhere_keeps_no_model_from_having_a_book(recorded):
    squat_name(recorded)
    make_registered_model(recorded, "beer")
    with pytest.raises(PodiumError):
        promote(recorded, "1", "beer")
    assert [finding.what for finding in list_unsettled(recorded, "beer").findings] == ["book missing"]
    settle_all(recorded, "beer")
    assert promote(recorded, "1", "beer") == "applied"
    assert [v.unsettled_findings for v in verify_all(recorded)] == [()] * len(verify_all(recorded))


def test_a_book_that_was_removed_for_good_is_followed_by_a_new_one(recorded):
    book_id = book_id_of(recorded)
    client(recorded).delete_run(book_id)
    purge_run(recorded, book_id)
    with pytest.raises(PodiumError):
        promote(recorded)
    settle_all(recorded)
    assert promote(recorded) == "applied"
    assert book_id_of(recorded) != book_id
    assert read_book_state(recorded, "wine").book.entries[0].body.type == "SETTLED"


def test_the_command_lists_settles_and_verify_shows_it(recorded, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded.uri)

    def run(*arguments, code=0):
        result = CliRunner().invoke(podium, [*arguments, "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout) if result.stdout.strip() else result.stderr

    plant_newer_entry(recorded)
    position = read_book_state(recorded, "wine").book.head
    listed = run("settle", "wine", code=3)
    assert [(f["place"], f["what"]) for f in listed["findings"]] == [(position, "newer schema")]
    run("settle", "wine", "--reason", "too short for this", "--category", "incident", code=2)
    run("settle", "wine", "--reason", "We know who wrote this, and why.", code=2)
    assert run("verify", code=3)["models"][0]["findings"][0].get("settled") is None
    document = run("settle", "wine", "--reason", "Mallory's test of ours, she told us.", "--category", "incident")
    assert document["settled"] == listed["findings"]
    assert document["place"] == position + 1
    (model,) = run("verify")["models"]
    assert [(f["place"], f["settled"]) for f in model["findings"]] == [(position, position + 1)]
    text = CliRunner().invoke(podium, ["verify"]).stdout
    assert "chain intact" in text
    assert f"newer schema (settled in entry {position + 1})" in text
    assert run("settle", "wine") == {"model": "wine", "findings": []}


def test_ten_thousand_findings_become_a_few_lines(recorded):
    plant_newer_entry(recorded)
    (finding,) = list_unsettled(recorded, "wine").all_findings
    text = describe_findings([finding] * 10_000)
    assert len(text) < 3_000
    assert "more findings" in text
