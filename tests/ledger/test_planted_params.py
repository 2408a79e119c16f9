"""Additions to the ledger of a real store by plain MLflow calls: no answer changes, and all of them are reported."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from mlflow.entities import Param
from ulid import ULID

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import INDEX_EXPERIMENT, INDEX_TAG
from lib.cli import podium
from lib.errors import LedgerBroken
from lib.ledger.chain.body_parts import END_OF_BODY, part_key
from lib.ledger.chain.hash_chain import encode_entry, hash_text, next_chain, param_key
from lib.ledger.entry.types import Closing, Volume, canonical_json
from lib.ledger.packet.document import document_to_json, hashed_document
from lib.ledger.packet.verify import verify_packet
from lib.ledger.queries.history import history_rows
from lib.ledger.queries.time_query import parse_time_query
from lib.ledger.state import volumes
from lib.ledger.state.book_lookup import ModelIncarnation
from lib.ledger.storage import book as ledger_book
from lib.ledger.storage.book import append, read_book
from lib.ledger.storage.book_index import ensure_book
from lib.registry.audit_queries import AsOfQuery, query_as_of, query_as_of_all, read_audit_log
from lib.registry.model_survey import survey_models
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.notices import collect_notices
from lib.registry.packet_builder import build_decision_packet
from lib.registry.promote import move_version
from lib.registry.reader import incarnation_of, read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.verify import verify, verify_all
from tests.support.ledger_factories import COMMON_FIELDS, EMPTY_CARRY, make_opened
from tests.support.ledger_stores import (
    REASON,
    book_id_of,
    clear_book_cache,
    make_promoted_model,
    make_registered_model,
    make_writer,
    promote_in_turn,
)


def promote(backend, version, model="wine", reason=REASON):
    return move_version(make_writer(backend), MoveRequest(model, version, "Production"), Decision(reason))


def answers(backend, model="wine"):
    """All answers about a model: history, log, as-of at the time of each entry, holdings, desired holders."""
    clear_book_cache()
    state = read_book_state(backend, model)
    now = datetime.now(UTC)
    times = [entry.body.recorded_at for entry in state.book.entries]
    return (
        history_rows(state),
        [(log_entry.model, log_entry.entry) for log_entry in read_audit_log(backend) if log_entry.model == model],
        [query_as_of(backend, model, AsOfQuery("production", parse_time_query(at, now), now)).answer.holders for at in times],
        state.holdings,
        state.desired_holders(),
    )


def index_id(backend):
    return client(backend).get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]


def name_in_index(backend, key, run_id):
    client(backend).log_param(index_id(backend), key, run_id)


def find_problems(backend, model="wine"):
    return [(f.position, f.what) for f in verify(backend, model).findings]


@pytest.fixture
def promoted_store(fresh_store):
    """Version 1, then 2 in Production: places 1 to 7; the decision and the closing of version 2 are 5 and 6 of the attack's text."""
    make_promoted_model(fresh_store, *"12")
    return fresh_store


def test_parts_planted_under_the_ids_of_entries_hide_none_of_them(promoted_store):
    """attacks.md R2: seven entries became none."""
    before = answers(promoted_store)
    book = book_id_of(promoted_store)
    for entry in read_book_state(promoted_store, "wine").book.entries:
        client(promoted_store).log_param(book, part_key(entry.id, 0), "}")
    assert answers(promoted_store) == before
    head = read_book_state(promoted_store, "wine").book.head
    assert find_problems(promoted_store) == [(position, "stray part") for position in range(1, head + 1)]
    assert promote(promoted_store, "3").outcome == "applied"


