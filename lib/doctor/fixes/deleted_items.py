"""Fixes for soft-deleted runs and experiments: restore them, or remove them for good."""

from lib.backends.backend import Backend
from lib.backends.client_snippet import client_snippet
from lib.backends.sqlite_store import require_writable
from lib.doctor import fix_ids
from lib.doctor.checks.deleted_items import read_deleted_runs
from lib.doctor.completed_steps import report_completed_steps
from lib.doctor.fixes import deletion_impact, mlflow_gc
from lib.doctor.fixes.deletion_impact import DeletionImpact
from lib.doctor.report import format_run_label
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import (
    CONFIRMATION_INPUT,
    FINGERPRINT_INPUT,
    Fix,
    FixContext,
    FixInput,
    FixOffer,
    FixPreview,
    FixResult,
    ProgressCallback,
    Snippet,
)
from lib.errors import ActionRefused, BadInput
from lib.runs.edit import run_changes
from lib.runs.edit.experiment_changes import read_deleted_experiments, restore
from lib.runs.reading.run_reader import read_run, read_runs
from lib.runs.table.types import Experiment, Search
from lib.text import format_count, format_large_size


def _preview_restore_runs(context: FixContext, offer: FixOffer) -> FixPreview:
    selected_runs = _select_runs(context.backend, offer)
    calls = [f"client.restore_run({run_id!r})" for run_id, _ in selected_runs]
    return FixPreview(
        f"Restore {format_count(len(selected_runs), 'run')}",
        tuple(f"{label} appears in lists and comparisons again." for _, label in selected_runs),
        (Snippet(client_snippet(context.backend.address, calls)),),
        "Delete the run again on its page.",
    )


