"""The commands asof, log and drift as used by a pipeline (contract §4)."""

import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import make_reason
from lib.registry.correct_entry import append_correction
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import sync_model_status
from tests.support.ledger_stores import book_id_of, make_registered_model, make_trained_run, make_writer

REASON = "Five trees get seventeen of eighteen right."
WHY = ["--reason", REASON, "--category", "better"]
LONG = "r" * 10_000


def output_of(*arguments):
    result = CliRunner().invoke(podium, [*arguments])
    assert result.exit_code in (0, 3), (result.output, result.exception)
    return result.stdout


def move_outside(backend, version, stage="Production", alias="production"):
    """Move a version by plain MLflow calls, without Podium."""
    client(backend).transition_model_version_stage("wine", version, stage, archive_existing_versions=True)
    client(backend).set_registered_model_alias("wine", alias, version)


def head(backend, model="wine"):
    state = read_book_state(backend, model)
    return state.book.head if state else 0


def quiet_moment():
    """A past instant without any move, in the format of --at."""
    time.sleep(0.02)
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    time.sleep(0.02)
    return at


def test_asof_has_exactly_the_shape_of_the_contract(run, fresh_store):
    run("register", make_trained_run(fresh_store), "--model", "wine", "--description", "Five trees.")
    run("promote", "wine", "1", "--to", "Production", *WHY)
    at = quiet_moment()
    before = head(fresh_store)
    document, notes = run("asof", "wine", "--at", at)
    applied = read_book_state(fresh_store, "wine").book.entries[3].body
    assert document == {
        "at": at,
        "until": None,
        "zone": "UTC",
        "answers": [
            {
                "model": "wine",
                "stage": "Production",
                "holders": [
                    {
                        "version": "1",
                        "since": applied.effective_at,
                        "until": None,
                        "by": {"name": "pipeline", "how": "declared"},
                        "reason": {"category": "better", "text": REASON},
                        "metrics": {"accuracy": 0.9444},
                        "data": document["answers"][0]["holders"][0]["data"],
                        "git_commit": None,
                        "entries": [2, 3, 4],
                    }
                ],
                "unknown": [],
            }
        ],
    }
    assert notes == ""
    assert head(fresh_store) == before


def test_asof_a_day_has_every_holder_and_says_so_in_words(run, fresh_store):
    make_registered_model(fresh_store)
    for version in "12":
        run("promote", "wine", version, "--to", "Production", *WHY)
    day = read_book_state(fresh_store, "wine").last_observed_at.date().isoformat()
    document, _ = run("asof", "wine", "--at", day, "--zone", "UTC")
    assert [holder["version"] for holder in document["answers"][0]["holders"]] == ["1", "2"]
    assert document["answers"][0]["holders"][0]["until"] == document["answers"][0]["holders"][1]["since"]
    assert parse_timestamp(document["until"]) > parse_timestamp(document["at"])
    assert "then v2" in output_of("asof", "wine", "--at", day)
    assert f"pipeline decided this and gave the reason: “{REASON}” (category: measured better)." in output_of(
        "asof", "wine", "--at", day
    )


def test_asof_before_the_record_of_nobody_and_without_a_record_are_answers(run, fresh_store):
    make_registered_model(fresh_store)
    document, _ = run("asof", "wine", "--at", "2020-01-01")
    assert document["answers"][0]["unknown"] == [{"since": None, "until": None, "why": "there is no record"}]
    assert "There is no record yet" in output_of("asof", "wine", "--at", "2020-01-01")
    assert book_id_of(fresh_store) is None
    sync_model_status(make_writer(fresh_store), "wine")
    document, _ = run("asof", "wine", "--at", "2020-01-01")
    assert document["answers"][0]["unknown"][0]["why"] == "before the record begins"
    assert "The record does not begin until" in output_of("asof", "wine", "--at", "2020-01-01")
    document, _ = run("asof", "wine", "--at", quiet_moment(), "--stage", "staging")
    assert (document["answers"][0]["stage"], document["answers"][0]["holders"], document["answers"][0]["unknown"]) == (
        "Staging",
        [],
        [],
    )


