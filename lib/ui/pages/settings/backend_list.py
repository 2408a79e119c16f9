"""The list on Settings: every backend with its place and state; use, test and remove it. A removal can be undone."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from lib.backends import backend_config as named
from lib.backends import dagshub as hub
from lib.backends import mlflow_client as connect
from lib.backends import sqlite_store as store
from lib.backends.backend import Backend
from lib.backends.backend_config import Named, Names
from lib.backends.capabilities import capabilities
from lib.errors import NeedsMigration, PodiumError
from lib.ui.app.backend_gate import pulse
from lib.ui.app.backend_selection import DEFAULT, current, default, file, in_use, names, signed, switch, usable
from lib.ui.components import capability_panel as capabilities_panel
from lib.ui.components.badges import HEALTH, badge
from lib.ui.components.error_box import show
from lib.ui.components.formatting import md
from lib.ui.components.layout import card

KINDS = {
    "sqlite": ("database", "SQLite file"),
    "file": ("folder", "File store"),
    "server": ("dns", "MLflow server"),
    "dagshub": ("hub", "DagsHub"),
    "database": ("storage", "Database"),
}
TESTED, REMOVED, TROUBLE, DONE = "settings.tested", "settings.removed", "settings.trouble", "settings.done"


@dataclass(frozen=True)
class State:
    """How a test ended: a word of HEALTH, and what is wrong, if anything."""

    word: str
    trouble: PodiumError | None = None


def known_names() -> Names:
    """The named backends; none, and the error in its place, when their file cannot be read."""
    try:
        return names()
    except PodiumError as error:
        show(error)
        return Names()


def said() -> None:
    """What the last click led to: an error, something done, or a removal with its way back."""
    trouble, done = st.session_state.pop(TROUBLE, None), st.session_state.pop(DONE, "")
    if trouble:
        show(trouble)
    if done:
        st.success(done, icon=":material/check_circle:")
    gone = st.session_state.get(REMOVED)
    if isinstance(gone, Named):
        with st.container(horizontal=True, vertical_alignment="center", key="settings.gone"):
            st.info(f"{md(gone.name)} was taken out of the list. What is stored there was not touched.", icon=":material/delete:")
            st.button("Undo", icon=":material/undo:", key="settings.undo", on_click=deed, args=(_put_back,))


def backends_card(found: Names) -> None:
    """One row for Podium's own backend, then one for each named one."""
    note = "shared: its operator edits the list" if found.shared else f"kept in {md(file().name)}, without any secret"
    with card("Backends", note, key="settings.backends"):
        home = _own()
        if home:
            _row(Named(DEFAULT, backend=home), shared=True)
        for one in found.entries:
            _row(one, shared=found.shared)
        if not found.entries:
            st.caption("Add a server, a database or another file at the right, and switch between them here.")


def abilities_card() -> None:
    """What the backend in use can do; nothing while it does not answer, which its row and the sidebar tell."""
    with suppress(PodiumError):
        here = in_use()
        if pulse(here).trouble is None:
            with st.spinner("Asking what it can do…"):
                can = capabilities(here)
            capabilities_panel.draw(can)


def _own() -> Backend | None:
    try:
        return default()
    except PodiumError as error:
        show(error)
        return None


def _row(one: Named, *, shared: bool) -> None:
    key, is_used = one.name, current() == ("" if one.name == DEFAULT else one.name)
    icon, kind = KINDS[one.kind]
    with st.container(border=False, gap="xxsmall", key=f"settings.row.{key}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.container(gap=None, width="stretch"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.markdown(f":material/{icon}: **{md(_title(one))}**", width="content")
                    _badges(one, is_used=is_used)
                st.caption(_where(one, kind))
            _buttons(one, is_used=is_used, shared=shared)
        tested = st.session_state.get(TESTED, {}).get(key)
        if tested and tested.trouble:
            show(tested.trouble)


def _title(one: Named) -> str:
    return "Podium’s own" if one.name == DEFAULT else one.name


def _where(one: Named, kind: str) -> str:
    if one.trouble or one.backend is None:
        return md(one.trouble)
    return f"{kind} · {md(one.repository or one.backend.path or one.backend.folder or one.backend.uri)}"


def _badges(one: Named, *, is_used: bool) -> None:
    if is_used:
        st.badge("In use", icon=":material/check:", color="blue")
    tested = st.session_state.get(TESTED, {}).get(one.name)
    if one.trouble:
        badge(HEALTH, "broken", "Cannot be used")
    elif tested:
        badge(HEALTH, tested.word, {"ok": "Answers", "warning": "Needs something", "broken": "Does not answer"}[tested.word])


def _buttons(one: Named, *, is_used: bool, shared: bool) -> None:
    name, is_bad = one.name, bool(one.trouble)
    st.button(
        "Test", icon=":material/network_check:", key=f"settings.test.{name}", disabled=is_bad, on_click=deed, args=(_test, one)
    )
    use = "" if name == DEFAULT else name
    st.button(
        "Use",
        icon=":material/swap_horiz:",
        key=f"settings.use.{name}",
        disabled=is_bad or is_used,
        on_click=deed,
        args=(_use, use),
    )
    if name != DEFAULT:
        st.button(
            "Remove",
            type="tertiary",
            icon=":material/delete:",
            key=f"settings.remove.{name}",
            disabled=shared,
            help="This Podium is shared: its operator edits backends.toml."
            if shared
            else "Only takes it off this list; it can be undone.",
            on_click=deed,
            args=(_remove, one),
        )


def state_of(backend: Backend) -> State:
    """Ask a backend within five seconds. Nothing is made or changed there; to be asked to sign in is an answer too."""
    try:
        store.must_exist(backend)
        if backend.path is not None:
            store.judge(backend)
        if hub.repository_of(backend):
            return _state_at_hub(backend)
        connect.probe(backend)
    except NeedsMigration as error:
        return State("warning", error)
    except PodiumError as error:
        return State("warning" if "asks for a sign-in" in error.what else "broken", error)
    return State("ok")


def _state_at_hub(backend: Backend) -> State:
    """A repository of DagsHub is asked through MLflow and through DagsHub, which knows who may only read."""
    found = hub.test(backend)
    return State("warning", hub.missing_right(found)) if found.may_push is False else State("ok")


def deed(do: Callable[..., None], *about: object) -> None:
    """Do what a button says; what goes wrong is told at the top of the page."""
    try:
        do(*about)
    except PodiumError as error:
        st.session_state[TROUBLE] = error


def _test(one: Named) -> None:
    backend = signed(default(), DEFAULT) if one.name == DEFAULT else usable(one)
    st.session_state[TESTED] = {**st.session_state.get(TESTED, {}), one.name: state_of(backend)}


def _use(name: str) -> None:
    switch(name)
    pulse.clear()
    st.session_state[DONE] = f"This browser session now uses {md(name) or 'Podium’s own backend'}."


def _remove(one: Named) -> None:
    gone = named.remove(file(), one.name)
    if current() == one.name:
        switch("")
    st.session_state[REMOVED] = gone


def _put_back() -> None:
    named.add(file(), st.session_state[REMOVED])
    del st.session_state[REMOVED]
