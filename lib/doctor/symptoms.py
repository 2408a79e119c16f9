"""Maps observed symptoms to the checks that find the cause: the guide's table of problems (§11). Pure."""

from dataclasses import dataclass

from lib.doctor.types import Finding, Report


@dataclass(frozen=True)
class Symptom:
    """A symptom: its title, related checks, usual cause, advice, and a page to continue on (name, label)."""

    id: str
    title: str
    check_ids: tuple[str, ...]
    usual_cause: str
    advice: str
    page: tuple[str, str] = ("", "")


SYMPTOMS = (
    Symptom(
        "artifacts",
        "Numbers are logged, files or models are not",
        ("locations", "writable", "answers"),
        "The experiment was created through a server and is used without it, or its folder is on another machine.",
        "The artifact location check lists the affected experiments and offers fixes.",
    ),
    Symptom(
        "team",
        "Colleagues do not see my experiments",
        ("answers", "mixed", "file_store"),
        "They were logged to a database or folder that only one machine can access.",
        "Log to a server that everyone can reach, and set its address at the start of every script.",
    ),
    Symptom(
        "lost_experiment",
        "An old experiment is not found",
        ("deleted_experiments", "damaged_files", "file_store", "names"),
        "It was deleted, its name is spelled differently, or it is in a file store that was not migrated.",
        "A deleted experiment can be restored until it is removed for good.",
        ("compare", "Search experiments"),
    ),
    Symptom(
        "lost_model",
        "A model is not in the registry",
        ("registered", "versions_whole", "locations"),
        "Logging a model does not register it.",
        "Register the model from the run that logged it.",
        ("models", "Register a version"),
    ),
    Symptom(
        "slow",
        "Logging is slow",
        ("answers", "clock", "versions"),
        "The network or server is slow, or MLflow infers a model's requirements, which takes 8 to 14 s per model.",
        "Pass pip_requirements and a signature when logging a model, and log many metrics in one call.",
    ),
    Symptom(
        "deleted_run",
        "A run was deleted by accident",
        ("deleted_runs", "deleted_experiments"),
        "Deleting a run, here or with mlflow.delete_run, only hides it. Only mlflow gc removes it.",
        "Restore it: its metrics and files still exist.",
    ),
    Symptom(
        "wrong_experiment",
        "Runs land in the wrong experiment",
        ("in_default", "names"),
        "The experiment was set after the run started or not at all, so the run went to Default.",
        "Set the experiment before the run starts.",
        ("compare", "View experiments"),
    ),
    Symptom(
        "closed",
        "The backend does not open",
        ("schema", "answers", "writable"),
        "The server is down, the address is wrong, or the database belongs to a different MLflow version.",
        "The first checks show which one applies.",
    ),
    Symptom(
        "forever",
        "A run says for ever that it is running",
        ("unfinished", "clock"),
        "Its process was killed before it could record how the run ended.",
        "Mark the run as failed or stopped.",
    ),
)
SYMPTOMS_BY_TITLE = {symptom.title: symptom for symptom in SYMPTOMS}


def findings_for_symptom(symptom: Symptom, report: Report) -> tuple[Finding, ...]:
    """Return the findings of a symptom's checks, in the symptom's order."""
    return tuple(finding for check_id in symptom.check_ids for finding in report.findings if finding.check_id == check_id)
