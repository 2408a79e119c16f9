"""Real stores and a running app for every test: an empty SQLite store, a page under AppTest, an MLflow server, a browser."""

import atexit
import gc
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import streamlit as st
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tests.support.own_files import clear_environment, guard_personal_files

clear_environment(os.environ)
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])  # a relative one means nothing in another folder
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.pop("CI", None)  # where it is set, Podium signs nothing
os.environ["PODIUM_HOME"] = mkdtemp(prefix="podium-tests-")  # no test makes a key in the folder of the person who runs it

from lib.backends.backend import Backend, sqlite_backend
from lib.backends.credentials import CredentialStore, use_store
from lib.backends.sqlite_store import ensure_database
from lib.ui.app.page_links import PROJECT_ROOT, SHELL_SCRIPT, page_path
from tests.support import install_browser
from tests.support.auth_server import Signed, serve_with_users
from tests.support.browser import Driver, Process, SharedPodium, Site, launch, serve_mlflow, serve_podium
from tests.support.dagshub_server import DagsHub, reset_site, serve_dagshub
from tests.support.older_database import REVISION_BEFORE_SECRETS, create_older_database

atexit.register(shutil.rmtree, os.environ["PODIUM_HOME"], ignore_errors=True)
TIMEOUT_SECONDS = 60
MAX_ENGINES = 16
CREDENTIAL_VARIABLES = (
    *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
    "DAGSHUB_USER_TOKEN",
)
OpenPage = Callable[..., AppTest]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def pytest_collection_finish() -> None:
    """Exempt all that was imported from garbage collection, as Podium itself does: 5 to 8 % of the time of the tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder of their own to run in. The project's has the stores of the person who runs the tests, and none of them is touched."""
    guard_personal_files()
    before, folder = Path.cwd(), tmp_path_factory.mktemp("cwd")
    (folder / ".streamlit").mkdir()
    shutil.copy(PROJECT_ROOT / ".streamlit" / "config.toml", folder / ".streamlit")  # Streamlit reads that of the present folder
    os.chdir(folder)
    yield
    os.chdir(before)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers of this test session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def empty_database(shared_folder: Path) -> Path:
    """An empty database, made once for all workers. To be copied, never opened."""
    database = shared_folder / "template" / "mlflow.db"
    with FileLock(shared_folder / "template.lock"):
        ensure_database(sqlite_backend(database))
    return database


@pytest.fixture(scope="session")
def older_database(shared_folder: Path) -> Path:
    """A database as an MLflow some months older left it, made by MLflow's own migrations."""
    database = shared_folder / "older" / "mlflow.db"
    with FileLock(shared_folder / "older.lock"):
        if not database.exists():
            database.parent.mkdir()
            create_older_database(database, REVISION_BEFORE_SECRETS)
    return database


@pytest.fixture
def fresh_store(tmp_path: Path, empty_database: Path) -> Backend:
    """An empty SQLite store of its own, with the Default experiment's artifacts beside it."""
    return copy_store(empty_database, tmp_path / "store")


