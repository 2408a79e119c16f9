"""The table of pages, used by the navigation, tooltips and tests that visit every page."""

from dataclasses import dataclass

import streamlit as st

from lib.ui.app.page_links import page_path


@dataclass(frozen=True)
class PageInfo:
    """One page: sidebar section, script name (also its URL path), title, icon, and purpose."""

    section: str
    name: str
    title: str
    icon: str
    help: str


MENU_PAGES = (
    PageInfo("", "overview", "Overview", "space_dashboard", "What is in Production, what ran, and what to do next."),
    PageInfo("Experiment", "launch", "Launch", "play_circle", "Start a demo experiment and watch it."),
    PageInfo("Experiment", "compare", "Compare", "compare_arrows", "Search, sort and compare the runs of an experiment."),
    PageInfo(
        "Release",
        "models",
        "Models",
        "deployed_code",
        "Register, promote, archive and roll back versions, with a recorded reason.",
    ),
    PageInfo("Release", "audit", "Audit", "history", "Every entry of the ledger: who moved what, when and why."),
    PageInfo("System", "doctor", "Doctor", "stethoscope", "What is wrong with the backend, and how to fix it."),
    PageInfo("System", "settings", "Settings", "settings", "Choose, add and sign in to backends."),
)
HIDDEN_PAGES = (PageInfo("Experiment", "run", "Run", "science", "One run in detail: metrics, parameters, lineage and models."),)
"""Pages that are reached only through links, not the sidebar."""


def show_navigation() -> st.Page:
    """Draw the sidebar and return the page named in the URL; the first page is the default."""
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
