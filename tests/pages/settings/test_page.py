"""Settings: adding, testing, selecting and removing backends; each browser session has its own selection and sign-in."""

import base64
import copy
import logging
import pickle
import re
import urllib.parse
from dataclasses import asdict, dataclass

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.backend import Backend
from lib.backends.backend_config import read_config
from lib.backends.credentials import Credential, create_credential
from lib.backends.mlflow_client import client
from lib.jobs import job_queue
from lib.jobs.job_settings import read_job_settings
from lib.launch import catalogue, demo_jobs
from lib.ui.app.page_links import PROJECT_ROOT
from lib.ui.app.session import now
from tests.conftest import copy_store
from tests.support.auth_server import password
from tests.support.page_driver import browser_content, click_button, session_credential, submit_form, visit, write_config


@pytest.fixture
def two_stores(empty_database, tmp_path):
    """Two SQLite stores, each with an experiment named after it, and a backends.toml that names them."""
    stores = {name: copy_store(empty_database, tmp_path / name) for name in ("one", "two")}
    lines = []
    for name, store in stores.items():
        client(store).create_experiment(f"of-{name}", artifact_location=str(store.artifact_folder / "x"))
        lines.append(f'[backends.{name}]\nuri = "{store.uri}"\n')
    write_config(tmp_path, "\n".join(lines))
    return stores


def test_two_sessions_on_two_backends_in_one_process_never_mix(app, fresh_store, two_stores):
    first_page, second_page, own_page = (
        app("compare", fresh_store, backend="one"),
        app("compare", fresh_store, backend="two"),
        app("compare", fresh_store),
    )
    for _ in range(2):
        for page, name, other_name in ((first_page, "one", "two"), (second_page, "two", "one")):
            for page_name in ("compare", "overview", "models", "compare"):
                content = browser_content(visit(page, page_name))
                assert f"of-{other_name}" not in content
                assert page.query_params["backend"] in (name, [name])
        assert not {"of-one", "of-two"} & set(re.findall(r"of-\w+", browser_content(own_page.run())))
        assert "backend" not in own_page.query_params
    assert "of-one" in browser_content(first_page)
    assert "of-two" in browser_content(second_page)


def test_a_link_to_another_backend_brings_nothing_of_the_old_one(app, fresh_store, two_stores):
    page = app("compare", fresh_store, backend="one", experiment="1")
    page.query_params["backend"] = "two"
    page.run()
    assert "of-one" not in browser_content(page)
    page.query_params["backend"] = "default"
    page.run()
    assert "backend" not in page.query_params


def test_a_link_to_podiums_own_backend_opens_in_a_new_session(app, fresh_store):
    page = app("compare", fresh_store, backend="default")
    assert page.title[0].value == "Compare"
    assert "backend" not in page.query_params


@pytest.mark.parametrize("name", ["nobody", "<img src=x>", "../x", "x" * 300])
def test_a_link_to_a_backend_that_is_not_there_says_so_and_leads_on(app, fresh_store, two_stores, name):
    page = app("compare", fresh_store, backend=name)
    assert page.title[0].value == "Podium cannot open its backend"
    assert "<img" not in page.error[0].value
    click_button(page, "gate.own")
    assert page.title[0].value == "Compare"


def test_a_backend_is_added_after_a_test_chosen_removed_and_put_back(app, fresh_store, two_stores, empty_database, tmp_path):
    third_store = copy_store(empty_database, tmp_path / "third")
    page = app("settings", fresh_store)
    page.selectbox(key="settings.kind").set_value("sqlite").run()
    page.text_input(key="settings.name").set_value("third")
    page.text_input(key="settings.where.sqlite").set_value(str(third_store.path))
    submit_form(page, "Test and add")
    assert [backend.name for backend in read_config(tmp_path / "podium" / "backends.toml").backends] == ["one", "two", "third"]
    click_button(page, "settings.use.third")
    assert page.query_params["backend"] in ("third", ["third"])
    click_button(page, "settings.remove.third")
    assert "backend" not in page.query_params
    assert [backend.name for backend in read_config(tmp_path / "podium" / "backends.toml").backends] == ["one", "two"]
    click_button(page, "settings.undo")
    assert read_config(tmp_path / "podium" / "backends.toml").find("third").backend == third_store


def test_what_does_not_answer_is_added_only_on_purpose(app, fresh_store, tmp_path):
    page = app("settings", fresh_store)
    page.text_input(key="settings.name").set_value("dead")
    page.text_input(key="settings.where.server").set_value("http://127.0.0.1:9")
    submit_form(page, "Test and add")
    assert "nothing is listening at this address" in page.error[0].value
    assert not (tmp_path / "podium" / "backends.toml").exists()
    click_button(page, "settings.anyway")
    assert read_config(tmp_path / "podium" / "backends.toml").find("dead").uri == "http://127.0.0.1:9"
    click_button(page, "settings.test.dead")
    assert "nothing is listening at this address" in page.error[0].value


def test_a_missing_file_is_no_backend_and_is_not_made(app, fresh_store, tmp_path):
    page = app("settings", fresh_store)
    page.selectbox(key="settings.kind").set_value("sqlite").run()
    page.text_input(key="settings.name").set_value("typo")
    page.text_input(key="settings.where.sqlite").set_value(str(tmp_path / "mlfow.db"))
    submit_form(page, "Test and add")
    click_button(page, "settings.anyway")
    click_button(page, "settings.use.typo")
    assert visit(page, "compare").title[0].value == "Podium cannot open its backend"
    assert not (tmp_path / "mlfow.db").exists()
    assert visit(page, "settings").title[0].value == "Settings"