def test_asof_without_a_model_answers_for_each_deleted_ones_too(run, fresh_store):
    for name in ("wine", "gone", "untouched"):
        make_registered_model(fresh_store, name)
    for name in ("wine", "gone"):
        run("promote", name, "1", "--to", "Production", *WHY)
    at = quiet_moment()
    client(fresh_store).delete_registered_model("gone")
    heads = head(fresh_store), head(fresh_store, "gone")
    document, _ = run("asof", "--at", at)
    assert [answer["model"] for answer in document["answers"]] == ["gone", "untouched", "wine"]
    assert document["answers"][2]["holders"][0]["version"] == "1"
    assert [interval["why"] for interval in document["answers"][0]["unknown"]] == ["the model was deleted or re-created"]
    (interval,) = run("asof", "gone", "--at", at)[0]["answers"][0]["unknown"]
    assert (interval["since"], interval["why"]) == tuple(document["answers"][0]["unknown"][0][name] for name in ("since", "why"))
    assert (head(fresh_store), head(fresh_store, "gone")) == heads


def test_asof_claims_nothing_about_a_time_since_which_the_registry_was_moved_outside(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    moment = quiet_moment()
    move_outside(fresh_store, "2")
    before = head(fresh_store)
    for words in (["asof", "wine", "--at", moment], ["asof", "--at", moment]):
        (answer,) = run(*words)[0]["answers"]
        assert answer["holders"] == []
        assert answer["unknown"][0]["why"] == "moved outside Podium"
    assert head(fresh_store) == before


def test_asof_says_when_the_book_does_not_fit(run, fresh_store):
    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")
    client(fresh_store).log_param(book_id_of(fresh_store), "000099", "hello")
    _, notes = run("asof", "wine", "--at", quiet_moment())
    assert "Run verify to list them" in notes


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["asof", "wine"], 2, "--at"),
        (["asof", "wine", "--at", "last Tuesday"], 2, "cannot be read as a time"),
        (["asof", "wine", "--at", "2999-01-01"], 2, "is in the future"),
        (["asof", "wine", "--at", "2023-10-29T02:30", "--zone", "Europe/Berlin"], 2, "occurred twice"),
        (["asof", "wine", "--at", "2023-01-01", "--zone", "Atlantis"], 2, "is not a time zone"),
        (["asof", "wine", "--at", "2023-01-01", "--stage", "Archived"], 2, "has no holder"),
        (["asof", "nope", "--at", "2023-01-01"], 1, "no registered model nope"),
        (["asof", "wine", "--at", "2023-03-26T02:30", "--zone", "Europe/Berlin"], 2, "did not exist"),
        (["history", "nope"], 1, "no registered model nope"),
        (["current", "nope"], 1, "no registered model nope"),
        (["verify", "nope"], 1, "no registered model nope"),
        (["promote", "nope", "1", "--to", "Production", *WHY], 1, "no registered model nope"),
        (["packet", "export", "nope", "--entry", "1", "--out", "nope.html"], 1, "no registered model nope"),
        (["packet", "export", "nope", "--at", "2023-01-01", "--out", "nope.html"], 1, "no registered model nope"),
        (["packet", "export", "wine", "--at", "2999-01-01", "--out", "nope.html"], 2, "is in the future"),
        (
            ["promote", "wine", "1", "--to", "Production", "--category", "better", "--reason", LONG],
            2,
            "10,000 characters; the limit is 2,000",
        ),
        (["rollback", "wine", "--category", "better", "--reason", LONG], 2, "10,000 characters; the limit is 2,000"),
        (["drift", "wine", "--adopt", "--category", "better", "--reason", LONG], 2, "10,000 characters; the limit is 2,000"),
        (["log", "--model", "nope"], 1, "nope has no record"),
        (["log", "--limit", "0"], 2, "--limit"),
        (["log", "--since", "soon"], 2, "cannot be read as a time"),
        (["drift", "nope"], 1, "no registered model nope"),
        (["drift", "wine", "--adopt"], 2, "need --reason and --category"),
        (["drift", "wine", "--adopt", "--category", "mood", "--reason", REASON], 2, "is not a valid category"),
        (["drift", "wine", "--adopt", "--category", "better", "--reason", "short"], 2, "15 more"),
        (["drift", "wine", *WHY], 2, "need --adopt or --revert"),
    ],
)
def test_bad_input_says_what_and_what_next(run, fresh_store, words, code, text):
    make_registered_model(fresh_store)
    document, error = run(*words, code=code)
    assert document is None
    assert text in error
    assert book_id_of(fresh_store) is None


