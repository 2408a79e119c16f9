"""Importing earlier decisions into a real store: queries afterwards, repeated imports, and invalid files."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.errors import BadInput, NotFound
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import make_reason
from lib.ledger.packet.document import document_to_json, hashed_document
from lib.ledger.packet.verify import verify_packet
from lib.ledger.queries.time_query import parse_time_query
from lib.registry.audit_queries import AsOfQuery, query_as_of
from lib.registry.correct_entry import append_correction
from lib.registry.import_history import ImportFile, import_history
from lib.registry.move_plan import MoveRequest
from lib.registry.packet_builder import build_as_of_packet
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from lib.registry.register import find_candidates
from lib.registry.verify import verify
from lib.ui.app.page_links import PROJECT_ROOT
from tests.support.ledger_stores import (
    DECISION,
    book_id_of,
    ledger_findings,
    make_registered_model,
    make_trained_run,
    make_writer,
)

EXAMPLES = PROJECT_ROOT / "docs" / "examples"
FRAUD = EXAMPLES / "fraud-history.csv"


@pytest.fixture
def run(fresh_store, monkeypatch, clean_session):
    """Run a command on a fresh store. Returns the JSON document and stderr."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fresh_store.uri)
    monkeypatch.setenv("PODIUM_USER", "ines")

    def command(*arguments, exit_code=0):
        result = CliRunner().invoke(podium, [*arguments, "--json"])
        assert result.exit_code == exit_code, (result.output, result.exception)
        return json.loads(result.stdout) if result.stdout.strip() else None, result.stderr

    return command


