"""Reports secrets logged as parameters, tags or names, found with detect-secrets, without any part of their value."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.doctor import fix_ids
from lib.doctor.report import evidence_rows, run_label
from lib.doctor.run_cache import ActiveRuns, read_active_runs
from lib.doctor.secret_detection import Secret, find_secret, mask_secrets
from lib.doctor.types import (
    Check,
    Clock,
    Finding,
    FixOffer,
    ProgressCallback,
    offer_fix,
)

if TYPE_CHECKING:
    import pandas as pd

_MLFLOW_TAGS = ("mlflow.log-model.history", "mlflow.runColor", "mlflow.runName")
MAX_RUNS_OFFERED = 20
TAG, PARAMETER = "tag", "parameter"
SecretMatch = tuple[str, str, str, Secret]
"""Run id, source (parameter, tag or name of the run), name, and the suspected secret."""


def check_secrets(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Scan the parameters, tags and name of every active run."""
    active_runs = read_active_runs(backend, clock)
    matches = sorted(find_secret_matches(active_runs), key=lambda match: (match[1], match[2]))
    total = len(active_runs.table)
    if not matches:
        return SECRETS_CHECK.fine_findings(f"none in {total:,} runs")
    run_ids = list(dict.fromkeys(run_id for run_id, *_ in matches))
    table = active_runs.table
    rows = [
        (run_label(table, run_id), source, mask_secrets(name), secret.description) for run_id, source, name, secret in matches
    ]
    return (
        Finding(
            SECRETS_CHECK.id,
            "problem",
            "A run seems to contain a secret" if len(run_ids) == 1 else f"{len(run_ids)} runs seem to contain a secret",
            f"{len(matches)} in {len(run_ids)} of {total:,} runs",
            ("Run", "Where", "Name", "Looks like"),
            evidence_rows(rows),
            f"Anyone with access to this backend or its backups can read it. {active_runs.scope_note}".strip(),
            "First revoke it where it is used; only that makes it harmless. A tag can be deleted and a name changed on the run's page. "
            "A parameter cannot be changed: delete the run, then remove it for good.",
            _fix_offers(matches),
        ),
    )


def _fix_offers(matches: list[SecretMatch]) -> tuple[FixOffer, ...]:
    """Offer to delete all tags at once; parameters can only be deleted with their run, at most twenty."""
    tag_offers = (offer_fix(fix_ids.DELETE_SECRET_TAGS),) if any(source == TAG for _, source, *_ in matches) else ()
    parameter_run_ids = list(dict.fromkeys(run_id for run_id, source, *_ in matches if source == PARAMETER))[:MAX_RUNS_OFFERED]
    return (
        (*tag_offers, offer_fix(fix_ids.REMOVE_RUNS, runs=" ".join(parameter_run_ids), active="yes"))
        if parameter_run_ids
        else tag_offers
    )


def find_secret_matches(active_runs: ActiveRuns) -> Iterator[SecretMatch]:
    """Yield everything that looks like a secret."""
    table = active_runs.table
    for source, frame in ((PARAMETER, table.texts), (TAG, table.tags)):
        for name in frame.columns:
            if not str(name).startswith(_MLFLOW_TAGS):
                yield from ((run_id, source, str(name), secret) for run_id, secret in _find_in_column(frame[name], str(name)))
    for run, name in table.identity["name"].dropna().items():
        if name and (secret := find_secret("", str(name))):
            yield str(run), "name of the run", "", secret


def _find_in_column(column: "pd.Series[str]", name: str) -> Iterator[tuple[str, Secret]]:
    """Yield run ids and secrets; each distinct value is checked only once."""
    present = column.dropna()
    secrets = {value: find_secret(name, str(value)) for value in present.unique()}
    yield from ((str(run_id), secret) for run_id, value in present.items() if (secret := secrets[value]))


SECRETS_CHECK = Check("secrets", "Secrets in runs", "Does a parameter, tag or name contain a password or key?", check_secrets)
CHECKS = (SECRETS_CHECK,)
