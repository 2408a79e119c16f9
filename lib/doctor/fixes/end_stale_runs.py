"""The fix for runs whose program died without telling: write down how they ended."""

from typing import Literal

from lib.backends import sqlite_store
from lib.backends.mlflow_client import client, translate_errors
from lib.doctor import fix_ids
from lib.doctor.checks.stale_runs import StaleRun, find_stale_runs
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, BadInput
from lib.runs.reading.run_reader import read_run

ALL_RUNS = "all"
TerminalStatus = Literal["FAILED", "KILLED"]
_WORDS = {"FAILED": "failed", "KILLED": "stopped"}


def _preview(room: FixContext, asked: FixOffer, ending: TerminalStatus) -> FixPreview:
    chosen = _chosen(room, asked)
    code = "\n".join(f"client.set_terminated({one.run_id!r}, {ending!r})" for one in chosen)
    return FixPreview(
        f"Mark {'this run' if len(chosen) == 1 else f'these {len(chosen)} runs'} as {_WORDS[ending]}",
        tuple(f"{one.label} in {one.experiment_name}: from running to {_WORDS[ending]}, ended now." for one in chosen),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\n{code}"),),
        "A program that still writes to the run can go on; client.update_run(run_id, status='RUNNING') sets the state back.",
    )


def _end(room: FixContext, asked: FixOffer, told: ProgressCallback, ending: TerminalStatus) -> FixResult:
    sqlite_store.require_writable(room.backend)
    rows = []
    for one in _chosen(room, asked):
        told(f"Marking {one.label}.")
        with translate_errors(f"Run {one.label}"):
            client(room.backend).set_terminated(one.run_id, ending)
        now = read_run(room.backend, one.run_id).status
        if now != ending:
            raise ActionRefused(f"{one.label} says {now} all the same.", next="Its program may still run. Check again.")
        rows.append((one.label, f"says {_WORDS[ending]} now"))
    return FixResult(f"{len(rows)} marked as {_WORDS[ending]}", tuple(rows))


def _chosen(room: FixContext, asked: FixOffer) -> tuple[StaleRun, ...]:
    """The runs meant, as far as they are silent at this moment. Raises BadInput for any that is not."""
    found = {one.run_id: one for one in find_stale_runs(room.backend, room.clock())}
    if not found:
        raise ActionRefused("No run is silent any more.", next="Check again.")
    words = asked["runs"].replace(",", " ").split() or [ALL_RUNS]
    if words == [ALL_RUNS]:
        return tuple(found.values())
    meant = {word: [one for run_id, one in found.items() if run_id.startswith(word)] for word in words}
    if wrong := [word for word, hits in meant.items() if len(hits) != 1]:
        raise BadInput(f"{wrong[0][:40]} is not one of the silent runs.", next="Use an id from the list, or its beginning.")
    return tuple({hits[0].run_id: hits[0] for hits in meant.values()}.values())


def _asks(room: FixContext, _: FixOffer) -> tuple[FixInput, ...]:
    return (FixInput("runs", "Which runs", ALL_RUNS, "all, or the beginnings of their ids with blanks between them"),)


FIXES = (
    Fix(
        fix_ids.END_FAILED,
        "Mark as failed",
        "When the program broke. Takes a second.",
        lambda room, asked: _preview(room, asked, "FAILED"),
        lambda room, asked, told: _end(room, asked, told, "FAILED"),
        _asks,
    ),
    Fix(
        fix_ids.END_KILLED,
        "Mark as stopped",
        "When somebody ended the program. Takes a second.",
        lambda room, asked: _preview(room, asked, "KILLED"),
        lambda room, asked, told: _end(room, asked, told, "KILLED"),
        _asks,
    ),
)
