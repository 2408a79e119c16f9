"""Links between pages. A link consists of a page name and its query."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

BACKEND_PARAMETER, BACKEND_KEY = "backend", "session.backend"
"""Name of the backend parameter, in URLs and in the session."""
PROJECT_ROOT = Path(__file__).resolve().parents[3]
PAGES_FOLDER = PROJECT_ROOT / "pages"
SHELL_SCRIPT = PROJECT_ROOT / "lib" / "ui" / "app" / "shell.py"
STATIC_FOLDER = SHELL_SCRIPT.with_name("static")
"""Folder that Streamlit serves under /app/static; it must be next to the script that Streamlit runs."""
VERIFY_PARAMETER = "verify"
"""URL parameter of Audit that starts verification immediately."""


def page_path(name: str) -> Path:
    """Return the absolute path of a page's script; a relative path would be resolved against the shell script."""
    return PAGES_FOLDER / f"{name}.py"


def switch_page(name: str, **query: str | list[str]) -> None:
    """Switch to another page now. The URL gets the values of `query` and the name of the backend in use."""
    st.switch_page(page_path(name), query_params=_query_with_backend(query))


def page_link(label: str, name: str, *, icon: str, query: dict[str, str | list[str]] | None = None) -> None:
    """Show a link to another page that can also be opened in a new tab. `label` is Markdown."""
    st.page_link(page_path(name), label=label, icon=f":material/{icon}:", query_params=_query_with_backend(query or {}) or None)


def _query_with_backend(query: Mapping[str, str | list[str]]) -> dict[str, str | list[str]]:
    """Return the query parameters of a link: the non-empty values and the backend."""
    backend_name = st.session_state.get(BACKEND_KEY, "")
    return {key: value for key, value in query.items() if value} | ({BACKEND_PARAMETER: backend_name} if backend_name else {})


def backend_query_suffix() -> str:
    """Return the query suffix for a shared link: the name of the backend in use, unless it is the process's own."""
    backend_name = st.session_state.get(BACKEND_KEY, "")
    return f"&{BACKEND_PARAMETER}={backend_name}" if backend_name else ""