def _restore_runs(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    require_writable(context.backend)
    selected_runs = _select_runs(context.backend, offer)
    restored_labels = list[str]()
    with report_completed_steps("Restored", restored_labels):
        for run_id, label in selected_runs:
            progress(f"Restoring {label}.")
            run_changes.apply_change(context.backend, run_changes.restore_change(read_run(context.backend, run_id)))
            restored_labels.append(label)
    rows = tuple((label, f"is {read_run(context.backend, run_id).lifecycle} again") for run_id, label in selected_runs)
    return FixResult(f"{format_count(len(rows), 'run').capitalize()} restored", rows)


def _preview_restore_experiment(context: FixContext, offer: FixOffer) -> FixPreview:
    experiment = _select_experiment(context.backend, offer)
    table = read_runs(context.backend, Search((experiment.experiment_id,), state="deleted"))
    return FixPreview(
        f"Restore the experiment {mask_secrets(experiment.name)}",
        (
            "The experiment appears in lists again.",
            f"All its {format_count(len(table), 'run')} are restored, including those deleted individually before.",
        ),
        (Snippet(client_snippet(context.backend.address, [f"client.restore_experiment({experiment.experiment_id!r})"])),),
        "Delete the experiment again in Compare. Runs deleted individually before must be deleted individually again.",
    )


def _restore_experiment(context: FixContext, offer: FixOffer, _: ProgressCallback) -> FixResult:
    experiment = _select_experiment(context.backend, offer)
    require_writable(context.backend)
    restore(context.backend, experiment.experiment_id)
    table = read_runs(context.backend, Search((experiment.experiment_id,)))
    return FixResult(f"{mask_secrets(experiment.name)} restored", (("Active runs", f"{len(table):,}"),))


def _preview_removal(context: FixContext, impact: DeletionImpact) -> FixPreview:
    """Return exactly what would be lost. Raises ActionRefused if anything blocks the removal."""
    if impact.blockers:
        raise ActionRefused(
            f"This cannot be removed. {' '.join(impact.blockers)}",
            next="If those versions are no longer needed, delete them first. Otherwise leave the item deleted, which does no harm.",
        )
    changes = [f"Experiment {impact.experiment_name} is removed, and its name becomes available"] if impact.experiment_id else []
    changes += [
        f"Run {run.name} ({run.id[:8]}) is removed with its parameters, metrics, tags and {_format_size(run.size)} of files"
        for run in impact.runs
    ]
    changes += [f"Model {model.name} ({model.id}) is removed with {_format_size(model.size)} of files" for model in impact.models]
    changes += [f"Active, so deleted first: {format_count(len(impact.active_run_ids), 'run')}"] if impact.active_run_ids else []
    changes += [f"{impact.orphan_count} child runs remain and lose their parent"] if impact.orphan_count else []
    changes += [f"In total, {_format_size(impact.size)} of files"]
    title = f"Remove {mask_secrets(impact.experiment_name) if impact.experiment_id else format_count(len(impact.runs), 'run')} for good"
    return FixPreview(
        title,
        tuple(f"{change}." for change in changes),
        (Snippet(mlflow_gc.removal_snippet(context.backend, impact)),),
        confirmation_text=impact.confirmation_text,
        fingerprint=impact.fingerprint,
    )


def _remove(context: FixContext, impact: DeletionImpact, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    preview = _preview_removal(context, impact)
    if offer[CONFIRMATION_INPUT].strip() != preview.confirmation_text:
        raise ActionRefused(
            "The confirmation text does not match.", next=f"Type {preview.confirmation_text} to confirm the removal."
        )
    if offer[FINGERPRINT_INPUT] not in ("", preview.fingerprint):
        raise ActionRefused(
            "What would be removed has changed since the preview.", next="Check the new preview, then confirm the removal again."
        )
    require_writable(context.backend)
    progress(f"MLflow is removing {format_count(len(impact.runs), 'run')}. This takes a few seconds and cannot be undone.")
    deleted_run_ids = mlflow_gc.delete_permanently(context.backend, impact)
    rows = [("Runs removed for good", f"{len(deleted_run_ids):,}"), ("Models removed for good", f"{len(impact.models):,}")]
    rows += [("Files removed", _format_size(impact.size))]
    if impact.experiment_id:
        remaining_ids = {experiment.experiment_id for experiment in read_deleted_experiments(context.backend)}
        rows.append(
            (
                f"Experiment {impact.experiment_name}",
                "still exists" if impact.experiment_id in remaining_ids else "removed, its name is available",
            )
        )
    return FixResult("Removed for good", tuple(rows))


def _assess_runs(context: FixContext, offer: FixOffer) -> DeletionImpact:
    return deletion_impact.assess_run_deletion(context.backend, [run_id for run_id, _ in _select_runs(context.backend, offer)])


def _assess_experiment(context: FixContext, offer: FixOffer) -> DeletionImpact:
    return deletion_impact.assess_experiment_deletion(context.backend, _select_experiment(context.backend, offer).experiment_id)


def _select_runs(backend: Backend, offer: FixOffer) -> list[tuple[str, str]]:
    """Return ids and labels of the offer's runs, given by id or id prefix. With `active`, complete ids may refer to active runs."""
    prefixes = offer["runs"].replace(",", " ").split()
    if not prefixes:
        raise BadInput("No run was specified.", next="Enter an id from the list, or its first characters.")
    table = read_deleted_runs(backend)
    labels = {run_id: format_run_label(str(table.identity.at[run_id, "name"] or "Run"), run_id) for run_id in table.ids}
    if prefixes == ["all"]:
        if not labels:
            raise ActionRefused("No run is deleted any longer.", next="Check again.")
        return list(labels.items())
    if offer["active"]:
        runs = {run_id: read_run(backend, run_id) for run_id in prefixes}
        return [(run_id, format_run_label(run.name or "Run", run_id)) for run_id, run in runs.items()]
    matches = {prefix: [run_id for run_id in labels if run_id.startswith(prefix)] for prefix in prefixes}
    if ambiguous_prefixes := [prefix for prefix, hits in matches.items() if len(hits) != 1]:
        raise BadInput(
            f"{ambiguous_prefixes[0][:40]} does not match exactly one deleted run.",
            next="Use an id from the list, or its first characters.",
        )
    return [(run_id, labels[run_id]) for run_id in dict.fromkeys(hits[0] for hits in matches.values())]


def _select_experiment(backend: Backend, offer: FixOffer) -> Experiment:
    """Return the deleted experiment with this id or name."""
    name_or_id = offer["experiment"].strip()
    matches = [
        experiment
        for experiment in read_deleted_experiments(backend)
        if name_or_id in (experiment.experiment_id, experiment.name)
    ]
    if len(matches) != 1:
        raise BadInput(
            f"{name_or_id[:80] or 'An empty name'} is not a deleted experiment.", next="Use a name or id from the list."
        )
    return matches[0]


def _format_size(size: int | None) -> str:
    return "an unknown amount" if size is None else format_large_size(size)


def _run_inputs(_: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    if offer["active"]:
        return (FixInput("runs", "Runs", offer["runs"], "Complete run ids, separated by spaces"),)
    return (FixInput("runs", "Runs", offer["runs"][:8], "Run id prefixes separated by spaces, or all"),)


def _experiment_inputs(_: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    return (FixInput("experiment", "Experiment", offer["experiment"], "Name or id"),)


FIXES = (
    Fix(
        fix_ids.RESTORE_RUNS,
        "Restore runs",
        "They appear in lists again. Takes a second.",
        _preview_restore_runs,
        _restore_runs,
        _run_inputs,
    ),
    Fix(
        fix_ids.REMOVE_RUNS,
        "Remove runs for good",
        "Including their files. Cannot be undone.",
        lambda context, offer: _preview_removal(context, _assess_runs(context, offer)),
        lambda context, offer, progress: _remove(context, _assess_runs(context, offer), offer, progress),
        _run_inputs,
    ),
    Fix(
        fix_ids.RESTORE_EXPERIMENT,
        "Restore an experiment",
        "Including all its runs. Takes a second.",
        _preview_restore_experiment,
        _restore_experiment,
        _experiment_inputs,
    ),
    Fix(
        fix_ids.REMOVE_EXPERIMENT,
        "Remove an experiment for good",
        "Including its runs, models and files. Cannot be undone.",
        lambda context, offer: _preview_removal(context, _assess_experiment(context, offer)),
        lambda context, offer, progress: _remove(context, _assess_experiment(context, offer), offer, progress),
        _experiment_inputs,
    ),
)
