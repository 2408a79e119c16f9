"""Good-practice checks (guide §10): meaningful experiment names, separate experiments, described and registered Production models.

The metadata of single runs is checked in `run_metadata`.
"""

import re
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.doctor.report import evidence_rows, run_label
from lib.doctor.run_cache import read_active_runs
from lib.doctor.types import Check, Clock, Finding, ProgressCallback
from lib.registry.reader import read_all_snapshots
from lib.runs.edit.experiment_changes import DEFAULT_EXPERIMENT_ID

if TYPE_CHECKING:
    from lib.registry.snapshot import RegistrySnapshot

_VAGUE_NAME = re.compile(
    r"(my|new|the|first|another|untitled|default)?[\W_]*"
    r"(experiment|exp|tests?|testing|trial|run|model|temp|tmp|demo|foo|bar|baz|untitled|stuff|asdf|xxx|abc|try|new)[\W_]*"
    r"(\d+|v\d+|[a-z]|new|final|old|copy)?",
    re.IGNORECASE,
)
_LIVE_WORDS = {"production", "prod", "live"}
_LIVE_TAGS = ("environment", "env", "stage", "deployment", "deployed")


def check_experiment_names(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Report experiments with a meaningless name, such as Experiment1 or test."""
    active_runs = read_active_runs(backend, clock)
    experiments = [experiment for experiment in active_runs.experiments if experiment.experiment_id != DEFAULT_EXPERIMENT_ID]
    vague_experiments = [experiment for experiment in experiments if is_vague(experiment.name)]
    if not vague_experiments:
        return EXPERIMENT_NAMES_CHECK.fine_findings(f"{len(experiments)} clear")
    return (
        Finding(
            EXPERIMENT_NAMES_CHECK.id,
            "notice",
            _vague_title(len(vague_experiments)),
            f"{len(vague_experiments)} of {len(experiments)} vague",
            ("Experiment", "Id"),
            evidence_rows([(experiment.name, experiment.experiment_id) for experiment in vague_experiments]),
            "In half a year nobody will know what was tried there, and the work may be repeated.",
            "Rename it in Compare after its data and model type, such as Wine-Classification-RandomForest. Its runs are unaffected.",
        ),
    )


def is_vague(name: str) -> bool:
    """Return whether a name is meaningless, like Experiment1, test, my_model or exp-2."""
    return bool(_VAGUE_NAME.fullmatch(name.strip())) or len(name.strip()) < 3


def check_default_experiment(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Check whether nearly all runs are in the Default experiment."""
    active_runs = read_active_runs(backend, clock)
    total, default_count = len(active_runs.table), int((active_runs.table.identity["experiment"] == DEFAULT_EXPERIMENT_ID).sum())
    if default_count < 2 or default_count * 2 <= total:
        return DEFAULT_EXPERIMENT_CHECK.fine_findings(f"{default_count:,} of {total:,} runs in Default")
    return (
        Finding(
            DEFAULT_EXPERIMENT_CHECK.id,
            "notice",
            f"{'All' if default_count == total else 'Most'} runs are in the Default experiment",
            f"{default_count:,} of {total:,} runs",
            means="Unrelated runs are in one list, so comparing them is meaningless.",
            next="Set an experiment before the run starts, one per model type: mlflow.set_experiment(…).",
        ),
    )


def check_model_descriptions(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Report models in Production without a description."""
    snapshots = [snapshot for snapshot in read_all_snapshots(backend) if snapshot.slot_states["production"].holders]
    undescribed_models = [snapshot for snapshot in snapshots if not _is_described(snapshot)]
    if not undescribed_models:
        return MODEL_DESCRIPTIONS_CHECK.fine_findings(
            f"{len(snapshots)} of {len(snapshots)}" if snapshots else "none in Production"
        )
    return (
        Finding(
            MODEL_DESCRIPTIONS_CHECK.id,
            "notice",
            "A model in Production has no description"
            if len(undescribed_models) == 1
            else f"{len(undescribed_models)} models in Production have no description",
            f"{len(snapshots) - len(undescribed_models)} of {len(snapshots)}",
            ("Model", "In Production"),
            evidence_rows(
                [
                    (snapshot.model, ", ".join(f"v{number}" for number in snapshot.slot_states["production"].holders))
                    for snapshot in undescribed_models
                ]
            ),
            "A year from now nobody will know what this model predicts, on which data, and who owns it.",
            "Describe the model or its version: client.update_registered_model(name, description) or client.update_model_version(…).",
        ),
    )


def check_production_runs(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Report runs tagged as production from which no model version was registered."""
    table = read_active_runs(backend, clock).table
    tags = [name for name in table.tags.columns if name.lower() in _LIVE_TAGS]
    tag_of_run = {run_id: name for name in tags for run_id in table.tags.index[table.tags[name].str.lower().isin(_LIVE_WORDS)]}
    unregistered_runs = [run_id for run_id in tag_of_run if not table.identity.at[run_id, "versions"]]
    if not unregistered_runs:
        return PRODUCTION_RUNS_CHECK.fine_findings(f"{len(tag_of_run)} of {len(tag_of_run)}" if tag_of_run else "no run tagged")
    return (
        Finding(
            PRODUCTION_RUNS_CHECK.id,
            "notice",
            "A run is tagged as production, but its model is not registered",
            f"{len(tag_of_run) - len(unregistered_runs)} of {len(tag_of_run)}",
            ("Run", "Tag", "Logged a model"),
            evidence_rows(
                [
                    (run_label(table, run_id), tag_of_run[run_id], "yes" if table.identity.at[run_id, "has_model"] else "no")
                    for run_id in unregistered_runs
                ]
            ),
            "A model in use without a registered version cannot be promoted, rolled back or found in the record.",
            "Register it on the Models page and promote it with a reason, or correct the tag.",
        ),
    )


def _is_described(snapshot: "RegistrySnapshot") -> bool:
    """Return whether the model or each of its Production versions has a description."""
    versions = [snapshot.versions[number] for number in snapshot.slot_states["production"].holders if number in snapshot.versions]
    return bool(snapshot.description.strip()) or (bool(versions) and all(version.description.strip() for version in versions))


def _vague_title(count: int) -> str:
    return "An experiment has a meaningless name" if count == 1 else f"{count} experiments have meaningless names"


EXPERIMENT_NAMES_CHECK = Check(
    "names", "Experiment names", "Do experiment names describe what was tried?", check_experiment_names
)
DEFAULT_EXPERIMENT_CHECK = Check(
    "in_default", "Experiments separated", "Are most runs in the Default experiment?", check_default_experiment
)
MODEL_DESCRIPTIONS_CHECK = Check(
    "described", "Models described", "Do models in Production have a description?", check_model_descriptions, is_quick=True
)
PRODUCTION_RUNS_CHECK = Check(
    "registered", "Production is registered", "Is every model tagged as production registered?", check_production_runs
)
CHECKS = (EXPERIMENT_NAMES_CHECK, DEFAULT_EXPERIMENT_CHECK, MODEL_DESCRIPTIONS_CHECK, PRODUCTION_RUNS_CHECK)