@pytest.mark.slow
def test_parts_planted_under_the_entry_that_leads_to_the_next_volume_hide_no_volume(fresh_store, monkeypatch):
    monkeypatch.setattr(volumes, "VOLUME_CAPACITY", 12)
    state = promote_in_turn(fresh_store, 9)
    before = answers(fresh_store)
    for entry in state.book.entries:
        if entry.body.type == "VOLUME":
            client(fresh_store).log_param(state.book.volumes[0].run_id, part_key(entry.id, 0), "}")
            volume_end = entry
    assert answers(fresh_store) == before
    assert find_problems(fresh_store) == [(volume_end.position, "stray part")]
    assert promote(fresh_store, "2").outcome == "applied"


def test_parts_planted_behind_the_last_part_of_a_long_entry_change_neither_it_nor_its_packet(promoted_store):
    long_reason = REASON.model_copy(update={"text": "ü€😀" * 3000})
    entry_id = promote(promoted_store, "3", reason=long_reason).entry_id
    before, book = answers(promoted_store), book_id_of(promoted_store)
    params = client(promoted_store).get_run(book).data.params
    part_count = len([name for name in params if name.startswith(entry_id)])
    assert part_count >= 1
    for name in (part_key(entry_id, part_count), part_key(entry_id, part_count + 1), f"{entry_id}.0", f"{entry_id}.001"):
        client(promoted_store).log_param(book, name, "}")
    assert answers(promoted_store) == before
    packet = build_decision_packet(make_writer(promoted_store), "wine", entry_id)
    assert verify_packet(document_to_json(hashed_document(packet)).encode()).mismatches == ()
    assert [what for _, what in find_problems(promoted_store)] == ["stray part", "stray parameter"]


def plant_unfinished(backend, make_body):
    """Plant an entry at the next place without the last character of its text. Returns what would complete it."""
    state, book = read_book_state(backend, "wine"), book_id_of(backend)
    text = canonical_json(make_body(state))
    value, rest = encode_entry(str(ULID()), text, state.book.tip, len(text) - 1)
    client(backend).log_param(book, param_key(state.book.head + 1), value)
    return rest


def make_failed_closing(state):
    fields = {**COMMON_FIELDS, "recorded_at": state.book.entries[-1].body.recorded_at}
    return Closing(**fields, type="FAILED", intent=state.open_intents[-1].id, now=state.observed_slots, why="It never was.")


def test_an_entry_whose_end_was_held_back_does_not_speak_once_others_stand_behind_it(promoted_store, monkeypatch):
    """Planted between a decision and its closing, it would later claim that the decision failed: the first closing counts."""
    planted, close = [], ledger_book._try_to_log

    def plant_before_the_closing(writer, decoded_book, entry):
        if '"type":"APPLIED"' in entry[1] and not planted:
            planted.append(plant_unfinished(promoted_store, make_failed_closing))
        return close(writer, decoded_book, entry)

    monkeypatch.setattr(ledger_book, "_try_to_log", plant_before_the_closing)
    assert promote(promoted_store, "3").outcome == "applied"
    before = answers(promoted_store)
    assert [what for _, what in find_problems(promoted_store)] == ["missing"]
    (rest,) = planted
    with pytest.raises(Exception, match="void"):
        client(promoted_store).log_batch(book_id_of(promoted_store), params=[Param(*item) for item in rest.items()])
    for name in rest:
        client(promoted_store).log_param(book_id_of(promoted_store), name.replace(".00", ".01"), rest[name])
    assert answers(promoted_store) == before
    assert [what for _, what in find_problems(promoted_store)] == ["missing"]


def test_a_held_back_end_of_a_volume_does_not_cut_off_what_was_written_since(promoted_store):
    rest = plant_unfinished(promoted_store, lambda _: Volume(**COMMON_FIELDS, next="e" * 32, carry=EMPTY_CARRY))
    assert promote(promoted_store, "3").outcome == "applied"
    before = answers(promoted_store)
    params = client(promoted_store).get_run(book_id_of(promoted_store)).data.params
    assert [params[name] for name in rest] == [END_OF_BODY]
    assert promote(promoted_store, "1").outcome == "applied"
    assert len(answers(promoted_store)[0]) > len(before[0])
    assert len([name for name in client(promoted_store).get_run(book_id_of(promoted_store)).data.params if "." in name]) == 1


