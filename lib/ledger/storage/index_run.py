"""The index run of the ledger: how it is found, elected and sealed.

A unique experiment name elects the index run, and a write-once parameter seals it. Its id is stored in three places (contract §3.5), so
that a renamed experiment or a dropped tag is noticed instead of forking the ledger. `book_index` assigns books to models.
"""

from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import PERMISSION_ERROR_CODES, translate_error, translate_errors, unanswered_cause
from lib.backends.permissions import LEDGER_RESOURCE, explain_ledger_refusal, explain_refusal, find_ledger_resource
from lib.backends.reserved_names import INDEX_EXPERIMENT, INDEX_TAG, KIND_TAG, LEDGER_EXPERIMENT
from lib.errors import LedgerBroken
from lib.ledger.state.ledger_inventory import SEAL_PARAM
from lib.text import clean_text

_EXISTS, _NOT_FOUND = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"


def find_index_id(backend: Backend) -> str | None:
    """The index run by the tag of its experiment, checked against the tag of the ledger's experiment. Writes nothing.

    Raises LedgerBroken if the two disagree, or an experiment is gone.
    """
    ledger, index = find_experiment(backend, LEDGER_EXPERIMENT), find_experiment(backend, INDEX_EXPERIMENT)
    expected_id = ledger.tags.get(INDEX_TAG) if ledger else None
    index_id = index.tags.get(INDEX_TAG) if index else None
    if expected_id and index_id != expected_id:
        raise _disagreement_error(clean_text(expected_id)[:40], clean_text(index_id or "")[:40], has_experiment=index is not None)
    if index and not index_id:
        fix = f"Set its tag {INDEX_TAG} to the run with parameter {SEAL_PARAM}"
        raise tampering_error(f"Experiment {INDEX_EXPERIMENT} has lost the tag that names the index.", fix)
    # read again: the two may just have been created
    if index and not ledger and find_experiment(backend, LEDGER_EXPERIMENT) is None:
        fix = f"Rename the experiment that holds the books back to {LEDGER_EXPERIMENT}"
        raise tampering_error(f"Experiment {LEDGER_EXPERIMENT} is gone.", fix)
    return index_id


def read_index_run(backend: Backend, index_id: str) -> Run:
    """The index run, with its seal checked. Raises LedgerBroken if it is deleted, missing, or sealed as another run."""
    with translate_errors("The index of the ledger"):
        try:
            run = client(backend).get_run(index_id)
        except MlflowException as error:
            if error.error_code not in (_NOT_FOUND, *PERMISSION_ERROR_CODES):
                raise
            # a server with users also refuses a run that does not exist
            reason = (
                "there is no such run" if error.error_code == _NOT_FOUND else "it is missing, or this account may not read it"
            )
            fix = f"Set tag {INDEX_TAG} of {LEDGER_EXPERIMENT} and {INDEX_EXPERIMENT} to the run with parameter {SEAL_PARAM}"
            what = f"The index of the ledger should be run {clean_text(index_id)[:40]}, but {reason}."
            raise tampering_error(what, fix) from error
    if run.info.lifecycle_stage != "active":
        raise LedgerBroken("The index of the ledger was deleted.", next=f"Restore run {index_id} in MLflow, then try again.")
    if run.data.params.get(SEAL_PARAM, index_id) != index_id:
        sealed_id = clean_text(run.data.params[SEAL_PARAM])[:40]
        fix = f"Set tag {INDEX_TAG} of experiment {INDEX_EXPERIMENT} to {sealed_id}"
        raise tampering_error("The index run carries the seal of another run.", fix)
    return run


def create_index(backend: Backend) -> str:
    """Elect an index if there is none. Returns the elected one, which may be that of another writer."""
    ledger = ensure_experiment(backend, LEDGER_EXPERIMENT)
    candidate = create_ended_run(backend, ledger.experiment_id, "index", {KIND_TAG: "index"})
    return str(ensure_experiment(backend, INDEX_EXPERIMENT, {INDEX_TAG: candidate}).tags[INDEX_TAG])


