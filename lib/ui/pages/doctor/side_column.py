"""Beside the findings: all checks in one table, the servers that Podium runs, what was fixed, and the report to hand on."""

import json
import os
from hashlib import sha256

import streamlit as st

from lib.backends import app_files, artifact_path_map, local_server
from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.doctor.check_runner import CHECKS
from lib.doctor.fix_runner import SHARED_PODIUM_MESSAGE
from lib.doctor.report import report_document, report_lines, report_markdown
from lib.doctor.types import Finding, Report
from lib.ui.app.backend_selection import add_and_switch_backend, is_shared
from lib.ui.components import capability_panel
from lib.ui.components.badges import HEALTH_BY_LEVEL
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_time
from lib.ui.components.layout import card, show_checks, show_facts, show_table
from lib.ui.components.write_access import disabled_kwargs
from lib.ui.pages.doctor.report_state import clear_report, fix_results

_LEVELS_WORST_FIRST = ("problem", "notice", "fine", "skipped")


def show_all_checks(report: Report) -> None:
    """Every check with its worst result; those that need a look first."""
    finding_by_check = {check.id: _worst_finding(report, check.id) for check in CHECKS}
    rows = [(check.title, finding) for check in CHECKS if (finding := finding_by_check[check.id])]
    rows.sort(key=lambda row: _LEVELS_WORST_FIRST.index(row[1].level))
    counts = [sum(finding.level == level for _, finding in rows) for level in ("fine", "notice", "problem")]
    parts = [f"{n} {label}" for n, label in zip(counts, ("fine", "to look at", "broken"), strict=True) if n]
    with card("All checks", " · ".join(parts), key="doctor.all"):
        show_checks(
            [(HEALTH_BY_LEVEL[finding.level], escape(title), escape(finding.summary or finding.title)) for title, finding in rows]
        )


def _worst_finding(report: Report, check: str) -> Finding | None:
    findings = [finding for finding in report.findings if finding.check_id == check]
    return min(findings, key=lambda finding: _LEVELS_WORST_FIRST.index(finding.level), default=None)


def show_backend_capabilities(backend: Backend, report: Report) -> None:
    """What the backend can do; nothing while it could not even be asked."""
    if not report.blocking_check:
        capability_panel.show_capabilities(read_capabilities(backend))


def show_fix_results(backend: Backend) -> None:
    """What was carried out in this browser session, each with its proof."""
    for number, result in enumerate(reversed(fix_results(backend))):
        with st.container(key=f"doctor.done-{number}"):
            st.success(f"**{escape(result.title)}.** {escape(result.next)}", icon=":material/check_circle:")
            if result.backend:
                _use_backend_button(result.backend, number)
            with st.expander("What was verified"):
                show_table([tuple(escape(cell) for cell in row) for row in result.evidence])


def _use_backend_button(backend: Backend, number: int) -> None:
    """One click to work on the backend that a fix made."""
    label = f"Use {escape(backend.path or backend.uri)} in this browser session from now on"
    if st.button(label, icon=":material/swap_horiz:", key=f"doctor.use-{number}"):
        with error_boundary():
            add_and_switch_backend(backend)
            st.rerun()


def show_servers() -> None:
    """The servers that this Podium runs: address, files, log, and the button that ends them."""
    for server in local_server.running_servers():
        with card("A server that Podium runs", f"since {format_time(server.started_at)}", key=f"doctor.server-{server.port}"):
            st.code(server.backend.uri, language=None)
            show_facts(
                {
                    "Database": escape(server.database.path),
                    "Files": escape(server.artifacts_destination),
                    "Log": escape(server.log_file),
                }
            )
            with st.expander("The end of its log"):
                st.code(local_server.read_log_tail(server) or "It has said nothing yet.", language=None, height=180)
            st.button(
                "Stop this server",
                icon=":material/stop_circle:",
                key=f"doctor.stop-{server.port}",
                on_click=_stop_server,
                args=(server,),
            )
    for server in local_server.ended_servers():
        st.warning(
            f"The server on port {server.port} has ended by itself. Its log: {escape(server.log_file)}",
            icon=":material/warning:",
            title="A server ended",
        )


def _stop_server(server: local_server.LocalServer) -> None:
    local_server.stop(server)
    clear_report()


def show_mapped_folders(backend: Backend) -> None:
    """The folders that stand in for locations which cannot be reached, each with the button that takes it back."""
    folder = app_files.podium_home(os.environ)
    mappings = [mapping for mapping in artifact_path_map.read_mappings(folder) if mapping.uri == backend.uri]
    if not mappings:
        return
    with card("Old files are read from here", key="doctor.mapped"):
        for mapping in mappings:
            show_facts({"Old place": escape(mapping.prefix), "Folder": escape(mapping.folder)})
            key = sha256(repr(mapping).encode()).hexdigest()[:12]
            if st.button(
                "Take back",
                icon=":material/undo:",
                key=f"doctor.mapped-{key}",
                **disabled_kwargs(SHARED_PODIUM_MESSAGE if is_shared() else ""),
            ):
                with error_boundary():
                    artifact_path_map.remove_mapping(folder, mapping)
                    clear_report()
                    st.rerun()


def show_short_report(report: Report) -> None:
    """The short lines, to be copied as they stand."""
    with card("For a colleague", "holds no secret", key="doctor.short"):
        st.code("\n".join(report_lines(report)), language=None, wrap_lines=True)


def copy_report_button(report: Report) -> None:
    """The whole report: to be copied, or downloaded as Markdown and JSON."""
    results = fix_results(report.backend)
    with st.popover("Copy report", icon=":material/content_copy:", key="doctor.copy"):
        text, stem = report_markdown(report, results), f"podium-doctor-{report.at:%Y%m%d-%H%M%S}"
        st.code(text, language="markdown", height=260, wrap_lines=True, width=460)
        with st.container(horizontal=True):
            st.download_button("Markdown", text, f"{stem}.md", "text/markdown", key="doctor.markdown", icon=":material/download:")
            document = json.dumps(report_document(report, results), ensure_ascii=False, indent=2)
            st.download_button(
                "JSON", document, f"{stem}.json", "application/json", key="doctor.json", icon=":material/download:"
            )
