"""Compare's saved views: a menu with name, author and time, and dialogs to save, rename and delete a view."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qs

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.edit import saved_views
from lib.runs.edit.saved_views import SavedView, SavedViews
from lib.runs.table.view import ViewState
from lib.ui.app.page_links import backend_query_suffix
from lib.ui.app.session import ask_user_name, current_backend, now, remember_user_name
from lib.ui.components import flash
from lib.ui.components.dialog import Dialog, show_steps
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count, format_time
from lib.ui.components.write_access import write_button_kwargs
from lib.ui.pages.compare.view_state import QUERY_PARAMETERS, REPEATED_PARAMETERS, share_link, update_url
from lib.ui.queries.runs import CACHE_SECONDS, ExperimentList

MENU_KEY = "compare.views.menu"
SavedViewAction = Literal["Save", "Rename", "Delete"]


@dataclass(frozen=True)
class _DialogState:
    """The dialog's state, fixed on opening: the action and its view."""

    action: SavedViewAction
    saved_view: SavedView

    @property
    def title(self) -> str:
        """Return the dialog title."""
        return "Save this view?" if self.action == "Save" else f"{self.action} the view {escape(self.saved_view.name)}?"


_VIEW_DIALOG = Dialog[_DialogState]("compare.views")


@st.cache_data(ttl=CACHE_SECONDS, max_entries=64, show_spinner=False)
def _cached_saved_views(backend: Backend, experiment_id: str) -> SavedViews:
    return saved_views.read_saved_views(backend, experiment_id)


def show_saved_views_menu(view: ViewState, experiment_list: ExperimentList) -> None:
    """Show the header menu: saved views of these experiments, "Save this view", and a link to it.

    The views are read only when the menu is opened.
    """
    with st.popover("Views", icon=":material/bookmarks:", key=MENU_KEY, on_change="rerun") as popover:
        if not popover.open:
            return
        with error_boundary():
            _show_saved_views(view, experiment_list)
        new_view = SavedView("", view.experiment[0], "", share_link("").partition("?")[2], "", now())
        _menu_button(
            "Save this view",
            "save",
            _VIEW_DIALOG.open,
            _DialogState("Save", new_view),
            icon=":material/bookmark_add:",
            **write_button_kwargs(current_backend(), view.experiment[0]),
        )
        st.caption("Or share the link: it contains the complete view: experiment, filter, picks, plot and order.")
        st.code(share_link(st.context.url or "") + backend_query_suffix(), language=None, wrap_lines=True)


def _menu_button(label: str, key: str, action: Callable[..., None], argument: object, **button_kwargs: Any) -> None:
    """Show a menu button that also closes the menu, which would otherwise cover the dialog."""
    st.button(label, key=f"compare.views.{key}", on_click=_close_menu_and_call, args=(action, argument), **button_kwargs)


def _close_menu_and_call(action: Callable[..., None], argument: object) -> None:
    st.session_state[MENU_KEY] = False
    action(argument)


def show_saved_view_dialog() -> None:
    """Draw the open dialog, if any."""
    if state := _VIEW_DIALOG.state:
        _VIEW_DIALOG.show(_show_form, state.title, icon="bookmark")


def _show_saved_views(view: ViewState, experiment_list: ExperimentList) -> None:
    saved_by_experiment = [_cached_saved_views(current_backend(), experiment_id) for experiment_id in view.experiment]
    saved_views_list = [saved_view for saved in saved_by_experiment for saved_view in saved.views]
    skipped_count = sum(saved.skipped_count for saved in saved_by_experiment)
    names = {experiment.experiment_id: experiment.name for experiment in experiment_list.experiments}
    for saved_view in saved_views_list:
        _show_saved_view(saved_view, names.get(saved_view.experiment_id, "") if len(view.experiment) > 1 else "")
    if not saved_views_list:
        st.caption("No saved views yet. Saved views are shared with everyone who uses this backend.")
    if skipped_count:
        st.caption(
            f"{format_count(skipped_count, 'tag')} of the experiment {'looks' if skipped_count == 1 else 'look'} like a saved view but cannot be read."
        )


