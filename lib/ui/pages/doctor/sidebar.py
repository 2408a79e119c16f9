"""Beside the findings: all checks in one table, the servers that Podium runs, what was cured, and the report to hand on."""

import json
import os
from hashlib import sha256

import streamlit as st

from lib.backends import artifact_path_map as mapped
from lib.backends import local_server as server
from lib.backends.backend import Backend
from lib.backends.capabilities import capabilities
from lib.doctor.check_runner import CHECKS
from lib.doctor.fix_runner import SHARED
from lib.doctor.report import document, lines, markdown
from lib.doctor.types import Done, Finding, Report
from lib.ui.app.backend_selection import adopt, is_shared
from lib.ui.components import capability_panel as capabilities_panel
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import md, moment
from lib.ui.components.layout import card, checks, facts, table
from lib.ui.components.write_access import greyed
from lib.ui.pages.doctor.findings import STATE
from lib.ui.pages.doctor.report_state import again, cured

_WORST = ("problem", "notice", "fine", "skipped")


def all_checks(report: Report) -> None:
    """Every check with its worst result; those that need a look first."""
    found = {check.id: _worst(report, check.id) for check in CHECKS}
    asked = [(check.title, one) for check in CHECKS if (one := found[check.id])]
    asked.sort(key=lambda row: _WORST.index(row[1].level))
    numbers = [sum(one.level == level for _, one in asked) for level in ("fine", "notice", "problem")]
    said = [f"{n} {word}" for n, word in zip(numbers, ("fine", "to look at", "broken"), strict=True) if n]
    with card("All checks", " · ".join(said), key="doctor.all"):
        checks([(STATE[one.level], md(title), md(one.short or one.title)) for title, one in asked])


def _worst(report: Report, check: str) -> Finding | None:
    mine = [one for one in report.findings if one.check == check]
    return min(mine, key=lambda one: _WORST.index(one.level), default=None)


def abilities(here: Backend, report: Report) -> None:
    """What the backend can do; nothing while it could not even be asked."""
    if not report.stopped:
        capabilities_panel.draw(capabilities(here))


def results(here: Backend) -> None:
    """What was carried out in this browser session, each with its proof."""
    for number, done in enumerate(reversed(cured(here))):
        with st.container(key=f"doctor.done-{number}"):
            st.success(_said(done), icon=":material/check_circle:")
            if done.backend:
                _offer(done.backend, number)
            with st.expander("What was verified"):
                table([tuple(md(cell) for cell in row) for row in done.evidence])


def _offer(made: Backend, number: int) -> None:
    """One click to work on the backend that a cure made."""
    what = f"Use {md(made.path or made.uri)} in this browser session from now on"
    if st.button(what, icon=":material/swap_horiz:", key=f"doctor.use-{number}"):
        with calm():
            adopt(made)
            st.rerun()


def _said(done: Done) -> str:
    return f"**{md(done.title)}.** {md(done.next)}"


def servers() -> None:
    """The servers that this Podium runs: address, files, log, and the button that ends them."""
    for one in server.running():
        with card("A server that Podium runs", f"since {moment(one.since)}", key=f"doctor.server-{one.port}"):
            st.code(one.backend.uri, language=None)
            facts({"Database": md(one.database.path), "Files": md(one.destination), "Log": md(one.log)})
            with st.expander("The end of its log"):
                st.code(server.tail(one) or "It has said nothing yet.", language=None, height=180)
            st.button(
                "Stop this server", icon=":material/stop_circle:", key=f"doctor.stop-{one.port}", on_click=_stop, args=(one,)
            )
    for one in server.ended():
        st.warning(
            f"The server on port {one.port} has ended by itself. Its log: {md(one.log)}",
            icon=":material/warning:",
            title="A server ended",
        )


def _stop(one: server.Served) -> None:
    server.stop(one)
    again()


def folders_read(here: Backend) -> None:
    """The folders that stand in for places which cannot be reached, each with the button that takes it back."""
    folder = mapped.home(os.environ)
    found = [one for one in mapped.known(folder) if one.uri == here.uri]
    if not found:
        return
    with card("Old files are read from here", key="doctor.mapped"):
        for one in found:
            facts({"Old place": md(one.prefix), "Folder": md(one.folder)})
            key = sha256(repr(one).encode()).hexdigest()[:12]
            if st.button(
                "Take back", icon=":material/undo:", key=f"doctor.mapped-{key}", **greyed(SHARED if is_shared() else "")
            ):
                with calm():
                    mapped.forget(folder, one)
                    again()
                    st.rerun()


def for_a_colleague(report: Report) -> None:
    """The short lines, to be copied as they stand."""
    with card("For a colleague", "holds no secret", key="doctor.short"):
        st.code("\n".join(lines(report)), language=None, wrap_lines=True)


def hand_on(report: Report) -> None:
    """The whole report: to be copied, or downloaded as Markdown and JSON."""
    done = cured(report.backend)
    with st.popover("Copy report", icon=":material/content_copy:", key="doctor.copy"):
        text, stem = markdown(report, done), f"podium-doctor-{report.at:%Y%m%d-%H%M%S}"
        st.code(text, language="markdown", height=260, wrap_lines=True, width=460)
        with st.container(horizontal=True):
            st.download_button("Markdown", text, f"{stem}.md", "text/markdown", key="doctor.markdown", icon=":material/download:")
            whole = json.dumps(document(report, done), ensure_ascii=False, indent=2)
            st.download_button("JSON", whole, f"{stem}.json", "application/json", key="doctor.json", icon=":material/download:")
