"""Secrets that were logged as parameters, tags or names: found by detect-secrets, told without any part of their value."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.sqlite_store import require_writable
from lib.doctor.checks.secret_detection import Secret, find_secret, mask_secrets
from lib.doctor.run_cache import ActiveRuns, clear_run_cache, evidence_rows, read_active_runs, run_label
from lib.doctor.types import (
    Check,
    Clock,
    Finding,
    Fix,
    FixContext,
    FixOffer,
    FixPreview,
    FixResult,
    ProgressCallback,
    Snippet,
    offer_fix,
)
from lib.errors import ActionRefused

if TYPE_CHECKING:
    import pandas as pd

    from lib.runs.table.types import RunTable

_MADE_BY_MLFLOW = ("mlflow.log-model.history", "mlflow.runColor", "mlflow.runName")
MAX_RUNS_OFFERED = 20
TAG, PARAMETER = "tag", "parameter"
SecretMatch = tuple[str, str, str, Secret]
"""Run, where it stands, under which name, what it looks like."""


def check_secrets(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Look at every parameter, tag and name of every active run."""
    found = read_active_runs(backend, clock)
    hits = sorted(_hits(found), key=lambda hit: (hit[1], hit[2]))
    total = len(found.table)
    if not hits:
        return SECRETS_CHECK.fine_findings(f"none in {total:,} runs")
    runs = list(dict.fromkeys(run for run, *_ in hits))
    table = found.table
    rows = [(run_label(table, run), where, mask_secrets(name), secret.description) for run, where, name, secret in hits]
    return (
        Finding(
            SECRETS_CHECK.id,
            "problem",
            "A run seems to hold a secret" if len(runs) == 1 else f"{len(runs)} runs seem to hold a secret",
            f"{len(hits)} in {len(runs)} of {total:,} runs",
            ("Run", "Where", "Name", "Looks like"),
            evidence_rows(rows),
            f"Everybody who may read this backend can read it, and so can its backups. {found.scope_note}".strip(),
            "Revoke it first where it is used: that alone makes it harmless. A tag can be deleted and a name changed on the run's page. A parameter "
            "cannot be changed: delete the run, then remove it for good.",
            _cures(hits),
        ),
    )


def _cures(hits: list[SecretMatch]) -> tuple[FixOffer, ...]:
    """Tags are deleted all at once; a parameter goes only with its run: at most twenty are offered."""
    tags = (offer_fix("delete_secret_tags"),) if any(where == TAG for _, where, *_ in hits) else ()
    stuck = list(dict.fromkeys(run for run, where, *_ in hits if where == PARAMETER))[:MAX_RUNS_OFFERED]
    return (*tags, offer_fix("remove_runs", runs=" ".join(stuck), active="yes")) if stuck else tags


def _preview(room: FixContext, _: FixOffer) -> FixPreview:
    table, tags = _tags(room)
    code = "\n".join(f"client.delete_tag({run!r}, {name!r})" for run, name in tags)
    return FixPreview(
        "Delete the tags that seem to hold a secret",
        (
            *(f"{run_label(table, run)} loses its tag {mask_secrets(name)}." for run, name in tags),
            "Copies of the database may still hold them: revoke the secret all the same.",
        ),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\n{mask_secrets(code)}"),),
    )


def _delete(room: FixContext, _: FixOffer, told: ProgressCallback) -> FixResult:
    require_writable(room.backend)
    table, tags = _tags(room)
    for run, name in tags:
        told(f"Deleting a tag of {run_label(table, run)}.")
        with translate_errors(f"Run {run}"):
            client(room.backend).delete_tag(run, name)
    clear_run_cache()
    if left := [hit for hit in _hits(read_active_runs(room.backend, room.clock)) if hit[1] == TAG]:
        raise ActionRefused(f"{len(left)} tags are still there.", next="Somebody may have set them again. Check again.")
    return FixResult("The tags are gone", tuple((run_label(table, run), f"no tag {mask_secrets(name)}") for run, name in tags))


def _tags(room: FixContext) -> tuple["RunTable", list[tuple[str, str]]]:
    """The tags that hold a secret now. Raises Refused when there is none any more."""
    clear_run_cache()
    found = read_active_runs(room.backend, room.clock)
    tags = [(run, name) for run, where, name, _ in _hits(found) if where == TAG]
    if not tags:
        raise ActionRefused("No tag seems to hold a secret any more.", next="Check again.")
    return found.table, tags


def _hits(found: ActiveRuns) -> Iterator[SecretMatch]:
    """Everything that looks like a secret."""
    table = found.table
    for where, frame in ((PARAMETER, table.texts), (TAG, table.tags)):
        for name in frame.columns:
            if not str(name).startswith(_MADE_BY_MLFLOW):
                yield from ((run, where, str(name), secret) for run, secret in _in_column(frame[name], str(name)))
    for run, name in table.identity["name"].dropna().items():
        if name and (secret := find_secret("", str(name))):
            yield str(run), "name of the run", "", secret


def _in_column(column: "pd.Series[str]", name: str) -> Iterator[tuple[str, Secret]]:
    """Each value is judged once, however many runs share it."""
    present = column.dropna()
    known = {value: find_secret(name, str(value)) for value in present.unique()}
    yield from ((str(run), secret) for run, value in present.items() if (secret := known[value]))


SECRETS_CHECK = Check("secrets", "Secrets in runs", "Does a parameter, a tag or a name hold a password or a key?", check_secrets)
CHECKS = (SECRETS_CHECK,)
FIXES = (
    Fix("delete_secret_tags", "Delete these tags", "Parameters cannot be deleted, tags can. Takes a second.", _preview, _delete),
)
