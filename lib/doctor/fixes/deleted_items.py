"""The fixes for what was deleted softly: bring runs and experiments back, or remove them for good."""

from lib.backends.backend import Backend
from lib.backends.sqlite_store import require_writable
from lib.doctor import fix_ids
from lib.doctor.checks.deleted_items import read_deleted_runs
from lib.doctor.evidence import format_run_label
from lib.doctor.fixes import deletion_impact, mlflow_gc
from lib.doctor.fixes.deletion_impact import DeletionImpact
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import (
    CONFIRMATION_INPUT,
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
from lib.runs.edit.experiment_changes import read_deleted_experiments as deleted_experiments
from lib.runs.edit.experiment_changes import restore
from lib.runs.reading.run_reader import read_run, read_runs
from lib.runs.table.types import Experiment, Search


def _restore_runs_preview(room: FixContext, asked: FixOffer) -> FixPreview:
    chosen = _runs_meant(room.backend, asked)
    code = "\n".join(f"client.restore_run({run_id!r})" for run_id, _ in chosen)
    return FixPreview(
        f"Restore {_runs(len(chosen))}",
        tuple(f"{label} is listed and compared again." for _, label in chosen),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\n{code}"),),
        "Delete it again on its page.",
    )


def _restore_runs(room: FixContext, asked: FixOffer, told: ProgressCallback) -> FixResult:
    require_writable(room.backend)
    chosen = _runs_meant(room.backend, asked)
    for run_id, label in chosen:
        told(f"Restoring {label}.")
        run_changes.apply_change(room.backend, run_changes.restore_change(read_run(room.backend, run_id)))
    rows = tuple((label, f"is {read_run(room.backend, run_id).lifecycle} again") for run_id, label in chosen)
    return FixResult(f"{_runs(len(rows)).capitalize()} restored", rows)


def _restore_experiment_preview(room: FixContext, asked: FixOffer) -> FixPreview:
    one = _experiment_meant(room.backend, asked)
    table = read_runs(room.backend, Search((one.experiment_id,), state="deleted"))
    return FixPreview(
        f"Restore the experiment {mask_secrets(one.name)}",
        ("The experiment is listed again.", f"All its {_runs(len(table))} come back, also those deleted one by one before."),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\nclient.restore_experiment({one.experiment_id!r})"),),
        "Delete it again in Compare; runs that were deleted one by one before must be deleted one by one again.",
    )


def _restore_experiment(room: FixContext, asked: FixOffer, _: ProgressCallback) -> FixResult:
    one = _experiment_meant(room.backend, asked)
    require_writable(room.backend)
    restore(room.backend, one.experiment_id)
    table = read_runs(room.backend, Search((one.experiment_id,)))
    return FixResult(f"{mask_secrets(one.name)} restored", (("Active runs in it now", f"{len(table):,}"),))


def _removal_preview(room: FixContext, loss: DeletionImpact) -> FixPreview:
    """Exactly what would be lost. Raises Refused when something forbids it."""
    if loss.blockers:
        raise ActionRefused(
            f"This must stay. {' '.join(loss.blockers)}",
            next="Delete those versions on the Models page first, if nobody will ever need them; or leave it deleted, which harms nothing.",
        )
    what = [f"The experiment {loss.experiment_name} goes, and its name becomes free"] if loss.experiment_id else []
    what += [
        f"Run {one.name} ({one.id[:8]}) goes, with its parameters, metrics, tags and {_size(one.size)} of files"
        for one in loss.runs
    ]
    what += [f"Model {one.name} ({one.id}) goes, with {_size(one.size)} of files" for one in loss.models]
    what += [f"Not deleted yet, so deleted first: {_runs(len(loss.active_run_ids))}"] if loss.active_run_ids else []
    what += [f"{loss.orphan_count} child runs stay and lose their parent"] if loss.orphan_count else []
    what += [f"Together that is {_size(loss.size)} of files"]
    words = mlflow_gc.gc_command(
        room.backend.uri,
        [one.id for one in loss.runs],
        [loss.experiment_id] if loss.experiment_id else ["‹decoy›"],
        [one.id for one in loss.models] or ["‹decoy›"],
    )
    title = f"Remove {mask_secrets(loss.experiment_name) if loss.experiment_id else _runs(len(loss.runs))} for good"
    return FixPreview(title, tuple(f"{one}." for one in what), (Snippet(" ".join(words), "bash"),), "", loss.confirmation_text)


def _remove(room: FixContext, loss: DeletionImpact, asked: FixOffer, told: ProgressCallback) -> FixResult:
    cure = _removal_preview(room, loss)
    if asked[CONFIRMATION_INPUT].strip() != cure.confirmation_text:
        raise ActionRefused("The name was not typed.", next=f"Type {cure.confirmation_text} to remove it for good.")
    require_writable(room.backend)
    told(f"MLflow removes {_runs(len(loss.runs))}. This takes a few seconds and cannot be taken back.")
    gone = mlflow_gc.delete_permanently(room.backend, loss)
    rows = [("Runs gone for good", f"{len(gone):,}"), ("Models gone for good", f"{len(loss.models):,}")]
    rows += [("Files removed", _size(loss.size))]
    if loss.experiment_id:
        left = {one.experiment_id for one in deleted_experiments(room.backend)}
        rows.append(
            (f"Experiment {loss.experiment_name}", "still there" if loss.experiment_id in left else "gone, its name is free")
        )
    return FixResult("Removed for good", tuple(rows))


def _runs_loss(room: FixContext, asked: FixOffer) -> DeletionImpact:
    return deletion_impact.assess_run_deletion(room.backend, [run_id for run_id, _ in _runs_meant(room.backend, asked)])


def _experiment_loss(room: FixContext, asked: FixOffer) -> DeletionImpact:
    return deletion_impact.assess_experiment_deletion(room.backend, _experiment_meant(room.backend, asked).experiment_id)


def _runs_meant(backend: Backend, asked: FixOffer) -> list[tuple[str, str]]:
    """Run id and label of what was asked for, by ids or their beginnings. With `active`, an active run may be named by its whole id."""
    words = asked["runs"].replace(",", " ").split()
    if not words:
        raise BadInput("No run was named.", next="Name the beginning of an id from the list.")
    table = read_deleted_runs(backend)
    known = {run_id: format_run_label(str(table.identity.at[run_id, "name"] or "Run"), run_id) for run_id in table.ids}
    if words == ["all"]:
        return list(known.items())
    if asked["active"]:
        found = {word: read_run(backend, word) for word in words}
        return [(word, format_run_label(one.name or "Run", word)) for word, one in found.items()]
    meant = {word: [run_id for run_id in known if run_id.startswith(word)] for word in words}
    if wrong := [word for word, hits in meant.items() if len(hits) != 1]:
        raise BadInput(
            f"{wrong[0][:40]} does not name one of the deleted runs.", next="Use an id from the list, or its beginning."
        )
    return [(run_id, known[run_id]) for run_id in dict.fromkeys(hits[0] for hits in meant.values())]


def _experiment_meant(backend: Backend, asked: FixOffer) -> Experiment:
    """The deleted experiment of this id or name."""
    word = asked["experiment"].strip()
    hits = [one for one in deleted_experiments(backend) if word in (one.experiment_id, one.name)]
    if len(hits) != 1:
        raise BadInput(
            f"{word[:80] or 'Nothing'} is not one of the deleted experiments.", next="Use a name from the list, or its id."
        )
    return hits[0]


def _size(number: int | None) -> str:
    if number is None:
        return "an unknown amount"
    return f"{number / 1e6:,.1f} MB" if number < 1e9 else f"{number / 1e9:,.1f} GB"


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number:,} runs"


