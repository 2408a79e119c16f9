"""The views of Compare that the team keeps: a menu with names, who and when; dialogs to save, rename and delete one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qs

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.runs.edit import saved_views
from lib.runs.edit.saved_views import SavedView, SavedViews
from lib.ui.app.routes import backend_query_suffix
from lib.ui.app.session import ask_user_name, current_backend, now, remember_user_name
from lib.ui.components import flash
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import escape, format_count, format_time
from lib.ui.components.layout import show_table
from lib.ui.components.write_access import write_button_kwargs
from lib.ui.pages.compare.queries import CACHE_SECONDS, ExperimentList
from lib.ui.pages.compare.view_state import QUERY_PARAMETERS, REPEATED_PARAMETERS, ViewState, share_link, update_url

DIALOG_KEY, MENU_KEY = "compare.views.open", "compare.views.menu"
SavedViewAction = Literal["Save", "Rename", "Delete"]


@dataclass(frozen=True)
class SavedViewDialogState:
    """What a dialog asks, fixed when it was opened: the deed, and the view that it is about."""

    action: SavedViewAction
    saved_view: SavedView

    @property
    def title(self) -> str:
        """The question with the object in it."""
        return "Save this view?" if self.action == "Save" else f"{self.action} the view {escape(self.saved_view.name)}?"


@st.cache_data(ttl=CACHE_SECONDS, max_entries=64, show_spinner=False)
def _kept(here: Backend, experiment: str) -> SavedViews:
    return saved_views.read_saved_views(here, experiment)


def show_saved_views_menu(view: ViewState, experiment_list: ExperimentList) -> None:
    """The button in the header: the views kept with these experiments, "Save this view", and the link to it.

    The views are read when it is opened: whoever never opens it waits for nothing.
    """
    with st.popover("Views", icon=":material/bookmarks:", key=MENU_KEY, on_change="rerun") as opened:
        if not opened.open:
            return
        with error_boundary():
            _list(view, experiment_list)
        fresh = SavedView("", view.experiment[0], "", share_link("").partition("?")[2], "", now())
        _act(
            "Save this view",
            "save",
            _ask,
            SavedViewDialogState("Save", fresh),
            icon=":material/bookmark_add:",
            **write_button_kwargs(current_backend(), view.experiment[0]),
        )
        st.caption("Or send the link: it carries the whole view – experiment, filter, picks, plot and order.")
        st.code(share_link(st.context.url or "") + backend_query_suffix(), language=None, wrap_lines=True)


def _act(label: str, key: str, deed: Callable[..., None], about: object, **look: Any) -> None:
    """A button of the menu, which closes with it: an open menu would lie over a dialog."""
    st.button(label, key=f"compare.views.{key}", on_click=_closing, args=(deed, about), **look)


def _closing(deed: Callable[..., None], about: object) -> None:
    st.session_state[MENU_KEY] = False
    deed(about)


def show_saved_view_dialog() -> None:
    """Draw the dialog that was opened, if any."""
    question = st.session_state.get(DIALOG_KEY)
    if isinstance(question, SavedViewDialogState):
        st.dialog(question.title, width="medium", icon=":material/bookmark:", on_dismiss=_close)(_confirm)(question)


def _list(view: ViewState, catalogue: ExperimentList) -> None:
    found = [_kept(current_backend(), experiment) for experiment in view.experiment]
    views, skipped = [one for kept in found for one in kept.views], sum(kept.skipped_count for kept in found)
    names = {one.experiment_id: one.name for one in catalogue.experiments}
    for one in views:
        _row(one, names.get(one.experiment_id, "") if len(view.experiment) > 1 else "")
    if not views:
        st.caption("No view is saved yet. A saved view is there for everyone who uses this backend.")
    if skipped:
        st.caption(
            f"{format_count(skipped, 'tag')} of the experiment {'looks' if skipped == 1 else 'look'} like a view, but cannot be read."
        )


def _row(one: SavedView, experiment: str) -> None:
    """A view: its name and its facts at the left, what can be done with it at the right."""
    facts = [f"by {escape(one.by)}, typed" if one.by else "", format_time(one.at), escape(experiment)]
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        with st.container(gap=None, width=300):
            st.markdown(f"**{escape(one.name)}**")
            st.caption(" · ".join(fact for fact in facts if fact))
        _act("Open", f"{one.key}.open", open_saved_view, one, type="tertiary")
        _act("", f"{one.key}.rename", _ask, SavedViewDialogState("Rename", one), **_icon("edit", "Rename this view"))
        _act("", f"{one.key}.delete", _ask, SavedViewDialogState("Delete", one), **_icon("delete", "Delete this view"))


def _icon(name: str, meaning: str) -> dict[str, str]:
    return {"icon": f":material/{name}:", "help": meaning, "type": "tertiary"}


def open_saved_view(saved_view: SavedView) -> None:
    """Put a kept view into the address. Names that Compare does not know are left out: a tag may come from anyone."""
    try:
        said = parse_qs(saved_view.query, max_num_fields=1_000)
    except ValueError:
        said = {}
    wanted: dict[str, Any] = {name: tuple(dict.fromkeys(said.get(name, ()))) for name in REPEATED_PARAMETERS}
    wanted |= {name: said.get(name, [""])[0] for name in QUERY_PARAMETERS if name not in REPEATED_PARAMETERS}
    update_url(**(wanted | {"experiment": wanted["experiment"] or (saved_view.experiment_id,)}))


def _ask(question: SavedViewDialogState) -> None:
    st.session_state[DIALOG_KEY] = question


def _close() -> None:
    st.session_state.pop(DIALOG_KEY, None)


def _confirm(question: SavedViewDialogState) -> None:
    deed, view = question.action, question.saved_view
    name = view.name
    if deed != "Delete":
        name = st.text_input("Name", view.name, key="compare.views.name", max_chars=saved_views.MAX_NAME_LENGTH)
    by = ask_user_name() if deed == "Save" else view.by
    wanted = replace(view, name=name, by=by)
    st.markdown("This is exactly what will happen:")
    show_table([("1", _told(question))])
    with st.expander("The MLflow call that does the same", icon=":material/code:"):
        st.code(saved_views.code_snippet(current_backend().uri, wanted, deed), language="python")
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="compare.views.cancel"):
            _close()
            st.rerun()
        if st.button(deed, key="compare.views.confirm", type="primary", icon=":material/check:"):
            _do(question, wanted)


def _told(question: SavedViewDialogState) -> str:
    where = "a tag of the experiment, where everyone who uses this backend finds it"
    if question.action == "Save":
        return f"The view is written into {where}, with your name and the time."
    if question.action == "Rename":
        return f"The name changes in {where}. Who saved it and when stays."
    return f"The view is taken out of {where}. No run changes, and links that were sent still work."


def _do(question: SavedViewDialogState, wanted: SavedView) -> None:
    try:
        if question.action == "Save":
            saved_views.save(current_backend(), wanted)
            remember_user_name(wanted.by)
        elif question.action == "Rename":
            saved_views.rename(current_backend(), question.saved_view, wanted.name)
        else:
            saved_views.delete(current_backend(), question.saved_view)
    except PodiumError as error:
        show_error(error)
        return
    _kept.clear()
    _close()
    flash.set_flash(flash.COMPARE, f"{_PAST[question.action]} the view {escape(' '.join(wanted.name.split()))}.")
    st.rerun()


_PAST: dict[SavedViewAction, str] = {"Save": "Saved", "Rename": "Renamed", "Delete": "Deleted"}
