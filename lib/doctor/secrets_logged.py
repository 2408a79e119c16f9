"""Secrets that were logged as parameters, tags or names: found by detect-secrets, told without any part of their value."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lib.backends.uri import Backend
from lib.doctor.findings import Check, Clock, Finding, Told, call
from lib.doctor.gathered import Gathered, gathered, run_name, shown
from lib.doctor.secret_words import Secret, secret_in, without_secrets

if TYPE_CHECKING:
    import pandas as pd

_MADE_BY_MLFLOW = ("mlflow.log-model.history", "mlflow.runColor", "mlflow.user")
MOST_OFFERED = 3


def logged(backend: Backend, clock: Clock, _: Told) -> tuple[Finding, ...]:
    """Look at every parameter, tag and name of every active run."""
    found = gathered(backend, clock)
    hits = sorted(_hits(found), key=lambda hit: (hit[1], hit[2]))
    total = len(found.table)
    if not hits:
        return LOGGED.fine(f"none in {total:,} runs")
    runs = list(dict.fromkeys(run for run, *_ in hits))
    table = found.table
    rows = [(run_name(table, run), where, without_secrets(name), secret.said) for run, where, name, secret in hits]
    return (
        Finding(
            LOGGED.id,
            "problem",
            "A run seems to hold a secret" if len(runs) == 1 else f"{len(runs)} runs seem to hold a secret",
            f"{len(hits)} in {len(runs)} of {total:,} runs",
            ("Run", "Where", "Name", "Looks like"),
            shown(rows),
            f"Everybody who may read this backend can read it, and so can its backups. {found.scope}".strip(),
            "Revoke it first where it is used: that alone makes it harmless. A tag can be deleted on the run's page. A parameter "
            "cannot be changed: delete the run, then remove it for good.",
            tuple(call("delete_run", run=run) for run in runs[:MOST_OFFERED]),
        ),
    )


def _hits(found: Gathered) -> Iterator[tuple[str, str, str, Secret]]:
    """Run, where it stands, under which name, what it looks like."""
    table = found.table
    for where, frame in (("parameter", table.texts), ("tag", table.tags)):
        for name in frame.columns:
            if not str(name).startswith(_MADE_BY_MLFLOW):
                yield from ((run, where, str(name), secret) for run, secret in _in_column(frame[name], str(name)))
    for run, name in table.identity["name"].dropna().items():
        if name and (secret := secret_in("", str(name))):
            yield str(run), "name of the run", "", secret


def _in_column(column: "pd.Series[str]", name: str) -> Iterator[tuple[str, Secret]]:
    """Each value is judged once, however many runs share it."""
    present = column.dropna()
    known = {value: secret_in(name, str(value)) for value in present.unique()}
    yield from ((str(run), secret) for run, value in present.items() if (secret := known[value]))


LOGGED = Check("secrets", "Secrets in runs", "Does a parameter, a tag or a name hold a password or a key?", logged)
CHECKS = (LOGGED,)
