"""In a browser: start a server on the same database from the Doctor page, which fixes the guide's error, and stop it again."""

import re

import pytest
from mlflow import MlflowClient


@pytest.mark.slow
def test_a_server_is_started_from_the_page_heals_and_is_stopped(window, podium, fresh_store, tmp_path):
    client = MlflowClient(fresh_store.uri, fresh_store.uri)
    experiment = client.create_experiment("wine-remote", artifact_location="mlflow-artifacts:/4")
    driver = window(podium(fresh_store)).open("/doctor")
    driver.page.get_by_text("Files cannot be saved in wine-remote").first.wait_for()
    driver.page.get_by_text("Start a server on this database and use it").click()
    driver.settle().click("Preview this fix")
    driver.page.get_by_text("All users of this machine can access it").wait_for()
    driver.page.get_by_role("button", name="Start a server on this database", exact=True).click()
    driver.page.get_by_text("Server run by Podium").wait_for(timeout=180_000)
    driver.settle()
    address = re.search(r"http://127\.0\.0\.1:\d+", driver.page.get_by_test_id("stMain").inner_text())[0]
    server_client = MlflowClient(address, address)
    run = server_client.create_run(experiment).info.run_id
    server_client.log_text(run, "after the cure", "note.txt")
    assert [file.path for file in server_client.list_artifacts(run)] == ["note.txt"]
    driver.open("/doctor")  # a new session of the same Podium knows it, too
    driver.page.get_by_text("Server run by Podium").wait_for()
    driver.shot(tmp_path / "doctor.png")
    driver.click("Stop this server")
    assert driver.page.get_by_text("Server run by Podium").count() == 0
