"""The command verify and remembered heads: alarms exit with 3, new books are reported once, and CI remembers nothing."""

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.registry import head_watch
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from tests.support.ledger_stores import (
    DECISION,
    REASON,
    book_id_of,
    clear_book_cache,
    make_promoted_model,
    make_registered_model,
    make_writer,
)
from tests.support.ledger_tampering import drop_the_tags, execute, purge_run, replace_the_record


@pytest.fixture
def recorded(run, fresh_store, monkeypatch):
    """One book on the backend of the commands."""
    monkeypatch.setattr(head_watch, "_SECOND_LOOK_SECONDS", 0.0)
    clear_book_cache()
    make_promoted_model(fresh_store)
    return fresh_store


def text_of(*arguments):
    clear_book_cache()
    return CliRunner().invoke(podium, list(arguments)).output


def findings_of(document):
    return [(v["model"], f["place"], f["what"]) for v in document["models"] for f in v["findings"]]


def cut_last_entry(backend):
    book_id = book_id_of(backend)
    execute(
        backend,
        "delete from params where run_uuid = ? and key = (select max(key) from params where run_uuid = ?)",
        book_id,
        book_id,
    )
    drop_the_tags(client(backend))
    clear_book_cache()
    client(backend).set_registered_model_tag("wine", "podium.book", book_id)


@pytest.mark.parametrize("arguments", [(), ("wine",)])
def test_a_book_is_seen_for_the_first_time_once_and_then_compared(run, recorded, arguments):
    (wine,) = run("verify", *arguments)[0]["models"]
    assert wine["first_seen"] is True
    assert "first_seen" not in run("verify", *arguments)[0]["models"][0]
    head = wine["head"]
    cut_last_entry(recorded)
    for _ in range(2):
        assert findings_of(run("verify", *arguments, code=3)[0]) == [("wine", head, "book is shorter")]
    assert f"place {head}: book is shorter" in text_of("verify", *arguments)
    assert "No decision is accepted" in text_of(
        "promote", "wine", "2", "--to", "Staging", "--reason", REASON.text, "--category", "better"
    )


def test_for_people_it_stands_in_the_line_of_the_book(recorded):
    assert "seen here for the first time, chain intact" in text_of("verify")
    assert "first time" not in text_of("verify")


@pytest.mark.parametrize("arguments", [(), ("wine",)])
def test_a_replaced_record_is_a_finding_of_the_model_itself(run, recorded, arguments):
    run("verify")
    replace_the_record(client(recorded), book_id_of(recorded))
    assert ("wine", 4, "another book") in findings_of(run("verify", *arguments, code=3)[0])


@pytest.mark.parametrize("arguments", [(), ("wine",)])
def test_a_record_that_was_removed_for_good_is_a_finding_though_nothing_of_it_is_left(run, recorded, arguments):
    make_registered_model(recorded, "beer")
    move_version(make_writer(recorded), MoveRequest("beer", "1", "Production"), DECISION)
    run("verify")
    book_id = book_id_of(recorded)
    client(recorded).delete_registered_model("wine")
    purge_run(recorded, book_id)
    clear_book_cache()
    execute(recorded, "delete from params where value = ?", book_id)
    assert ("wine", 4, "book gone") in findings_of(run("verify", *arguments, code=3)[0])


def test_another_store_is_one_finding_for_all_books(run, recorded):
    run("verify")
    for table in ("params", "tags", "latest_metrics", "metrics", "runs", "experiment_tags"):
        execute(recorded, f"delete from {table}")
    execute(recorded, "delete from experiments where name like 'podium-%'")
    drop_the_tags(client(recorded))
    clear_book_cache()
    for arguments in ((), ("wine",)):
        assert findings_of(run("verify", *arguments, code=3)[0]) == [("podium-ledger-index", 0, "another store")]


def test_where_podium_home_cannot_be_written_verify_says_that_nothing_is_remembered(run, recorded, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "file" / "home"))
    for arguments in ((), ("wine",)):
        document, notes = run("verify", *arguments)
        assert document["models"][0]["first_seen"] is True
        assert "these heads are not remembered" in notes


def test_a_memory_that_cannot_be_read_is_said_in_one_line(run, recorded, tmp_path):
    run("verify")
    (tmp_path / "podium" / "known-heads.json").write_text("{")
    assert "known-heads.json" in run("verify", code=1)[1]
