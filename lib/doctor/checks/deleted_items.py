"""What was deleted softly: runs and experiments that MLflow hides and keeps. The cures bring them back, or remove them for good."""

from collections.abc import Sequence

from lib.backends.backend import Backend
from lib.backends.sqlite_store import must_be_free
from lib.doctor.checks.secret_detection import without_secrets
from lib.doctor.fixes import deletion_impact as removal
from lib.doctor.fixes import mlflow_gc as gc
from lib.doctor.fixes.deletion_impact import Loss
from lib.doctor.run_cache import shown
from lib.doctor.types import TYPED, Ask, Call, Check, Clock, Cure, Done, Finding, Room, Snippet, Told, Treatment, call
from lib.errors import BadInput, Refused
from lib.runs.edit import run_changes as changes
from lib.runs.edit.experiment_changes import deleted as deleted_experiments
from lib.runs.edit.experiment_changes import restore
from lib.runs.reading.run_reader import experiments, run, runs
from lib.runs.table.types import Experiment, RunTable, Search


def deleted_runs(backend: Backend) -> RunTable:
    """The deleted runs of active experiments, newest first."""
    return runs(backend, Search(tuple(one.experiment_id for one in experiments(backend)), state="deleted"))


def soft_runs(backend: Backend, _: Clock, __: Told) -> tuple[Finding, ...]:
    """List the deleted runs."""
    table = deleted_runs(backend)
    if not len(table):
        return RUNS.fine("none")
    names = {one.experiment_id: one.name for one in experiments(backend)}
    rows = [
        (str(row["name"] or ""), run_id[:8], names.get(str(row["experiment"]), ""), _versions(row["versions"]))
        for run_id, row in zip(table.ids, table.identity.to_dict("records"), strict=True)
    ]
    only = table.ids[0] if len(table) == 1 else ""
    return (
        Finding(
            RUNS.id,
            "notice",
            "A run is deleted and can be restored" if only else f"{len(table):,} runs are deleted and can be restored",
            f"{len(table):,} deleted",
            ("Run", "Id", "Experiment", "Registered from it"),
            shown(rows),
            "Their numbers and files are still kept and still take room; lists and comparisons leave them out.",
            "Restore what was deleted by accident. Removing for good is only worth it for room, or for a secret that was logged.",
            (call("restore_runs", runs=only), call("remove_runs", runs=only)),
        ),
    )


def soft_experiments(backend: Backend, _: Clock, __: Told) -> tuple[Finding, ...]:
    """List the deleted experiments."""
    found = [one for one in deleted_experiments(backend) if not one.name.startswith(gc.DECOY)]
    if not found:
        return EXPERIMENTS.fine("none")
    only = found[0].experiment_id if len(found) == 1 else ""
    return (
        Finding(
            EXPERIMENTS.id,
            "notice",
            "An experiment is deleted and can be restored"
            if only
            else f"{len(found):,} experiments are deleted and can be restored",
            f"{len(found):,} deleted",
            ("Experiment", "Id"),
            shown([(one.name, one.experiment_id) for one in found]),
            "Its name stays taken, and its runs and files are still kept.",
            "Restore it, which brings back all its runs, also those deleted one by one before; or remove it for good.",
            (call("restore_experiment", experiment=only), call("remove_experiment", experiment=only)),
        ),
    )


def _versions(found: Sequence[object]) -> str:
    return ", ".join(f"{getattr(one, 'model', '')} v{getattr(one, 'version', '')}" for one in found)


def _restore_runs_preview(room: Room, asked: Call) -> Cure:
    chosen = _runs_meant(room.backend, asked)
    code = "\n".join(f"client.restore_run({run_id!r})" for run_id, _ in chosen)
    return Cure(
        f"Restore {_runs(len(chosen))}",
        tuple(f"{label} is listed and compared again." for _, label in chosen),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\n{code}"),),
        "Delete it again on its page.",
    )


def _restore_runs(room: Room, asked: Call, told: Told) -> Done:
    must_be_free(room.backend)
    chosen = _runs_meant(room.backend, asked)
    for run_id, label in chosen:
        told(f"Restoring {label}.")
        changes.carry_out(room.backend, changes.restoring(run(room.backend, run_id)))
    rows = tuple((label, f"is {run(room.backend, run_id).lifecycle} again") for run_id, label in chosen)
    return Done(f"{_runs(len(rows)).capitalize()} restored", rows)


def _restore_experiment_preview(room: Room, asked: Call) -> Cure:
    one = _experiment_meant(room.backend, asked)
    table = runs(room.backend, Search((one.experiment_id,), state="deleted"))
    return Cure(
        f"Restore the experiment {without_secrets(one.name)}",
        ("The experiment is listed again.", f"All its {_runs(len(table))} come back, also those deleted one by one before."),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\nclient.restore_experiment({one.experiment_id!r})"),),
        "Delete it again in Compare; runs that were deleted one by one before must be deleted one by one again.",
    )


def _restore_experiment(room: Room, asked: Call, _: Told) -> Done:
    one = _experiment_meant(room.backend, asked)
    must_be_free(room.backend)
    restore(room.backend, one.experiment_id)
    table = runs(room.backend, Search((one.experiment_id,)))
    return Done(f"{without_secrets(one.name)} restored", (("Active runs in it now", f"{len(table):,}"),))