def _which_runs(_: FixContext, asked: FixOffer) -> tuple[FixInput, ...]:
    if asked["active"]:
        return (FixInput("runs", "Which runs", asked["runs"], "Their whole ids with blanks between them"),)
    return (FixInput("runs", "Which runs", asked["runs"][:8], "The beginnings of their ids with blanks between them, or all"),)


def _which_experiment(_: FixContext, asked: FixOffer) -> tuple[FixInput, ...]:
    return (FixInput("experiment", "Which experiment", asked["experiment"], "Its name or its id"),)


FIXES = (
    Fix(
        fix_ids.RESTORE_RUNS,
        "Restore runs",
        "They are listed again. Takes a second.",
        _restore_runs_preview,
        _restore_runs,
        _which_runs,
    ),
    Fix(
        fix_ids.REMOVE_RUNS,
        "Remove runs for good",
        "With their files. Nothing brings them back.",
        lambda room, asked: _removal_preview(room, _runs_loss(room, asked)),
        lambda room, asked, told: _remove(room, _runs_loss(room, asked), asked, told),
        _which_runs,
    ),
    Fix(
        fix_ids.RESTORE_EXPERIMENT,
        "Restore an experiment",
        "With all its runs. Takes a second.",
        _restore_experiment_preview,
        _restore_experiment,
        _which_experiment,
    ),
    Fix(
        fix_ids.REMOVE_EXPERIMENT,
        "Remove an experiment for good",
        "With its runs, models and files. Nothing brings them back.",
        lambda room, asked: _removal_preview(room, _experiment_loss(room, asked)),
        lambda room, asked, told: _remove(room, _experiment_loss(room, asked), asked, told),
        _which_experiment,
    ),
)
