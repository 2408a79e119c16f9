"""Experiments from Compare: one dialog to create, rename, delete (softly) and restore them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import streamlit as st

from lib.errors import PodiumError
from lib.registry.run_usage import find_runs_in_use
from lib.runs.edit import experiment_changes
from lib.runs.edit.experiment_changes import ExperimentContents
from lib.runs.table.types import Experiment
from lib.ui.app.session import current_backend
from lib.ui.components import flash
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_table
from lib.ui.components.popover import popover_key
from lib.ui.components.write_access import write_button_kwargs
from lib.ui.pages.compare.again import clear_run_caches
from lib.ui.pages.compare.queries import ExperimentList
from lib.ui.pages.compare.view_state import ViewState, update_url, view_from_url

DIALOG_KEY, SEEN_KEY = "compare.experiments.open", "compare.experiments.seen"
CREATE, RENAME, DELETE, RESTORE = ACTIONS = ("Create", "Rename", "Delete", "Restore")
ExperimentAction = Literal["Create", "Rename", "Delete", "Restore"]


def experiments_button() -> None:
    """The button that opens the dialog; it may stand beside the picker."""
    st.button(
        "Experiments",
        icon=":material/science:",
        type="tertiary",
        key="compare.experiments",
        on_click=_open,
        **{"help": "Create, rename, delete or restore an experiment", **write_button_kwargs(current_backend())},
    )


def show_experiment_dialog(view: ViewState, experiment_list: ExperimentList) -> None:
    """Draw the dialog when it was opened."""
    if DIALOG_KEY in st.session_state:
        frame = st.dialog("Experiments", width="medium", icon=":material/science:", on_dismiss=_close)
        frame(_dialog)(experiment_list.select(view.experiment) or experiment_list.experiments[:1], experiment_list.experiments)


def _open() -> None:
    """The popover that the button stands in closes with it: it would lie over the dialog."""
    st.session_state[popover_key("more")] = False
    st.session_state[DIALOG_KEY] = True


def _close() -> None:
    st.session_state.pop(DIALOG_KEY, None)


def _dialog(here: Sequence[Experiment], known: Sequence[Experiment]) -> None:
    deed = st.segmented_control(
        "What", ACTIONS, default=CREATE, required=True, label_visibility="collapsed", key="compare.experiments.deed"
    )
    with error_boundary():
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
    name = st.text_input(
        "Name", key="compare.experiments.new", max_chars=experiment_changes.MAX_NAME_LENGTH, placeholder="card-fraud"
    )
    place = " Its artifacts lie beside the database." if current_backend().path else ""
    _steps(f"An empty experiment is made.{place} Nothing else changes.")
    if _confirmed(CREATE):
        try:
            made = experiment_changes.create(current_backend(), name)
        except PodiumError as error:
            show_error(error)
            return
        _finish(f"Created {escape(name.strip())}.", made)


def _rename(chosen: Experiment) -> None:
    name = st.text_input(
        "New name",
        chosen.name,
        key=f"compare.experiments.name.{chosen.experiment_id}",
        max_chars=experiment_changes.MAX_NAME_LENGTH,
    )
    _steps(
        "The name changes, for everyone. Runs, id and links stay.",
        "A script that names the experiment makes a new one under the old name.",
    )
    if _confirmed(RENAME):
        try:
            experiment_changes.rename(current_backend(), chosen.experiment_id, name)
        except PodiumError as error:
            show_error(error)
            return
        _finish(f"Renamed {escape(chosen.name)} to {escape(name.strip())}.", chosen.experiment_id)


def _delete(chosen: Experiment) -> None:
    with st.spinner("Counting its runs…"):
        held = find_runs_in_use(current_backend())
        found = experiment_changes.read_experiment_contents(current_backend(), chosen.experiment_id, held)
    runs = f"{'' if found.is_exact else 'more than '}{format_count(found.run_count, 'run')}"
    _steps(
        f"{escape(chosen.name)} is hidden with {runs}. Metrics and files stay, and Restore brings them back.",
        "Its name stays taken. Scripts that log into it by its name fail until it is restored.",
    )
    insisted = _insisted(chosen, found)
    if _confirmed(DELETE):
        try:
            experiment_changes.delete(current_backend(), chosen.experiment_id, held, insisted)
        except PodiumError as error:
            show_error(error)
            return
        _finish(f"Deleted {escape(chosen.name)} with {runs}. Restore brings it back.", "")


def _insisted(chosen: Experiment, found: ExperimentContents) -> tuple[str, ...]:
    """The held versions that the person wants to leave without their run, by typing the experiment's name.

    What became held since the dialog was drawn last was not seen, so nobody insisted on it.
    """
    before, st.session_state[SEEN_KEY] = st.session_state.get(SEEN_KEY), (chosen.experiment_id, found.held_versions)
    if not found.held_versions:
        return ()
    st.warning(
        f"Runs of it are the source of {escape(', '.join(found.held_versions))}. These versions stay and can be loaded, but where they come from "
        "is hidden.",
        icon=":material/warning:",
    )
    typed = st.text_input(
        "Type the experiment's name to delete it all the same", key=f"compare.experiments.typed.{chosen.experiment_id}"
    )
    return found.held_versions if typed == chosen.name and before == st.session_state[SEEN_KEY] else ()


def _restore() -> None:
    gone = {one.experiment_id: one for one in experiment_changes.read_deleted_experiments(current_backend())}
    if not gone:
        st.caption("No experiment is deleted.")
        return
    chosen = st.selectbox(
        "Deleted experiment", list(gone), format_func=lambda one: f"{gone[one].name} · {one}", key="compare.experiments.gone"
    )
    _steps(
        f"{escape(gone[chosen].name)} is shown again with all its runs.",
        "Runs that were deleted one by one before come back too: MLflow does not tell them apart.",
    )
    if _confirmed(RESTORE):
        try:
            experiment_changes.restore(current_backend(), chosen)
        except PodiumError as error:
            show_error(error)
            return
        _finish(f"Restored {escape(gone[chosen].name)}.", chosen)


def _steps(*told: str) -> None:
    st.markdown("This is exactly what will happen:")
    show_table([(str(number), text) for number, text in enumerate(told, 1)])


def _confirmed(deed: str) -> bool:
    """Cancel, then the deed's own word. True when it was pressed."""
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="compare.experiments.cancel"):
            _close()
            st.rerun()
        return st.button(deed, key="compare.experiments.confirm", type="primary", icon=":material/check:")


def _finish(text: str, go_to: str) -> None:
    """Say what was done and show the experiment; "" leaves one that is gone. Names of the old one mean nothing in a new one."""
    clear_run_caches()
    _close()
    flash.set_flash(flash.COMPARE, text)
    if (go_to,) != view_from_url().experiment:
        update_url(**asdict(ViewState(experiment=(go_to,) if go_to else (), plot=view_from_url().plot)))
    st.rerun()
