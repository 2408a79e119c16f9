"""The views of Compare that the team keeps: a menu with names, who and when; dialogs to save, rename and delete one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qs

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.runs.edit import saved_views as saved
from lib.runs.edit.saved_views import Kept, SavedView
from lib.ui.app.routes import carried_name
from lib.ui.app.session import ask_person, backend, keep_person, now
from lib.ui.components.error_box import calm, show
from lib.ui.components.flash import done
from lib.ui.components.formatting import count, md, moment
from lib.ui.components.layout import table
from lib.ui.components.write_access import for_writing
from lib.ui.pages.compare.queries import SECONDS, Catalogue
from lib.ui.pages.compare.view_state import MANY, NAMES, View, keep, link

OPEN, MENU = "compare.views.open", "compare.views.menu"
Deed = Literal["Save", "Rename", "Delete"]


@dataclass(frozen=True)
class Question:
    """What a dialog asks, fixed when it was opened: the deed, and the view that it is about."""

    deed: Deed
    view: SavedView

    @property
    def title(self) -> str:
        """The question with the object in it."""
        return "Save this view?" if self.deed == "Save" else f"{self.deed} the view {md(self.view.name)}?"


@st.cache_data(ttl=SECONDS, max_entries=64, show_spinner=False)
def _kept(here: Backend, experiment: str) -> Kept:
    return saved.saved(here, experiment)


def menu(view: View, catalogue: Catalogue) -> None:
    """The button in the header: the views kept with these experiments, "Save this view", and the link to it.

    The views are read when it is opened: whoever never opens it waits for nothing.
    """
    with st.popover("Views", icon=":material/bookmarks:", key=MENU, on_change="rerun") as opened:
        if not opened.open:
            return
        with calm():
            _list(view, catalogue)
        fresh = SavedView("", view.experiment[0], "", link("").partition("?")[2], "", now())
        _act(
            "Save this view",
            "save",
            _ask,
            Question("Save", fresh),
            icon=":material/bookmark_add:",
            **for_writing(backend(), view.experiment[0]),
        )
        st.caption("Or send the link: it carries the whole view – experiment, filter, picks, plot and order.")
        st.code(link(st.context.url or "") + carried_name(), language=None, wrap_lines=True)


def _act(label: str, key: str, deed: Callable[..., None], about: object, **look: Any) -> None:
    """A button of the menu, which closes with it: an open menu would lie over a dialog."""
    st.button(label, key=f"compare.views.{key}", on_click=_closing, args=(deed, about), **look)


def _closing(deed: Callable[..., None], about: object) -> None:
    st.session_state[MENU] = False
    deed(about)


def show_open_dialog() -> None:
    """Draw the dialog that was opened, if any."""
    question = st.session_state.get(OPEN)
    if isinstance(question, Question):
        st.dialog(question.title, width="medium", icon=":material/bookmark:", on_dismiss=_close)(_confirm)(question)


def _list(view: View, catalogue: Catalogue) -> None:
    found = [_kept(backend(), experiment) for experiment in view.experiment]
    views, skipped = [one for kept in found for one in kept.views], sum(kept.skipped for kept in found)
    names = {one.experiment_id: one.name for one in catalogue.experiments}
    for one in views:
        _row(one, names.get(one.experiment, "") if len(view.experiment) > 1 else "")
    if not views:
        st.caption("No view is saved yet. A saved view is there for everyone who uses this backend.")
    if skipped:
        st.caption(
            f"{count(skipped, 'tag')} of the experiment {'looks' if skipped == 1 else 'look'} like a view, but cannot be read."
        )


def _row(one: SavedView, experiment: str) -> None:
    """A view: its name and its facts at the left, what can be done with it at the right."""
    facts = [f"by {md(one.by)}, typed" if one.by else "", moment(one.at), md(experiment)]
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        with st.container(gap=None, width=300):
            st.markdown(f"**{md(one.name)}**")
            st.caption(" · ".join(fact for fact in facts if fact))
        _act("Open", f"{one.key}.open", open_view, one, type="tertiary")
        _act("", f"{one.key}.rename", _ask, Question("Rename", one), **_icon("edit", "Rename this view"))
        _act("", f"{one.key}.delete", _ask, Question("Delete", one), **_icon("delete", "Delete this view"))


def _icon(name: str, meaning: str) -> dict[str, str]:
    return {"icon": f":material/{name}:", "help": meaning, "type": "tertiary"}


def open_view(one: SavedView) -> None:
    """Put a kept view into the address. Names that Compare does not know are left out: a tag may come from anyone."""
    try:
        said = parse_qs(one.query, max_num_fields=1_000)
    except ValueError:
        said = {}
    wanted: dict[str, Any] = {name: tuple(dict.fromkeys(said.get(name, ()))) for name in MANY}
    wanted |= {name: said.get(name, [""])[0] for name in NAMES if name not in MANY}
    keep(**(wanted | {"experiment": wanted["experiment"] or (one.experiment,)}))


def _ask(question: Question) -> None:
    st.session_state[OPEN] = question


def _close() -> None:
    st.session_state.pop(OPEN, None)


def _confirm(question: Question) -> None:
    deed, view = question.deed, question.view
    name = view.name
    if deed != "Delete":
        name = st.text_input("Name", view.name, key="compare.views.name", max_chars=saved.LONGEST_NAME)
    by = ask_person() if deed == "Save" else view.by
    wanted = replace(view, name=name, by=by)
    st.markdown("This is exactly what will happen:")
    table([("1", _told(question))])
    with st.expander("The MLflow call that does the same", icon=":material/code:"):
        st.code(saved.call(backend().uri, wanted, deed), language="python")
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="compare.views.cancel"):
            _close()
            st.rerun()
        if st.button(deed, key="compare.views.confirm", type="primary", icon=":material/check:"):
            _do(question, wanted)


def _told(question: Question) -> str:
    where = "a tag of the experiment, where everyone who uses this backend finds it"
    if question.deed == "Save":
        return f"The view is written into {where}, with your name and the time."
    if question.deed == "Rename":
        return f"The name changes in {where}. Who saved it and when stays."
    return f"The view is taken out of {where}. No run changes, and links that were sent still work."


def _do(question: Question, wanted: SavedView) -> None:
    try:
        if question.deed == "Save":
            saved.save(backend(), wanted)
            keep_person(wanted.by)
        elif question.deed == "Rename":
            saved.rename(backend(), question.view, wanted.name)
        else:
            saved.delete(backend(), question.view)
    except PodiumError as error:
        show(error)
        return
    _kept.clear()
    _close()
    done(f"{_PAST[question.deed]} the view {md(' '.join(wanted.name.split()))}.")
    st.rerun()


_PAST: dict[Deed, str] = {"Save": "Saved", "Rename": "Renamed", "Delete": "Deleted"}
