"""Doctor: problems first, each with its fixes; all checks next to them, and a report to share."""

import streamlit as st

from lib.ui.app.session import current_backend
from lib.ui.components.layout import page_header
from lib.ui.pages.doctor import side_column
from lib.ui.pages.doctor.findings import show_findings
from lib.ui.pages.doctor.fix_dialog import show_fix_dialog
from lib.ui.pages.doctor.report_state import clear_report, report_summary, session_report
from lib.ui.pages.doctor.symptoms import choose_symptom, show_symptom, sort_by_symptom

# Choose
backend = current_backend()
header = st.container()
report = session_report(backend)
with header, page_header("Doctor", report_summary(report)):
    side_column.copy_report_button(report)
    st.button("Check again", type="primary", icon=":material/refresh:", key="doctor.again", on_click=clear_report)

# Look
side_column.show_fix_results(backend)
left_column, right_column = st.columns([13, 7], gap="medium")
with left_column:
    symptom = choose_symptom()
    if symptom:
        show_symptom(symptom, report)
    show_findings(sort_by_symptom(report.problems_and_notices, symptom))
    side_column.show_backend_capabilities(backend, report)
with right_column:
    side_column.show_servers()
    side_column.show_mapped_folders(backend)
    side_column.show_all_checks(report)
    side_column.show_short_report(report)

# Act
show_fix_dialog()
