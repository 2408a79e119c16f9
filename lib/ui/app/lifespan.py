"""Per-process startup: heavy imports off the request path, the readiness endpoint, and the printed address of Podium."""

import gc
import os
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from lib.backends import signing_secret
from lib.backends.home_protection import protect_home
from lib.errors import NotWritable
from lib.ui.app.page_links import PROJECT_ROOT

WARM_UP_DONE = threading.Event()
_IMPORT_LOCK = threading.Lock()
HEAVY_MODULES = ("pandas", "altair", "mlflow.tracking", "mlflow.store.db.utils", "mlflow.artifacts")
DEFAULT_PORT = 8501


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[dict[str, object]]:
    """Hide the signing key from child processes, start the warm-up, print the app's address, and open a browser if possible."""
    signing_secret.take_from_environment(os.environ)
    with suppress(NotWritable):  # pages report it when they need the folder
        protect_home(os.environ, PROJECT_ROOT)
    import_module("sqlalchemy.dialects.sqlite")  # pages parse addresses by it beside the warm-up, which must not import it, too
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    print(port_taken_message(st.get_option("server.port")), end="", flush=True)
    if can_open_browser(st.get_option("server.headless"), sys.platform, os.environ):
        threading.Thread(target=webbrowser.open, args=(local_url(),), name="browser", daemon=True).start()
    yield {}


async def readyz(_: Request) -> JSONResponse:
    """Return the readiness response; `warm` is true once the heavy imports are done."""
    return JSONResponse({"status": "ok", "warm": WARM_UP_DONE.is_set()})


async def redirect_to_front_page(request: Request) -> RedirectResponse:
    """Redirect the first page's name to the root URL, the only address under which Streamlit knows it."""
    return RedirectResponse("./" + (f"?{request.url.query}" if request.url.query else ""))


def own_routes(base_path: str) -> list[Route]:
    """Return Podium's own routes, at the root and below `server.baseUrlPath`, where a proxy forwards requests."""
    prefixes = dict.fromkeys(("", f"/{base_path.strip('/')}" if base_path.strip("/") else ""))
    return [
        Route(f"{prefix}{path}", endpoint)
        for prefix in prefixes
        for path, endpoint in (("/readyz", readyz), ("/overview", redirect_to_front_page))
    ]


def warm_up() -> None:
    """Import what every page needs, once; concurrent callers wait until it is done.

    The modules' objects, some 300,000, are then excluded from garbage collection: they live as long as the process. Streamlit's own
    collection after each page run is off (`runner.postScriptGC`); Python's still runs, at little cost.

    Two threads that import parts of MLflow at the same time can deadlock (Python raises an error), so the gate also calls this before
    anything uses MLflow.
    """
    if WARM_UP_DONE.is_set():
        return
    with _IMPORT_LOCK:
        for name in HEAVY_MODULES:
            import_module(name)
        gc.collect()
        gc.freeze()
        WARM_UP_DONE.set()


def local_url() -> str:
    """Return the URL for a browser on this machine."""
    host = st.get_option("server.address") or "localhost"
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    browser_host = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://{browser_host}:{st.get_option('server.port')}/{base}"


def port_taken_message(port: int) -> str:
    """Return a note that the default port was taken; empty otherwise. Streamlit prints the address itself."""
    if port == DEFAULT_PORT or st.config.is_manually_set("server.port"):
        return ""
    return f"  Port {DEFAULT_PORT} is in use by another program, so Podium uses {port}.\n\n"


def can_open_browser(headless: bool | None, platform: str, environment: "os._Environ[str] | dict[str, str]") -> bool:  # noqa: FBT001
    """Return whether a browser window can open: not headless, and on Linux only with a display."""
    if headless:
        return False
    return platform in ("darwin", "win32") or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
