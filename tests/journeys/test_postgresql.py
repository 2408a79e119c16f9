"""PostgreSQL opened directly, with both drivers: decisions are made and asked about, and the password appears nowhere."""

import json
import shlex
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from lib.backends.backend_resolution import resolve_backend
from lib.backends.mlflow_client import client
from lib.cli import podium
from tests.support.ledger_stores import make_trained_run
from tests.support.page_driver import browser_content, submit_form
from tests.support.postgresql import PASSWORD, find_binaries, serve_postgresql

SCHEMES = ("postgresql", "postgresql+psycopg2")
WHY = ["--reason", "Five trees get seventeen of eighteen right.", "--category", "better"]


@pytest.fixture(scope="module")
def empty_server():
    """A server without MLflow's tables."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("No PostgreSQL can be run on this machine")
    with serve_postgresql(binaries) as server:
        yield server


@pytest.fixture(scope="module")
def server(empty_server):
    """The server with MLflow's tables, as `mlflow server` or `mlflow db upgrade` makes them."""
    from mlflow.store.db.utils import _initialize_tables
    from sqlalchemy import create_engine

    engine = create_engine(empty_server.address())
    _initialize_tables(engine)
    engine.dispose()
    return empty_server


@pytest.fixture(params=SCHEMES)
def scheme(request):
    return request.param


@pytest.fixture
def database(server, scheme, clean_session):
    """The database with its credential, as a process has it that was started with the address."""
    return resolve_backend("", {"MLFLOW_TRACKING_URI": server.address(scheme)}).backend


def assert_without_password(text):
    for form in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD), shlex.quote(PASSWORD), json.dumps(PASSWORD)[1:-1]):
        assert form not in text


def run_command(*arguments, code=0):
    result = CliRunner().invoke(podium, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    assert_without_password(result.output)
    return result.stdout if code != 1 else result.stderr


def test_commands_register_promote_answer_and_verify(server, scheme, database, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address(scheme))
    monkeypatch.setenv("PODIUM_USER", "ana")
    model = f"wine-{scheme.replace('+', '-')}"
    for name in ("forest-5-trees", "forest-9-trees"):
        run_command("register", make_trained_run(database, name), "--model", model, "--description", "Trees.")
    run_command("promote", model, "1", "--to", "Production", *WHY)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    run_command("promote", model, "2", "--to", "Production", *WHY)
    (answer,) = json.loads(run_command("asof", model, "--at", moment, "--json"))["answers"]
    assert [(holder["version"], holder["by"]["name"]) for holder in answer["holders"]] == [("1", "ana")]
    assert answer["unknown"] == []
    stages = {version.version: version.current_stage for version in client(database).search_model_versions(f"name='{model}'")}
    assert {str(version): stage for version, stage in stages.items()} == {"1": "Archived", "2": "Production"}
    run_command("rollback", model, *WHY)
    assert "1" in run_command("current", model)
    assert json.loads(run_command("drift", model, "--json"))["findings"] == []
    run_command("verify", model)
    run_command("packet", "export", model, "--at", moment, "--out", str(tmp_path / "packet.html"))
    assert_without_password((tmp_path / "packet.html").read_text())
    run_command("history", model)
    assert "Some runs have incomplete metadata" in run_command("doctor", code=3)
    assert_without_password(caplog.text)


def test_a_database_is_added_on_settings_and_every_page_opens_on_it(app, server, scheme, fresh_store, monkeypatch, tmp_path):
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    page = app("settings", fresh_store)
    page.selectbox(key="settings.kind").select("database").run()
    page.text_input(key="settings.name").set_value("team-db")
    page.text_input(key="settings.where.database").set_value(server.address(scheme, "${DB_PASSWORD}"))
    submit_form(page, "Test and add")
    assert "team-db was added" in browser_content(page)
    for name in ("overview", "launch", "compare", "run", "models", "audit", "doctor", "settings"):
        content = browser_content(app(name, fresh_store, backend="team-db"))
        assert "Responds in" in content
        assert_without_password(content)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert_without_password(path.read_bytes().decode(errors="replace"))


def test_an_empty_database_and_a_wrong_password_are_refused_in_words(empty_server, scheme, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_server.address(scheme, "wrong"))
    assert "does not accept the user or the password" in run_command("current", "wine", code=1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_server.address(scheme).replace("/postgres", "/template1"))
    assert "has no MLflow tables yet" in run_command("current", "wine", code=1)


def test_a_login_that_may_only_read_sees_everything_and_every_change_is_refused_at_once(
    app, server, scheme, database, monkeypatch
):
    model = f"read-{scheme.replace('+', '-')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address(scheme))
    run_command("register", make_trained_run(database), "--model", model, "--description", "Trees.")
    run_command("promote", model, "1", "--to", "Production", *WHY)
    reader = f"{scheme}://{server.create_reader()}@127.0.0.1:{server.port}/postgres"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", reader)
    assert "v1 holds Production" in run_command("current", model)
    assert "does not let this login write" in run_command("promote", model, "1", "--to", "Staging", *WHY, code=1)
    assert "may only read" in run_command("doctor", code=3)
    client(database).delete_registered_model_alias(model, "production")
    page = app("models", reader, model=model)
    assert "The change was made outside Podium" in browser_content(page)
    actions = [button for button in page.button if button.label in ("Register a version", "Move to Staging", "Archive")]
    assert [button.label for button in actions if not button.disabled] == []
    assert len(actions) == 3
