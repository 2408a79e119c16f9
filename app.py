"""The app entry point: startup, readiness, security headers and crash handling.

Start it with `streamlit run app.py`. Pages run through `lib/ui/app/shell.py`; with a `pages/` folder next to the running script, a deep
link on a cold server would run a page without its shell.
"""

import streamlit as st
from starlette.middleware import Middleware

from lib.ui.app.lifespan import lifespan, own_routes
from lib.ui.app.page_links import SHELL_SCRIPT
from lib.ui.app.preload import PreloadMiddleware
from lib.ui.app.request_guard import RequestGuardMiddleware
from lib.ui.app.security_headers import SecurityHeadersMiddleware
from lib.ui.components.error_box import show_crash_box

app = st.App(
    SHELL_SCRIPT,
    lifespan=lifespan,
    routes=own_routes(str(st.get_option("server.baseUrlPath") or "")),
    middleware=[Middleware(SecurityHeadersMiddleware), Middleware(RequestGuardMiddleware), Middleware(PreloadMiddleware)],
    on_script_error=show_crash_box,
)

if __name__ == "__main__":
    app.run()
