"""The colours of the mode that this browser shows, for the pure chart builders."""

import streamlit as st

from lib.theme import DARK, LIGHT, ChartColors


def chart_colors() -> ChartColors:
    """The colours of the mode this browser shows."""
    return DARK if st.context.theme.type == "dark" else LIGHT
