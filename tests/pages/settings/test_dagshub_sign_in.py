"""DagsHub on Settings: only a token is required, DagsHub identifies its owner, and the token is stored nowhere."""

import base64
import logging
import re
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.backend_config import read_config
from lib.backends.mlflow_client import client
from lib.jobs import job_queue
from lib.jobs.job_settings import read_job_settings
from lib.launch import catalogue, demo_jobs
from lib.ledger.entry.vocabulary import NO_HOLDER
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from lib.ui.app.page_links import PROJECT_ROOT
from lib.ui.app.session import now
from tests.support.dagshub_server import token
from tests.support.dagshub_token_file import TOKENS
from tests.support.ledger_stores import REASON, make_writer
from tests.support.page_driver import browser_content, click_button, session_credential, submit_form, visit, write_config

WINE = "ana/wine"


@pytest.fixture
def settings(app, dagshub, fresh_store, tmp_path):
    """A function that opens Settings with a DagsHub repository in use."""

    def open_page(repository=WINE, config_head=""):
        write_config(tmp_path, f'{config_head}[backends.wine]\nkind = "dagshub"\nrepository = "{repository}"\n')
        return app("settings", fresh_store, backend="wine")

    return open_page


def submit_token(page: AppTest, secret: str) -> AppTest:
    page.text_input(key="settings.token").set_value(secret)
    return submit_form(page, "Sign in")


def box_texts(page: AppTest) -> str:
    """Return the texts of the boxes at the top and in the cards."""
    text = " ".join(str(box.value) for box in (*page.error, *page.success, *page.warning, *page.info))
    return re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), text).replace("\u2060", "")


def test_a_repository_is_added_used_and_signed_in_to_with_a_token_alone(app, dagshub, fresh_store, tmp_path):
    page = app("settings", fresh_store)
    page.selectbox(key="settings.kind").set_value("dagshub").run()
    page.text_input(key="settings.name").set_value("wine")
    page.text_input(key="settings.where.dagshub").set_value(WINE)
    submit_form(page, "Test and add")
    assert read_config(tmp_path / "podium" / "backends.toml").find("wine").repository == WINE
    click_button(page, "settings.use.wine")
    assert [field.label for field in page.text_input if "token" in field.label.lower()] == ["DagsHub token"]
    assert not [field for field in page.text_input if field.label in ("User", "Password")]
    submit_token(page, f"  {token('ana')} ")
    assert "Signed in as ana, the owner of this token according to DagsHub." in box_texts(page)
    assert (session_credential(page).user, session_credential(page).is_token) == ("ana", False)
    assert page.session_state["session.person"] == "ana"
    assert "not write" not in browser_content(page)
    click_button(page, "settings.test.wine")
    assert "Reachable" in browser_content(page)
    assert visit(page, "compare").title[0].value == "Compare"
    assert not dagshub.made()


def test_a_read_only_user_is_informed_and_actions_are_disabled(settings):
    page = submit_token(settings(), token("rae"))
    assert "Signed in as rae" in box_texts(page)
    assert "rae may read ana/wine but not write." in box_texts(page)
    assert "rae may read ana/wine but not write." in browser_content(reopen_settings(page))
    click_button(page, "settings.test.wine")
    assert "Ask the owner of the repository for push rights" in box_texts(page)
    assert "Needs attention" in browser_content(page)
    launch_page = visit(page, "launch")
    start_button = launch_page.button(key="launch.start")
    assert start_button.disabled
    assert "not write" in start_button.proto.help


def reopen_settings(page: AppTest) -> AppTest:
    """Rerun the page without the message of the last click."""
    return visit(page, "settings")


@pytest.mark.parametrize(
    ("repository", "secret", "message"),
    [
        (WINE, "dhp-wrong", "does not accept the token (401)"),
        (WINE, "", "No token was entered"),
        (WINE, "dhp-ö", "cannot be sent"),
        ("ana/wien", token("ana"), "no repository ana/wien visible to ana"),
        ("team/secret", token("ben"), "no repository team/secret visible to ben"),
    ],
)
def test_a_rejected_token_is_reported_and_not_stored(settings, dagshub, repository, secret, message):
    page = submit_token(settings(repository), secret)
    assert message in box_texts(page)
    assert "session.signed" not in page.session_state
    assert not dagshub.made()


def test_a_token_given_during_an_outage_is_kept_and_known_afterwards(settings, dagshub, monkeypatch):
    monkeypatch.setattr("lib.backends.dagshub.RETRY_SECONDS", 0)
    page = settings()
    dagshub.fault = 502
    submit_token(page, token("ana"))
    assert "error 502" in box_texts(page)
    assert "may still be valid and was kept" in box_texts(page)
    assert session_credential(page).is_token
    dagshub.fault = 0
    page.run()
    assert (session_credential(page).user, session_credential(page).is_token) == ("ana", False)


def test_a_token_of_streamlits_secrets_becomes_user_and_token(settings, dagshub, monkeypatch):
    monkeypatch.setattr("streamlit.secrets", {"backends": {"wine": {"token": token("ben")}}})
    page = settings()
    assert "Signed in as **ben**" in browser_content(page)
    assert "From Streamlit" in browser_content(page)
    assert visit(page, "compare").title[0].value == "Compare"


