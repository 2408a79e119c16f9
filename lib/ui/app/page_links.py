"""Where the pages are. A link carries a page's name and its query, nothing else."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

BACKEND_PARAMETER, BACKEND_KEY = "backend", "session.backend"
"""Under which name a backend stands in an address, and in the session."""
PROJECT_ROOT = Path(__file__).resolve().parents[3]
PAGES_FOLDER = PROJECT_ROOT / "pages"
SHELL_SCRIPT = PROJECT_ROOT / "lib" / "ui" / "app" / "shell.py"
STATIC_FOLDER = SHELL_SCRIPT.with_name("static")
"""What Streamlit serves under /app/static: the folder has to lie beside the script that it runs."""
VERIFY_PARAMETER = "verify"
"""An address of Audit with it asks for a check at once."""


def page_path(name: str) -> Path:
    """The script of a page, absolute: relative paths would be taken from the shell."""
    return PAGES_FOLDER / f"{name}.py"


def switch_page(name: str, **query: str | list[str]) -> None:
    """Go to another page now. Values of `query` go into the address, and so does the name of the backend in use."""
    st.switch_page(page_path(name), query_params=_query_with_backend(query))


def page_link(label: str, name: str, *, icon: str, query: dict[str, str | list[str]] | None = None) -> None:
    """A link to another page, to be opened in a new tab as well. `label` is Markdown."""
    st.page_link(page_path(name), label=label, icon=f":material/{icon}:", query_params=_query_with_backend(query or {}) or None)


def _query_with_backend(query: Mapping[str, str | list[str]]) -> dict[str, str | list[str]]:
    """What goes into an address: what has a value, and which backend it is about."""
    backend_name = st.session_state.get(BACKEND_KEY, "")
    return {key: value for key, value in query.items() if value} | ({BACKEND_PARAMETER: backend_name} if backend_name else {})


def backend_query_suffix() -> str:
    """The end of an address that is sent on: the name of the backend in use, if it is not the process's own."""
    backend_name = st.session_state.get(BACKEND_KEY, "")
    return f"&{BACKEND_PARAMETER}={backend_name}" if backend_name else ""
