"""Runs the checks in a fixed order. A check that fails becomes a finding itself, so the others still run.

Each module of `lib.doctor.checks` defines its own tuple of checks; this module only orders them.
"""

import time
from collections.abc import Iterable

from lib.backends.backend import Backend
from lib.backends.mlflow_client import installed_mlflow_version
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.checks import (
    artifact_locations,
    damaged_files,
    deleted_items,
    git_commits,
    good_practice,
    ledger,
    model_versions,
    other_stores,
    run_metadata,
    secrets,
    stale_runs,
)
from lib.doctor.checks.backend import CHECKS as BACKEND_CHECKS
from lib.doctor.run_cache import clear_run_cache
from lib.doctor.types import Check, Clock, Finding, ProgressCallback, Report
from lib.errors import NoAnswer, PodiumError

CHECKS: tuple[Check, ...] = (
    *BACKEND_CHECKS,
    *damaged_files.CHECKS,
    *artifact_locations.CHECKS,
    *ledger.CHECKS,
    *model_versions.CHECKS,
    *secrets.CHECKS,
    *stale_runs.CHECKS,
    *deleted_items.CHECKS,
    *good_practice.CHECKS,
    *run_metadata.CHECKS,
    *other_stores.CHECKS,
    *git_commits.CHECKS,
)
"""All checks in execution order: first reachability, then whatever blocks work, then good practice."""

QUICK_CHECKS = tuple(check for check in CHECKS if check.is_quick or check.is_prerequisite)
"""Checks cheap enough for a card shown on every visit."""


def no_progress(_: str) -> None:
    """Ignore progress."""


def run_checks(
    backend: Backend, clock: Clock, progress: ProgressCallback = no_progress, checks: Iterable[Check] | None = None
) -> Report:
    """Run all or some checks on a backend; skip the rest after an unanswered call. Read-only; expected errors become findings."""
    clear_run_cache()
    at, start = clock(), time.perf_counter()
    findings, blocking_check = list[Finding](), ""
    for check in CHECKS if checks is None else checks:
        progress(check.question)
        try:
            check_findings = (
                _skipped_findings(check, blocking_check)
                if blocking_check and not check.is_prerequisite
                else _run_check(check, backend, clock, progress)
            )
        except NoAnswer as error:  # every further check could wait just as long
            check_findings = (_failed_finding(check, error.what, error.next),)
            blocking_check = blocking_check or check.title
        findings += check_findings
        if check.is_prerequisite and any(finding.level == "problem" for finding in check_findings):
            blocking_check = blocking_check or check.title
    return Report(backend, at, time.perf_counter() - start, installed_mlflow_version(), tuple(findings), blocking_check)


def _run_check(check: Check, backend: Backend, clock: Clock, progress: ProgressCallback) -> tuple[Finding, ...]:
    try:
        with translate_errors(check.title):
            return check.run(backend, clock, progress)
    except NoAnswer:
        raise
    except PodiumError as error:
        return (_failed_finding(check, error.what, error.next),)
    except OSError as error:
        return (_failed_finding(check, f"{error.strerror or type(error).__name__}: {error.filename or 'a file'}.", ""),)


def _failed_finding(check: Check, what: str, next_: str) -> Finding:
    return Finding(
        check.id,
        "problem",
        f"{check.title}: check failed",
        "check failed",
        means=what,
        next=next_ or "Check again. If the problem persists, send this report to the backend's administrator.",
    )


def _skipped_findings(check: Check, blocking_check: str) -> tuple[Finding, ...]:
    return (Finding(check.id, "skipped", check.title, "not run", means=f"Skipped because of: {blocking_check}."),)
