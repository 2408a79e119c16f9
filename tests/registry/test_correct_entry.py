"""Corrections on a real store: the corrected content, what cannot be corrected, and that nothing is edited."""

import json

import pytest
from click.testing import CliRunner

from lib.cli import podium
from lib.errors import ActionRefused, BadInput, NotFound
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.vocabulary import Actor, make_reason
from lib.registry.correct_entry import append_correction
from lib.registry.import_history import ImportFile, import_history
from lib.registry.reader import read_book_state
from tests.support.ledger_stores import REASON, ledger_findings, make_promoted_model, make_registered_model, make_writer

MISTAKEN = make_reason("other", "The figures of the two models were swapped.")
BETTER = make_reason("better", "Seventeen of eighteen held-out wines are right.")


@pytest.fixture
def promoted(fresh_store):
    """A model whose first version was promoted by ana."""
    make_promoted_model(fresh_store)
    return fresh_store


def find_entry(backend, type_, model="wine"):
    return next(entry for entry in read_book_state(backend, model).book.entries if entry.body.type == type_)


def run_asof(backend, at, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", backend.uri)
    result = CliRunner().invoke(podium, ["asof", "wine", "--at", at, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["answers"][0]


def test_a_corrected_reason_is_read_in_every_answer_and_the_entry_stays_as_it_was(promoted, monkeypatch):
    decided = find_entry(promoted, "DECIDED")
    correction_id = append_correction(make_writer(promoted, "ben"), "wine", decided.id, Correction(reason=BETTER), MISTAKEN)
    assert find_entry(promoted, "DECIDED") == decided
    assert ledger_findings(promoted) == ()
    state = read_book_state(promoted, "wine")
    (holder,) = run_asof(promoted, state.last_observed_at.isoformat(), monkeypatch)["holders"]
    assert holder["reason"]["text"] == BETTER.text
    assert holder["entries"][-1] == next(entry.position for entry in state.book.entries if entry.id == correction_id)


def test_history_and_log_say_by_what_an_entry_is_superseded(promoted, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", promoted.uri)
    decided = find_entry(promoted, "DECIDED")
    correction_id = append_correction(make_writer(promoted), "wine", decided.id, Correction(note="Seen by the board."), MISTAKEN)
    for command in (["history", "wine"], ["log"]):
        entries = json.loads(CliRunner().invoke(podium, [*command, "--json"]).stdout)["entries"]
        assert {entry["id"]: entry.get("superseded_by") for entry in entries}[decided.id] == [correction_id]
        assert sum("superseded_by" in entry for entry in entries) == 1
    assert "superseded by entry" in CliRunner().invoke(podium, ["history", "wine"]).stdout


@pytest.mark.parametrize(
    ("type_", "instead", "message"),
    [
        ("OPENED", Correction(by=Actor(name="eve")), "The name of an entry"),
        ("APPLIED", Correction(effective_at="2020-01-01T00:00:00.000Z"), "The time of an entry"),
        ("DECIDED", Correction(void=True), "The validity of an entry"),
        ("OPENED", Correction(reason=BETTER), "The reason of an entry"),
        ("DECIDED", Correction(), "changes nothing"),
    ],
)
def test_what_the_ledger_itself_saw_cannot_be_corrected(promoted, type_, instead, message):
    head = read_book_state(promoted, "wine").book.head
    with pytest.raises(BadInput, match=message):
        append_correction(make_writer(promoted), "wine", find_entry(promoted, type_).id, instead, MISTAKEN)
    assert read_book_state(promoted, "wine").book.head == head


def test_a_correction_of_nothing_or_of_what_reads_so_already_is_refused(promoted):
    with pytest.raises(NotFound):
        append_correction(make_writer(promoted), "wine", "01ARZ3NDEKTSV4RRFFQ69G5FAV", Correction(note="x"), MISTAKEN)
    decided = find_entry(promoted, "DECIDED")
    with pytest.raises(ActionRefused, match="already says this"):
        append_correction(make_writer(promoted), "wine", decided.id, Correction(reason=REASON), MISTAKEN)


def test_the_last_of_two_corrections_is_read(promoted):
    from lib.ledger.queries.history import history_rows

    decided = find_entry(promoted, "DECIDED")
    for text in ("It was right in seventeen of eighteen.", "It was right in all the eighteen."):
        append_correction(make_writer(promoted), "wine", decided.id, Correction(reason=make_reason("better", text)), MISTAKEN)
    row = next(row for row in history_rows(read_book_state(promoted, "wine")) if row.id == decided.id)
    assert (len(row.correction_positions), row.corrected_summary) == (2, "It was right in all the eighteen.")
    assert row.summary == REASON.text


def test_a_correction_that_a_stranger_planted_for_what_the_ledger_saw_says_nothing(promoted):
    from lib.ledger.entry.types import Corrected
    from lib.ledger.state.corrections import corrected_entries, corrections_by_entry_id
    from lib.ledger.storage.book import append
    from tests.support.ledger_stores import book_id_of

    target = find_entry(promoted, "APPLIED")
    correction = Correction(effective_at="2020-01-01T00:00:00.000Z")
    common_fields = make_writer(promoted, "eve").common_fields("wine")
    append(
        make_writer(promoted),
        book_id_of(promoted),
        lambda _: Corrected(**common_fields, supersedes=(target.id,), instead=correction, reason=MISTAKEN),
    )
    entries = read_book_state(promoted, "wine").book.entries
    assert corrections_by_entry_id(entries) == {}
    assert corrected_entries(entries) == entries


def test_an_imported_time_can_be_corrected_up_to_the_record_and_an_import_taken_back(fresh_store, monkeypatch):
    make_registered_model(fresh_store, versions=2, stages={"2": "Production"}, aliases={"production": "2"})
    lines = b"when,version,to,by\n2022-02-07T09:00Z,1,Production,ana\n2023-01-16T09:00Z,2,Production,ana\n"
    import_history(make_writer(fresh_store), "wine", ImportFile("a.csv", lines))
    second = read_book_state(fresh_store, "wine").book.entries[-1]
    with pytest.raises(BadInput, match="before the record began"):
        append_correction(
            make_writer(fresh_store), "wine", second.id, Correction(effective_at="2099-01-01T00:00:00.000Z"), MISTAKEN
        )
    append_correction(make_writer(fresh_store), "wine", second.id, Correction(effective_at="2022-06-01T00:00:00.000Z"), MISTAKEN)
    assert [h["version"] for h in run_asof(fresh_store, "2022-09-01", monkeypatch)["holders"]] == ["2"]
    append_correction(make_writer(fresh_store), "wine", second.id, Correction(void=True), MISTAKEN)
    answer = run_asof(fresh_store, "2022-09-01", monkeypatch)
    assert answer["holders"] == []
    assert "v1 by a.csv, v2 when the record began" in answer["unknown"][0]["why"]
    with pytest.raises(ActionRefused, match="already withdrawn"):
        append_correction(make_writer(fresh_store), "wine", second.id, Correction(note="x"), MISTAKEN)
    again = import_history(make_writer(fresh_store), "wine", ImportFile("a.csv", lines))
    assert (again.added_entry_ids, again.known_count) == ((), 2)
