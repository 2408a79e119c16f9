"""Settings: backends are added, tested, chosen and removed; each browser session has its own, and its own sign-in."""

import base64
import copy
import logging
import pickle
import re
import urllib.parse
from dataclasses import asdict, dataclass
from pathlib import Path

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
from lib.ui.app.routes import PROJECT_ROOT, page_path
from lib.ui.app.session import now
from tests.conftest import copy_store
from tests.support.auth_server import password


@pytest.fixture
def two_stores(empty_database, tmp_path):
    """Two SQLite stores, each with an experiment named after it, and a backends.toml that names them."""
    made = {name: copy_store(empty_database, tmp_path / name) for name in ("one", "two")}
    lines = []
    for name, store in made.items():
        client(store).create_experiment(f"of-{name}", artifact_location=str(store.artifact_folder / "x"))
        lines.append(f'[backends.{name}]\nuri = "{store.uri}"\n')
    write(tmp_path, "\n".join(lines))
    return made


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "podium" / "backends.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def seen(page: AppTest) -> str:
    """Everything a page sends to the browser."""
    nodes = [node for root in (page.main, page.sidebar) for node in root]
    told = "\n".join(str(getattr(node, "proto", "")) for node in nodes) + str(
        {key: page.query_params[key] for key in page.query_params}
    )
    assert len(told) > 500  # an empty answer would prove nothing
    return re.sub(r"&#(\d+);", lambda mark: chr(int(mark[1])), told).replace("\\342\\201\\240", "")


def visit(page: AppTest, name: str) -> AppTest:
    page.switch_page(str(page_path(name))).run()
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def submit(page: AppTest, label: str) -> AppTest:
    next(one for one in page.button if one.label == label).click().run()
    assert not page.exception
    return page


def test_two_sessions_on_two_backends_in_one_process_never_mix(app, fresh_store, two_stores):
    one, two, own = (
        app("compare", fresh_store, backend="one"),
        app("compare", fresh_store, backend="two"),
        app("compare", fresh_store),
    )
    for _ in range(2):
        for page, name, other in ((one, "one", "two"), (two, "two", "one")):
            for place in ("compare", "overview", "models", "compare"):
                shown = seen(visit(page, place))
                assert f"of-{other}" not in shown
                assert page.query_params["backend"] in (name, [name])
        assert not {"of-one", "of-two"} & set(re.findall(r"of-\w+", seen(own.run())))
        assert "backend" not in own.query_params
    assert "of-one" in seen(one)
    assert "of-two" in seen(two)


def test_a_link_to_another_backend_brings_nothing_of_the_old_one(app, fresh_store, two_stores):
    page = app("compare", fresh_store, backend="one", experiment="1")
    page.query_params["backend"] = "two"
    page.run()
    assert "of-one" not in seen(page)
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
    press(page, "gate.own")
    assert page.title[0].value == "Compare"


def test_a_backend_is_added_after_a_test_chosen_removed_and_put_back(app, fresh_store, two_stores, empty_database, tmp_path):
    third = copy_store(empty_database, tmp_path / "third")
    page = app("settings", fresh_store)
    page.selectbox(key="settings.kind").set_value("sqlite").run()
    page.text_input(key="settings.name").set_value("third")
    page.text_input(key="settings.where.sqlite").set_value(str(third.path))
    submit(page, "Test and add")
    assert [one.name for one in read_config(tmp_path / "podium" / "backends.toml").backends] == ["one", "two", "third"]
    press(page, "settings.use.third")
    assert page.query_params["backend"] in ("third", ["third"])
    press(page, "settings.remove.third")
    assert "backend" not in page.query_params
    assert [one.name for one in read_config(tmp_path / "podium" / "backends.toml").backends] == ["one", "two"]
    press(page, "settings.undo")
    assert read_config(tmp_path / "podium" / "backends.toml").find("third").backend == third


def test_what_does_not_answer_is_added_only_on_purpose(app, fresh_store, tmp_path):
    page = app("settings", fresh_store)
    page.text_input(key="settings.name").set_value("dead")
    page.text_input(key="settings.where.server").set_value("http://127.0.0.1:9")
    submit(page, "Test and add")
    assert "nothing listens there" in page.error[0].value
    assert not (tmp_path / "podium" / "backends.toml").exists()
    press(page, "settings.anyway")
    assert read_config(tmp_path / "podium" / "backends.toml").find("dead").uri == "http://127.0.0.1:9"
    press(page, "settings.test.dead")
    assert "nothing listens there" in page.error[0].value


def test_a_missing_file_is_no_backend_and_is_not_made(app, fresh_store, tmp_path):
    page = app("settings", fresh_store)
    page.selectbox(key="settings.kind").set_value("sqlite").run()
    page.text_input(key="settings.name").set_value("typo")
    page.text_input(key="settings.where.sqlite").set_value(str(tmp_path / "mlfow.db"))
    submit(page, "Test and add")
    press(page, "settings.anyway")
    press(page, "settings.use.typo")
    assert visit(page, "compare").title[0].value == "Podium cannot open its backend"
    assert not (tmp_path / "mlfow.db").exists()
    assert visit(page, "settings").title[0].value == "Settings"