def test_a_shared_podium_lets_people_choose_but_not_change(app, fresh_store, two_stores, tmp_path):
    file = tmp_path / "podium" / "backends.toml"
    file.write_text("shared = true\n" + file.read_text())
    page = app("settings", fresh_store)
    assert not [button for button in page.button if button.label == "Test and add"]
    assert "backends cannot be added here" in browser_content(page)
    assert page.button(key="settings.remove.one").disabled
    click_button(page, "settings.use.one")
    assert page.query_params["backend"] in ("one", ["one"])


def test_an_unreadable_file_is_reported_and_the_default_backend_works(app, fresh_store, tmp_path):
    write_config(tmp_path, "[backends")
    page = app("settings", fresh_store)
    assert "TOML" in page.error[0].value
    assert visit(page, "compare").title[0].value == "Compare"


def sign_in(page: AppTest, user: str, password: str) -> AppTest:
    visit(page, "settings")
    page.text_input(key="settings.user").set_value(user)
    page.text_input(key="settings.secret").set_value(password)
    return submit_form(page, "Sign in")


def test_two_people_sign_in_at_one_server_in_one_process(app, signed_server, tmp_path):
    first, second, signed_out_page = (app("settings", signed_server.backend) for _ in range(3))
    sign_in(first, "ana", password("ana"))
    sign_in(second, "ben", password("ben"))
    assert (session_credential(first).user, session_credential(second).user) == ("ana", "ben")
    assert first.session_state["session.person"] == "ana"
    assert second.session_state["session.person"] == "ben"
    for page in (first, second, first):
        assert visit(page, "compare").title[0].value == "Compare"
    assert visit(signed_out_page, "compare").title[0].value == "Podium cannot reach its backend"
    click_button(visit(first, "settings"), "settings.sign_out")
    assert visit(first, "compare").title[0].value == "Podium cannot reach its backend"
    assert visit(second, "compare").title[0].value == "Compare"


def test_a_wrong_password_is_reported_and_not_stored(app, signed_server):
    page = sign_in(app("settings", signed_server.backend), "ana", "not-hers")
    assert "does not accept the sign" in page.error[0].value.replace("&#45;", "-")
    assert not page.session_state["session.signed"]


def test_a_credential_shows_itself_nowhere():
    server = Backend("https://example.org", "server")
    credential = create_credential(server, "ana", "canary-4711")

    @dataclass
    class Wrapper:
        credential: Credential

    texts = [
        repr(credential),
        str(credential),
        f"{credential}",
        repr(asdict(Wrapper(credential))),
        repr(copy.deepcopy(credential)),
        repr(server.with_principal(credential.principal)),
    ]
    assert not [text for text in texts if "canary" in text]
    assert "canary" not in credential.principal
    with pytest.raises(TypeError):
        pickle.dumps(credential)
    with pytest.raises(TypeError):
        vars(credential)


def test_a_credential_goes_to_its_own_address_only():
    credential = create_credential(Backend("https://example.org/team/a.mlflow", "server"), "ana", "x")
    assert credential.covers("https://example.org/team/a.mlflow/api/2.0")
    assert credential.covers("https://example.org:443/team/a.mlflow")
    for address in (
        "https://example.org/team/b.mlflow/api",
        "https://example.org/team/a.mlflowx/api",
        "https://example.org/team/a.mlflow/../b.mlflow/api",
        "http://example.org/team/a.mlflow/api",
        "https://example.org:8443/team/a.mlflow/api",
        "https://example.org.evil.example/team/a.mlflow/api",
    ):
        assert not credential.covers(address), address


def test_a_complete_journey_stores_the_password_nowhere(app, signed_server, tmp_path, caplog, capfd):
    """Sign in, look around, launch, fail on purpose: then every file, page, log, argument and exception is searched."""
    caplog.set_level(logging.DEBUG)
    secret = password("ana")
    page = sign_in(app("settings", signed_server.backend), "ana", secret)
    pages = [browser_content(page)] + [
        browser_content(visit(page, name)) for name in ("overview", "compare", "launch", "models", "audit", "settings")
    ]

    backend = signed_server.backend.with_principal(session_credential(page).principal)
    job_settings = read_job_settings({"PODIUM_HOME": str(tmp_path / "podium"), "PATH": "/usr/bin:/bin"}, PROJECT_ROOT)
    job = demo_jobs.start_demo_job(job_settings, catalogue.find_demo("first-run"), {"n_estimators": [1]}, backend, now())
    arguments = [
        " ".join(process.cmdline())
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
    ]
    result = job_queue.wait(job_settings, job.id, 120)
    assert result.state == "finished", (job.folder / "log.txt").read_text()
    assert len(job_queue.find_job_runs(backend, job.id)) == 1

    errors = []
    with pytest.raises(Exception) as error_info:
        client(backend).get_run("0" * 32)
    errors += [repr(error_info.value), str(error_info.value), repr(error_info.value.__context__)]
    pages.append(browser_content(visit(page, "launch")))

    captured = capfd.readouterr()
    output = "\n".join(
        [*pages, *arguments, *errors, caplog.text, captured.out, captured.err, repr(backend), repr(job), repr(job_settings)]
    )
    files = b"".join(
        path.read_bytes() for root in (tmp_path, signed_server.process.log.parent) for path in root.rglob("*") if path.is_file()
    )
    for secret_form in (secret, urllib.parse.quote(secret, safe=""), base64.b64encode(f"ana:{secret}".encode()).decode()):
        assert secret_form not in output
        assert secret_form.encode() not in files
