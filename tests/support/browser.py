"""What the browser tests drive: Podium in a process of its own, and a Chromium that may talk to nobody else."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Locator, Page, Playwright

from lib.backends.backend import Backend
from lib.backends.backend_config import add_backend, parse_configured_backend, read_config
from lib.ui.app.page_links import PROJECT_ROOT

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# Still for a quarter of a second: between a click and the script's start, and between two pages, it stands still for a moment too.
SETTLED = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const main = document.querySelector('[data-testid="stMain"]');
  const still = app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
    && main && main.querySelector('h1, [data-testid="stAlert"]')
    && !document.querySelector('[data-stale="true"]') && !document.querySelector('[data-testid="stSkeleton"]');
  window.stillSince = still ? window.stillSince || performance.now() : 0;
  return still && performance.now() - window.stillSince > 250;
}"""
TIMEOUT_MILLISECONDS = 60_000


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(play: Playwright, path: str | None) -> Browser:
    """Start the browser at `path`, without a window."""
    return play.chromium.launch(executable_path=path, args=FLAGS)


@dataclass
class Process:
    """A server in a process group of its own, with its log."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait_for(self, path: str, seconds: float = 90) -> None:
        """Wait until `path` answers; raises with the log when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(self.url + path, timeout=2) as response:
                    if response.status == 200:
                        return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self.log.read_text(errors="replace")[-4000:]) from None
            time.sleep(0.1)

    def stop(self) -> None:
        """End the whole group, gently first."""
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal_number)
                try:
                    self.process.wait(15)
                except subprocess.TimeoutExpired:
                    continue


def start(command: list[str], url: str, log: Path, env: dict[str, str]) -> Process:
    """Start a server and return at once; see `Process.wait_for`."""
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            command, cwd=log.parent, env={**os.environ, **env}, stdout=log_file, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Process(url, process, log)


def serve_podium(tracking_uri: str, folder: Path, **env: str) -> Process:
    """Run `streamlit run app.py` on a free port against a backend, from a folder that is not the project's."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    flags = [f"--server.port={port}", "--server.headless=true", "--server.fileWatcherType=none"]
    process = start(
        [sys.executable, "-m", "streamlit", "run", str(PROJECT_ROOT / "app.py"), *flags],
        f"http://127.0.0.1:{port}",
        folder / "podium.log",
        {"MLFLOW_TRACKING_URI": tracking_uri, "PODIUM_HOME": str(folder / "podium"), **env},
    )
    process.wait_for("/_stcore/health")
    return process


def serve_mlflow(folder: Path, port: int = 0, database: Path | None = None) -> Process:
    """Run a real `mlflow server` on a free port with everything below `folder`, or on a database file that is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    store_options = [
        f"--backend-store-uri=sqlite:///{database or folder / 'server.db'}",
        f"--artifacts-destination={folder / 'mlartifacts'}",
    ]
    process = start(
        [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1", *store_options],
        f"http://127.0.0.1:{port}",
        folder / "mlflow.log",
        {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": ""},
    )
    process.wait_for("/health")
    return process


def watch_requests(page: Page, base: str) -> list[str]:
    """Collect what goes wrong on a page of another program: errors in it, and answers of its server with a status of 500 or more.

    Requests to other hosts are stopped.
    """
    problems = list[str]()
    page.route(lambda url: not url.startswith((base, "data:", "blob:")), lambda route: route.abort())
    page.on("pageerror", lambda error: problems.append(f"error in the page: {error}"))
    page.on("response", lambda answer: problems.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None)
    return problems


@dataclass
class Site:
    """A running Podium, opened on one of its backends; on its own if `backend_name` is empty."""

    url: str
    backend_name: str = ""

    def address(self, path: str) -> str:
        """Return the URL of a page, such as `/compare?experiment=1`, on this backend."""
        if not self.backend_name:
            return self.url + path
        return f"{self.url}{path}{'&' if '?' in path else '?'}backend={self.backend_name}"


@dataclass
class SharedPodium:
    """One running Podium with a named backend per store: starting one costs several seconds, adding a backend none."""

    process: Process
    config_file: Path

    def open_site(self, backend: Backend) -> Site:
        """Name a backend in `backends.toml`, unless it has a name, and return Podium on it."""
        names = {entry.backend.uri: entry.name for entry in read_config(self.config_file).backends if entry.backend}
        name = names.get(backend.uri, f"store-{len(names)}")
        if backend.uri not in names:
            add_backend(self.config_file, parse_configured_backend(name, backend.uri, folder=self.config_file.parent))
        return Site(self.process.url, name)


@dataclass
class Driver:
    """One browser window on Podium. Collects what must not happen: a request to another host, an error in the page, a dialog."""

    page: Page
    site: Site
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(TIMEOUT_MILLISECONDS)
        self.page.on("request", lambda request: self._note_request(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(f"error in the page: {error}"))
        self.page.on("dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _note_request(self, url: str) -> None:
        allowed_prefixes = (self.site.url, self.site.url.replace("http", "ws", 1), "data:", "blob:")
        if not url.startswith(allowed_prefixes):
            self.problems.append(f"request to another host: {url}")

    def open(self, path: str = "/") -> "Driver":
        """Go to an address of Podium and wait until the page stands still."""
        self.page.goto(self.site.address(path))
        return self.settle()

    def settle(self) -> "Driver":
        """Wait until the script has ended, nothing is stale and no skeleton is left."""
        self.page.evaluate("window.stillSince = 0")
        self.page.wait_for_function(SETTLED, timeout=TIMEOUT_MILLISECONDS)
        return self

    def query(self) -> dict[str, list[str]]:
        """Return the parameters of the page's URL, without the backend's name."""
        parameters = parse_qs(urlsplit(self.page.url).query)
        return {name: values for name, values in parameters.items() if name != "backend"}

    def click(self, label: str) -> "Driver":
        """Press the button with this label and wait until the page stands still."""
        self.page.get_by_role("button", name=label, exact=True).first.click()
        return self.settle()

    def visit(self, title: str) -> "Driver":
        """Go to another page by the navigation."""
        self.page.get_by_test_id("stSidebarNavLink").filter(has_text=title).click()
        self.page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
        return self.settle()

    def key(self, key: str) -> Locator:
        """The element that a widget or container key names."""
        return self.page.locator(f".st-key-{re.sub(r'[^a-zA-Z0-9_-]', '-', key)}")

    def cells(self, key: str) -> list[str]:
        """The texts of a data frame's cells, row by row, from the table that stands behind its canvas."""
        return self.key(key).locator("canvas table td").all_text_contents()

    def pick_row(self, key: str, row: int) -> "Driver":
        """Tick row `row` (from 0) of a data frame that has selection on."""
        canvas = self.key(key).locator("canvas").first
        canvas.click(position={"x": 16, "y": 32 + 31 * row + 15})
        return self.settle()

    def shot(self, path: Path) -> None:
        """A picture of the window, with the mouse out of the way."""
        self.page.mouse.move(2, 2)
        self.page.wait_for_timeout(800)
        self.page.screenshot(path=str(path))