def _removal_preview(room: Room, loss: Loss) -> Cure:
    """Exactly what would be lost. Raises Refused when something forbids it."""
    if loss.forbidden:
        raise Refused(
            f"This must stay. {' '.join(loss.forbidden)}",
            next="Delete those versions on the Models page first, if nobody will ever need them; or leave it deleted, which harms nothing.",
        )
    what = [f"The experiment {loss.name} goes, and its name becomes free"] if loss.experiment else []
    what += [
        f"Run {one.name} ({one.id[:8]}) goes, with its parameters, metrics, tags and {_size(one.size)} of files"
        for one in loss.runs
    ]
    what += [f"Model {one.name} ({one.id}) goes, with {_size(one.size)} of files" for one in loss.models]
    what += [f"Not deleted yet, so deleted first: {_runs(len(loss.active))}"] if loss.active else []
    what += [f"{loss.orphans} child runs stay and lose their parent"] if loss.orphans else []
    what += [f"Together that is {_size(loss.size)} of files"]
    words = gc.command(
        room.backend.uri,
        [one.id for one in loss.runs],
        [loss.experiment] if loss.experiment else ["‹decoy›"],
        [one.id for one in loss.models] or ["‹decoy›"],
    )
    title = f"Remove {without_secrets(loss.name) if loss.experiment else _runs(len(loss.runs))} for good"
    return Cure(title, tuple(f"{one}." for one in what), (Snippet(" ".join(words), "bash"),), "", loss.word)


def _remove(room: Room, loss: Loss, asked: Call, told: Told) -> Done:
    cure = _removal_preview(room, loss)
    if asked[TYPED].strip() != cure.confirm:
        raise Refused("The name was not typed.", next=f"Type {cure.confirm} to remove it for good.")
    must_be_free(room.backend)
    told(f"MLflow removes {_runs(len(loss.runs))}. This takes a few seconds and cannot be taken back.")
    gone = gc.remove(room.backend, loss)
    rows = [("Runs gone for good", f"{len(gone):,}"), ("Models gone for good", f"{len(loss.models):,}")]
    rows += [("Files removed", _size(loss.size))]
    if loss.experiment:
        left = {one.experiment_id for one in deleted_experiments(room.backend)}
        rows.append((f"Experiment {loss.name}", "still there" if loss.experiment in left else "gone, its name is free"))
    return Done("Removed for good", tuple(rows))


def _runs_loss(room: Room, asked: Call) -> Loss:
    return removal.loss_of_runs(room.backend, [run_id for run_id, _ in _runs_meant(room.backend, asked)])


def _experiment_loss(room: Room, asked: Call) -> Loss:
    return removal.loss_of_experiment(room.backend, _experiment_meant(room.backend, asked).experiment_id)


def _runs_meant(backend: Backend, asked: Call) -> list[tuple[str, str]]:
    """Run id and label of what was asked for, by ids or their beginnings. With `active`, an active run may be named by its whole id."""
    words = asked["runs"].replace(",", " ").split()
    if not words:
        raise BadInput("No run was named.", next="Name the beginning of an id from the list.")
    table = deleted_runs(backend)
    known = {run_id: f"{without_secrets(str(table.identity.at[run_id, 'name'] or 'Run'))} ({run_id[:8]})" for run_id in table.ids}
    if words == ["all"]:
        return list(known.items())
    if asked["active"]:
        found = {word: run(backend, word) for word in words}
        return [(word, f"{without_secrets(one.name or 'Run')} ({word[:8]})") for word, one in found.items()]
    meant = {word: [run_id for run_id in known if run_id.startswith(word)] for word in words}
    if wrong := [word for word, hits in meant.items() if len(hits) != 1]:
        raise BadInput(
            f"{wrong[0][:40]} does not name one of the deleted runs.", next="Use an id from the list, or its beginning."
        )
    return [(run_id, known[run_id]) for run_id in dict.fromkeys(hits[0] for hits in meant.values())]


def _experiment_meant(backend: Backend, asked: Call) -> Experiment:
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


def _which_runs(_: Room, asked: Call) -> tuple[Ask, ...]:
    if asked["active"]:
        return (Ask("runs", "Which runs", asked["runs"], "Their whole ids with blanks between them"),)
    return (Ask("runs", "Which runs", asked["runs"][:8], "The beginnings of their ids with blanks between them, or all"),)


def _which_experiment(_: Room, asked: Call) -> tuple[Ask, ...]:
    return (Ask("experiment", "Which experiment", asked["experiment"], "Its name or its id"),)


RUNS = Check("deleted_runs", "Deleted runs", "Are there runs that were deleted and can be restored?", soft_runs)
EXPERIMENTS = Check("deleted_experiments", "Deleted experiments", "Are there experiments that were deleted?", soft_experiments)
CHECKS = (RUNS, EXPERIMENTS)
TREATMENTS = (
    Treatment(
        "restore_runs",
        "Restore runs",
        "They are listed again. Takes a second.",
        _restore_runs_preview,
        _restore_runs,
        _which_runs,
    ),
    Treatment(
        "remove_runs",
        "Remove runs for good",
        "With their files. Nothing brings them back.",
        lambda room, asked: _removal_preview(room, _runs_loss(room, asked)),
        lambda room, asked, told: _remove(room, _runs_loss(room, asked), asked, told),
        _which_runs,
    ),
    Treatment(
        "restore_experiment",
        "Restore an experiment",
        "With all its runs. Takes a second.",
        _restore_experiment_preview,
        _restore_experiment,
        _which_experiment,
    ),
    Treatment(
        "remove_experiment",
        "Remove an experiment for good",
        "With its runs, models and files. Nothing brings them back.",
        lambda room, asked: _removal_preview(room, _experiment_loss(room, asked)),
        lambda room, asked, told: _remove(room, _experiment_loss(room, asked), asked, told),
        _which_experiment,
    ),
)