def seal_index(backend: Backend, index_run: Run) -> None:
    """Seal the elected index and tag the ledger's experiment with it, so that a renamed index experiment is noticed.

    If several writers set the same tag at once, the database accepts one; the tag is valid for all of them.
    """
    index_id = str(index_run.info.run_id)
    if SEAL_PARAM not in index_run.data.params:
        claim_param(backend, index_id, SEAL_PARAM, index_id)
    ledger = ensure_experiment(backend, LEDGER_EXPERIMENT)
    if ledger.tags.get(INDEX_TAG) == index_id:
        return
    try:
        client(backend).set_experiment_tag(ledger.experiment_id, INDEX_TAG, index_id)
    except MlflowException as error:
        if ensure_experiment(backend, LEDGER_EXPERIMENT).tags.get(INDEX_TAG) != index_id:
            raise translate_error(error, LEDGER_EXPERIMENT) from error


def claim_param(backend: Backend, run_id: str, name: str, value: str) -> None:
    """Write a write-once parameter, or lose the race; the caller reads it. Raises NoAnswer if it is still missing afterwards."""
    try:
        client(backend).log_param(run_id, name, value)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_ledger_refusal(backend) from error
        if unanswered_cause(error) and name not in read_index_run(backend, run_id).data.params:
            raise translate_error(error) from error


def create_ended_run(backend: Backend, experiment_id: str, name: str, tags: dict[str, str]) -> str:
    """Create a run of the ledger that is terminated at once: parameters can still be added, and no list shows it as running."""
    try:
        run_id = str(client(backend).create_run(experiment_id, run_name=name, tags=tags).info.run_id)
        client(backend).set_terminated(run_id)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_ledger_refusal(backend) from error
        raise translate_error(error, "The ledger") from error
    return run_id


def find_experiment(backend: Backend, name: str) -> Experiment | None:
    """An experiment of the ledger by name; None if there is none. Raises LedgerBroken if it was deleted."""
    with translate_errors(name):
        try:
            experiment = client(backend).get_experiment_by_name(name)
        except MlflowException as error:
            if error.error_code in PERMISSION_ERROR_CODES:  # unreadable does not mean absent
                raise explain_refusal(backend, find_ledger_resource(backend) or LEDGER_RESOURCE, "READ") from error
            raise
    if experiment is not None and experiment.lifecycle_stage != "active":
        what = f"Experiment {name} was deleted, and with it the record."
        raise LedgerBroken(what, next="Restore it in MLflow, then try again.")
    return experiment


def ensure_experiment(backend: Backend, name: str, tags: dict[str, str] | None = None) -> Experiment:
    """The experiment with this name, created with these tags unless another writer was faster: the name is unique in the store."""
    if (experiment := find_experiment(backend, name)) is not None:
        return experiment
    artifact_location = str(backend.artifact_folder / name) if backend.artifact_folder else None
    try:
        client(backend).create_experiment(name, artifact_location=artifact_location, tags=tags)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise translate_error(error, name) from error
    experiment = find_experiment(backend, name)
    if experiment is None:
        raise LedgerBroken(f"Experiment {name} disappeared while it was being created.", next="Try again.")
    return experiment


def _disagreement_error(expected_id: str, index_id: str, *, has_experiment: bool) -> LedgerBroken:
    """The error if the two experiments name different indexes: what each names, how to compare them, and how to fix it."""
    problem = f"names another one, run {index_id}" if index_id else "does not name it" if has_experiment else "is gone"
    fix = (
        f"Set its tag {INDEX_TAG} back to {expected_id}"
        if has_experiment
        else f"Rename the experiment with tag {INDEX_TAG} = {expected_id} back to {INDEX_EXPERIMENT}"
    )
    if index_id:
        fix = f"To see what each names, open both runs in MLflow. {fix}, if that one is the record"
    return tampering_error(f"The index should be run {expected_id}, but experiment {INDEX_EXPERIMENT} {problem}.", fix)


def tampering_error(what: str, fix: str) -> LedgerBroken:
    """The error for an index that was tampered with."""
    means = "Nothing is written, so that the record does not split in two."
    return LedgerBroken(what, means=means, next=f"{fix}, then try again.")
