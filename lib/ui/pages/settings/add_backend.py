"""Adding a backend on Settings: a kind, a name and an address, tested before anything is written."""

import streamlit as st

from lib.backends import backend_config as named
from lib.backends.backend_config import Named
from lib.errors import PodiumError
from lib.ui.app.backend_selection import file, usable
from lib.ui.app.routes import PROJECT
from lib.ui.components.error_box import show
from lib.ui.components.formatting import md
from lib.ui.components.layout import card
from lib.ui.pages.settings.backend_list import DONE, KINDS, TESTED, State, state_of

FIELDS = {
    "server": ("Address", "https://mlflow.example.org", "The address that mlflow server printed."),
    "dagshub": (
        "Repository",
        "owner/repo",
        "As in the address of its page. It must be there already. Your token is asked for under Sign-in, once you use it.",
    ),
    "sqlite": ("File", "/data/mlflow.db", "The path on the machine that runs Podium. It must be there already."),
    "file": ("Folder", "/data/mlruns", "The folder mlruns on the machine that runs Podium, in MLflow’s old format."),
    "database": (
        "Address",
        "postgresql://user:${DB_PASSWORD}@host/mlflow",
        "Write ${NAME} for the password, and set that variable before Podium is started.",
    ),
}
UNTESTED = "settings.untested"


def add_card(*, shared: bool) -> None:
    """The form; on a shared Podium only the reason why there is none."""
    with card("Add a backend", key="settings.add"):
        if shared:
            st.caption("This Podium is shared, so its pages add no backends: a page could make this machine call any address.")
            st.caption("Its operator adds them to backends.toml.")
            return
        kind = st.selectbox("Kind", list(FIELDS), format_func=lambda one: KINDS[one][1], key="settings.kind")
        label, example, hint = FIELDS[kind]
        with st.form("settings.new", border=False):
            name = st.text_input("Name", key="settings.name", placeholder="team-server", max_chars=40)
            where = st.text_input(label, key=f"settings.where.{kind}", placeholder=example, help=hint, autocomplete="off")
            st.caption("It is tested first. Only its name and address are written down.")
            if st.form_submit_button("Test and add", type="primary", icon=":material/add:"):
                _add(kind, name.strip(), where.strip())
        _offer_untested()


def _add(kind: str, name: str, where: str) -> None:
    """Test it and write it down; when it does not answer, say why and offer to add it all the same."""
    st.session_state.pop(UNTESTED, None)
    try:
        new = _read(kind, name, where)
        with st.spinner("Testing…"):
            state = state_of(usable(new))
        if state.word == "broken":
            st.session_state[UNTESTED] = (new, state)
        else:
            _write(new, state)
    except PodiumError as error:
        show(error)


def _read(kind: str, name: str, where: str) -> Named:
    if kind == "dagshub":
        return named.entry(name, repository=where or "-", folder=PROJECT)
    prefix = {"sqlite": "sqlite:///", "file": "file://"}.get(kind, "")
    return named.entry(name, where if where.startswith(prefix) or not where else prefix + where, folder=PROJECT)


def _offer_untested() -> None:
    new, state = st.session_state.get(UNTESTED, (None, None))
    if new is None or state is None or state.trouble is None:
        return
    show(state.trouble)
    if st.button("Add it all the same", key="settings.anyway", icon=":material/add:"):
        try:
            _write(new, state)
        except PodiumError as error:
            show(error)


def _write(new: Named, state: State) -> None:
    named.add(file(), new)
    st.session_state.pop(UNTESTED, None)
    st.session_state[TESTED] = {**st.session_state.get(TESTED, {}), new.name: state}
    st.session_state[DONE] = f"{md(new.name)} is in the list now. Press Use to work on it."
    st.rerun()
