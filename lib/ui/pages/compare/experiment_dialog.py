"""Compare's experiment dialog: create, rename, soft-delete and restore experiments."""

from collections.abc import Sequence
from dataclasses import asdict

import streamlit as st

from lib.errors import PodiumError
from lib.registry.run_usage import find_runs_in_use
from lib.runs.edit import experiment_changes
from lib.runs.edit.experiment_changes import ExperimentContents
from lib.runs.table.types import Experiment
from lib.runs.table.view import ViewState
from lib.ui.app.session import current_backend
from lib.ui.components import flash
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_table
from lib.ui.components.write_access import write_button_kwargs
from lib.ui.pages.compare.view_state import update_url, view_from_url
from lib.ui.queries.runs import ExperimentList, clear_run_caches

DIALOG_KEY, HELD_VERSIONS_KEY = "compare.experiments.open", "compare.experiments.seen"
POPOVER_KEY = "compare.drawer.more"
"""The toolbar popover that contains the button."""
CREATE, RENAME, DELETE, RESTORE = ACTIONS = ("Create", "Rename", "Delete", "Restore")


def experiments_button() -> None:
    """Show the button that opens the dialog."""
    st.button(
        "Experiments",
        icon=":material/science:",
        type="tertiary",
        key="compare.experiments",
        on_click=_open_dialog,
        **{"help": "Create, rename, delete or restore an experiment", **write_button_kwargs(current_backend())},
    )


def show_experiment_dialog(view: ViewState, experiment_list: ExperimentList) -> None:
    """Draw the dialog if it is open."""
    if DIALOG_KEY in st.session_state:
        dialog = st.dialog("Experiments", width="medium", icon=":material/science:", on_dismiss=_close_dialog)
        dialog(_dialog_body)(
            experiment_list.select(view.experiment) or experiment_list.experiments[:1], experiment_list.experiments
        )


def _open_dialog() -> None:
    """Open the dialog and close the button's popover, which would otherwise cover it."""
    st.session_state[POPOVER_KEY] = False
    st.session_state[DIALOG_KEY] = True


def _close_dialog() -> None:
    st.session_state.pop(DIALOG_KEY, None)


def _dialog_body(current_experiments: Sequence[Experiment], all_experiments: Sequence[Experiment]) -> None:
    action = st.segmented_control(
        "Action", ACTIONS, default=CREATE, required=True, label_visibility="collapsed", key="compare.experiments.deed"
    )
    with error_boundary():
        if action == CREATE:
            _create_form()
        elif action == RESTORE:
            _restore_form()
        elif experiment := _select_experiment(
            all_experiments, current_experiments[0].experiment_id if current_experiments else ""
        ):
            _rename_form(experiment) if action == RENAME else _delete_form(experiment)


def _select_experiment(experiments: Sequence[Experiment], current_id: str) -> Experiment | None:
    by_id = {experiment.experiment_id: experiment for experiment in experiments}
    ids = list(by_id)
    selected_id = st.selectbox(
        "Experiment",
        ids,
        ids.index(current_id) if current_id in by_id else 0,
        format_func=lambda experiment_id: by_id[experiment_id].name,
        key="compare.experiments.which",
    )
    return by_id.get(selected_id)


def _create_form() -> None:
    name = st.text_input(
        "Name", key="compare.experiments.new", max_chars=experiment_changes.MAX_NAME_LENGTH, placeholder="card-fraud"
    )
    location_note = " Its artifacts are stored next to the database." if current_backend().path else ""
    _show_steps(f"An empty experiment is created.{location_note} Nothing else changes.")
    if _confirm_buttons(CREATE):
        try:
            experiment_id = experiment_changes.create(current_backend(), name)
        except PodiumError as error:
            show_error(error)
            return
        _finish(f"Created {escape(name.strip())}.", experiment_id)


def _rename_form(experiment: Experiment) -> None:
    name = st.text_input(
        "New name",
        experiment.name,
        key=f"compare.experiments.name.{experiment.experiment_id}",
        max_chars=experiment_changes.MAX_NAME_LENGTH,
    )
    _show_steps(
        "The name changes for everyone. Runs, id and links stay the same.",
        "A script that still uses the old name creates a new experiment.",
    )
    if _confirm_buttons(RENAME):
        try:
            experiment_changes.rename(current_backend(), experiment.experiment_id, name)
        except PodiumError as error:
            show_error(error)
            return
        _finish(f"Renamed {escape(experiment.name)} to {escape(name.strip())}.", experiment.experiment_id)