def run_for_text(*arguments):
    result = CliRunner().invoke(podium, [*arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def register_card_fraud(backend):
    """The bank's present model: v3 in Production, and no record yet."""
    return make_registered_model(
        backend, "card-fraud", 3, {"1": "Archived", "2": "Archived", "3": "Production"}, {"production": "3"}
    )


def csv_file(*lines, heads="when,version,from,to,by"):
    return ImportFile("history.csv", "\n".join([heads, *lines]).encode())


def ask_holders(run, at, *options):
    answer, _ = run("asof", "card-fraud", "--at", at, *options)
    return answer["answers"][0]


def test_the_banks_history_answers_who_was_in_production_on_14_march_2023(run, fresh_store):
    register_card_fraud(fresh_store)
    result, _ = run("import", "card-fraud", str(FRAUD))
    assert (len(result["added"]), result["already_there"], result["other_models"]) == (15, 0, 0)
    answer = ask_holders(run, "2023-03-14")
    (holder,) = answer["holders"]
    assert answer["unknown"] == []
    assert (holder["version"], holder["since"], holder["until"]) == ("2", "2023-01-16T09:00:00.000Z", "2024-05-21T14:00:00.000Z")
    assert holder["by"] == {"name": "marta.k", "how": "declared"}
    assert holder["reason"]["text"].startswith("8.3 points more AUC")
    assert holder["metrics"] == {"auc": 0.874, "recall": 0.571, "false_alarms_per_day": 421.0}
    assert holder["data"]["transactions"].startswith("8b3e")
    assert holder["git_commit"].startswith("c5a0e12")
    assert holder["imported"]["source"]["name"] == "fraud-history.csv"
    assert holder["imported"]["by"]["name"] == "ines"


def test_the_answer_is_a_sentence_that_can_be_sent_on(run, fresh_store):
    register_card_fraud(fresh_store)
    run("import", "card-fraud", str(FRAUD))
    answer = run_for_text("asof", "card-fraud", "--at", "2023-03-14", "--zone", "Europe/Berlin")
    assert "On 14 March 2023 (Europe/Berlin), all day, version 2 of card-fraud was in Production." in answer
    for part in (
        "from 16 Jan 2023, 10:00 until 21 May 2024, 16:00 Europe/Berlin",
        "marta.k decided this and gave the reason: “8.3 points more AUC",
        "(category: measured better).",
        "Version 2 is described as “Random forest over 14 features; alarm at 0.40 and above”.",
        "metrics auc 0.874, false_alarms_per_day 421, recall 0.571",
        "data transactions 8b3e51f0c7d2",
        "code of commit c5a0e12bd97e",
        "They were not written at that time: ines imported them on",
        "from the file fraud-history.csv",
        "Podium did not verify them",
    ):
        assert part in answer


@pytest.mark.parametrize(
    ("at", "version"),
    [
        ("2022-02-07T09:00Z", "1"),
        ("2023-01-16T08:59Z", "1"),
        ("2023-01-16T09:00Z", "2"),
        ("2024-06-01", "3"),
        ("2025-12-24", "3"),
    ],
)
def test_each_holder_is_told_at_its_time(run, fresh_store, at, version):
    register_card_fraud(fresh_store)
    run("import", "card-fraud", str(FRAUD))
    assert [holder["version"] for holder in ask_holders(run, at)["holders"]] == [version]


def test_a_day_of_change_and_the_time_before_the_first_line_are_answers_of_their_own(run, fresh_store):
    register_card_fraud(fresh_store)
    run("import", "card-fraud", str(FRAUD))
    assert "v1 until 09:00, then v2" in run_for_text("asof", "card-fraud", "--at", "2023-01-16")
    assert "The record does not begin until 7 Feb 2022" in run_for_text("asof", "card-fraud", "--at", "2021-12-24")
    assert ask_holders(run, "2023-01-12", "--stage", "staging")["holders"][0]["version"] == "2"
    nobody = ask_holders(run, "2023-06-01", "--stage", "staging")
    assert (nobody["holders"], nobody["unknown"]) == ([], [])
    assert "On 1 June 2023 (UTC), no version of card-fraud was in Staging." in run_for_text(
        "asof", "card-fraud", "--at", "2023-06-01", "--stage", "staging"
    )


def test_what_was_imported_goes_on_in_what_stood_there_when_the_record_began(run, fresh_store):
    register_card_fraud(fresh_store)
    run("import", "card-fraud", str(FRAUD))
    holder = ask_holders(run, datetime.now(UTC).isoformat())["holders"][0]
    assert (holder["version"], holder["since"], holder["until"]) == ("3", "2024-05-21T14:00:00.000Z", None)
    assert holder["by"]["name"] == "marta.k"


def test_the_same_file_twice_adds_nothing_and_says_so(run, fresh_store):
    register_card_fraud(fresh_store)
    run("import", "card-fraud", str(FRAUD))
    head = read_book_state(fresh_store, "card-fraud").book.head
    result, _ = run("import", "card-fraud", str(FRAUD))
    assert (result["added"], result["already_there"]) == ([], 15)
    assert "Nothing new in fraud-history.csv. 15 entries already existed." in run_for_text("import", "card-fraud", str(FRAUD))
    assert read_book_state(fresh_store, "card-fraud").book.head == head


def test_an_import_that_was_cut_short_is_finished_by_the_next(fresh_store):
    register_card_fraud(fresh_store)
    lines = FRAUD.read_bytes().splitlines(keepends=True)
    import_history(make_writer(fresh_store), "card-fraud", ImportFile("a.csv", b"".join(lines[:6])))
    result = import_history(make_writer(fresh_store), "card-fraud", ImportFile("a.csv", b"".join(lines)))
    assert (len(result.added_entry_ids), result.known_count) == (10, 5)
    assert ledger_findings(fresh_store, "card-fraud") == ()


def test_bad_lines_are_named_with_their_number_and_nothing_at_all_is_written(fresh_store):
    register_card_fraud(fresh_store)
    bad = csv_file(
        "2022-02-07T09:00Z,1,None,Production,ana",
        "yesterday,1,None,Production,ana",
        "2022-03-01T09:00Z,,None,Production,ana",
        "2022-03-02T09:00Z,1,,Archived,ana",
        "2022-03-03T09:00Z,1,None,prod,ana",
        "2099-01-01T00:00Z,1,None,Production,ana",
    )
    with pytest.raises(BadInput) as raised:
        import_history(make_writer(fresh_store), "card-fraud", bad)
    message = str(raised.value)
    assert [f"line {n}:" in message for n in range(2, 8)] == [False, True, True, True, True, True]
    assert "Did you mean Production?" in message
    assert "is in the future" in message
    assert book_id_of(fresh_store, "card-fraud") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"when,version,to\n", "no lines below its header"),
        (b"", "when is missing"),
        (b"when,version,to,colour\n2022-02-07T09:00Z,1,Production,red\n", "colour is not a column"),
        (b"when,version,to\n2022-02-07T09:00Z,1,Production,ana,ben\n", "5 values for 3 columns"),
        (b'when,version,to\n"2022-02-07T09:00Z,1,Production\n', "line 2: not valid CSV"),
        (b'[{"when": "2022-02-07T09:00Z"', "not valid JSON"),
        (b"[1, 2]", "not a list of objects"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"when,version,to,metric.auc\n2022-02-07T09:00Z,1,Production,high\n", "line 2: high is not a number"),
        (
            b"when,version,to,reason\n2022-02-07T09:00Z,1,Production," + b"x" * 10_000 + b"\n",
            "The reason has 10,000 characters; the limit is 2,000",
        ),
        (
            b"when,version,to,category,reason\n2022-02-07T09:00Z,1,Production,vibes,it felt better\n",
            "vibes is not a valid category",
        ),
        (b"when,version,entry\n2022-02-07T09:00Z,1,LAUNCHED\n", "LAUNCHED is not a valid entry"),
        (b"when,version,entry\n2022-02-07T09:00Z,1,FOLLOWED_UP\n", "The outcome is missing"),
    ],
)
def test_a_file_that_cannot_be_read_is_answered_in_words(fresh_store, data, message):
    register_card_fraud(fresh_store)
    with pytest.raises(BadInput, match=message):
        import_history(make_writer(fresh_store), "card-fraud", ImportFile("x.csv", data))
    assert book_id_of(fresh_store, "card-fraud") is None


