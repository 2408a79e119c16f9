"""Start-up: warm imports, the address, a taken port, a browser only where one can open."""

import subprocess
import sys

import pytest
import streamlit as st

from lib.ui.app.lifespan import address, taken_port, wants_browser
from lib.ui.app.routes import PROJECT


def test_a_visitor_in_the_middle_of_the_warm_up_waits_for_it_instead_of_running_into_it():
    code = (
        "import threading\nfrom lib.ui.app.lifespan import WARM, warm_up\n"
        "threading.Thread(target=warm_up).start()\nwarm_up()\nassert WARM.is_set()\n"
        "import mlflow.store.db.utils\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("headless", "platform", "environment", "wanted"),
    [
        (False, "linux", {"DISPLAY": ":0"}, True),
        (False, "linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        (False, "linux", {}, False),
        (True, "linux", {"DISPLAY": ":0"}, False),
        (None, "darwin", {}, True),
        (False, "win32", {}, True),
    ],
)
def test_a_browser_opens_only_where_there_is_a_screen(headless, platform, environment, wanted):
    assert wants_browser(headless, platform, environment) is wanted


def test_a_taken_port_is_said_in_one_line():
    assert taken_port(8501) == ""
    assert taken_port(8502) == "  Port 8501 is taken by another program, so Podium uses 8502.\n\n"


def test_the_address_is_the_one_that_a_browser_here_opens():
    assert address().startswith("http://")
    assert address().endswith(f":{st.get_option('server.port')}/")
