"""The field for a reason: says beforehand how long it must be, and once it is left, how much is missing."""

from typing import Any

import streamlit as st

from lib.ledger.entry.vocabulary import MIN_REASON_LENGTH
from lib.text import clean_text
from lib.ui.components.formatting import format_count


def ask_reason(label: str, *, key: str, placeholder: str) -> str:
    """The reason as typed; while it is too short, the number of missing characters stands below it."""
    text = st.text_area(f"{label} (at least {MIN_REASON_LENGTH} characters)", key=key, height=92, placeholder=placeholder) or ""
    if missing_text := _missing_text(text):
        st.caption(f":orange[:material/edit: {missing_text}]")
    return text


def short_reason_kwargs(text: str) -> dict[str, Any]:
    """Arguments of the button that records the reason: greyed out while it is too short.

    An empty one leaves the button as it is: a text that is still being typed reaches the page with the click.
    """
    missing_text = _missing_text(text)
    return {"disabled": True, "help": missing_text} if missing_text else {}


def _missing_text(text: str) -> str:
    missing_count = MIN_REASON_LENGTH - len(clean_text(text))
    return f"{format_count(missing_count, 'more character')} needed." if text and missing_count > 0 else ""