def _show_saved_view(saved_view: SavedView, experiment_name: str) -> None:
    """Show a saved view: name and facts on the left, actions on the right."""
    facts = [f"by {escape(saved_view.by)}, typed" if saved_view.by else "", format_time(saved_view.at), escape(experiment_name)]
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        with st.container(gap=None, width=300):
            st.markdown(f"**{escape(saved_view.name)}**")
            st.caption(" · ".join(fact for fact in facts if fact))
        _menu_button("Open", f"{saved_view.key}.open", _open_saved_view, saved_view, type="tertiary")
        _menu_button(
            "",
            f"{saved_view.key}.rename",
            _VIEW_DIALOG.open,
            _DialogState("Rename", saved_view),
            **_icon_button_kwargs("edit", "Rename this view"),
        )
        _menu_button(
            "",
            f"{saved_view.key}.delete",
            _VIEW_DIALOG.open,
            _DialogState("Delete", saved_view),
            **_icon_button_kwargs("delete", "Delete this view"),
        )


def _icon_button_kwargs(icon: str, help_text: str) -> dict[str, str]:
    return {"icon": f":material/{icon}:", "help": help_text, "type": "tertiary"}


def _open_saved_view(saved_view: SavedView) -> None:
    """Write a saved view to the URL, without unknown parameters: a tag may come from anyone."""
    try:
        parameters = parse_qs(saved_view.query, max_num_fields=1_000)
    except ValueError:
        parameters = {}
    changes: dict[str, Any] = {name: tuple(dict.fromkeys(parameters.get(name, ()))) for name in REPEATED_PARAMETERS}
    changes |= {name: parameters.get(name, [""])[0] for name in QUERY_PARAMETERS if name not in REPEATED_PARAMETERS}
    update_url(**(changes | {"experiment": changes["experiment"] or (saved_view.experiment_id,)}))


def _show_form(state: _DialogState) -> None:
    action, saved_view = state.action, state.saved_view
    name = saved_view.name
    if action != "Delete":
        name = st.text_input("Name", saved_view.name, key="compare.views.name", max_chars=saved_views.MAX_NAME_LENGTH)
    by = ask_user_name() if action == "Save" else saved_view.by
    changed_view = replace(saved_view, name=name, by=by)
    show_steps([_effect_text(state)])
    with st.expander("Equivalent MLflow call", icon=":material/code:"):
        st.code(saved_views.code_snippet(current_backend().uri, changed_view, action), language="python")
    if _VIEW_DIALOG.action_row(action):
        with _VIEW_DIALOG.action("Changing the saved views…", _cached_saved_views.clear):
            _carry_out(state, changed_view)
            flash.set_flash(flash.COMPARE, f"{_DONE_VERBS[action]} the view {escape(' '.join(changed_view.name.split()))}.")


def _effect_text(state: _DialogState) -> str:
    location = "a tag on the experiment, visible to everyone who uses this backend"
    if state.action == "Save":
        return f"The view is saved in {location}, with your name and the time."
    if state.action == "Rename":
        return f"The name changes in {location}. Author and time stay the same."
    return f"The view is removed from {location}. No run changes, and shared links still work."


def _carry_out(state: _DialogState, changed_view: SavedView) -> None:
    if state.action == "Save":
        saved_views.save(current_backend(), changed_view)
        remember_user_name(changed_view.by)
    elif state.action == "Rename":
        saved_views.rename(current_backend(), state.saved_view, changed_view.name)
    else:
        saved_views.delete(current_backend(), state.saved_view)


_DONE_VERBS: dict[SavedViewAction, str] = {"Save": "Saved", "Rename": "Renamed", "Delete": "Deleted"}
