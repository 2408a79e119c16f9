"""Promotions on a real SQLite store: who holds what, what is recorded, and what is refused."""

import pytest

from lib.backends.mlflow_client import client
from lib.errors import BadInput, NotFound, Refused
from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import reason, stage
from lib.ledger.queries.history import as_json, lines
from lib.ledger.state.holdings import holdings
from lib.registry.promote import Wish, champion, move, roll_back, steps, way_back
from lib.registry.reader import every_model, every_record, look_at, recorded
from lib.registry.reconcile import look, peek, recover
from tests.support.ledger_stores import WHY, findings, registered, writer


def types(backend, model="wine"):
    return [entry.body.type for entry in recorded(backend, model).reading.entries]


def in_force(backend, model="wine"):
    """Alias, stage and ledger agree on the holder of Production; returned is that holder."""
    seen, state = look_at(backend, model), recorded(backend, model)
    held = seen.now["production"]
    want = state.wanted()["production"]
    assert held.alias == want.holder
    assert held.stage == want.holders
    assert not state.open
    assert not findings(backend, model)
    return want.holder


def to(version, stage_="Production", **more):
    return Wish("wine", version, stage_, WHY, **more)


def test_a_first_promotion_sets_alias_and_stage_and_records_who_when_and_why(fresh_store):
    registered(fresh_store)
    done = move(writer(fresh_store), to("1"))
    assert (done.outcome, done.from_, done.displaced) == ("applied", "None", ())
    assert in_force(fresh_store) == "1"
    assert types(fresh_store) == ["OPENED", "REGISTERED", "DECIDED", "APPLIED"]
    line = next(line for line in lines(recorded(fresh_store, "wine")) if line.word == "approve")
    assert (line.who, line.from_, line.to, line.why) == ("ana", "None", "Production", WHY.text)


