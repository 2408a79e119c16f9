"""The frame around the pages: start-up, readiness, security headers, and what a crash looks like.

Start it with `streamlit run app.py`. The pages hang on `lib/ui/app/shell.py`; a `pages/` folder beside the running script would let a
deep link on a cold server run a page without its shell.
"""

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Route

from lib.ui.app.crash_page import calm_box
from lib.ui.app.lifespan import front, lifespan, readyz
from lib.ui.app.preload import Preload
from lib.ui.app.routes import SHELL
from lib.ui.app.security_headers import SecurityHeaders

app = st.App(
    SHELL,
    lifespan=lifespan,
    routes=[Route("/readyz", readyz), Route("/overview", front)],
    middleware=[Middleware(SecurityHeaders), Middleware(Preload)],
    on_script_error=calm_box,
)

if __name__ == "__main__":
    app.run()
