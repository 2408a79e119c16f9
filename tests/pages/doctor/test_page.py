"""The Doctor page: fixing the guide's error, symptoms, the report, and a backend that does not respond."""

import json

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from lib.backends import artifact_path_map
from lib.backends.mlflow_client import installed_mlflow_version
from lib.cli import podium
from lib.ui.app import backend_gate
from tests.support.browser import free_port


@pytest.fixture
def mismatched_store(fresh_store):
    MlflowClient(fresh_store.uri, fresh_store.uri).create_experiment("wine-remote", artifact_location="mlflow-artifacts:/4")
    return fresh_store


def page_text(page):
    return " ".join(element.value for element in (*page.markdown, *page.caption, *page.subheader))


def click_button(page, label):
    next(button for button in page.button if button.label == label).click()
    page.run()
    assert not page.exception, [error.value for error in page.exception]


def test_a_healthy_store_says_so(app, fresh_store):
    page = app("doctor", fresh_store)
    assert "Nothing needs attention" in page_text(page)
    assert "Broken" not in page_text(page)
    assert {"All checks", "What this backend can do"} <= {head.value for head in page.subheader}


def test_the_guides_error_is_healed_from_the_page(app, mismatched_store):
    page = app("doctor", mismatched_store)
    assert "Files cannot be saved in wine&#45;remote" in [head.value for head in page.subheader]
    next(button for button in page.button if button.label == "Preview this fix").click().run()
    assert "Experiment wine&#45;remote&#45;2 is created" in page.table[-1].value.to_string()
    client = MlflowClient(mismatched_store.uri, mismatched_store.uri)
    assert client.get_experiment_by_name("wine-remote-2") is None
    next(field for field in page.text_input if field.label == "Name of the new experiment").set_value("wine-local").run()
    page.button(key="doctor.carry_out").click().run()
    assert not page.exception
    assert "files can be stored in it" in page.success[0].value
    run = client.create_run(client.get_experiment_by_name("wine-local").experiment_id).info.run_id
    client.log_text(run, "after the cure", "note.txt")
    assert [file.path for file in client.list_artifacts(run)] == ["note.txt"]


def test_the_line_for_each_shell_can_be_copied(app, mismatched_store):
    page = app("doctor", mismatched_store)
    page.radio[0].set_value(2).run()
    click_button(page, "Preview this fix")
    snippets = [code.value for code in page.code]
    assert "export MLFLOW_TRACKING_URI='http://127.0.0.1:5000'" in snippets
    assert "$env:MLFLOW_TRACKING_URI = 'http://127.0.0.1:5000'" in snippets
    assert 'set "MLFLOW_TRACKING_URI=http://127.0.0.1:5000"' in snippets
    assert "doctor.carry_out" not in [button.key for button in page.button]


def test_an_invalid_input_is_reported_in_the_dialog_and_nothing_is_done(app, mismatched_store):
    page = app("doctor", mismatched_store)
    click_button(page, "Preview this fix")
    next(field for field in page.text_input if field.label == "Name of the new experiment").set_value("Default").run()
    assert "Experiment Default already exists" in page.error[0].value
    click_button(page, "Cancel")
    assert not page.text_input


def test_what_went_wrong_leads_to_the_checks(app, mismatched_store):
    page = app("doctor", mismatched_store)
    page.selectbox(key="doctor.wrong").set_value("Numbers are logged, files or models are not").run()
    assert not page.exception
    assert "Numbers are logged, files or models are not" in [head.value for head in page.subheader]


def test_the_doctor_opens_while_the_server_is_dead_and_other_pages_lead_there(app):
    dead_address = f"http://127.0.0.1:{free_port()}"
    page = app("doctor", dead_address)
    assert "The server does not respond correctly" in [head.value for head in page.subheader]
    assert "What this backend can do" not in [head.value for head in page.subheader]
    models_page = app("models", dead_address)
    assert "Podium cannot reach its backend" in [title.value for title in models_page.title]
    assert "Open Doctor" in [link.proto.label for link in models_page.get("page_link")]


def test_a_fix_that_created_another_backend_leads_there(app, mismatched_store, tmp_path):
    page = app("doctor", mismatched_store)
    page.radio[0].set_value(3).run()
    click_button(page, "Preview this fix")
    next(field for field in page.text_input if field.label == "Folder of the new store").set_value(str(tmp_path / "local")).run()
    page.button(key="doctor.carry_out").click().run()
    click_button(page, next(button.label for button in page.button if button.label.startswith("Use ")))
    assert page.query_params["backend"] == "local"
    assert (tmp_path / "podium" / "backends.toml").read_text().startswith("[backends.local]")
    assert "Files cannot be saved" not in page_text(page)


def test_on_a_shared_podium_only_fixes_without_machine_access_are_offered(app, mismatched_store, tmp_path):
    (tmp_path / "podium").mkdir()
    (tmp_path / "podium" / "backends.toml").write_text("shared = true\n")
    page = app("doctor", mismatched_store)
    assert [label.split()[0] for label in page.radio[0].options] == ["Create", "Set"]


def test_a_mapped_folder_is_removed_with_one_click(app, fresh_store, tmp_path):
    artifact_path_map.save_mapping(
        tmp_path / "podium", artifact_path_map.PathMapping(fresh_store.uri, "mlflow-artifacts:/4", "/mnt/files")
    )
    artifact_path_map.save_mapping(
        tmp_path / "podium", artifact_path_map.PathMapping("sqlite:///other.db", "mlflow-artifacts:/4", "/mnt/files")
    )
    page = app("doctor", fresh_store)
    click_button(page, "Remove mapping")
    assert [mapping.uri for mapping in artifact_path_map.read_mappings(tmp_path / "podium")] == ["sqlite:///other.db"]
    assert "Remove mapping" not in [button.label for button in page.button]


def test_the_command_reports_the_backend_capabilities(fresh_store):
    result = CliRunner().invoke(podium, ["doctor", "--backend", fresh_store.uri, "--json"])
    capabilities = json.loads(result.stdout)["capabilities"]
    assert capabilities["lines"]["Stages"] == {"state": "ok", "found": "yes", "why": ""}
    assert capabilities["mlflow"] == installed_mlflow_version()
    output = CliRunner().invoke(podium, ["doctor", "--backend", fresh_store.uri]).stdout
    assert "What this backend can do" in output


@pytest.mark.parametrize("name", ["doctor", "settings"])
def test_a_page_that_opens_on_every_backend_waits_for_the_imports_too(app, fresh_store, monkeypatch, name):
    calls = []
    monkeypatch.setattr(backend_gate, "warm_up", lambda: calls.append(name))
    app(name, fresh_store)
    assert calls
