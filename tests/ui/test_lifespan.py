"""Startup: warm imports, the printed address, a port in use, and opening a browser only if possible."""

import subprocess
import sys
import tomllib

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lib.ui.app.lifespan import can_open_browser, local_url, own_routes, port_taken_message
from lib.ui.app.page_links import PROJECT_ROOT


def test_a_visitor_in_the_middle_of_the_warm_up_waits_for_it_instead_of_running_into_it():
    code = (
        "import threading\nfrom lib.ui.app.lifespan import WARM_UP_DONE, warm_up\n"
        "threading.Thread(target=warm_up).start()\nwarm_up()\nassert WARM_UP_DONE.is_set()\n"
        "import gc\nassert gc.get_freeze_count() > 100_000\n"
        "import mlflow.store.db.utils\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


def test_no_collection_of_garbage_keeps_the_browser_waiting_after_each_click():
    options = tomllib.loads((PROJECT_ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert options["runner"]["postScriptGC"] is False
    assert "runner.postScriptGC" in st.config.get_config_options()


@pytest.mark.parametrize(
    ("headless", "platform", "environment", "expected"),
    [
        (False, "linux", {"DISPLAY": ":0"}, True),
        (False, "linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        (False, "linux", {}, False),
        (True, "linux", {"DISPLAY": ":0"}, False),
        (None, "darwin", {}, True),
        (False, "win32", {}, True),
    ],
)
def test_a_browser_opens_only_where_there_is_a_screen(headless, platform, environment, expected):
    assert can_open_browser(headless, platform, environment) is expected


def test_a_taken_port_is_said_in_one_line():
    assert port_taken_message(8501) == ""
    assert port_taken_message(8502) == "  Port 8501 is in use by another program, so Podium uses 8502.\n\n"


def test_the_address_is_the_one_that_a_browser_here_opens():
    assert local_url().startswith("http://")
    assert local_url().endswith(f":{st.get_option('server.port')}/")


@pytest.mark.parametrize(("base_path", "prefixes"), [("", ("",)), ("team/podium/", ("", "/team/podium"))])
def test_the_first_page_has_its_name_below_a_base_path_too(base_path, prefixes):
    visitor = TestClient(Starlette(routes=own_routes(base_path)), follow_redirects=False)
    for prefix in prefixes:
        assert visitor.get(f"{prefix}/overview?backend=b").headers["location"] == "./?backend=b"
        assert visitor.get(f"{prefix}/readyz").json()["status"] == "ok"


READ_ADDRESSES = """
import asyncio, sys
from pathlib import Path
from lib.backends.backend import parse_backend
from lib.ui.app import lifespan

async def start():
    async with lifespan.lifespan(None):
        pass

lifespan.warm_up = lambda: None
lifespan.can_open_browser = lambda *_: False
asyncio.run(start())
before = set(sys.modules)
for address in ("sqlite:///a.db?timeout=30", "postgresql://ana@host/db", "http://host:5000", "file:///tmp/mlruns"):
    parse_backend(address, Path())
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_reading_an_address_imports_nothing_that_the_warm_up_may_be_importing():
    """A page reads its address while the warm-up runs: two threads that import one package from both ends fail."""
    result = subprocess.run([sys.executable, "-c", READ_ADDRESSES], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
