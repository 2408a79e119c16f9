"""In a browser: a server on the same database is started from the Doctor page, heals the guide's error, and is stopped again."""

import re

from mlflow import MlflowClient


def test_a_server_is_started_from_the_page_heals_and_is_stopped(window, podium, fresh_store, tmp_path):
    client = MlflowClient(fresh_store.uri, fresh_store.uri)
    experiment = client.create_experiment("wine-remote", artifact_location="mlflow-artifacts:/4")
    view = window(podium(fresh_store)).open("/doctor")
    view.page.get_by_text("Files cannot be saved in wine-remote").first.wait_for()
    view.page.get_by_text("Start a server on this database and use it").click()
    view.settle().click("Preview this cure")
    view.page.get_by_text("Everybody on this machine can reach it").wait_for()
    view.page.get_by_role("button", name="Start a server on this database", exact=True).click()
    view.page.get_by_text("A server that Podium runs").wait_for(timeout=180_000)
    view.settle()
    address = re.search(r"http://127\.0\.0\.1:\d+", view.page.get_by_test_id("stMain").inner_text())[0]
    served = MlflowClient(address, address)
    run = served.create_run(experiment).info.run_id
    served.log_text(run, "after the cure", "note.txt")
    assert [one.path for one in served.list_artifacts(run)] == ["note.txt"]
    view.open("/doctor")  # a new session of the same Podium knows it, too
    view.page.get_by_text("A server that Podium runs").wait_for()
    view.shot(tmp_path / "doctor.png")
    view.click("Stop this server")
    assert view.page.get_by_text("A server that Podium runs").count() == 0