def test_many_held_back_entries_are_ended_a_hundred_at_a_time_and_stop_nobody(promoted_store):
    state, book = read_book_state(promoted_store, "wine"), book_id_of(promoted_store)
    planted, chain = {}, state.book.tip
    for n in range(150):
        sha = hash_text(f"never shown {n}")
        chain = next_chain(chain, sha)
        planted[param_key(state.book.head + 1 + n)] = f"{ULID()} {sha} {chain} x"
    client(promoted_store).log_batch(book, params=[Param(*item) for item in list(planted.items())[:100]])
    client(promoted_store).log_batch(book, params=[Param(*item) for item in list(planted.items())[100:]])
    append(make_writer(promoted_store), book, lambda _: make_opened(why="re-created"))
    assert len(read_book(promoted_store, book).book.open_part_keys) == 50
    append(make_writer(promoted_store), book, lambda _: make_opened(why="re-created"))
    after = read_book(promoted_store, book).book
    assert after.open_part_keys == ()
    assert [entry.position for entry in after.entries[-2:]] == [state.book.head + 151, state.book.head + 152]


def test_who_takes_the_id_of_an_entry_before_it_is_whole_does_not_speak_for_its_writer(promoted_store, monkeypatch):
    """The parts of a long decision, and with them its id, are visible a moment before its place."""
    mlflow, log_param, forged = client(promoted_store), client(promoted_store).log_param, []

    def plant_after_the_first_part(run_id, name, value):
        log_param(run_id, name, value)
        if name.endswith(".00") and not forged:
            state = read_book_state(promoted_store, "wine")
            body = state.intents[-1].body.model_copy(update={"version": "1"})
            forged.append(encode_entry(name[:26], canonical_json(body), state.book.tip)[0])
            log_param(run_id, param_key(state.book.head + 1), forged[0])

    monkeypatch.setattr(mlflow, "log_param", plant_after_the_first_part)
    body = read_book_state(promoted_store, "wine").intents[-1].body
    long_body = body.model_copy(update={"reason": REASON.model_copy(update={"text": "long " * 3000})})
    entry_id = append(make_writer(promoted_store), book_id_of(promoted_store), lambda _: long_body)
    assert forged
    assert entry_id != forged[0][:26]
    bodies = {entry.id: entry.body for entry in read_book_state(promoted_store, "wine").book.entries}
    assert bodies[entry_id] == long_body


@pytest.mark.parametrize("next_run_id", ["", "../..", "f" * 32])
def test_a_planted_volume_that_leads_nowhere_or_where_nobody_else_can_restore_leaves_the_record_readable(
    promoted_store, next_run_id
):
    state, mlflow = read_book_state(promoted_store, "wine"), client(promoted_store)
    if not next_run_id:
        next_run_id = mlflow.create_run(mlflow.create_experiment("private")).info.run_id
        mlflow.delete_run(next_run_id)
    body = Volume(**COMMON_FIELDS, next=next_run_id, carry=EMPTY_CARRY)
    value, _ = encode_entry(str(ULID()), canonical_json(body), state.book.tip)
    mlflow.log_param(book_id_of(promoted_store), param_key(state.book.head + 1), value)
    clear_book_cache()
    after = read_book_state(promoted_store, "wine")
    assert after.book.entries[:-1] == state.book.entries
    assert [(f.what, f.blocks_writing) for f in after.findings()] == [("volume missing", True)]
    assert "or this entry was written by hand" in after.findings()[0].means


