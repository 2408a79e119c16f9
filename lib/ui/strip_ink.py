"""Colours of the holding strip, light and dark (looks §4)."""

import streamlit as st

_LIGHT = {
    "page": "#FFFFFF",
    "soft": "#5B6776",
    "hair": "#DDE3EA",
    "now": "#1F5FBF",
    "past": "#C3CCD7",
    "staging": "#E9E0F6",
    "unknown": "#F4F6F9",
    "on_now": "#FFFFFF",
    "on_past": "#3A4654",
    "on_staging": "#5B2FA0",
    "on_unknown": "#5B6776",
}
_DARK = {
    "page": "#0F151D",
    "soft": "#94A1B2",
    "hair": "#2B3746",
    "now": "#2F6FD0",
    "past": "#3A4858",
    "staging": "#33284A",
    "unknown": "#18212C",
    "on_now": "#FFFFFF",
    "on_past": "#C7D2E0",
    "on_staging": "#D3C2F7",
    "on_unknown": "#94A1B2",
}


def strip_ink() -> dict[str, str]:
    """The colours for the theme this browser shows."""
    return _DARK if st.context.theme.type == "dark" else _LIGHT
