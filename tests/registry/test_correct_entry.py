"""Corrections on a real store: what reads how afterwards, what cannot be corrected, and that nothing is edited."""

import json

import pytest
from click.testing import CliRunner

from lib.cli import podium
from lib.errors import BadInput, NotFound, Refused
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.vocabulary import Actor, reason
from lib.registry.correct_entry import correct
from lib.registry.import_history import File, import_earlier
from lib.registry.promote import Wish, move
from lib.registry.reader import recorded
from tests.support.ledger_stores import WHY, findings, registered, writer

MISTAKEN = reason("other", "The figures of the two models were swapped.")
BETTER = reason("better", "Seventeen of eighteen held-out wines are right.")


@pytest.fixture
def promoted(fresh_store):
    """A model whose first version was promoted by ana."""
    registered(fresh_store)
    move(writer(fresh_store), Wish("wine", "1", "Production", WHY))
    return fresh_store


def entry(backend, type_, model="wine"):
    return next(one for one in recorded(backend, model).reading.entries if one.body.type == type_)


def asof(backend, at, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", backend.uri)
    done = CliRunner().invoke(podium, ["asof", "wine", "--at", at, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["answers"][0]


def test_a_corrected_reason_is_read_in_every_answer_and_the_entry_stays_as_it_was(promoted, monkeypatch):
    decided = entry(promoted, "DECIDED")
    made = correct(writer(promoted, "ben"), "wine", decided.id, Correction(reason=BETTER), MISTAKEN)
    assert entry(promoted, "DECIDED") == decided
    assert findings(promoted) == ()
    state = recorded(promoted, "wine")
    (held,) = asof(promoted, state.last.isoformat(), monkeypatch)["holders"]
    assert held["reason"]["text"] == BETTER.text
    assert held["entries"][-1] == next(one.place for one in state.reading.entries if one.id == made)


def test_history_and_log_say_by_what_an_entry_is_superseded(promoted, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", promoted.uri)
    decided = entry(promoted, "DECIDED")
    made = correct(writer(promoted), "wine", decided.id, Correction(note="Seen by the board."), MISTAKEN)
    for command in (["history", "wine"], ["log"]):
        told = json.loads(CliRunner().invoke(podium, [*command, "--json"]).stdout)["entries"]
        assert {one["id"]: one.get("superseded_by") for one in told}[decided.id] == [made]
        assert sum("superseded_by" in one for one in told) == 1
    assert "superseded by entry" in CliRunner().invoke(podium, ["history", "wine"]).stdout


@pytest.mark.parametrize(
    ("type_", "instead", "said"),
    [
        ("OPENED", Correction(by=Actor(name="eve")), "The name of an entry"),
        ("APPLIED", Correction(effective_at="2020-01-01T00:00:00.000Z"), "The time of an entry"),
        ("DECIDED", Correction(void=True), "That it holds of an entry"),
        ("OPENED", Correction(reason=BETTER), "The reason of an entry"),
        ("DECIDED", Correction(), "changes nothing"),
    ],
)
def test_what_the_ledger_itself_saw_cannot_be_corrected(promoted, type_, instead, said):
    head = recorded(promoted, "wine").reading.head
    with pytest.raises(BadInput, match=said):
        correct(writer(promoted), "wine", entry(promoted, type_).id, instead, MISTAKEN)
    assert recorded(promoted, "wine").reading.head == head


def test_a_correction_of_nothing_or_of_what_reads_so_already_is_refused(promoted):
    with pytest.raises(NotFound):
        correct(writer(promoted), "wine", "01ARZ3NDEKTSV4RRFFQ69G5FAV", Correction(note="x"), MISTAKEN)
    decided = entry(promoted, "DECIDED")
    with pytest.raises(Refused, match="reads so already"):
        correct(writer(promoted), "wine", decided.id, Correction(reason=WHY), MISTAKEN)


def test_the_last_of_two_corrections_is_read(promoted):
    from lib.ledger.queries.history import lines

    decided = entry(promoted, "DECIDED")
    for text in ("It was right in seventeen of eighteen.", "It was right in all the eighteen."):
        correct(writer(promoted), "wine", decided.id, Correction(reason=reason("better", text)), MISTAKEN)
    line = next(one for one in lines(recorded(promoted, "wine")) if one.id == decided.id)
    assert (len(line.superseded_by), line.instead) == (2, "It was right in all the eighteen.")
    assert line.why == WHY.text


def test_a_correction_that_a_stranger_planted_for_what_the_ledger_saw_says_nothing(promoted):
    from lib.ledger.entry.types import Corrected
    from lib.ledger.state.corrections import amended, superseded
    from lib.ledger.storage.book import append
    from tests.support.ledger_stores import book_id

    target = entry(promoted, "APPLIED")
    instead = Correction(effective_at="2020-01-01T00:00:00.000Z")
    stamp = writer(promoted, "eve").stamp("wine")
    append(promoted, book_id(promoted), lambda _: Corrected(**stamp, supersedes=(target.id,), instead=instead, reason=MISTAKEN))
    entries = recorded(promoted, "wine").reading.entries
    assert superseded(entries) == {}
    assert amended(entries) == entries


def test_an_imported_time_can_be_corrected_up_to_the_record_and_an_import_taken_back(fresh_store, monkeypatch):
    registered(fresh_store, versions=2, stages={"2": "Production"}, aliases={"production": "2"})
    lines = b"when,version,to,by\n2022-02-07T09:00Z,1,Production,ana\n2023-01-16T09:00Z,2,Production,ana\n"
    import_earlier(writer(fresh_store), "wine", File("a.csv", lines))
    second = recorded(fresh_store, "wine").reading.entries[-1]
    with pytest.raises(BadInput, match="before the record began"):
        correct(writer(fresh_store), "wine", second.id, Correction(effective_at="2099-01-01T00:00:00.000Z"), MISTAKEN)
    correct(writer(fresh_store), "wine", second.id, Correction(effective_at="2022-06-01T00:00:00.000Z"), MISTAKEN)
    assert [h["version"] for h in asof(fresh_store, "2022-09-01", monkeypatch)["holders"]] == ["2"]
    correct(writer(fresh_store), "wine", second.id, Correction(void=True), MISTAKEN)
    told = asof(fresh_store, "2022-09-01", monkeypatch)
    assert told["holders"] == []
    assert "v1 by a.csv, v2 when the record began" in told["unknown"][0]["why"]
    with pytest.raises(Refused, match="taken back"):
        correct(writer(fresh_store), "wine", second.id, Correction(note="x"), MISTAKEN)
    again = import_earlier(writer(fresh_store), "wine", File("a.csv", lines))
    assert (again.added, again.there) == ((), 2)
