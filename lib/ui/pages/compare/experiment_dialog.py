"""Compare's experiment dialog: create, rename, soft-delete and restore experiments."""

from dataclasses import asdict, dataclass, replace

import streamlit as st

from lib.registry.run_usage import find_runs_in_use
from lib.runs.edit import experiment_changes
from lib.runs.edit.experiment_changes import ExperimentContents
from lib.runs.table.types import Experiment
from lib.runs.table.view import ViewState
from lib.ui.app.session import current_backend
from lib.ui.components import flash
from lib.ui.components.dialog import Dialog, show_steps
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.write_access import write_button_kwargs
from lib.ui.pages.compare.view_state import update_url, view_from_url
from lib.ui.queries.runs import ExperimentList, clear_run_caches

POPOVER_KEY = "compare.drawer.more"
"""The toolbar popover that contains the button."""
CREATE, RENAME, DELETE, RESTORE = ACTIONS = ("Create", "Rename", "Delete", "Restore")


@dataclass(frozen=True)
class ExperimentDialogState:
    """All experiments, the id of the current one, and the held versions drawn last as (experiment id, versions)."""

    experiments: tuple[Experiment, ...]
    current_id: str
    drawn_versions: tuple[str, tuple[str, ...]] = ("", ())


_EXPERIMENT_DIALOG = Dialog[ExperimentDialogState]("compare.experiments")


def experiments_button(view: ViewState, experiment_list: ExperimentList) -> None:
    """Show the button that opens the dialog."""
    st.button(
        "Experiments",
        icon=":material/science:",
        type="tertiary",
        key="compare.experiments",
        on_click=_open_dialog,
        args=(view, experiment_list),
        **{"help": "Create, rename, delete or restore an experiment", **write_button_kwargs(current_backend())},
    )


def show_experiment_dialog() -> None:
    """Draw the dialog if it is open."""
    _EXPERIMENT_DIALOG.show(_show_form, "Experiments", icon="science")


def _open_dialog(view: ViewState, experiment_list: ExperimentList) -> None:
    """Open the dialog and close the button's popover, which would otherwise cover it."""
    st.session_state[POPOVER_KEY] = False
    current_experiments = experiment_list.select(view.experiment) or experiment_list.experiments[:1]
    current_id = current_experiments[0].experiment_id if current_experiments else ""
    _EXPERIMENT_DIALOG.open(ExperimentDialogState(tuple(experiment_list.experiments), current_id))


def _show_form(dialog_state: ExperimentDialogState) -> None:
    action = st.segmented_control(
        "Action", ACTIONS, default=CREATE, required=True, label_visibility="collapsed", key="compare.experiments.deed"
    )
    with error_boundary():
        if action == CREATE:
            _create_form()
        elif action == RESTORE:
            _restore_form()
        elif experiment := _select_experiment(dialog_state):
            _rename_form(experiment) if action == RENAME else _delete_form(dialog_state, experiment)


def _select_experiment(dialog_state: ExperimentDialogState) -> Experiment | None:
    by_id = {experiment.experiment_id: experiment for experiment in dialog_state.experiments}
    ids = list(by_id)
    selected_id = st.selectbox(
        "Experiment",
        ids,
        ids.index(dialog_state.current_id) if dialog_state.current_id in by_id else 0,
        format_func=lambda experiment_id: by_id[experiment_id].name,
        key="compare.experiments.which",
    )
    return by_id.get(selected_id)


def _create_form() -> None:
    name = st.text_input(
        "Name", key="compare.experiments.new", max_chars=experiment_changes.MAX_NAME_LENGTH, placeholder="card-fraud"
    )
    location_note = " Its artifacts are stored next to the database." if current_backend().path else ""
    show_steps([f"An empty experiment is created.{location_note} Nothing else changes."])
    if _EXPERIMENT_DIALOG.action_row(CREATE):
        with _EXPERIMENT_DIALOG.action("Creating the experiment…", clear_run_caches):
            experiment_id = experiment_changes.create(current_backend(), name)
            _show_result(f"Created {escape(name.strip())}.", experiment_id)


def _rename_form(experiment: Experiment) -> None:
    name = st.text_input(
        "New name",
        experiment.name,
        key=f"compare.experiments.name.{experiment.experiment_id}",
        max_chars=experiment_changes.MAX_NAME_LENGTH,
    )
    show_steps(
        [
            "The name changes for everyone. Runs, id and links stay the same.",
            "A script that still uses the old name creates a new experiment.",
        ]
    )
    if _EXPERIMENT_DIALOG.action_row(RENAME):
        with _EXPERIMENT_DIALOG.action("Renaming the experiment…", clear_run_caches):
            experiment_changes.rename(current_backend(), experiment.experiment_id, name)
            _show_result(f"Renamed {escape(experiment.name)} to {escape(name.strip())}.", experiment.experiment_id)


def _delete_form(dialog_state: ExperimentDialogState, experiment: Experiment) -> None:
    with st.spinner("Counting its runs…"):
        runs_in_use = find_runs_in_use(current_backend())
        contents = experiment_changes.read_experiment_contents(current_backend(), experiment.experiment_id, runs_in_use)
    run_count_text = f"{'' if contents.is_exact else 'more than '}{format_count(contents.run_count, 'run')}"
    show_steps(
        [
            f"{escape(experiment.name)} and its {run_count_text} are hidden. Metrics and files are kept, and Restore brings them back.",
            "The name stays reserved. Scripts that log to it by name fail until it is restored.",
        ]
    )
    confirmed_versions = _confirm_held_versions(dialog_state, experiment, contents)
    if _EXPERIMENT_DIALOG.action_row(DELETE):
        with _EXPERIMENT_DIALOG.action("Deleting the experiment…", clear_run_caches):
            experiment_changes.delete(current_backend(), experiment.experiment_id, runs_in_use, confirmed_versions)
            _show_result(f"Deleted {escape(experiment.name)} and its {run_count_text}. Restore brings them back.", "")


def _confirm_held_versions(
    dialog_state: ExperimentDialogState, experiment: Experiment, contents: ExperimentContents
) -> tuple[str, ...]:
    """Return the held versions whose source runs may be hidden, once the experiment's name was typed as confirmation.

    Versions that became held after the dialog was last drawn have not been seen, so they do not count as confirmed.
    """
    present_versions = (experiment.experiment_id, contents.held_versions)
    _EXPERIMENT_DIALOG.open(replace(dialog_state, drawn_versions=present_versions))
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
    is_confirmed = typed_name == experiment.name and dialog_state.drawn_versions == present_versions
    return contents.held_versions if is_confirmed else ()


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
    show_steps(
        [
            f"{escape(deleted_experiments[selected_id].name)} and all its runs are visible again.",
            "Runs that were deleted individually come back too: MLflow does not distinguish them.",
        ]
    )
    if _EXPERIMENT_DIALOG.action_row(RESTORE):
        with _EXPERIMENT_DIALOG.action("Restoring the experiment…", clear_run_caches):
            experiment_changes.restore(current_backend(), selected_id)
            _show_result(f"Restored {escape(deleted_experiments[selected_id].name)}.", selected_id)


def _show_result(text: str, go_to: str) -> None:
    """Show the result and go to the experiment ("" for none). Resets the view, whose names belong to the previous experiment."""
    flash.set_flash(flash.COMPARE, text)
    if (go_to,) != view_from_url().experiment:
        update_url(**asdict(ViewState(experiment=(go_to,) if go_to else (), plot=view_from_url().plot)))
