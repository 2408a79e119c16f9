"""Switches of a view that the address keeps as words in its `mark`, such as "all" or "transposed"."""

import streamlit as st

from lib.ui.pages.compare.view_state import View, asked, keep


def is_marked(view: View, word: str) -> bool:
    """Is this switch on?"""
    return word in view.mark


def mark_toggle(view: View, word: str, label: str) -> None:
    """A switch that follows the address. `label` is ours, never foreign text."""
    key = f"compare.mark.{word}"
    if st.session_state.get(key) != is_marked(view, word):
        st.session_state[key] = is_marked(view, word)
    st.toggle(label, key=key, on_change=_turn, args=(word, key))


def _turn(word: str, key: str) -> None:
    others = tuple(one for one in asked().mark if one != word)
    keep(mark=(*others, word) if st.session_state[key] else others)
