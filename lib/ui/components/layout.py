"""Page furniture: header, card, facts, checks, empty state, popover.

Text that is passed in is Markdown, so foreign text comes as `escape(…)`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pandas as pd
import streamlit as st

from lib.ui.components.badges import HEALTH_BADGES, Badge, icon_markdown, show_badge

Height = int | Literal["content", "stretch"]
_HEADING_PIXELS, _ROW_PIXELS, _SCROLL_BAR_PIXELS = 32, 31, 10
BadgeRef = tuple[Mapping[str, Badge], str]


@contextmanager
def page_header(title: str, note: str) -> Iterator[None]:
    """Title and one line of facts at the left; what is drawn inside stands at the right."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(gap=None, width="stretch"):
            st.title(title, anchor=False)
            st.caption(note)
        yield


@contextmanager
def card(
    title: str = "", note: str = "", *, badge: BadgeRef | None = None, height: Height = "content", key: str | None = None
) -> Iterator[None]:
    """A bordered box with its head: title, an optional badge, one gray note at the right. Never a card in a card."""
    with st.container(border=True, height=height, key=key, gap="small"):
        if title:
            show_card_header(title, note, badge)
        yield


def show_card_header(title: str, note: str = "", badge: BadgeRef | None = None) -> None:
    """The head of a card. A horizontal container takes the 8 px off that a heading brings along."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(title, anchor=False, width="content" if badge else "stretch")
        if badge:
            show_badge(*badge)
            st.space("stretch")
        if note:
            st.caption(note, width="content")


def show_facts(rows: Mapping[str, str]) -> None:
    """Name and value in two columns, real HTML. Values are Markdown."""
    show_table([(f":gray[{name}]", value) for name, value in rows.items()])


def show_checks(rows: Sequence[tuple[str, str, str]]) -> None:
    """State (a key of HEALTH_BADGES), what was checked, what was found."""
    show_table([(f"{icon_markdown(HEALTH_BADGES, state)} {label}", f":gray[{value}]") for state, label, value in rows])


def show_table(rows: Sequence[tuple[str, ...]], columns: Sequence[str] = ()) -> None:
    """A dense table to read, cells in Markdown; without `columns` it has no heading line."""
    width = max((len(row) for row in rows), default=len(columns))
    headings = list(columns) or [str(n) for n in range(width)]
    st.table(pd.DataFrame(rows, columns=headings), border="horizontal", hide_index=True, hide_header=not columns)


def show_empty_state(icon: str, title: str, text: str) -> None:
    """What a card shows when there is nothing: an icon, a title, one sentence. The caller adds the one button."""
    st.space("small")
    st.markdown(f":gray[:material/{icon}:] **{title}**", text_alignment="center")
    st.caption(text, text_alignment="center")


def table_height(row_count: int, max_rows: int = 1000) -> int:
    """Pixels of a table that shows these rows, at most `max_rows` without scrolling, and has room for a scroll bar below them.

    Where scroll bars take room, Streamlit's own height for the content is too small: the bar lies over the last row.
    """
    return _HEADING_PIXELS + _ROW_PIXELS * min(max(row_count, 1), max_rows) + _SCROLL_BAR_PIXELS + 2


@contextmanager
def lazy_popover(key: str, label: str, **options: Any) -> Iterator[bool]:
    """A popover under this label, which may change while it is open: `with lazy_popover(…) as is_open: if is_open: …`.

    Whether it is open is kept in session_state under `key`. What is in it is drawn only while it is open: what session_state says about
    a widget in a closed popover never reaches the browser, so opened later it would show what it showed last, and write that back.
    """
    with st.popover(label, key=key, on_change="rerun", **options) as popover:
        yield bool(popover.open)
