"""Overview: three steps in an empty store, recent runs otherwise, and never an invented number."""

import pytest
from mlflow import MlflowClient


def page_text(page):
    return " ".join(element.value for element in (*page.markdown, *page.caption, *page.header, *page.subheader))


@pytest.fixture
def three_runs(fresh_store, tmp_path):
    client = MlflowClient(fresh_store.uri, fresh_store.uri)
    experiment = client.create_experiment("wine", artifact_location=str(tmp_path / "wine"))
    for number, (trees, accuracy) in enumerate(((1, 0.6667), (5, 0.9444), (15, 0.9444))):
        run = client.create_run(experiment, run_name=f"forest-{trees}", start_time=1000 * (number + 1)).info.run_id
        client.log_metric(run, "accuracy", accuracy)
        client.set_terminated(run, end_time=1000 * number + 3000)
    return fresh_store


def test_an_empty_store_shows_three_steps_and_one_button(app, fresh_store):
    page = app("overview", fresh_store)
    assert [header.value for header in page.header] == ["From a first run to a decision you can explain"]
    assert [button.label for button in page.button] == ["Launch wine demo"]
    assert "Unlocks with the first run" in page_text(page)
    assert "Unlocks with the first registered version" in page_text(page)
    assert "created" in page_text(page)


def test_an_empty_store_shows_no_empty_tables(app, fresh_store):
    page = app("overview", fresh_store)
    assert not page.dataframe
    assert [card.value for card in page.subheader] == ["This backend"]


def test_the_backends_card_is_checked_not_claimed(app, fresh_store):
    cells = app("overview", fresh_store).table[0].value.to_string()
    assert "MLflow" in cells
    assert "Healthy" not in cells


def test_after_the_first_runs_the_second_step_has_the_button(app, three_runs):
    page = app("overview", three_runs)
    assert "overview.next" in [button.key for button in page.button]
    assert page.button(key="overview.next").label == "Compare runs"


def test_recent_runs_come_newest_first_with_what_they_scored(app, three_runs):
    table = app("overview", three_runs).dataframe[0].value
    assert table["run"].tolist() == ["forest-15", "forest-5", "forest-1"]
    assert table["score"].tolist() == [0.9444, 0.9444, 0.6667]
    assert [state[0] for state in table["status"]] == ["Finished"] * 3


def test_the_second_step_leads_to_compare(app, three_runs):
    page = app("overview", three_runs)
    page.button(key="overview.next").click().run()
    assert page.title[0].value == "Compare"


def test_a_server_is_named_in_the_header(app, mlflow_server):
    assert mlflow_server.name.split(":")[1] in page_text(app("overview", mlflow_server))


def test_the_health_card_tells_the_doctors_cheap_checks_with_their_age_and_leads_to_doctor(app, three_runs):
    page = app("overview", three_runs)
    assert "Health" in [card.value for card in page.subheader]
    assert "checked a moment ago" in page_text(page)
    cells = " ".join(table.value.to_string() for table in page.table)
    assert "Ledger intact" in cells
    assert "No stale runs" in cells
    assert "doctor" in " ".join(str(link.proto) for link in page.get("page_link"))


def test_a_run_that_never_ends_is_a_warning_on_the_health_card(app, three_runs):
    client = MlflowClient(three_runs.uri, three_runs.uri)
    client.create_run(client.get_experiment_by_name("wine").experiment_id, run_name="endless", start_time=1000)
    cells = " ".join(table.value.to_string() for table in app("overview", three_runs).table)
    assert "running without activity" in cells.replace("&#45;", "-")
