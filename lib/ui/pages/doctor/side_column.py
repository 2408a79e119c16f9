"""Side column of the Doctor page: all checks, servers run by Podium, applied fixes, and the report for sharing."""

import json
import os

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
from lib.ui.components.data_table import hashed_key
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_time
from lib.ui.components.layout import card, show_checks, show_facts, show_table
from lib.ui.components.write_access import disabled_kwargs
from lib.ui.pages.doctor.report_state import clear_report, fix_results

_LEVELS_WORST_FIRST = ("problem", "notice", "fine", "skipped")


def show_all_checks(report: Report) -> None:
    """Show every check with its worst result, most severe first."""
    finding_by_check = {check.id: _worst_finding(report, check.id) for check in CHECKS}
    rows = [(check.title, finding) for check in CHECKS if (finding := finding_by_check[check.id])]
    rows.sort(key=lambda row: _LEVELS_WORST_FIRST.index(row[1].level))
    counts = [sum(finding.level == level for _, finding in rows) for level in ("fine", "notice", "problem")]
    parts = [f"{n} {label}" for n, label in zip(counts, ("passed", "warnings", "broken"), strict=True) if n]
    with card("All checks", " · ".join(parts), key="doctor.all"):
        show_checks(
            [(HEALTH_BY_LEVEL[finding.level], escape(title), escape(finding.summary or finding.title)) for title, finding in rows]
        )


def _worst_finding(report: Report, check: str) -> Finding | None:
    findings = [finding for finding in report.findings if finding.check_id == check]
    return min(findings, key=lambda finding: _LEVELS_WORST_FIRST.index(finding.level), default=None)


def show_backend_capabilities(backend: Backend, report: Report) -> None:
    """Show the backend's capabilities, unless it could not be reached."""
    if not report.blocking_check:
        capability_panel.show_capabilities(read_capabilities(backend))


def show_fix_results(backend: Backend) -> None:
    """Show the fixes applied in this browser session, each with its verification."""
    for number, result in enumerate(reversed(fix_results(backend))):
        with st.container(key=f"doctor.done-{number}"):
            st.success(f"**{escape(result.title)}.** {escape(result.next)}", icon=":material/check_circle:")
            if result.backend:
                _use_backend_button(result.backend, number)
            with st.expander("Verification"):
                show_table([tuple(escape(cell) for cell in row) for row in result.evidence])


def _use_backend_button(backend: Backend, number: int) -> None:
    """Show a button that switches to the backend created by a fix."""
    label = f"Use {escape(backend.path or backend.uri)} in this browser session"
    if st.button(label, icon=":material/swap_horiz:", key=f"doctor.use-{number}"):
        with error_boundary():
            add_and_switch_backend(backend)
            st.rerun()


def show_servers() -> None:
    """Show the servers run by this Podium: address, files, log, and a button to stop each."""
    for server in local_server.running_servers():
        with card("Server run by Podium", f"since {format_time(server.started_at)}", key=f"doctor.server-{server.port}"):
            st.code(server.backend.uri, language=None)
            show_facts(
                {
                    "Database": escape(server.database.path),
                    "Files": escape(server.artifacts_destination),
                    "Log": escape(server.log_file),
                }
            )
            with st.expander("Latest log lines"):
                st.code(local_server.read_log_tail(server) or "The log is empty.", language=None, height=180)
            st.button(
                "Stop this server",
                icon=":material/stop_circle:",
                key=f"doctor.stop-{server.port}",
                on_click=_stop_server,
                args=(server,),
            )
    for server in local_server.ended_servers():
        st.warning(
            f"The server on port {server.port} stopped unexpectedly. Log: {escape(server.log_file)}",
            icon=":material/warning:",
            title="A server stopped",
        )


def _stop_server(server: local_server.LocalServer) -> None:
    local_server.stop(server)
    clear_report()


def show_mapped_folders(backend: Backend) -> None:
    """Show the folders mapped to unreachable locations, each with a button to remove the mapping."""
    folder = app_files.podium_home(os.environ)
    mappings = [mapping for mapping in artifact_path_map.read_mappings(folder) if mapping.uri == backend.uri]
    if not mappings:
        return
    with card("Mapped folders", key="doctor.mapped"):
        for mapping in mappings:
            show_facts({"Original location": escape(mapping.prefix), "Folder": escape(mapping.folder)})
            if st.button(
                "Remove mapping",
                icon=":material/undo:",
                key=hashed_key("doctor.mapped", mapping),
                **disabled_kwargs(SHARED_PODIUM_MESSAGE if is_shared() else ""),
            ):
                with error_boundary():
                    artifact_path_map.remove_mapping(folder, mapping)
                    clear_report()
                    st.rerun()


def show_short_report(report: Report) -> None:
    """Show the report summary as text for copying."""
    with card("For a colleague", "contains no secrets", key="doctor.short"):
        st.code("\n".join(report_lines(report)), language=None, wrap_lines=True)


def copy_report_button(report: Report) -> None:
    """Show the complete report for copying or for download as Markdown or JSON."""
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
