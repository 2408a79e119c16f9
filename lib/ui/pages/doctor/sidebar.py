"""Beside the findings: all checks in one table, the servers that Podium runs, what was cured, and the report to hand on."""

import json
import os
from hashlib import sha256

import streamlit as st

from lib.backends import artifact_path_map, local_server
from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.doctor.check_runner import CHECKS
from lib.doctor.fix_runner import SHARED_PODIUM_MESSAGE
from lib.doctor.report import report_document, report_lines, report_markdown
from lib.doctor.types import Finding, FixResult, Report
from lib.ui.app.backend_selection import add_and_switch_backend, is_shared
from lib.ui.components import capability_panel
from lib.ui.components.badges import HEALTH_BY_LEVEL
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_time
from lib.ui.components.layout import card, show_checks, show_facts, show_table
from lib.ui.components.write_access import disabled_kwargs
from lib.ui.pages.doctor.report_state import clear_report, fix_results

_WORST = ("problem", "notice", "fine", "skipped")


def show_all_checks(report: Report) -> None:
    """Every check with its worst result; those that need a look first."""
    found = {check.id: _worst(report, check.id) for check in CHECKS}
    asked = [(check.title, one) for check in CHECKS if (one := found[check.id])]
    asked.sort(key=lambda row: _WORST.index(row[1].level))
    numbers = [sum(one.level == level for _, one in asked) for level in ("fine", "notice", "problem")]
    said = [f"{n} {word}" for n, word in zip(numbers, ("fine", "to look at", "broken"), strict=True) if n]
    with card("All checks", " · ".join(said), key="doctor.all"):
        show_checks([(HEALTH_BY_LEVEL[one.level], escape(title), escape(one.summary or one.title)) for title, one in asked])


def _worst(report: Report, check: str) -> Finding | None:
    mine = [one for one in report.findings if one.check_id == check]
    return min(mine, key=lambda one: _WORST.index(one.level), default=None)


def show_backend_capabilities(backend: Backend, report: Report) -> None:
    """What the backend can do; nothing while it could not even be asked."""
    if not report.blocking_check:
        capability_panel.show_capabilities(read_capabilities(backend))


def show_fix_results(backend: Backend) -> None:
    """What was carried out in this browser session, each with its proof."""
    for number, done in enumerate(reversed(fix_results(backend))):
        with st.container(key=f"doctor.done-{number}"):
            st.success(_said(done), icon=":material/check_circle:")
            if done.backend:
                _offer(done.backend, number)
            with st.expander("What was verified"):
                show_table([tuple(escape(cell) for cell in row) for row in done.evidence])


def _offer(made: Backend, number: int) -> None:
    """One click to work on the backend that a cure made."""
    what = f"Use {escape(made.path or made.uri)} in this browser session from now on"
    if st.button(what, icon=":material/swap_horiz:", key=f"doctor.use-{number}"):
        with error_boundary():
            add_and_switch_backend(made)
            st.rerun()


def _said(done: FixResult) -> str:
    return f"**{escape(done.title)}.** {escape(done.next)}"


def show_servers() -> None:
    """The servers that this Podium runs: address, files, log, and the button that ends them."""
    for one in local_server.running_servers():
        with card("A server that Podium runs", f"since {format_time(one.started_at)}", key=f"doctor.server-{one.port}"):
            st.code(one.backend.uri, language=None)
            show_facts(
                {"Database": escape(one.database.path), "Files": escape(one.artifacts_destination), "Log": escape(one.log_file)}
            )
            with st.expander("The end of its log"):
                st.code(local_server.read_log_tail(one) or "It has said nothing yet.", language=None, height=180)
            st.button(
                "Stop this server", icon=":material/stop_circle:", key=f"doctor.stop-{one.port}", on_click=_stop, args=(one,)
            )
    for one in local_server.ended_servers():
        st.warning(
            f"The server on port {one.port} has ended by itself. Its log: {escape(one.log_file)}",
            icon=":material/warning:",
            title="A server ended",
        )


def _stop(one: local_server.LocalServer) -> None:
    local_server.stop(one)
    clear_report()


def show_mapped_folders(backend: Backend) -> None:
    """The folders that stand in for places which cannot be reached, each with the button that takes it back."""
    folder = artifact_path_map.podium_home(os.environ)
    found = [one for one in artifact_path_map.read_mappings(folder) if one.uri == backend.uri]
    if not found:
        return
    with card("Old files are read from here", key="doctor.mapped"):
        for one in found:
            show_facts({"Old place": escape(one.prefix), "Folder": escape(one.folder)})
            key = sha256(repr(one).encode()).hexdigest()[:12]
            if st.button(
                "Take back",
                icon=":material/undo:",
                key=f"doctor.mapped-{key}",
                **disabled_kwargs(SHARED_PODIUM_MESSAGE if is_shared() else ""),
            ):
                with error_boundary():
                    artifact_path_map.remove_mapping(folder, one)
                    clear_report()
                    st.rerun()


def show_short_report(report: Report) -> None:
    """The short lines, to be copied as they stand."""
    with card("For a colleague", "holds no secret", key="doctor.short"):
        st.code("\n".join(report_lines(report)), language=None, wrap_lines=True)


def copy_report_button(report: Report) -> None:
    """The whole report: to be copied, or downloaded as Markdown and JSON."""
    done = fix_results(report.backend)
    with st.popover("Copy report", icon=":material/content_copy:", key="doctor.copy"):
        text, stem = report_markdown(report, done), f"podium-doctor-{report.at:%Y%m%d-%H%M%S}"
        st.code(text, language="markdown", height=260, wrap_lines=True, width=460)
        with st.container(horizontal=True):
            st.download_button("Markdown", text, f"{stem}.md", "text/markdown", key="doctor.markdown", icon=":material/download:")
            whole = json.dumps(report_document(report, done), ensure_ascii=False, indent=2)
            st.download_button("JSON", whole, f"{stem}.json", "application/json", key="doctor.json", icon=":material/download:")