def test_the_token_of_the_environment_is_taken_and_another_may_be_given(settings, dagshub, monkeypatch):
    import os

    monkeypatch.setenv("DAGSHUB_USER_TOKEN", token("ben"))
    page = settings()
    assert "DAGSHUB_USER_TOKEN" not in os.environ
    assert "Signed in as **ben**" in browser_content(page)
    submit_token(page, token("ana"))
    assert session_credential(page).user == "ana"
    click_button(page, "settings.sign_out")
    assert "Signed in as **ben**" in browser_content(page)


def test_the_kept_token_is_used_on_request_only_and_its_file_stays_as_it_is(settings, dagshub, tmp_path, monkeypatch):
    token_file = tmp_path / "tokens"
    token_file.write_text(TOKENS.format(host=dagshub.host, token=token("ana")))
    monkeypatch.setenv("DAGSHUB_CLIENT_TOKENS_CACHE", str(token_file))
    content = token_file.read_bytes()
    page = settings()
    assert "Not signed in" in browser_content(page)
    assert not dagshub.asked("/api")
    dagshub.fault = 502
    click_button(page, "settings.kept")
    assert token_file.read_bytes() == content
    dagshub.fault = 0
    page = settings()
    click_button(page, "settings.kept")
    assert session_credential(page).user == "ana"
    assert token_file.read_bytes() == content
    assert not dagshub.made()


def test_a_shared_podium_never_offers_the_token_of_its_machine(settings):
    page = settings(config_head="shared = true\n")
    assert "settings.kept" not in [button.key for button in page.button]


def test_two_people_with_tokens_of_their_own_in_one_process(settings, dagshub):
    ana_page, rae_page = submit_token(settings(), token("ana")), submit_token(settings(), token("rae"))
    signed_out_page = settings()
    for page, name, is_disabled in ((ana_page, "ana", False), (rae_page, "rae", True), (ana_page, "ana", False)):
        log_start = len(dagshub.log)
        assert visit(page, "launch").button(key="launch.start").disabled is is_disabled
        assert {line.user for line in dagshub.log[log_start:]} <= {name}
    assert visit(signed_out_page, "compare").title[0].value == "Podium cannot reach its backend"


def test_a_complete_journey_stores_the_token_nowhere(settings, dagshub, tmp_path, tmp_path_factory, caplog, capfd):
    """Sign in, look around, run demo 4, register, promote, fail on purpose: then everything that was written is searched."""
    caplog.set_level(logging.DEBUG)
    secret = token("ana")
    page = submit_token(settings(), secret)
    pages = [browser_content(page)] + [
        browser_content(visit(page, name)) for name in ("overview", "compare", "launch", "models", "audit", "settings")
    ]
    backend = dagshub.backend(WINE).with_principal(session_credential(page).principal)
    job_settings = read_job_settings({"PODIUM_HOME": str(tmp_path / "podium"), "PATH": "/usr/bin:/bin"}, PROJECT_ROOT)
    project_files = set(PROJECT_ROOT.iterdir())
    job = demo_jobs.start_demo_job(job_settings, catalogue.find_demo("remote"), {"experiment": "Secret-Journey"}, backend, now())
    arguments = [" ".join(process.cmdline()) for process in _children()]
    result = job_queue.wait(job_settings, job.id, 120)
    assert result.state == "finished", (job.folder / "log.txt").read_text()
    (run,) = job_queue.find_job_runs(backend, job.id)
    assert set(PROJECT_ROOT.iterdir()) == project_files, "nothing is left where it ran"
    assert not {"model", "confusion_matrix.png"} & {file.name for file in tmp_path.rglob("*")}
    register(make_writer(backend), run.run_id, "wine-of-a-secret-journey")
    move_version(make_writer(backend), MoveRequest("wine-of-a-secret-journey", "1", "Production"), Decision(REASON, NO_HOLDER))

    errors = []
    dagshub.fault = 502
    with pytest.raises(Exception) as error_info:
        client(backend).get_run("0" * 32)
    errors += [repr(error_info.value), str(error_info.value), repr(error_info.value.__context__)]
    click_button(visit(page, "settings"), "settings.test.wine")
    pages.append(browser_content(page))
    dagshub.fault = 0
    pages += [browser_content(visit(page, name)) for name in ("launch", "models", "audit")]

    captured = capfd.readouterr()
    output = "\n".join(
        [*pages, *arguments, *errors, caplog.text, captured.out, captured.err, repr(backend), repr(job), repr(job_settings)]
    )
    files = [file for root in (tmp_path, *_server_folders(tmp_path_factory)) for file in root.rglob("*") if file.is_file()]
    assert {"log.txt", "spec.json", "server.db"} <= {file.name for file in files}
    for secret_form in (secret, base64.b64encode(f"ana:{secret}".encode()).decode()):
        assert secret_form not in output
        assert [str(file) for file in files if secret_form.encode() in file.read_bytes()] == []


def _children() -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if process.status() != psutil.STATUS_ZOMBIE]


def _server_folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(tmp_path_factory.getbasetemp().glob("mlflow-server*"))
