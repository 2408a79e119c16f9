"""Settling on the Audit page: the findings, a reason, and the same findings afterwards with the entry that settles them."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lib.backends.mlflow_client import client
from lib.errors import LedgerBroken
from lib.ledger.storage.signing_keys import create_signer
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from tests.support.entry_signing import make_param, make_private_key
from tests.support.ledger_stores import DECISION, book_id_of, make_promoted_model, make_writer


@pytest.fixture
def stopped(fresh_store):
    """A record blocked by an entry of a newer schema with an untrusted signature."""
    make_promoted_model(fresh_store)
    param = make_param(read_book_state(fresh_store, "wine").book, {"schema": 3, "type": "<b>X</b>"}, make_private_key("mal"))
    client(fresh_store).log_param(book_id_of(fresh_store), *param)
    return fresh_store


def table_text(page):
    return " ".join(str(cell) for table in page.table for cell in table.value.to_numpy().ravel())


def test_findings_that_block_decisions_are_settled_in_a_dialog(app, stopped):
    page = app("audit", stopped)
    page.button(key="audit.verify").click().run()
    assert "newer schema" in table_text(page)
    page.button(key="audit.settle.wine").click().run()
    assert not page.exception
    assert table_text(page).count("newer schema") == 1
    page.text_input(key="session.name").set_value("ana")
    page.button(key="audit.settle.confirm").click().run()
    assert [error.value for error in page.error if "The reason has 0 characters" in error.value]
    page.text_area(key="audit.settle.reason").set_value("Mallory's test of ours; nothing that counts was changed.")
    page.button(key="audit.settle.confirm").click().run()
    assert not page.exception
    assert [success.value for success in page.success if "wine: settled in entry" in success.value]
    entry = read_book_state(stopped, "wine").book.entries[-1]
    assert (entry.body.type, entry.body.by.name, entry.body.reason.category) == ("SETTLED", "ana", "incident")
    signed_writer = replace(make_writer(stopped), signer=create_signer(os.environ, lambda: datetime.now(UTC)))
    assert move_version(signed_writer, MoveRequest("wine", "2", "Production"), DECISION).outcome == "applied"
    page.button(key="audit.verify").click().run()
    assert [success.value for success in page.success if "Chain intact" in success.value]
    assert f"settled in entry {entry.position}" in table_text(page)
    assert not [button for button in page.button if button.key == "audit.settle.wine"]


def test_cancelling_the_dialog_leaves_no_trace(app, stopped):
    page = app("audit", stopped)
    page.button(key="audit.verify").click().run()
    page.button(key="audit.settle.wine").click().run()
    page.button(key="audit.settle.cancel").click().run()
    assert not [button for button in page.button if button.key == "audit.settle.confirm"]
    with pytest.raises(LedgerBroken):
        move_version(make_writer(stopped), MoveRequest("wine", "2", "Production"), DECISION)


def test_a_link_to_the_verification_runs_it_once(app, stopped):
    page = app("audit", stopped, verify="now")
    assert "newer schema" in table_text(page)
    assert [button for button in page.button if button.key == "audit.settle.wine"]
    page.run()
    assert not [button for button in page.button if button.key == "audit.settle.wine"]