def test_log_tells_all_books_newest_first_and_filters(run, fresh_store):
    make_registered_model(fresh_store)
    make_registered_model(fresh_store, "beer")
    assert run("log")[0] == {"entries": []}
    run("promote", "wine", "1", "--to", "Production", *WHY)
    moment = quiet_moment()
    run("promote", "beer", "1", "--to", "Staging", *WHY, "--by", "ana")
    entries = run("log")[0]["entries"]
    assert [entry["model"] for entry in entries[:2]] == ["beer", "beer"]
    assert [entry["recorded_at"] for entry in entries] == sorted((entry["recorded_at"] for entry in entries), reverse=True)
    history = run("history", "wine")[0]["entries"]
    assert [entry for entry in entries if entry["model"] == "wine"] == history[::-1]
    assert {entry["model"] for entry in run("log", "--model", "wine")[0]["entries"]} == {"wine"}
    assert {entry["by"]["name"] for entry in run("log", "--by", "ana")[0]["entries"]} == {"ana"}
    assert {entry["type"] for entry in run("log", "--type", "decided")[0]["entries"]} == {"DECIDED"}
    assert {entry["model"] for entry in run("log", "--since", moment)[0]["entries"]} == {"beer"}
    assert {entry["model"] for entry in run("log", "--until", moment)[0]["entries"]} == {"wine"}
    assert run("log", "--since", moment[:10], "--until", moment[:10])[0]["entries"] == entries
    assert run("log", "--limit", "1")[0]["entries"] == entries[:1]
    assert "No entries match" in output_of("log", "--type", "FROZEN")
    assert REASON in output_of("log")


