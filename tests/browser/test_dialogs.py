"""Dialogs in a browser: Escape discards, errors appear inside, and what a dialog learns while it is open reaches its next rerun."""

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Locator, expect

from tests.support.run_factories import log_run, make_experiment

pytestmark = pytest.mark.browser


@pytest.fixture
def wine(fresh_store):
    """An experiment with one run, the source of a version with an alias: (experiment id, run id)."""
    experiment = make_experiment(fresh_store, "wine")
    run_id = log_run(fresh_store, experiment, "forest-5", metrics={"accuracy": 0.9})
    client = MlflowClient(fresh_store.uri, fresh_store.uri)
    client.create_registered_model("forest")
    client.create_model_version("forest", f"runs:/{run_id}/model", run_id=run_id)
    client.set_registered_model_alias("forest", "canary", "1")
    return experiment, run_id


def test_an_error_stays_in_the_dialog_with_the_input_and_escape_discards_both(window, podium, fresh_store, wine, tmp_path):
    driver = window(podium(fresh_store)).open(f"/run?run={wine[1]}")
    dialog = driver.click("Rename").page.get_by_role("dialog")
    name = dialog.get_by_role("textbox", name="New name")
    name.fill("   ")
    dialog.get_by_role("button", name="Rename", exact=True).click()
    expect(dialog.get_by_test_id("stAlert")).to_be_visible()
    assert name.input_value() == "   "
    driver.shot(tmp_path / "rename.png")
    driver.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    driver.settle().click("Rename")
    expect(name).to_have_value("forest-5")
    expect(dialog.get_by_test_id("stAlert")).to_have_count(0)
    name.fill("forest-5-trees")
    name.press("Tab")
    dialog.get_by_role("button", name="Rename", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(driver.settle().page.get_by_role("heading", level=1)).to_have_text("forest-5-trees")


def open_experiment_dialog(driver) -> Locator:
    """Open the experiment dialog of the Compare page."""
    driver.page.get_by_test_id("stPopover").get_by_role("button", name="More").first.click()
    driver.settle().click("Experiments")
    return driver.page.get_by_role("dialog")


def test_the_back_button_closes_a_dialog_for_good(window, podium, fresh_store, wine):
    driver = window(podium(fresh_store)).open("/doctor").visit("Compare")
    dialog = open_experiment_dialog(driver)
    expect(dialog).to_be_visible()
    heading = driver.page.get_by_role("heading", level=1)
    for _ in range(3):  # the steps before only changed the query
        if heading.inner_text() == "Compare":
            driver.page.evaluate("history.back()")
            driver.settle()
    expect(heading).to_have_text("Doctor")
    expect(dialog).to_have_count(0)
    driver.settle().visit("Compare")
    expect(dialog).to_have_count(0)


@pytest.mark.slow
def test_an_experiment_with_a_version_in_use_is_deleted_once_its_name_was_typed(window, podium, fresh_store, wine, tmp_path):
    driver = window(podium(fresh_store)).open(f"/compare?experiment={wine[0]}")
    dialog = open_experiment_dialog(driver)
    dialog.get_by_role("radio", name="Delete").click()
    typed_name = dialog.get_by_role("textbox", name="Type the experiment's name")
    typed_name.fill("wine")
    typed_name.press("Tab")
    driver.settle().shot(tmp_path / "delete.png")
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(driver.settle().page.get_by_test_id("stAlert").first).to_contain_text("Deleted wine")
