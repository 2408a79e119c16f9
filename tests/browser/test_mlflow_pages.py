"""The `mlflow server` of our own environment works: its GraphQL responds, and its pages open in the browser.

No dependency checker would notice otherwise: graphene 2 declares that it accepts any newer graphql-core.
"""

import httpx

from lib.backends.mlflow_client import client
from lib.registry.register import register
from tests.support.browser import watch_requests
from tests.support.ledger_stores import make_trained_run, make_writer

_QUERY = """query($data: MlflowGetExperimentInput!) {
  mlflowGetExperiment(input: $data) { experiment { experimentId name } apiError { code } }
}"""


def test_the_server_of_our_environment_answers_what_its_pages_ask(mlflow_server):
    body = {"query": _QUERY, "operationName": None, "variables": {"data": {"experimentId": "0"}}}
    response = httpx.post(f"{mlflow_server.uri}/graphql", json=body, timeout=30)
    assert response.status_code == 200, response.text[:400]
    assert response.json()["data"]["mlflowGetExperiment"]["experiment"] == {"experimentId": "0", "name": "Default"}


def test_its_experiment_run_and_model_pages_open(browser, mlflow_server):
    run_id = make_trained_run(mlflow_server, "forest-5-trees", experiment="opened by mlflow")
    experiment_id = client(mlflow_server).get_run(run_id).info.experiment_id
    register(make_writer(mlflow_server), run_id, "opened-by-mlflow")
    context = browser.new_context()
    page = context.new_page()
    problems = watch_requests(page, mlflow_server.uri)
    for path, text in (
        (f"experiments/{experiment_id}", "opened by mlflow"),
        (f"experiments/{experiment_id}/runs", "forest-5-trees"),
        (f"experiments/{experiment_id}/runs/{run_id}", "forest-5-trees"),
        ("models/opened-by-mlflow", "opened-by-mlflow"),
        ("models/opened-by-mlflow/versions/1", "Version 1"),
    ):
        page.goto(f"{mlflow_server.uri}/#/{path}")
        page.get_by_text(text).first.wait_for(timeout=60_000)
    context.close()
    assert problems == []