def test_history_in_text_names_the_move_and_what_corrects_an_entry(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    state = read_book_state(fresh_store, "wine")
    decided = next(entry for entry in state.book.entries if entry.body.type == "DECIDED")
    correction = Correction(reason=make_reason("needed", "The model in use could not be loaded any more."))
    append_correction(
        make_writer(fresh_store), "wine", decided.id, correction, make_reason("other", "The reason was another one.")
    )
    lines = output_of("history", "wine").splitlines()
    (decision,) = [line for line in lines if "superseded" in line]
    assert "v1 None → Production" in decision
    assert f"[superseded by entry {state.book.head + 1}: " in decision


def test_drift_tells_and_writes_nothing(run, fresh_store):
    make_registered_model(fresh_store)
    assert run("drift", "wine")[0] == {"model": "wine", "findings": []}
    run("promote", "wine", "1", "--to", "Production", *WHY)
    assert run("drift", "wine")[0] == {"model": "wine", "findings": []}
    move_outside(fresh_store, "2")
    before = head(fresh_store)
    document, _ = run("drift", "wine", code=3)
    assert document["findings"] == [
        {
            "what": "Production was moved outside",
            "stage": "Production",
            "wanted": ["1"],
            "shown": ["2"],
            "ways": [
                {"kind": "adopt", "version": "2", "to": "Production"},
                {"kind": "revert", "version": "1", "to": "Production"},
            ],
            "open": True,
        }
    ]
    assert "Options: adopt v2 to Production, revert v1 to Production." in output_of("drift", "wine")
    assert head(fresh_store) == before


@pytest.mark.parametrize(("option", "champion"), [("--adopt", "2"), ("--revert", "1")])
def test_drift_is_adopted_or_put_back_with_a_reason(run, fresh_store, option, champion):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    move_outside(fresh_store, "2")
    document, _ = run("drift", "wine", option, *WHY)
    (finding,) = document["findings"]
    assert finding["open"] is False
    assert (finding["done"]["kind"], finding["done"]["version"], finding["done"]["outcome"]) == (option[2:], champion, "applied")
    assert read_snapshot(fresh_store, "wine").slot_states["production"].holders == (champion,)
    assert run("drift", "wine")[0]["findings"] == []
    decided = run("log", "--type", "DECIDED", "--limit", "1")[0]["entries"][0]
    assert (decided["kind"], decided["place"]) == (option[2:], finding["done"]["place"])


def test_drift_in_both_stages_is_settled_in_one_go(run, fresh_store):
    make_registered_model(fresh_store, versions=4)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    run("promote", "wine", "2", "--to", "Staging", *WHY)
    move_outside(fresh_store, "3")
    move_outside(fresh_store, "4", "Staging", "staging")
    document, _ = run("drift", "wine", "--adopt", *WHY)
    assert [(finding["stage"], finding["done"]["version"], finding["open"]) for finding in document["findings"]] == [
        ("Production", "3", False),
        ("Staging", "4", False),
    ]


def test_what_a_look_has_not_recorded_yet_is_named_too(run, fresh_store):
    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")
    client(fresh_store).delete_model_version("wine", "3")
    move_outside(fresh_store, "2")
    document, _ = run("drift", "wine", code=3)
    assert [finding["what"] for finding in document["findings"]] == ["v3 was deleted", "Production was moved outside"]
    sync_model_status(make_writer(fresh_store), "wine")
    assert run("drift", "wine")[0]["findings"] == []
    client(fresh_store).delete_registered_model("wine")
    document, _ = run("drift", "wine", code=3)
    assert [finding["what"] for finding in document["findings"]] == ["The model was deleted"]


def test_a_drift_that_cannot_be_settled_that_way_stays_open(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    client(fresh_store).delete_registered_model_alias("wine", "production")
    client(fresh_store).delete_model_version("wine", "1")
    move_outside(fresh_store, "2")
    document, _ = run("drift", "wine", code=3)
    assert {finding["what"] for finding in document["findings"]} >= {"v1 was deleted"}
    adoption, _ = run("drift", "wine", "--adopt", *WHY)
    assert all(finding["open"] is False for finding in adoption["findings"])


@pytest.mark.parametrize("kind", ["a newer schema, signed", "a newer schema, not signed", "no JSON"])
def test_a_book_with_an_entry_that_is_not_understood_is_read_as_far_as_it_is_known(run, fresh_store, tmp_path, kind):
    from lib.ledger.chain.hash_chain import encode_entry, param_key
    from tests.support.entry_signing import make_private_key
    from tests.support.ledger_entries import make_newer_entry

    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    state = read_book_state(fresh_store, "wine")
    invalid_param = param_key(state.book.head + 1), encode_entry("01ARZ3NDEKTSV4RRFFQ69G5FAV", "no { JSON", state.book.chain)[0]
    params = {
        "a newer schema, signed": make_newer_entry(state, make_private_key("a newer Podium")),
        "a newer schema, not signed": make_newer_entry(state),
        "no JSON": invalid_param,
    }
    client(fresh_store).log_param(book_id_of(fresh_store), *params[kind])
    holders = run("asof", "wine", "--at", quiet_moment())[0]["answers"][0]["holders"]
    assert [holder["version"] for holder in holders] == ["1"]
    assert len(run("history", "wine")[0]["entries"]) == state.book.head + 1
    assert len(run("log")[0]["entries"]) == state.book.head + 1
    for name in ("packet.json", "packet.html"):
        file = str(tmp_path / name)
        run("packet", "export", "wine", "--at", quiet_moment(), "--out", file)
        assert run("packet", "verify", file)[0]["findings"] == []
    run("packet", "export", "wine", "--entry", str(state.book.head + 1), "--out", str(tmp_path / "entry.html"))
    is_refused = kind == "a newer schema, signed"
    document, error = run("promote", "wine", "2", "--to", "Production", *WHY, code=1 if is_refused else 0)
    assert ("newer schema" in error) == is_refused
    assert read_snapshot(fresh_store, "wine").aliases["production"] == ("1" if document is None else "2")


@pytest.mark.parametrize("option", [("--backend", "sqlite:///x.db"), ("--migrate",), ("--by", "ana")])
def test_verifying_a_packet_takes_no_option_of_a_backend(tmp_path, option):
    result = CliRunner().invoke(podium, ["packet", "verify", str(tmp_path / "p.json"), *option])
    assert (result.exit_code, "No such option" in result.stderr) == (2, True)
    help_text = CliRunner().invoke(podium, ["packet", "verify", "--help"]).stdout
    assert option[0] not in help_text
    assert "--json" in help_text
