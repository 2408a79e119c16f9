"""Where the pages are. A link carries a page's name and its query, nothing else."""

from pathlib import Path

import streamlit as st

PROJECT = Path(__file__).resolve().parents[2]
PAGES = PROJECT / "pages"
SHELL = PROJECT / "lib" / "ui" / "shell.py"
STATIC = PROJECT / "lib" / "ui" / "static"


def path(name: str) -> Path:
    """The script of a page, absolute: relative paths would be taken from the shell."""
    return PAGES / f"{name}.py"


def goto(name: str, **query: str | list[str]) -> None:
    """Go to another page now. Values of `query` go into the address."""
    st.switch_page(path(name), query_params={key: value for key, value in query.items() if value})


def link(label: str, name: str, *, icon: str, query: dict[str, str | list[str]] | None = None) -> None:
    """A link to another page, to be opened in a new tab as well. `label` is Markdown."""
    st.page_link(path(name), label=label, icon=f":material/{icon}:", query_params=query or None)
