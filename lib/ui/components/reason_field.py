"""The input for a reason: states the minimum length, and how many characters are missing."""

from typing import Any

import streamlit as st

from lib.ledger.entry.vocabulary import MIN_REASON_LENGTH
from lib.text import clean_text
from lib.ui.components.formatting import format_count


def ask_reason(label: str, *, key: str, placeholder: str) -> str:
    """Show the input and return the text; while it is too short, show the number of missing characters below."""
    text = st.text_area(f"{label} (at least {MIN_REASON_LENGTH} characters)", key=key, height=92, placeholder=placeholder) or ""
    if missing_text := _missing_text(text):
        st.caption(f":orange[:material/edit: {missing_text}]")
    return text


def short_reason_kwargs(text: str) -> dict[str, Any]:
    """Return arguments of the button that records the reason: disabled while the reason is too short.

    An empty reason leaves the button enabled, because text still being typed reaches the page only with the click.
    """
    missing_text = _missing_text(text)
    return {"disabled": True, "help": missing_text} if missing_text else {}


def _missing_text(text: str) -> str:
    missing_count = MIN_REASON_LENGTH - len(clean_text(text))
    return f"{format_count(missing_count, 'more character')} needed." if text and missing_count > 0 else ""
