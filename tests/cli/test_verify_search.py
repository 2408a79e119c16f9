"""The commands on a store with a replaced or hidden record: exit 3 with findings, and no command claims that there is none."""

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import BOOK_TAG, INDEX_EXPERIMENT
from lib.cli import podium
from tests.support.ledger_stores import REASON, book_id_of, make_promoted_model, make_registered_model
from tests.support.ledger_tampering import drop_the_tags, rename_both, replace_the_record

EVERY_COMMAND = (("verify",), ("verify", "wine"), ("history", "wine"), ("asof", "wine", "--at", "2026-01-01"), ("log",))


@pytest.fixture
def recorded(run, fresh_store):
    """One book on the backend of the commands."""
    make_promoted_model(fresh_store)
    return fresh_store


def text_of(*arguments):
    """The text output of a command on both streams."""
    return CliRunner().invoke(podium, list(arguments)).output


def whats(document):
    return [(verdict["model"], [finding["what"] for finding in verdict["findings"]]) for verdict in document["models"]]


def test_a_replaced_record_ends_verify_with_3_for_all_models_and_for_one(run, recorded):
    replace_the_record(client(recorded), book_id_of(recorded))
    expected = [(INDEX_EXPERIMENT, ["two indexes", "book of another index"]), ("wine", [])]
    assert whats(run("verify", code=3)[0]) == expected
    assert whats(run("verify", "wine", code=3)[0]) == expected
    assert set(run("verify", code=3)[0]["models"][0]) == {"model", "entries", "head", "chain", "signatures", "findings"}
    assert set(run("verify", code=3)[0]["models"][0]["findings"][0]) == {"place", "what", "means"}
    assert "chain intact" not in text_of("verify").split("wine:")[0]


@pytest.mark.parametrize("has_tags", [True, False])
def test_a_hidden_record_is_a_finding_of_verify_and_no_command_says_that_there_is_none(run, recorded, has_tags):
    rename_both(client(recorded))
    if not has_tags:
        drop_the_tags(client(recorded))
    expected = [(INDEX_EXPERIMENT, ["index changed"]), ("wine", [])]
    assert whats(run("verify", code=3)[0]) == expected
    assert whats(run("verify", "wine", code=3)[0]) == expected
    for arguments in (("history", "wine"), ("log",), ("log", "--model", "wine")):
        assert "An index exists" in run(*arguments, code=1)[1], arguments
    assert (
        "An index exists"
        in run("promote", "wine", "2", "--to", "Staging", "--reason", REASON.text, "--category", "better", code=1)[1]
    )
    for arguments in (("asof", "wine", "--at", "2026-01-01"), ("asof", "--at", "2026-01-01")):
        document, notes = run(*arguments)
        assert "no index leads to a record" in document["answers"][0]["unknown"][0]["why"]
        assert "The record of wine has findings" in notes
    for arguments in EVERY_COMMAND:
        assert "no record" not in text_of(*arguments).lower(), arguments


def test_a_forged_tag_on_a_model_without_a_record_ends_verify_with_3(run, fresh_store):
    make_registered_model(fresh_store)
    client(fresh_store).set_registered_model_tag("wine", BOOK_TAG, "f" * 32)
    for arguments in (("verify",), ("verify", "wine")):
        assert whats(run(*arguments, code=3)[0]) == [("wine", ["tag without a record"])]
    assert "If it was copied, delete its tag podium.book" in run("history", "wine", code=1)[1]


def test_no_record_yet_is_said_on_a_store_without_anything_of_podium(run, fresh_store):
    assert run("verify") == ({"models": []}, "")
    assert text_of("verify").strip() == "No record yet."
    client(fresh_store).create_experiment(INDEX_EXPERIMENT + "-2", tags={"podium.index": ""})
    assert text_of("verify").strip() == "No record yet."
    client(fresh_store).create_experiment("podium-ledger")
    assert text_of("verify").strip() == "A ledger exists here, but has no books yet."
