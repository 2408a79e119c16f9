"""Fix for stale runs: mark how they ended."""

from typing import Literal

from lib.backends import sqlite_store
from lib.backends.backend import Backend
from lib.backends.client_snippet import client_snippet
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor import fix_ids
from lib.doctor.checks.stale_runs import LIVE_STATUSES, StaleRun, find_stale_runs
from lib.doctor.completed_steps import report_completed_steps
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, BadInput
from lib.runs.reading.run_reader import read_run

ALL_RUNS = "all"
TerminalStatus = Literal["FAILED", "KILLED"]
_STATUS_TEXTS = {"FAILED": "failed", "KILLED": "stopped"}


def _preview(context: FixContext, offer: FixOffer, status: TerminalStatus) -> FixPreview:
    selected_runs = _select_runs(context, offer)
    calls = [f"client.set_terminated({run.run_id!r}, {status!r})" for run in selected_runs]
    return FixPreview(
        f"Mark {'this run' if len(selected_runs) == 1 else f'these {len(selected_runs)} runs'} as {_STATUS_TEXTS[status]}",
        tuple(f"{run.label} in {run.experiment_name}: running → {_STATUS_TEXTS[status]}, end time now." for run in selected_runs),
        (Snippet(client_snippet(context.backend.address, calls)),),
        "A process that still writes to the run can continue; client.update_run(run_id, status='RUNNING') resets the status.",
    )


def _end_runs(context: FixContext, offer: FixOffer, progress: ProgressCallback, status: TerminalStatus) -> FixResult:
    sqlite_store.require_writable(context.backend)
    marked_labels, rows = list[str](), list[tuple[str, str]]()
    with report_completed_steps("Marked", marked_labels):
        for run in _select_runs(context, offer):
            progress(f"Marking {run.label}.")
            previous_status = read_run(context.backend, run.run_id).status
            if previous_status not in LIVE_STATUSES:  # its process or another user ended it since
                rows.append((run.label, f"had already ended as {previous_status.lower()}, unchanged"))
                continue
            _end_run(context.backend, run, status)
            marked_labels.append(run.label)
            rows.append((run.label, f"now {_STATUS_TEXTS[status]}"))
    return FixResult(f"{len(marked_labels)} marked as {_STATUS_TEXTS[status]}", tuple(rows))


def _end_run(backend: Backend, run: StaleRun, status: TerminalStatus) -> None:
    with translate_errors(f"Run {run.label}"):
        client(backend).set_terminated(run.run_id, status)
    current_status = read_run(backend, run.run_id).status
    if current_status != status:
        raise ActionRefused(
            f"{run.label} still has status {current_status}.", next="Its process may still be running. Check again."
        )


def _select_runs(context: FixContext, offer: FixOffer) -> tuple[StaleRun, ...]:
    """Return the offer's runs. Raises BadInput if any of them is not stale now."""
    stale_runs = {run.run_id: run for run in find_stale_runs(context.backend, context.clock())}
    if not stale_runs:
        raise ActionRefused("No run is stale any longer.", next="Check again.")
    prefixes = offer["runs"].replace(",", " ").split() or [ALL_RUNS]
    if prefixes == [ALL_RUNS]:
        return tuple(stale_runs.values())
    matches = {prefix: [run for run_id, run in stale_runs.items() if run_id.startswith(prefix)] for prefix in prefixes}
    if ambiguous_prefixes := [prefix for prefix, hits in matches.items() if len(hits) != 1]:
        raise BadInput(
            f"{ambiguous_prefixes[0][:40]} does not match exactly one stale run.",
            next="Use an id from the list, or its first characters.",
        )
    return tuple({hits[0].run_id: hits[0] for hits in matches.values()}.values())


def _inputs(context: FixContext, _: FixOffer) -> tuple[FixInput, ...]:
    return (FixInput("runs", "Runs", ALL_RUNS, "all, or run id prefixes separated by spaces"),)


FIXES = (
    Fix(
        fix_ids.END_FAILED,
        "Mark as failed",
        "If the process crashed. Takes a second.",
        lambda context, offer: _preview(context, offer, "FAILED"),
        lambda context, offer, progress: _end_runs(context, offer, progress, "FAILED"),
        _inputs,
    ),
    Fix(
        fix_ids.END_KILLED,
        "Mark as stopped",
        "If the process was stopped. Takes a second.",
        lambda context, offer: _preview(context, offer, "KILLED"),
        lambda context, offer, progress: _end_runs(context, offer, progress, "KILLED"),
        _inputs,
    ),
)
