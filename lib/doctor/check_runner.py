"""The table of checks and the order in which they run. One that fails is a finding itself, so that the others are still heard.

Each room of checks (`reach`, `locations`, …) has its own tuple; the table only puts them in order.
"""

import time
from collections.abc import Iterable

from lib.backends.backend import Backend
from lib.backends.mlflow_client import mlflow_version, translated
from lib.doctor.checks import artifact_locations as locations
from lib.doctor.checks import backend as reach
from lib.doctor.checks import deleted_items as deleted
from lib.doctor.checks import git_commits as commits
from lib.doctor.checks import good_practice as practice
from lib.doctor.checks import ledger as record
from lib.doctor.checks import model_versions as versions
from lib.doctor.checks import other_stores as beside
from lib.doctor.checks import run_metadata as completeness
from lib.doctor.checks import secrets as secrets_logged
from lib.doctor.checks import stale_runs as unfinished
from lib.doctor.run_cache import forget
from lib.doctor.types import Check, Clock, Finding, Report, Told
from lib.errors import PodiumError

CHECKS: tuple[Check, ...] = (
    *reach.CHECKS,
    *locations.CHECKS,
    *record.CHECKS,
    *versions.CHECKS,
    *secrets_logged.CHECKS,
    *unfinished.CHECKS,
    *deleted.CHECKS,
    *practice.CHECKS,
    *completeness.CHECKS,
    *beside.CHECKS,
    *commits.CHECKS,
)
"""In the order in which they are asked: first whether anything can be asked at all, then what stops work, then good practice."""

QUICK = tuple(check for check in CHECKS if check.quick or check.first)
"""Cheap enough for a card that is seen at every visit."""


def quietly(_: str) -> None:
    """A listener that does not listen."""


def examine(backend: Backend, clock: Clock, told: Told = quietly, checks: Iterable[Check] | None = None) -> Report:
    """Ask a backend all questions, or only some. Changes nothing and raises nothing but bugs."""
    forget()
    at, start = clock(), time.perf_counter()
    findings, stopped = list[Finding](), ""
    for check in CHECKS if checks is None else checks:
        told(check.asks)
        found = _skipped(check, stopped) if stopped and not check.first else _asked(check, backend, clock, told)
        findings += found
        if check.first and any(one.level == "problem" for one in found):
            stopped = stopped or check.title
    return Report(backend, at, time.perf_counter() - start, mlflow_version(), tuple(findings), stopped)


def _asked(check: Check, backend: Backend, clock: Clock, told: Told) -> tuple[Finding, ...]:
    try:
        with translated(check.title):
            return check.ask(backend, clock, told)
    except PodiumError as error:
        return (_failed(check, error.what, error.next),)
    except OSError as error:
        return (_failed(check, f"{error.strerror or type(error).__name__}: {error.filename or 'a file'}.", ""),)


def _failed(check: Check, what: str, next_: str) -> Finding:
    return Finding(
        check.id,
        "problem",
        f"{check.title}: this could not be checked",
        "could not be checked",
        means=what,
        next=next_ or "Check again; if it stays so, show this report to whoever runs the backend.",
    )


def _skipped(check: Check, because: str) -> tuple[Finding, ...]:
    return (Finding(check.id, "skipped", check.title, "not asked", means=f"It was not asked, because of: {because}."),)
