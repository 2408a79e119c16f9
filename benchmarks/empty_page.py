"""Baseline page: a Streamlit script that only counts its clicks."""

import streamlit as st

st.title("Nothing")
st.session_state.setdefault("clicks", 0)
if st.button("Count"):
    st.session_state["clicks"] += 1
st.caption(f"{st.session_state['clicks']} clicks")
