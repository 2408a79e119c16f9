"""Doctor: what is wrong first, each with its cures; every check beside it, and the report to hand on."""

import streamlit as st

from lib.ui.app.session import backend
from lib.ui.components.layout import header
from lib.ui.pages.doctor import sidebar as aside
from lib.ui.pages.doctor.findings import findings
from lib.ui.pages.doctor.fix_dialog import show_open_dialog
from lib.ui.pages.doctor.report_state import again, age, report_on
from lib.ui.pages.doctor.symptoms import answer, choose, first

# Choose
here = backend()
top = st.container()
report = report_on(here)
with top, header("Doctor", age(report)):
    aside.hand_on(report)
    st.button("Check again", type="primary", icon=":material/refresh:", key="doctor.again", on_click=again)

# Look
aside.results(here)
left, right = st.columns([13, 7], gap="medium")
with left:
    symptom = choose()
    if symptom:
        answer(symptom, report)
    findings(first(report.ill, symptom))
    aside.abilities(here, report)
with right:
    aside.servers()
    aside.folders_read(here)
    aside.all_checks(report)
    aside.for_a_colleague(report)

# Act
show_open_dialog()
