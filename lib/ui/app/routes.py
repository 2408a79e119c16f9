"""Where the pages are. A link carries a page's name and its query, nothing else."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

BACKEND, CHOSEN = "backend", "session.backend"
"""Under which name a backend stands in an address, and in the session."""
PROJECT = Path(__file__).resolve().parents[3]
PAGES = PROJECT / "pages"
SHELL = PROJECT / "lib" / "ui" / "app" / "shell.py"
STATIC = PROJECT / "lib" / "ui" / "static"


def path(name: str) -> Path:
    """The script of a page, absolute: relative paths would be taken from the shell."""
    return PAGES / f"{name}.py"


def goto(name: str, **query: str | list[str]) -> None:
    """Go to another page now. Values of `query` go into the address, and so does the name of the backend in use."""
    st.switch_page(path(name), query_params=_carried(query))


def link(label: str, name: str, *, icon: str, query: dict[str, str | list[str]] | None = None) -> None:
    """A link to another page, to be opened in a new tab as well. `label` is Markdown."""
    st.page_link(path(name), label=label, icon=f":material/{icon}:", query_params=_carried(query or {}) or None)


def _carried(query: Mapping[str, str | list[str]]) -> dict[str, str | list[str]]:
    """What goes into an address: what has a value, and which backend it is about."""
    chosen = st.session_state.get(CHOSEN, "")
    return {key: value for key, value in query.items() if value} | ({BACKEND: chosen} if chosen else {})


def carried_name() -> str:
    """The end of an address that is sent on: the name of the backend in use, if it is not the process's own."""
    chosen = st.session_state.get(CHOSEN, "")
    return f"&{BACKEND}={chosen}" if chosen else ""
