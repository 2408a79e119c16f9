"""Sees to a browser for the browser tests: an installed one, else Debian's, else Playwright's own.

`python tests/support/install_browser.py` fails loudly when none can be had, unless PODIUM_NO_BROWSER=1. Needs no package to look for an
installed browser; Playwright's own is asked for last.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def is_opted_out() -> bool:
    """True when the person said that browser tests may be left out."""
    return os.environ.get("PODIUM_NO_BROWSER") == "1"


def find() -> str | None:
    """The path of a browser that starts; None when there is none. PODIUM_BROWSER names one of your own."""
    configured_path = os.environ.get("PODIUM_BROWSER")
    candidates = (
        [configured_path]
        if configured_path
        else [*filter(None, map(shutil.which, BROWSER_NAMES)), *BROWSER_PATHS, _playwright_browser()]
    )
    return next((path for path in candidates if path and _can_start(path)), None)


def _can_start(path: str) -> bool:
    """Ubuntu's `chromium-browser` may be a stub that only names a snap, so the file alone says nothing."""
    if not Path(path).is_file():
        return False
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _playwright_browser() -> str | None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as play:
        return play.chromium.executable_path


def fetch() -> str | None:
    """Install a browser: Debian's when this is root on a Debian, else Playwright's own."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print("Installing Debian's chromium for the browser tests…", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "-qq", "update"], env=environment, stdout=subprocess.DEVNULL, check=False)
        subprocess.run(["apt-get", "-qq", "install", "-y", "chromium"], env=environment, stdout=subprocess.DEVNULL, check=False)
        if path := find():
            return path
    print("Fetching Playwright's Chromium for the browser tests…", flush=True)
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    return find()


def main() -> int:
    """Exit 0 with a browser, or without one when that is allowed."""
    if is_opted_out():
        print("PODIUM_NO_BROWSER=1: the browser tests are left out.")
        return 0
    path = find() or fetch()
    if path:
        print(f"Browser for the tests: {path}")
        return 0
    print(
        "\nNO BROWSER for the browser tests, and none could be installed.\n"
        "Install Chromium or Chrome, or name one in PODIUM_BROWSER; to go without, set PODIUM_NO_BROWSER=1.\n",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