def copy_store(template: Path, folder: Path) -> Backend:
    """Copy an empty store into a folder and point its Default experiment there."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, folder / "mlflow.db")
    with closing(sqlite3.connect(folder / "mlflow.db")) as db, db:
        db.execute("update experiments set artifact_location = ?", (str(folder / "mlruns" / "0"),))
    return sqlite_backend(folder / "mlflow.db")


@pytest.fixture(autouse=True)
def own_credential_store() -> Iterator[CredentialStore]:
    """No signing key and no credential that another test gave to this process."""
    with use_store(CredentialStore()) as store:
        yield store


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """The store that a test, or Podium in it, chose for the process ends with the test. The sign-in stays registered with MLflow."""
    before = {name: os.environ.get(name) for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_TRACKING_URI")}
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def few_engines() -> Iterator[None]:
    """Forget the engines of older stores: MLflow keeps each with its compiled statements, and thousands of them slow the worker down."""
    yield
    for name in ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"):
        module = sys.modules.get(name)
        engines = module.SqlAlchemyStore._engine_map if module else {}
        while len(engines) > MAX_ENGINES:
            engines.pop(next(iter(engines)))


@pytest.fixture(scope="session", autouse=True)
def single_component_scan() -> Iterator[None]:
    """Scan the installed packages for Streamlit components once per process; AppTest does it for every page it opens (0.2 s each)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def clean_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No cache, credential or backend from another test.

    A page that runs here becomes `__main__`, which a process started by a later test would run once more.
    """
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    for name in CREDENTIAL_VARIABLES:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "podium"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def app(clean_session: None, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """A function that opens a page on a backend, as a browser would, and has run it once without an exception.

    `app("compare", backend, runs=["a", "b"])` puts the query into the address.
    """

    def open_page(name: str, backend: Backend | str, /, **query: str | list[str]) -> AppTest:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", backend if isinstance(backend, str) else backend.uri)
        page = AppTest.from_file(str(SHELL_SCRIPT), default_timeout=TIMEOUT_SECONDS)
        for key, value in query.items():
            page.query_params[key] = value
        page.switch_page(str(page_path(name)))
        page.run()
        assert not page.exception, [error.value for error in page.exception]
        return page

    return open_page


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A real `mlflow server`, started once. It keeps what tests write, so each test makes names of its own."""
    server = serve_mlflow(tmp_path_factory.mktemp("mlflow-server"))
    yield Backend(server.url, "server")
    server.stop()


@pytest.fixture(scope="session")
def hub_site(mlflow_server: Backend) -> Iterator[DagsHub]:
    """The stand-in for DagsHub before the MLflow server, started once."""
    with serve_dagshub() as site:
        reset_site(site, mlflow_server)
        yield site


@pytest.fixture
def dagshub(hub_site: DagsHub, mlflow_server: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DagsHub]:
    """The stand-in as every test finds it: this process takes it for DagsHub, and no token is kept or set anywhere."""
    from lib.backends import dagshub

    reset_site(hub_site, mlflow_server)
    for name in CREDENTIAL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", hub_site.host)
    monkeypatch.setenv("DAGSHUB_CLIENT_TOKENS_CACHE", str(tmp_path / "no-tokens"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setattr(dagshub, "_RECENT_ERRORS", {})
    yield hub_site
    reset_site(hub_site, mlflow_server)


@pytest.fixture(scope="session")
def signed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    """A real `mlflow server` that asks for a sign-in, started once."""
    server = serve_with_users(tmp_path_factory.mktemp("signed-server"))
    yield Signed(server)
    server.stop()


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Where Chromium or Chrome is. Fails without one, unless PODIUM_NO_BROWSER=1."""
    if install_browser.is_opted_out():
        pytest.skip("PODIUM_NO_BROWSER=1")
    path = install_browser.find()
    if path is None:
        pytest.fail("No browser. `make test` sees to one; PODIUM_NO_BROWSER=1 leaves these tests out.")
    return str(path)


@pytest.fixture(scope="session")
def browser(browser_path: str) -> Iterator[Browser]:
    """The browser, started once."""
    with sync_playwright() as playwright:
        chromium = launch(playwright, browser_path)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def podium(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Callable[[Backend], Site]]:
    """A function that opens the one running Podium on a backend: `podium(backend)`."""
    folder = tmp_path_factory.mktemp("podium")
    process = serve_podium(copy_store(empty_database, folder / "store").uri, folder)
    yield SharedPodium(process, folder / "podium" / "backends.toml").open_site
    process.stop()


@pytest.fixture
def window(browser: Browser) -> Iterator[Callable[..., Driver]]:
    """A function that opens a browser window on a running Podium: `window(podium(backend), scheme="dark", width=1280)`.

    At the end of the test there must have been no request to another host, no error in a page and no dialog.
    """
    drivers: list[Driver] = []

    def open_window(site: Site | Process, scheme: str = "light", width: int = 1440, height: int = 900) -> Driver:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="UTC", locale="en-GB"
        )
        drivers.append(Driver(context.new_page(), site if isinstance(site, Site) else Site(site.url)))
        return drivers[-1]

    yield open_window
    for driver in drivers:
        driver.page.context.close()
    assert [problem for driver in drivers for problem in driver.problems] == []
