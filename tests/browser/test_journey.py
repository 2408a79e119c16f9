"""The complete journey in a real browser, in light and dark: launch, compare, register, promote, read the history, roll back."""

import re

import pytest
from playwright.sync_api import expect

from lib.registry.reader import read_book_state, read_snapshot
from tests.conftest import copy_store
from tests.support.browser import serve_podium
from tests.support.ledger_stores import ledger_findings

REASON = "Fifteen trees get seventeen of eighteen wines right."


def confirm_dialog(driver, label, reason, version=""):
    """Fill the open dialog and confirm it."""
    dialog = driver.page.get_by_role("dialog")
    expect(dialog).to_contain_text("This is exactly what will happen")
    dialog.get_by_role("textbox", name="Why, for a reader in two years").fill(reason)
    name = dialog.get_by_role("textbox", name="Your name")
    if name.count():
        name.fill("ana")
    if version:
        dialog.get_by_role("textbox", name="Type the version to confirm").fill(version)
        dialog.get_by_role("textbox", name="Type the version to confirm").press("Tab")
    driver.settle()
    dialog.get_by_role("button", name=label).click()
    expect(dialog).to_have_count(0)
    driver.settle()


def confirm_registration(driver, model, is_new):
    """Confirm the register dialog, for a new model or a new version."""
    dialog = driver.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Metrics")
    if is_new:
        dialog.get_by_role("textbox", name="Model name").fill(model)
        dialog.get_by_role("textbox", name="Your name").fill("ana")
        dialog.get_by_role("textbox", name="Your name").press("Tab")
    driver.settle()
    dialog.get_by_role("button", name="Register", exact=True).click()
    expect(dialog).to_have_count(0)
    driver.settle()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), pytest.param("dark", 1280, marks=pytest.mark.slow)])
def test_from_an_empty_store_to_a_promoted_model_with_a_record_and_back(window, empty_database, tmp_path, scheme, width):
    backend = copy_store(empty_database, tmp_path / "store")
    process = serve_podium(backend.uri, tmp_path / "run")
    try:
        driver = window(process, scheme=scheme, width=width).open()
        page = driver.page

        driver.click("Launch wine demo")
        expect(page.get_by_role("heading", level=1)).to_have_text("Launch")
        expect(page.get_by_text("forest-15-trees: accuracy 0.9444").first).to_be_visible(timeout=60_000)
        page.get_by_role("button", name="Compare runs").click(timeout=60_000)
        expect(page.get_by_role("heading", level=1)).to_have_text("Compare")
        driver.settle()
        expect(page.get_by_text("18 held-out rows").first).to_be_visible()

        driver.click("Register best run")
        expect(page).to_have_url(re.compile("/models"))
        confirm_registration(driver, "wine-forest", is_new=True)
        expect(page.get_by_test_id("stAlert").first).to_contain_text("Entry 2 recorded")

        driver.click("Move to Production")
        expect(page.get_by_role("dialog")).to_contain_text("Record your decision as entry 3")
        confirm_dialog(driver, "Move v1 to Production", REASON, "v1")
        expect(page.get_by_test_id("stAlert").first).to_contain_text("v1 is now in Production")
        history = driver.key("models.history")
        expect(history).to_contain_text(REASON)
        expect(history).to_contain_text("ana")

        driver.click("Register a version")
        driver.settle()
        confirm_registration(driver, "wine-forest", is_new=False)
        driver.click("Move to Production")
        confirm_dialog(driver, "Move v2 to Production", "Five trees are as good and answer sooner.", "v2")
        expect(page.get_by_test_id("stAlert").first).to_contain_text("v2 is now in Production, replacing v1")

        driver.open("/models?model=wine-forest&version=1")
        driver.click("Roll back to v1")
        confirm_dialog(driver, "Roll back to v1", "Answers slowly since this morning, going back.", "v1")
        expect(page.get_by_test_id("stAlert").first).to_contain_text("v1 is now in Production, replacing v2")
        expect(driver.key("models.strip").locator("canvas, svg").first).to_be_visible()

        driver.visit("Overview")
        expect(driver.key("overview.production")).to_contain_text("as decided")
    finally:
        process.stop()
    snapshot, state = read_snapshot(backend, "wine-forest"), read_book_state(backend, "wine-forest")
    assert snapshot.aliases == {"production": "1"}
    assert [(version.number, version.stage) for version in snapshot.versions.values()] == [("2", "Archived"), ("1", "Production")]
    bodies = [entry.body for entry in state.intents]
    assert [(body.kind, body.version, body.by.name, body.expected) for body in bodies] == [
        ("promote", "1", "ana", "none"),
        ("promote", "2", "ana", "1"),
        ("roll_back", "1", "ana", "2"),
    ]
    assert ledger_findings(backend, "wine-forest") == ()
