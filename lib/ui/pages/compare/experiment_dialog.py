"""Experiments from Compare: one dialog to create, rename, delete (softly) and restore them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import streamlit as st

from lib.errors import PodiumError
from lib.registry.run_usage import held_sources
from lib.runs.edit import experiment_changes as experiments
from lib.runs.edit.experiment_changes import Contents
from lib.runs.table.types import Experiment
from lib.ui.app.session import backend
from lib.ui.components.error_box import calm, show
from lib.ui.components.flash import done
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import table
from lib.ui.components.popover import place
from lib.ui.components.write_access import for_writing
from lib.ui.pages.compare.again import read_again
from lib.ui.pages.compare.queries import Catalogue
from lib.ui.pages.compare.view_state import View, asked, keep

OPEN, SEEN = "compare.experiments.open", "compare.experiments.seen"
CREATE, RENAME, DELETE, RESTORE = DEEDS = ("Create", "Rename", "Delete", "Restore")
Deed = Literal["Create", "Rename", "Delete", "Restore"]


def button() -> None:
    """The button that opens the dialog; it may stand beside the picker."""
    st.button(
        "Experiments",
        icon=":material/science:",
        type="tertiary",
        key="compare.experiments",
        on_click=_open,
        **{"help": "Create, rename, delete or restore an experiment", **for_writing(backend())},
    )


def show_open_dialog(view: View, catalogue: Catalogue) -> None:
    """Draw the dialog when it was opened."""
    if OPEN in st.session_state:
        frame = st.dialog("Experiments", width="medium", icon=":material/science:", on_dismiss=_close)
        frame(_dialog)(catalogue.named(view.experiment) or catalogue.experiments[:1], catalogue.experiments)


def _open() -> None:
    """The popover that the button stands in closes with it: it would lie over the dialog."""
    st.session_state[place("more")] = False
    st.session_state[OPEN] = True


def _close() -> None:
    st.session_state.pop(OPEN, None)


def _dialog(here: Sequence[Experiment], known: Sequence[Experiment]) -> None:
    deed = st.segmented_control(
        "What", DEEDS, default=CREATE, required=True, label_visibility="collapsed", key="compare.experiments.deed"
    )
    with calm():
        if deed == CREATE:
            _create()
        elif deed == RESTORE:
            _restore()
        elif chosen := _choose(known, here[0].experiment_id if here else ""):
            _rename(chosen) if deed == RENAME else _delete(chosen)


def _choose(known: Sequence[Experiment], now: str) -> Experiment | None:
    by_id = {one.experiment_id: one for one in known}
    ids = list(by_id)
    chosen = st.selectbox(
        "Experiment",
        ids,
        ids.index(now) if now in by_id else 0,
        format_func=lambda one: by_id[one].name,
        key="compare.experiments.which",
    )
    return by_id.get(chosen)


def _create() -> None:
    name = st.text_input("Name", key="compare.experiments.new", max_chars=experiments.LONGEST_NAME, placeholder="card-fraud")
    place = " Its artifacts lie beside the database." if backend().path else ""
    _steps(f"An empty experiment is made.{place} Nothing else changes.")
    if _confirmed(CREATE):
        try:
            made = experiments.create(backend(), name)
        except PodiumError as error:
            show(error)
            return
        _finish(f"Created {md(name.strip())}.", made)


def _rename(chosen: Experiment) -> None:
    name = st.text_input(
        "New name", chosen.name, key=f"compare.experiments.name.{chosen.experiment_id}", max_chars=experiments.LONGEST_NAME
    )
    _steps(
        "The name changes, for everyone. Runs, id and links stay.",
        "A script that names the experiment makes a new one under the old name.",
    )
    if _confirmed(RENAME):
        try:
            experiments.rename(backend(), chosen.experiment_id, name)
        except PodiumError as error:
            show(error)
            return
        _finish(f"Renamed {md(chosen.name)} to {md(name.strip())}.", chosen.experiment_id)


def _delete(chosen: Experiment) -> None:
    with st.spinner("Counting its runs…"):
        held = held_sources(backend())
        found = experiments.contents(backend(), chosen.experiment_id, held)
    runs = f"{'' if found.exact else 'more than '}{count(found.runs, 'run')}"
    _steps(
        f"{md(chosen.name)} is hidden with {runs}. Metrics and files stay, and Restore brings them back.",
        "Its name stays taken. Scripts that log into it by its name fail until it is restored.",
    )
    insisted = _insisted(chosen, found)
    if _confirmed(DELETE):
        try:
            experiments.delete(backend(), chosen.experiment_id, held, insisted)
        except PodiumError as error:
            show(error)
            return
        _finish(f"Deleted {md(chosen.name)} with {runs}. Restore brings it back.", "")


def _insisted(chosen: Experiment, found: Contents) -> tuple[str, ...]:
    """The held versions that the person wants to leave without their run, by typing the experiment's name.

    What became held since the dialog was drawn last was not seen, so nobody insisted on it.
    """
    before, st.session_state[SEEN] = st.session_state.get(SEEN), (chosen.experiment_id, found.held)
    if not found.held:
        return ()
    st.warning(
        f"Runs of it are the source of {md(', '.join(found.held))}. These versions stay and can be loaded, but where they come from "
        "is hidden.",
        icon=":material/warning:",
    )
    typed = st.text_input(
        "Type the experiment's name to delete it all the same", key=f"compare.experiments.typed.{chosen.experiment_id}"
    )
    return found.held if typed == chosen.name and before == st.session_state[SEEN] else ()


def _restore() -> None:
    gone = {one.experiment_id: one for one in experiments.deleted(backend())}
    if not gone:
        st.caption("No experiment is deleted.")
        return
    chosen = st.selectbox(
        "Deleted experiment", list(gone), format_func=lambda one: f"{gone[one].name} · {one}", key="compare.experiments.gone"
    )
    _steps(
        f"{md(gone[chosen].name)} is shown again with all its runs.",
        "Runs that were deleted one by one before come back too: MLflow does not tell them apart.",
    )
    if _confirmed(RESTORE):
        try:
            experiments.restore(backend(), chosen)
        except PodiumError as error:
            show(error)
            return
        _finish(f"Restored {md(gone[chosen].name)}.", chosen)


def _steps(*told: str) -> None:
    st.markdown("This is exactly what will happen:")
    table([(str(number), text) for number, text in enumerate(told, 1)])


def _confirmed(deed: str) -> bool:
    """Cancel, then the deed's own word. True when it was pressed."""
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="compare.experiments.cancel"):
            _close()
            st.rerun()
        return st.button(deed, key="compare.experiments.confirm", type="primary", icon=":material/check:")


def _finish(text: str, go_to: str) -> None:
    """Say what was done and show the experiment; "" leaves one that is gone. Names of the old one mean nothing in a new one."""
    read_again()
    _close()
    done(text)
    if (go_to,) != asked().experiment:
        keep(**asdict(View(experiment=(go_to,) if go_to else (), plot=asked().plot)))
    st.rerun()