def test_a_json_file_that_is_none_is_called_so_and_not_taken_for_a_table(fresh_store):
    register_card_fraud(fresh_store)
    with pytest.raises(BadInput, match="The file is not valid JSON"):
        import_history(make_writer(fresh_store), "card-fraud", ImportFile("history.json", b"when it was decided: unknown"))


def test_what_happened_after_the_record_began_cannot_be_imported(fresh_store):
    register_card_fraud(fresh_store)
    sync_model_status(make_writer(fresh_store), "card-fraud")
    now = datetime.now(UTC).isoformat()
    with pytest.raises(BadInput, match=r"line 2: .* when the record of card-fraud begins"):
        import_history(make_writer(fresh_store), "card-fraud", csv_file(f"{now},1,None,Production,ana"))


def test_an_import_is_allowed_at_any_time_and_changes_no_wish_and_no_holder_that_the_ledger_saw(fresh_store):
    register_card_fraud(fresh_store)
    move_version(make_writer(fresh_store), MoveRequest("card-fraud", "1", "Production"), DECISION)
    before = read_book_state(fresh_store, "card-fraud")
    import_history(make_writer(fresh_store), "card-fraud", ImportFile("f.csv", FRAUD.read_bytes()))
    after = read_book_state(fresh_store, "card-fraud")
    assert after.desired_holders() == before.desired_holders()
    assert (after.observed_slots, after.open_intents, after.drifted_slots()) == (
        before.observed_slots,
        before.open_intents,
        before.drifted_slots(),
    )


def test_a_model_that_never_was_and_a_file_that_is_not_there_are_refused(run, fresh_store):
    with pytest.raises(NotFound):
        import_history(make_writer(fresh_store), "nobody", ImportFile("f.csv", FRAUD.read_bytes()))
    _, notes = run("import", "card-fraud", "no-such-file.csv", exit_code=1)
    assert "no-such-file.csv cannot be read" in notes


def test_control_characters_in_a_file_are_taken_out(fresh_store):
    register_card_fraud(fresh_store)
    data = csv_file("2022-02-07T09:00Z,1,None,Production,a\u202ena\x07", heads="when,version,from,to,by")
    import_history(make_writer(fresh_store), "card-fraud", data)
    body = read_book_state(fresh_store, "card-fraud").book.entries[-1].body
    assert body.actor.name == "a na"
    assert parse_timestamp(body.effective_at).year == 2022


@pytest.mark.slow
def test_on_a_server_a_history_is_imported_asked_and_corrected(mlflow_server):
    model, registry = "card-fraud-served", client(mlflow_server)
    registry.create_registered_model(model)
    for number in ("1", "2", "3"):
        (candidate,) = find_candidates(mlflow_server, make_trained_run(mlflow_server, f"forest-{number}-trees"))
        registry.create_model_version(model, candidate.source, model_id=candidate.model_id)
    registry.transition_model_version_stage(model, "3", "Production")
    registry.set_registered_model_alias(model, "production", "3")
    ines, at = make_writer(mlflow_server, "ines"), datetime.now(UTC)
    assert len(import_history(ines, model, ImportFile(FRAUD.name, FRAUD.read_bytes())).added_entry_ids) == 15
    assert import_history(ines, model, ImportFile(FRAUD.name, FRAUD.read_bytes())).added_entry_ids == ()
    query = AsOfQuery("production", parse_time_query("2023-03-14", at, "Europe/Berlin"), at)
    (holder,) = query_as_of(mlflow_server, model, query).answer.holders
    assert (holder.version, holder.actor.name) == ("2", "marta.k")
    decided = next(
        e
        for e in read_book_state(mlflow_server, model).book.entries
        if e.position in holder.entry_positions and e.body.of == "DECIDED"
    )
    better = make_reason("better", "8.3 points more AUC, and 13% fewer false alarms.")
    mistaken = make_reason("housekeeping", "The minutes of the board have other figures.")
    append_correction(make_writer(mlflow_server, "ben"), model, decided.id, Correction(reason=better), mistaken)
    (holder,) = query_as_of(mlflow_server, model, query).answer.holders
    assert holder.reason == better
    assert verify(mlflow_server, model).findings == ()
    assert verify_packet(document_to_json(hashed_document(build_as_of_packet(ines, model, query))).encode()).mismatches == ()
