"""The pages as one table: it drives the navigation, the tooltips and the tests that visit every page."""

from dataclasses import dataclass

import streamlit as st

from lib.ui.app.page_links import page_path


@dataclass(frozen=True)
class PageInfo:
    """One page: its section in the sidebar, the name of its script (which is its address too), title, icon, and what it is for."""

    section: str
    name: str
    title: str
    icon: str
    help: str


MENU_PAGES = (
    PageInfo("", "overview", "Overview", "space_dashboard", "Who is in Production, what ran, what to do next."),
    PageInfo("Experiment", "launch", "Launch", "play_circle", "Start a demo experiment and watch it."),
    PageInfo("Experiment", "compare", "Compare", "compare_arrows", "Search, sort and compare the runs of an experiment."),
    PageInfo("Release", "models", "Models", "deployed_code", "Register, promote, archive and roll back, with the reason kept."),
    PageInfo("Release", "audit", "Audit", "history", "Every entry of the ledger: who moved what, when and why."),
    PageInfo("System", "doctor", "Doctor", "stethoscope", "What is wrong with the backend, and how it is mended."),
    PageInfo("System", "settings", "Settings", "settings", "Backends: which there are, which one to use, and as whom."),
)
HIDDEN_PAGES = (
    PageInfo("Experiment", "run", "Run", "science", "One run whole: what it measured, how it was made, what came of it."),
)
"""Pages that links lead to and the sidebar does not show."""


def show_navigation() -> st.Page:
    """Draw the sidebar's sections and return the page that the address names. The first page is the default one."""
    sections: dict[str, list[st.Page]] = {}
    for info in (*MENU_PAGES, *HIDDEN_PAGES):
        page = st.Page(
            page_path(info.name),
            title=info.title,
            icon=f":material/{info.icon}:",
            help=info.help,
            default=info is MENU_PAGES[0],
            visibility="hidden" if info in HIDDEN_PAGES else "visible",
        )
        sections.setdefault(info.section, []).append(page)
    return st.navigation(sections, expanded=True)
