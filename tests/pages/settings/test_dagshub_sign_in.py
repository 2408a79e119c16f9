"""DagsHub on Settings: a token is all that is asked for, whose it is comes from DagsHub, and it is left behind nowhere."""

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
from lib.registry.promote import MoveRequest, move_version
from lib.registry.register import register
from lib.ui.app.routes import PROJECT_ROOT
from lib.ui.app.session import now
from tests.backends.test_dagshub import TOKENS
from tests.pages.settings.test_page import held_by, press, seen, submit, visit, write
from tests.support.dagshub_server import token
from tests.support.ledger_stores import REASON, make_writer

WINE = "ana/wine"


@pytest.fixture
def settings(app, dagshub, fresh_store, tmp_path):
    """A function that opens Settings with a DagsHub repository in use."""

    def open_page(repository=WINE, before=""):
        write(tmp_path, f'{before}[backends.wine]\nkind = "dagshub"\nrepository = "{repository}"\n')
        return app("settings", fresh_store, backend="wine")

    return open_page


def give(page: AppTest, secret: str) -> AppTest:
    page.text_input(key="settings.token").set_value(secret)
    return submit(page, "Sign in")


def boxes(page: AppTest) -> str:
    """What the boxes at the top and in the cards say."""
    told = " ".join(str(one.value) for one in (*page.error, *page.success, *page.warning, *page.info))
    return re.sub(r"&#(\d+);", lambda mark: chr(int(mark[1])), told).replace("\u2060", "")


def test_a_repository_is_added_used_and_signed_in_to_with_a_token_alone(app, dagshub, fresh_store, tmp_path):
    page = app("settings", fresh_store)
    page.selectbox(key="settings.kind").set_value("dagshub").run()
    page.text_input(key="settings.name").set_value("wine")
    page.text_input(key="settings.where.dagshub").set_value(WINE)
    submit(page, "Test and add")
    assert read_config(tmp_path / "podium" / "backends.toml").find("wine").repository == WINE
    press(page, "settings.use.wine")
    assert [one.label for one in page.text_input if "token" in one.label.lower()] == ["DagsHub token"]
    assert not [one for one in page.text_input if one.label in ("User", "Password")]
    give(page, f"  {token('ana')} ")
    assert "Signed in as ana, to whom DagsHub says this token belongs." in boxes(page)
    assert (held_by(page).user, held_by(page).is_token) == ("ana", False)
    assert page.session_state["session.person"] == "ana"
    assert "not write" not in seen(page)
    press(page, "settings.test.wine")
    assert "Answers" in seen(page)
    assert visit(page, "compare").title[0].value == "Compare"
    assert not dagshub.made()


def test_whoever_may_only_read_is_told_so_and_the_deeds_are_greyed_out(settings):
    page = give(settings(), token("rae"))
    assert "Signed in as rae" in boxes(page)
    assert "rae may read ana/wine, not write." in boxes(page)
    assert "rae may read ana/wine, not write." in seen(settings_card(page))
    press(page, "settings.test.wine")
    assert "Ask the owner of the repository for push rights" in boxes(page)
    assert "Needs something" in seen(page)
    launch = visit(page, "launch")
    start = launch.button(key="launch.start")
    assert start.disabled
    assert "not write" in start.proto.help


def settings_card(page: AppTest) -> AppTest:
    """The page once more, without the box of the last click."""
    return visit(page, "settings")


@pytest.mark.parametrize(
    ("repository", "secret", "says"),
    [
        (WINE, "dhp-wrong", "does not accept the token (401)"),
        (WINE, "", "There is no token"),
        (WINE, "dhp-ö", "cannot be sent"),
        ("ana/wien", token("ana"), "no repository ana/wien that ana may see"),
        ("team/secret", token("ben"), "no repository team/secret that ben may see"),
    ],
)
def test_what_is_refused_is_told_and_not_kept(settings, dagshub, repository, secret, says):
    page = give(settings(repository), secret)
    assert says in boxes(page)
    assert "session.signed" not in page.session_state
    assert not dagshub.made()


def test_a_token_given_during_an_outage_is_kept_and_known_afterwards(settings, dagshub, monkeypatch):
    monkeypatch.setattr("lib.backends.dagshub.RETRY_SECONDS", 0)
    page = settings()
    dagshub.fault = 502
    give(page, token("ana"))
    assert "error 502" in boxes(page)
    assert "which was kept" in boxes(page)
    assert held_by(page).is_token
    dagshub.fault = 0
    page.run()
    assert (held_by(page).user, held_by(page).is_token) == ("ana", False)


def test_a_token_of_streamlits_secrets_becomes_user_and_token(settings, dagshub, monkeypatch):
    monkeypatch.setattr("streamlit.secrets", {"backends": {"wine": {"token": token("ben")}}})
    page = settings()
    assert "Signed in as **ben**" in seen(page)
    assert "From Streamlit" in seen(page)
    assert visit(page, "compare").title[0].value == "Compare"


