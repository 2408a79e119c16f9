"""Switches of a view that the address keeps as words in its `mark`, such as "all" or "transposed"."""

import streamlit as st

from lib.ui.pages.compare.view_state import ViewState, update_url, view_from_url


def has_flag(view: ViewState, flag: str) -> bool:
    """Is this switch on?"""
    return flag in view.mark


def flag_toggle(view: ViewState, flag: str, label: str) -> None:
    """A switch that follows the address. `label` is ours, never foreign text."""
    key = f"compare.mark.{flag}"
    if st.session_state.get(key) != has_flag(view, flag):
        st.session_state[key] = has_flag(view, flag)
    st.toggle(label, key=key, on_change=_turn, args=(flag, key))


def _turn(word: str, key: str) -> None:
    others = tuple(one for one in view_from_url().mark if one != word)
    update_url(mark=(*others, word) if st.session_state[key] else others)