def test_a_second_promotion_archives_the_champion_and_says_so(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    done = move(writer(fresh_store), to("2"))
    assert done.displaced == ("1",)
    assert in_force(fresh_store) == "2"
    assert look_at(fresh_store, "wine").versions["1"].stage == "Archived"
    held = [
        (h.version, h.until is None) for h in holdings(recorded(fresh_store, "wine").reading.entries) if h.slot == "production"
    ]
    assert held == [("1", False), ("2", True)]


def test_promoting_out_of_staging_empties_staging(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("2", "Staging"))
    assert look_at(fresh_store, "wine").aliases == {"staging": "2"}
    move(writer(fresh_store), to("2"))
    assert look_at(fresh_store, "wine").aliases == {"production": "2"}
    assert in_force(fresh_store) == "2"


def test_archiving_the_champion_leaves_nobody_in_production(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    done = move(writer(fresh_store), to("1", "Archived", kind="archive", expected="1"))
    assert done.outcome == "applied"
    assert in_force(fresh_store) is None
    assert look_at(fresh_store, "wine").aliases == {}


def test_a_version_can_be_moved_back_to_none_and_archived_from_there(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    assert move(writer(fresh_store), to("1", "None")).outcome == "applied"
    assert look_at(fresh_store, "wine").versions["1"].stage == "None"
    assert move(writer(fresh_store), to("1", "Archived", kind="archive")).outcome == "applied"
    assert look_at(fresh_store, "wine").versions["1"].stage == "Archived"


def test_what_is_already_so_is_unchanged_and_leaves_no_entry(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    before = types(fresh_store)
    assert move(writer(fresh_store), to("1")).outcome == "unchanged"
    assert types(fresh_store) == before


def test_a_decision_against_another_champion_is_refused_and_leaves_no_entry(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1", expected="none"))
    before = types(fresh_store)
    with pytest.raises(Refused, match="You decided against nobody, but Production of wine is held by v1"):
        move(writer(fresh_store), to("2", expected="none"))
    assert types(fresh_store) == before
    assert in_force(fresh_store) == "1"


def test_the_preview_is_exactly_what_happens(fresh_store):
    registered(fresh_store, aliases={"champion": "1"})
    move(writer(fresh_store), to("1"))
    move(writer(fresh_store), to("2", "Staging"))
    found = peek(fresh_store, "wine")
    said = [(m.verb, m.where, m.version) for m in steps(found, to("2"), writer(fresh_store))]
    assert said == [
        ("alias", "production", "2"),
        ("stage", "Production", "2"),
        ("stage", "Archived", "1"),
        ("unalias", "staging", "2"),
    ]
    assert champion(found, to("2")).said == "1"
    calls = []
    registry = client(fresh_store)
    for verb in ("set_registered_model_alias", "delete_registered_model_alias", "transition_model_version_stage"):
        real = getattr(registry, verb)
        setattr(registry, verb, lambda *a, real=real, verb=verb: (calls.append(verb), real(*a)))
    move(writer(fresh_store), to("2"))
    assert len(calls) == len(said)


def test_other_aliases_stay_unless_they_are_asked_along(fresh_store):
    registered(fresh_store, aliases={"champion": "1"})
    move(writer(fresh_store), to("1"))
    move(writer(fresh_store), to("2"))
    assert look_at(fresh_store, "wine").aliases["champion"] == "1"
    move(writer(fresh_store), to("3", aliases=("champion",)))
    assert look_at(fresh_store, "wine").aliases == {"champion": "3", "production": "3"}
    decided = [e.body for e in recorded(fresh_store, "wine").reading.entries if isinstance(e.body, Decided)]
    assert decided[-1].aliases == ("champion",)


def test_a_roll_back_goes_to_the_last_other_champion_that_is_whole(fresh_store):
    registered(fresh_store)
    for version in "123":
        move(writer(fresh_store), to(version))
    client(fresh_store).delete_model_version("wine", "2")
    look(writer(fresh_store), "wine")
    assert way_back(writer(fresh_store), peek(fresh_store, "wine")) == "1"
    done = roll_back(writer(fresh_store), "wine", WHY, None, "3")
    assert (done.version, done.outcome) == ("1", "applied")
    assert in_force(fresh_store) == "1"
    assert next(line for line in lines(recorded(fresh_store, "wine")) if line.to).word in ("APPLIED", "roll_back")


def test_a_roll_back_without_an_earlier_champion_is_refused(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    with pytest.raises(Refused, match="No earlier version"):
        roll_back(writer(fresh_store), "wine", WHY, None, None)
    with pytest.raises(Refused, match="never was in Production"):
        roll_back(writer(fresh_store), "wine", WHY, "2", None)


def test_a_move_made_outside_is_recorded_as_seen_and_blocks_the_next_decision(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    client(fresh_store).set_registered_model_alias("wine", "production", "3")
    with pytest.raises(Refused, match="moved outside Podium"):
        move(writer(fresh_store), to("2"))
    assert types(fresh_store)[-1] == "OBSERVED"
    assert look_at(fresh_store, "wine").aliases["production"] == "3"
    client(fresh_store).set_registered_model_alias("wine", "production", "1")
    assert move(writer(fresh_store), to("2")).outcome == "applied"


def test_a_deleted_version_is_recorded_once(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    client(fresh_store).delete_model_version("wine", "3")
    for _ in range(3):
        look(writer(fresh_store), "wine")
    assert types(fresh_store).count("OBSERVED") == 1
    assert recorded(fresh_store, "wine").reading.entries[-1].body.gone == ("3",)


def test_a_model_made_anew_begins_a_new_record_in_the_same_book(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    client(fresh_store).delete_registered_model("wine")
    look(writer(fresh_store), "wine")
    registered(fresh_store)
    look(writer(fresh_store), "wine")
    assert [e.body.why for e in recorded(fresh_store, "wine").reading.entries if e.body.type == "OPENED"] == [
        "first look",
        "deleted",
        "re-created",
    ]
    assert move(writer(fresh_store), to("2", expected="none")).outcome == "applied"


def test_a_renamed_model_keeps_its_history(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    client(fresh_store).rename_registered_model("wine", "wine-forest")
    with pytest.raises(NotFound, match="is now called wine-forest"):
        look(writer(fresh_store), "wine")
    look(writer(fresh_store), "wine-forest")
    assert types(fresh_store, "wine-forest")[:2] == ["OPENED", "REGISTERED"]
    assert recorded(fresh_store, "wine-forest").wanted()["production"].holder == "1"


def test_reading_writes_nothing(fresh_store):
    registered(fresh_store, stages={"1": "Production"})
    before = fresh_store.path.read_bytes()
    found = peek(fresh_store, "wine")
    steps(found, to("2"), writer(fresh_store))
    every_record(fresh_store, every_model(fresh_store))
    assert recorded(fresh_store, "wine") is None
    assert fresh_store.path.read_bytes() == before


def test_all_models_and_their_records_come_in_one_sweep(fresh_store):
    for name in ("wine", 'it\'s "quoted"'):
        registered(fresh_store, name, 2)
        move(writer(fresh_store), Wish(name, "1", "Production", WHY))
    models = every_model(fresh_store)
    records = every_record(fresh_store, models)
    assert {name: state.wanted()["production"].holder for name, state in records.items()} == {"wine": "1", 'it\'s "quoted"': "1"}


def test_recover_finishes_what_is_open_and_moves_nothing_otherwise(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    client(fresh_store).set_registered_model_alias("wine", "production", "2")
    _, closed = recover(writer(fresh_store), "wine")
    assert closed == ()
    assert look_at(fresh_store, "wine").aliases["production"] == "2"


def test_an_entry_as_json_has_the_names_of_the_contract(fresh_store):
    registered(fresh_store)
    move(writer(fresh_store), to("1"))
    decided = next(e for e in recorded(fresh_store, "wine").reading.entries if e.body.type == "DECIDED")
    shown = as_json(decided)
    assert list(shown)[:9] == ["place", "id", "type", "version", "from", "to", "by", "reason", "recorded_at"]
    assert shown["from"] == "None"
    assert shown["reason"] == {"category": "better", "text": WHY.text}
    assert "expected" not in shown


@pytest.mark.parametrize(("model", "version"), [("nope", "1"), ("wine", "9")])
def test_an_unknown_model_or_version_is_named(fresh_store, model, version):
    registered(fresh_store)
    with pytest.raises(NotFound):
        move(writer(fresh_store), Wish(model, version, "Production", WHY))


@pytest.mark.parametrize(
    ("word", "right"), [("Development", "None (or Staging)"), ("Archive", "Archived"), ("", "None, Staging")]
)
def test_a_wrong_word_for_a_stage_is_answered_with_the_right_one(word, right):
    with pytest.raises(BadInput) as error:
        stage(word)
    assert right in str(error.value)


@pytest.mark.parametrize(
    ("category", "text"), [("better", ""), ("better", "too short"), ("better", " \x00 " * 40), ("odd", "x" * 30)]
)
def test_an_empty_or_short_reason_is_refused(category, text):
    with pytest.raises(BadInput):
        reason(category, text)