@pytest.mark.parametrize("has_tag", [True, False])
def test_a_name_planted_for_a_life_does_not_take_the_book_away(promoted_store, has_tag):
    mlflow, before = client(promoted_store), answers(promoted_store)
    if not has_tag:
        mlflow.delete_registered_model_tag("wine", "podium.book")
    incarnation = incarnation_of(read_snapshot(promoted_store, "wine"))
    experiment_id = mlflow.get_run(book_id_of(promoted_store)).info.experiment_id
    forged = mlflow.create_run(experiment_id, tags={"podium.kind": "book", "podium.model": "wine"}).info.run_id
    value, _ = encode_entry(
        str(ULID()), canonical_json(make_opened(created=incarnation.created_at)), hash_text("podium " + forged)
    )
    mlflow.log_param(forged, param_key(1), value)
    for key in (incarnation.incarnation_key, "book.anything"):
        name_in_index(promoted_store, key, forged)
    assert answers(promoted_store) == before
    assert promote(promoted_store, "3").outcome == "applied"
    findings = next(v for v in verify_all(promoted_store) if v.model == INDEX_EXPERIMENT).findings
    assert {f.what for f in findings} == {"stray name"}


def test_the_book_of_one_model_planted_for_another_is_never_shared(promoted_store):
    before, book = answers(promoted_store), book_id_of(promoted_store)
    make_registered_model(promoted_store, "beer")
    incarnation = incarnation_of(read_snapshot(promoted_store, "beer"))
    state = read_book(promoted_store, book)
    value, _ = encode_entry(str(ULID()), canonical_json(make_opened(created=incarnation.created_at)), state.book.tip)
    for key in incarnation.index_keys[:3]:
        name_in_index(promoted_store, key, book)
    assert book_id_of(promoted_store, "beer") is None
    assert promote(promoted_store, "1", "beer").outcome == "applied"
    assert book_id_of(promoted_store, "beer") not in (book, None)
    assert answers(promoted_store) == before
    client(promoted_store).log_param(book, param_key(read_book(promoted_store, book).book.head + 1), value)
    clear_book_cache()
    assert book_id_of(promoted_store, "wine") == book
    assert len({book_id_of(promoted_store, name) for name in ("wine", "beer")}) == 2


def test_where_every_name_is_taken_the_next_step_is_told_and_no_book_is_shared(promoted_store):
    make_registered_model(promoted_store, "beer")
    for key in incarnation_of(read_snapshot(promoted_store, "beer")).index_keys:
        name_in_index(promoted_store, key, book_id_of(promoted_store))
    with pytest.raises(LedgerBroken, match="Rename the model"):
        promote(promoted_store, "1", "beer")
    client(promoted_store).rename_registered_model("beer", "ale")
    assert promote(promoted_store, "1", "ale").outcome == "applied"


def test_the_record_of_a_deleted_model_is_not_hidden_by_a_book_of_its_name(promoted_store):
    mlflow, now, book = client(promoted_store), datetime.now(UTC), book_id_of(promoted_store)
    at = read_book_state(promoted_store, "wine").intents[-1].body.recorded_at
    mlflow.delete_registered_model("wine")
    query = AsOfQuery("production", parse_time_query(at, now), now)
    before = [result.answer.holders for result in query_as_of_all(promoted_store, query) if result.model == "wine"]
    assert [[holder.version for holder in holders] for holders in before] == [["1"]]
    experiment_id = mlflow.get_experiment_by_name("podium-ledger").experiment_id
    for n in range(4):
        forged = "g"
        while forged > (book if n else "ffff"):  # their ids have no effect
            forged = mlflow.create_run(experiment_id, tags={"podium.kind": "book"}).info.run_id
        body = make_opened().model_copy(update={"model": "wine" if n else "nobody"})
        mlflow.log_param(forged, param_key(1), encode_entry(str(ULID()), canonical_json(body), hash_text("podium " + forged))[0])
        name_in_index(promoted_store, f"book.{n}", forged)
    results = query_as_of_all(promoted_store, query)
    assert [result.answer.holders for result in results if result.model == "wine"] == before
    assert len([result for result in results if result.model.startswith("wine (book ")]) == 3
    statuses = survey_models(promoted_store, datetime.now(UTC)).statuses
    assert (statuses["wine"].book_id, len(statuses)) == (book, 5)