def test_the_token_of_the_environment_is_taken_and_another_may_be_given(settings, dagshub, monkeypatch):
    import os

    monkeypatch.setenv("DAGSHUB_USER_TOKEN", token("ben"))
    page = settings()
    assert "DAGSHUB_USER_TOKEN" not in os.environ
    assert "Signed in as **ben**" in seen(page)
    give(page, token("ana"))
    assert held_by(page).user == "ana"
    press(page, "settings.sign_out")
    assert "Signed in as **ben**" in seen(page)


def test_the_kept_token_is_used_on_request_only_and_its_file_stays_as_it_is(settings, dagshub, tmp_path, monkeypatch):
    kept = tmp_path / "tokens"
    kept.write_text(TOKENS.format(host=dagshub.host, token=token("ana")))
    monkeypatch.setenv("DAGSHUB_CLIENT_TOKENS_CACHE", str(kept))
    before = kept.read_bytes()
    page = settings()
    assert "Asked as nobody" in seen(page)
    assert not dagshub.asked("/api")
    dagshub.fault = 502
    press(page, "settings.kept")
    assert kept.read_bytes() == before
    dagshub.fault = 0
    page = settings()
    press(page, "settings.kept")
    assert held_by(page).user == "ana"
    assert kept.read_bytes() == before
    assert not dagshub.made()


def test_a_shared_podium_never_offers_the_token_of_its_machine(settings):
    page = settings(before="shared = true\n")
    assert "settings.kept" not in [one.key for one in page.button]


def test_two_people_with_tokens_of_their_own_in_one_process(settings, dagshub):
    ana, rae = give(settings(), token("ana")), give(settings(), token("rae"))
    nobody = settings()
    for page, name, shuts in ((ana, "ana", False), (rae, "rae", True), (ana, "ana", False)):
        begin = len(dagshub.log)
        assert visit(page, "launch").button(key="launch.start").disabled is shuts
        assert {line.user for line in dagshub.log[begin:]} <= {name}
    assert visit(nobody, "compare").title[0].value == "Podium cannot reach its backend"


def test_a_whole_journey_leaves_the_token_nowhere(settings, dagshub, tmp_path, tmp_path_factory, caplog, capfd):
    """Sign in, look around, run demo 4, register, promote, fail on purpose: then everything that was written is searched."""
    caplog.set_level(logging.DEBUG)
    secret = token("ana")
    page = give(settings(), secret)
    pages = [seen(page)] + [seen(visit(page, name)) for name in ("overview", "compare", "launch", "models", "audit", "settings")]
    here = dagshub.backend(WINE).with_principal(held_by(page).principal)
    room = read_job_settings({"PODIUM_HOME": str(tmp_path / "podium"), "PATH": "/usr/bin:/bin"}, PROJECT_ROOT)
    left = set(PROJECT_ROOT.iterdir())
    job = demo_jobs.start_demo_job(room, catalogue.find_demo("remote"), {"experiment": "Secret-Journey"}, here, now())
    arguments = [" ".join(one.cmdline()) for one in _children()]
    done = job_queue.wait(room, job.id, 120)
    assert done.state == "finished", (job.folder / "log.txt").read_text()
    (run,) = job_queue.find_job_runs(here, job.id)
    assert set(PROJECT_ROOT.iterdir()) == left, "nothing is left where it ran"
    assert not {"model", "confusion_matrix.png"} & {one.name for one in tmp_path.rglob("*")}
    register(make_writer(here), run.run_id, "wine-of-a-secret-journey")
    move_version(make_writer(here), MoveRequest("wine-of-a-secret-journey", "1", "Production", REASON, expected_holder=NO_HOLDER))

    errors = []
    dagshub.fault = 502
    with pytest.raises(Exception) as failed:
        client(here).get_run("0" * 32)
    errors += [repr(failed.value), str(failed.value), repr(failed.value.__context__)]
    press(visit(page, "settings"), "settings.test.wine")
    pages.append(seen(page))
    dagshub.fault = 0
    pages += [seen(visit(page, name)) for name in ("launch", "models", "audit")]

    out = capfd.readouterr()
    told = "\n".join([*pages, *arguments, *errors, caplog.text, out.out, out.err, repr(here), repr(job), repr(room)])
    files = [one for root in (tmp_path, *_server_folders(tmp_path_factory)) for one in root.rglob("*") if one.is_file()]
    assert {"log.txt", "spec.json", "server.db"} <= {one.name for one in files}
    for form in (secret, base64.b64encode(f"ana:{secret}".encode()).decode()):
        assert form not in told
        assert [str(one) for one in files if form.encode() in one.read_bytes()] == []


def _children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


def _server_folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(tmp_path_factory.getbasetemp().glob("mlflow-server*"))
