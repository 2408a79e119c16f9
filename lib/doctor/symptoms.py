"""What went wrong? From what people see to the checks that can tell why: the guide's table of problems (§11). Pure."""

from dataclasses import dataclass

from lib.doctor.types import Finding, Report


@dataclass(frozen=True)
class Symptom:
    """What somebody sees, which checks to look at, what it usually is, what helps, and a page on which to go on (name, label)."""

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
        "The experiment was made through a server and is used without it, or its folder is on another machine.",
        "The check of artifact locations names each experiment and carries out the cure.",
    ),
    Symptom(
        "team",
        "Colleagues do not see my experiments",
        ("answers", "mixed", "file_store"),
        "They were logged to a database or folder of one machine, which is all that machine's.",
        "Log to a server that all can reach, and set its address first thing in every script.",
    ),
    Symptom(
        "lost_experiment",
        "An old experiment is not found",
        ("deleted_experiments", "damaged_files", "file_store", "names"),
        "It was deleted, its name is spelled differently, or it is in a file store that nobody moved.",
        "A deleted experiment can be restored until it is removed for good.",
        ("compare", "Search the experiments"),
    ),
    Symptom(
        "lost_model",
        "A model is not in the registry",
        ("registered", "versions_whole", "locations"),
        "Logging a model does not register it.",
        "Register it from the run that logged it.",
        ("models", "Register a version"),
    ),
    Symptom(
        "slow",
        "Logging is slow",
        ("answers", "clock", "versions"),
        "The network or the server is slow; or MLflow works out a model's requirements, which takes 8 to 14 s for each.",
        "Give pip_requirements and a signature when a model is logged, and log many metrics in one call.",
    ),
    Symptom(
        "deleted_run",
        "A run was deleted by accident",
        ("deleted_runs", "deleted_experiments"),
        "Deleting hides a run, by a page as well as by mlflow.delete_run. Only mlflow gc removes it.",
        "Restore it: its numbers and files are still there.",
    ),
    Symptom(
        "wrong_experiment",
        "Runs land in the wrong experiment",
        ("in_default", "names"),
        "The experiment was set after the run had begun, or not at all: then runs go to Default.",
        "Set the experiment before the run starts.",
        ("compare", "Look at the experiments"),
    ),
    Symptom(
        "closed",
        "The backend does not open",
        ("schema", "answers", "writable"),
        "The server is down, the address has a typo, or the database belongs to another version of MLflow.",
        "The first checks say which it is.",
    ),
    Symptom(
        "forever",
        "A run says for ever that it is running",
        ("unfinished", "clock"),
        "Its process was ended before it could say how the run ended.",
        "Mark it as failed or stopped.",
    ),
)
SYMPTOMS_BY_TITLE = {symptom.title: symptom for symptom in SYMPTOMS}


def findings_for_symptom(symptom: Symptom, report: Report) -> tuple[Finding, ...]:
    """What the checks of a symptom found, in the symptom's order."""
    return tuple(finding for check_id in symptom.check_ids for finding in report.findings if finding.check_id == check_id)
