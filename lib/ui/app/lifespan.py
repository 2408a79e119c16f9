"""What happens once per process: heavy imports off the request path, the readiness answer, the line that says where Podium is."""

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
    """Hide the signing key from all children, start the warm-up, say where the app is, and open a browser where there is one."""
    signing_secret.take_from_environment(os.environ)
    with suppress(NotWritable):  # the pages say so where they need the folder
        protect_home(os.environ, PROJECT_ROOT)
    import_module("sqlalchemy.dialects.sqlite")  # pages parse addresses by it beside the warm-up, which must not import it, too
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    print(port_taken_message(st.get_option("server.port")), end="", flush=True)
    if can_open_browser(st.get_option("server.headless"), sys.platform, os.environ):
        threading.Thread(target=webbrowser.open, args=(local_url(),), name="browser", daemon=True).start()
    yield {}


async def readyz(_: Request) -> JSONResponse:
    """Answers as soon as the server does; `warm` turns true when the heavy imports are done."""
    return JSONResponse({"status": "ok", "warm": WARM_UP_DONE.is_set()})


async def redirect_to_front_page(request: Request) -> RedirectResponse:
    """The first page by its name: Streamlit knows it only as the bare address and would say that there is no such page."""
    return RedirectResponse("./" + (f"?{request.url.query}" if request.url.query else ""))


def own_routes(base_path: str) -> list[Route]:
    """Podium's own addresses, at the root and below `server.baseUrlPath`, where a proxy sends everything."""
    prefixes = dict.fromkeys(("", f"/{base_path.strip('/')}" if base_path.strip("/") else ""))
    return [
        Route(f"{prefix}{path}", endpoint)
        for prefix in prefixes
        for path, endpoint in (("/readyz", readyz), ("/overview", redirect_to_front_page))
    ]


def warm_up() -> None:
    """Import what every page needs, once; whoever comes in the middle waits for the end.

    The objects of the modules, some 300,000, are then taken out of every later garbage collection: they live as long as the process.
    Streamlit's own collection after each run of a page is off (`runner.postScriptGC`). Python's goes on, and costs little now.

    Two threads that import parts of MLflow at the same time from different ends run into each other (Python raises a deadlock
    error), so the gate calls this too, before anything of MLflow is touched.
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
    """The address a browser on this machine opens."""
    host = st.get_option("server.address") or "localhost"
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    browser_host = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://{browser_host}:{st.get_option('server.port')}/{base}"


def port_taken_message(port: int) -> str:
    """A line that says so when the usual port was taken; empty otherwise. Streamlit itself prints the address."""
    if port == DEFAULT_PORT or st.config.is_manually_set("server.port"):
        return ""
    return f"  Port {DEFAULT_PORT} is taken by another program, so Podium uses {port}.\n\n"


def can_open_browser(headless: bool | None, platform: str, environment: "os._Environ[str] | dict[str, str]") -> bool:  # noqa: FBT001
    """True where a browser window can open: not headless, and on Linux only with a display."""
    if headless:
        return False
    return platform in ("darwin", "win32") or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