def _delete_form(experiment: Experiment) -> None:
    with st.spinner("Counting its runs…"):
        runs_in_use = find_runs_in_use(current_backend())
        contents = experiment_changes.read_experiment_contents(current_backend(), experiment.experiment_id, runs_in_use)
    run_count_text = f"{'' if contents.is_exact else 'more than '}{format_count(contents.run_count, 'run')}"
    _show_steps(
        f"{escape(experiment.name)} and its {run_count_text} are hidden. Metrics and files are kept, and Restore brings them back.",
        "The name stays reserved. Scripts that log to it by name fail until it is restored.",
    )
    confirmed_versions = _confirm_held_versions(experiment, contents)
    if _confirm_buttons(DELETE):
        try:
            experiment_changes.delete(current_backend(), experiment.experiment_id, runs_in_use, confirmed_versions)
        except PodiumError as error:
            show_error(error)
            return
        _finish(f"Deleted {escape(experiment.name)} and its {run_count_text}. Restore brings them back.", "")


def _confirm_held_versions(experiment: Experiment, contents: ExperimentContents) -> tuple[str, ...]:
    """Return the held versions whose source runs may be hidden, once the experiment's name was typed as confirmation.

    Versions that became held after the dialog was last drawn have not been seen, so they do not count as confirmed.
    """
    previous, st.session_state[HELD_VERSIONS_KEY] = (
        st.session_state.get(HELD_VERSIONS_KEY),
        (experiment.experiment_id, contents.held_versions),
    )
    if not contents.held_versions:
        return ()
    st.warning(
        f"Its runs are the source of {escape(', '.join(contents.held_versions))}. These versions stay and still load, but their "
        "source runs are hidden.",
        icon=":material/warning:",
    )
    typed_name = st.text_input(
        "Type the experiment's name to delete it anyway", key=f"compare.experiments.typed.{experiment.experiment_id}"
    )
    return contents.held_versions if typed_name == experiment.name and previous == st.session_state[HELD_VERSIONS_KEY] else ()


def _restore_form() -> None:
    deleted_experiments = {
        experiment.experiment_id: experiment for experiment in experiment_changes.read_deleted_experiments(current_backend())
    }
    if not deleted_experiments:
        st.caption("No deleted experiments.")
        return
    selected_id = st.selectbox(
        "Deleted experiment",
        list(deleted_experiments),
        format_func=lambda experiment_id: f"{deleted_experiments[experiment_id].name} · {experiment_id}",
        key="compare.experiments.gone",
    )
    _show_steps(
        f"{escape(deleted_experiments[selected_id].name)} and all its runs are visible again.",
        "Runs that were deleted individually come back too: MLflow does not distinguish them.",
    )
    if _confirm_buttons(RESTORE):
        try:
            experiment_changes.restore(current_backend(), selected_id)
        except PodiumError as error:
            show_error(error)
            return
        _finish(f"Restored {escape(deleted_experiments[selected_id].name)}.", selected_id)


def _show_steps(*steps: str) -> None:
    st.markdown("This is exactly what will happen:")
    show_table([(str(number), text) for number, text in enumerate(steps, 1)])


def _confirm_buttons(action: str) -> bool:
    """Show Cancel and the action's button. Returns True when the action was confirmed."""
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="compare.experiments.cancel"):
            _close_dialog()
            st.rerun()
        return st.button(action, key="compare.experiments.confirm", type="primary", icon=":material/check:")


def _finish(text: str, go_to: str) -> None:
    """Show the result and go to the experiment ("" for none). Resets the view, whose names belong to the previous experiment."""
    clear_run_caches()
    _close_dialog()
    flash.set_flash(flash.COMPARE, text)
    if (go_to,) != view_from_url().experiment:
        update_url(**asdict(ViewState(experiment=(go_to,) if go_to else (), plot=view_from_url().plot)))
    st.rerun()