def test_names_that_lead_nowhere_cost_a_few_calls_and_no_answer(promoted_store, monkeypatch):
    before, mlflow = answers(promoted_store), client(promoted_store)
    mlflow.log_batch(index_id(promoted_store), params=[Param(f"book.{n}", f"{n:032x}") for n in range(99)])
    mlflow.log_batch(index_id(promoted_store), params=[Param(f"book.{n}", f"{n:032x}") for n in range(99, 180)])
    for name, value in (("book.path", "../.."), ("book.empty", ""), ("book.long", "x" * 6000), ("note", "x")):
        name_in_index(promoted_store, name, value)
    asked_ids, get_run = [], mlflow.get_run
    monkeypatch.setattr(mlflow, "get_run", lambda run_id: asked_ids.append(run_id) or get_run(run_id))
    assert answers(promoted_store) == before
    assert len(asked_ids) < 60
    verifications = verify_all(promoted_store)
    assert len(verifications) < 30
    index_findings = [f for v in verifications if v.model == INDEX_EXPERIMENT for f in v.findings]
    assert {f.what for f in index_findings} == {"stray name", "stray parameter", "book missing"}
    assert promote(promoted_store, "3").outcome == "applied"


def test_the_index_needs_no_parts_and_takes_none(promoted_store):
    before = answers(promoted_store)
    key = ModelIncarnation("wine", None).name_key
    for name in (f"{key}.00", "index.00", part_key(str(ULID()), 0)):
        name_in_index(promoted_store, name, "}")
    assert answers(promoted_store) == before
    findings = next(v for v in verify_all(promoted_store) if v.model == INDEX_EXPERIMENT).findings
    assert [f.what for f in findings] == ["stray name", "stray parameter"]


def test_hundreds_of_strays_are_told_in_a_few_lines_everywhere(promoted_store, monkeypatch):
    mlflow, book, head = client(promoted_store), book_id_of(promoted_store), read_book_state(promoted_store, "wine").book.head
    for start in (head + 5, head + 105, head + 205):
        mlflow.log_batch(book, params=[Param(param_key(start + n), "x") for n in range(100)])
    mlflow.log_batch(book, params=[Param(part_key(str(ULID()), 0), "x") for _ in range(100)])
    assert len(verify(promoted_store, "wine").findings) == 11
    assert len(collect_notices(read_model_status(promoted_store, "wine", datetime.now(UTC)), {})) == 4
    monkeypatch.setenv("MLFLOW_TRACKING_URI", promoted_store.uri)
    result = CliRunner().invoke(podium, ["verify", "wine"])
    assert result.exit_code == 3
    assert "100 parts of unfinished entries" in result.stdout
    assert f"290 more of these, at places {head + 15}–{head + 304}" in result.stdout
    assert len(result.stdout.splitlines()) == 12
    document = json.loads(CliRunner().invoke(podium, ["verify", "wine", "--json"]).stdout)
    assert len(document["models"][0]["findings"]) == 11


def test_a_model_made_anew_keeps_the_record_of_its_name_whatever_is_named_before_anybody_looks(promoted_store):
    mlflow, book = client(promoted_store), book_id_of(promoted_store)
    mlflow.delete_registered_model("wine")
    make_registered_model(promoted_store)
    incarnation = incarnation_of(read_snapshot(promoted_store, "wine"))
    other = ensure_book(promoted_store, ModelIncarnation("beer", "2026-01-01T00:00:00.000Z")).book_id
    for key in incarnation.index_keys[1:3]:
        name_in_index(promoted_store, key, other)
    sync_model_status(make_writer(promoted_store), "wine")
    assert book_id_of(promoted_store) == book
    assert [e.body.why for e in read_book(promoted_store, book).book.entries if e.body.type == "OPENED"] == [
        "first look",
        "re-created",
    ]
