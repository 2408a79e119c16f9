"""The inputs for a reason: its category, and its text with the minimum length."""

import streamlit as st

from lib.ledger.entry.vocabulary import MIN_REASON_LENGTH, REASON_CATEGORIES
from lib.text import clean_text
from lib.ui.components.formatting import format_count


def ask_category(*, key: str, default: str) -> str:
    """Show the input for the category and return its key in REASON_CATEGORIES."""
    categories = list(REASON_CATEGORIES)
    return st.selectbox(
        "Kind of reason", categories, categories.index(default), format_func=REASON_CATEGORIES.__getitem__, key=key
    )


def ask_reason(label: str, *, key: str, placeholder: str) -> str:
    """Show the input for the text and return it."""
    return st.text_area(f"{label} (at least {MIN_REASON_LENGTH} characters)", key=key, height=92, placeholder=placeholder) or ""


def missing_characters(text: str) -> str:
    """Return how many characters a reason still needs; empty if none.

    Also empty for an empty reason, because text still being typed reaches the page only with the click on the button.
    """
    missing_count = MIN_REASON_LENGTH - len(clean_text(text))
    return f"{format_count(missing_count, 'more character')} needed." if text and missing_count > 0 else ""
