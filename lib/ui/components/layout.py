"""Layout components: header, card, facts, checks, empty state, popover.

All text arguments are Markdown, so callers must `escape(…)` foreign text.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pandas as pd
import streamlit as st

from lib.ui.components.badges import HEALTH_BADGES, Badge, icon_markdown, show_badge

Height = int | Literal["content", "stretch"]
BadgeRef = tuple[Mapping[str, Badge], str]


@contextmanager
def page_header(title: str, note: str) -> Iterator[None]:
    """Show a title and a line of facts on the left; content drawn inside appears on the right."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(gap=None, width="stretch"):
            st.title(title, anchor=False)
            st.caption(note)
        yield


@contextmanager
def card(
    title: str = "", note: str = "", *, badge: BadgeRef | None = None, height: Height = "content", key: str | None = None
) -> Iterator[None]:
    """Draw a bordered card with a header: title, optional badge, and a gray note on the right. Do not nest cards."""
    with st.container(border=True, height=height, key=key, gap="small"):
        if title:
            show_card_header(title, note, badge)
        yield


def show_card_header(title: str, note: str = "", badge: BadgeRef | None = None) -> None:
    """Draw the header of a card. A horizontal container removes the heading's 8 px margin."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(title, anchor=False, width="content" if badge else "stretch")
        if badge:
            show_badge(*badge)
            st.space("stretch")
        if note:
            st.caption(note, width="content")


def show_facts(rows: Mapping[str, str]) -> None:
    """Show names and values in a two-column HTML table. Values are Markdown."""
    show_table([(f":gray[{name}]", value) for name, value in rows.items()])


def show_checks(rows: Sequence[tuple[str, str, str]]) -> None:
    """Show checks as rows of state (a key of HEALTH_BADGES), label and result."""
    show_table([(f"{icon_markdown(HEALTH_BADGES, state)} {label}", f":gray[{value}]") for state, label, value in rows])


def show_table(rows: Sequence[tuple[str, ...]], columns: Sequence[str] = ()) -> None:
    """Show a dense read-only table with Markdown cells; without `columns` it has no header row."""
    width = max((len(row) for row in rows), default=len(columns))
    headings = list(columns) or [str(n) for n in range(width)]
    st.table(pd.DataFrame(rows, columns=headings), border="horizontal", hide_index=True, hide_header=not columns)


def show_empty_state(icon: str, title: str, text: str) -> None:
    """Show an empty state: icon, title, one sentence. The caller adds the button."""
    st.space("small")
    st.markdown(f":gray[:material/{icon}:] **{title}**", text_alignment="center")
    st.caption(text, text_alignment="center")


@contextmanager
def lazy_popover(key: str, label: str, **options: Any) -> Iterator[bool]:
    """A popover whose content is drawn only while it is open: `with lazy_popover(…) as is_open: if is_open: …`.

    The open state is stored in session_state under `key`; the label may change while it is open. Content of a closed popover is not
    drawn, because session_state changes to its widgets would not reach the browser, and stale values would be written back later.
    """
    with st.popover(label, key=key, on_change="rerun", **options) as popover:
        yield bool(popover.open)