def test_a_shared_podium_lets_people_choose_but_not_change(app, fresh_store, two_stores, tmp_path):
    file = tmp_path / "podium" / "backends.toml"
    file.write_text("shared = true\n" + file.read_text())
    page = app("settings", fresh_store)
    assert not [one for one in page.button if one.label == "Test and add"]
    assert "adds no backends" in seen(page) or "add no backends" in seen(page)
    assert page.button(key="settings.remove.one").disabled
    press(page, "settings.use.one")
    assert page.query_params["backend"] in ("one", ["one"])


def test_a_file_that_cannot_be_read_is_told_and_the_own_backend_works(app, fresh_store, tmp_path):
    write(tmp_path, "[backends")
    page = app("settings", fresh_store)
    assert "TOML" in page.error[0].value
    assert visit(page, "compare").title[0].value == "Compare"


def sign_in(page: AppTest, user: str, password: str) -> AppTest:
    visit(page, "settings")
    page.text_input(key="settings.user").set_value(user)
    page.text_input(key="settings.secret").set_value(password)
    return submit(page, "Sign in")


def held_by(page: AppTest) -> Credential:
    return next(iter(page.session_state["session.signed"].values()))


def test_two_people_sign_in_at_one_server_in_one_process(app, signed_server, tmp_path):
    first, second, nobody = (app("settings", signed_server.backend) for _ in range(3))
    sign_in(first, "ana", password("ana"))
    sign_in(second, "ben", password("ben"))
    assert (held_by(first).user, held_by(second).user) == ("ana", "ben")
    assert first.session_state["session.person"] == "ana"
    assert second.session_state["session.person"] == "ben"
    for page in (first, second, first):
        assert visit(page, "compare").title[0].value == "Compare"
    assert visit(nobody, "compare").title[0].value == "Podium cannot reach its backend"
    press(visit(first, "settings"), "settings.sign_out")
    assert visit(first, "compare").title[0].value == "Podium cannot reach its backend"
    assert visit(second, "compare").title[0].value == "Compare"


def test_a_wrong_password_is_told_and_not_kept(app, signed_server):
    page = sign_in(app("settings", signed_server.backend), "ana", "not-hers")
    assert "does not accept the sign" in page.error[0].value.replace("&#45;", "-")
    assert not page.session_state["session.signed"]


def test_a_credential_shows_itself_nowhere():
    server = Backend("https://example.org", "server")
    held = create_credential(server, "ana", "canary-4711")

    @dataclass
    class Around:
        inside: Credential

    shown = [
        repr(held),
        str(held),
        f"{held}",
        repr(asdict(Around(held))),
        repr(copy.deepcopy(held)),
        repr(server.with_principal(held.principal)),
    ]
    assert not [text for text in shown if "canary" in text]
    assert "canary" not in held.principal
    with pytest.raises(TypeError):
        pickle.dumps(held)
    with pytest.raises(TypeError):
        vars(held)


def test_a_credential_goes_to_its_own_address_only():
    held = create_credential(Backend("https://example.org/team/a.mlflow", "server"), "ana", "x")
    assert held.covers("https://example.org/team/a.mlflow/api/2.0")
    assert held.covers("https://example.org:443/team/a.mlflow")
    for other in (
        "https://example.org/team/b.mlflow/api",
        "https://example.org/team/a.mlflowx/api",
        "https://example.org/team/a.mlflow/../b.mlflow/api",
        "http://example.org/team/a.mlflow/api",
        "https://example.org:8443/team/a.mlflow/api",
        "https://example.org.evil.example/team/a.mlflow/api",
    ):
        assert not held.covers(other), other


def test_a_whole_journey_leaves_the_password_nowhere(app, signed_server, tmp_path, caplog, capfd):
    """Sign in, look around, launch, fail on purpose: then every file, page, log, argument and exception is searched."""
    caplog.set_level(logging.DEBUG)
    secret = password("ana")
    page = sign_in(app("settings", signed_server.backend), "ana", secret)
    pages = [seen(page)] + [seen(visit(page, name)) for name in ("overview", "compare", "launch", "models", "audit", "settings")]

    here = signed_server.backend.with_principal(held_by(page).principal)
    room = read_job_settings({"PODIUM_HOME": str(tmp_path / "podium"), "PATH": "/usr/bin:/bin"}, PROJECT_ROOT)
    job = demo_jobs.start_demo_job(room, catalogue.find_demo("first-run"), {"n_estimators": [1]}, here, now())
    arguments = [
        " ".join(one.cmdline()) for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE
    ]
    done = job_queue.wait(room, job.id, 120)
    assert done.state == "finished", (job.folder / "log.txt").read_text()
    assert len(job_queue.find_job_runs(here, job.id)) == 1

    errors = []
    with pytest.raises(Exception) as failed:
        client(here).get_run("0" * 32)
    errors += [repr(failed.value), str(failed.value), repr(failed.value.__context__)]
    pages.append(seen(visit(page, "launch")))

    out = capfd.readouterr()
    told = "\n".join([*pages, *arguments, *errors, caplog.text, out.out, out.err, repr(here), repr(job), repr(room)])
    files = b"".join(
        one.read_bytes() for root in (tmp_path, signed_server.process.log.parent) for one in root.rglob("*") if one.is_file()
    )
    for form in (secret, urllib.parse.quote(secret, safe=""), base64.b64encode(f"ana:{secret}".encode()).decode()):
        assert form not in told
        assert form.encode() not in files
