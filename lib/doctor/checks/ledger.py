"""Checks that the ledger is intact and the registry matches it, like the commands `verify` and `drift`.

Findings are settled on the Models page or the command line, with a reason, so no fix is offered here.
"""

import os
from collections.abc import Sequence

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.doctor.report import evidence_rows
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Check, Clock, Finding, ProgressCallback
from lib.errors import LedgerBroken
from lib.ledger.storage.head_memory import create_head_memory
from lib.registry.head_watch import HeadWatch
from lib.registry.ledger_search import NO_RECORD_TEXT, describe_absence, describe_unreadable
from lib.registry.model_survey import survey_models
from lib.registry.notices import collect_notices
from lib.registry.verify import BookVerification, verify_all
from lib.text import format_count


def check_ledger(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Search the store for records, recompute every book, and compare it with heads noted on versions or remembered here."""
    verdicts = verify_all(backend, watch=HeadWatch(create_head_memory(os.environ), clock))
    rows = [
        (verdict.model, str(finding.position), finding.what, finding.means)
        for verdict in verdicts
        for finding in verdict.unsettled_findings
    ]
    if not rows:
        return LEDGER_CHECK.fine_findings(_summary_text(backend, verdicts))
    models = {row[0] for row in rows} - {INDEX_EXPERIMENT}
    if not models:
        title, summary = "The ledger contains records missing from its index", format_count(len(rows), "finding")
        means = "A record may have been replaced, moved or copied. No new record can begin until this is settled."
    else:
        title = "The record of a model is not intact" if len(models) == 1 else "The records of several models are not intact"
        summary = f"{len(models)} of {sum(verdict.model != INDEX_EXPERIMENT for verdict in verdicts)} books"
        means = "These books cannot be trusted from the listed position on, and Podium does not write to them."
    return (
        Finding(
            LEDGER_CHECK.id,
            "problem",
            title,
            summary,
            ("Model", "Place", "What", "What it means"),
            evidence_rows(rows),
            means,
            "Run Verify on the Audit page and compare with a head noted elsewhere.",
        ),
    )


def _summary_text(backend: Backend, verdicts: Sequence[BookVerification]) -> str:
    """Return how much was checked, and what could not be."""
    if not verdicts:
        absence_text = describe_absence(backend)
        return "none yet" if absence_text == NO_RECORD_TEXT else absence_text
    unreadable_text = describe_unreadable(backend)
    return (
        f"{sum(len(verdict.book.entries) for verdict in verdicts):,} entries{f'. {unreadable_text}' if unreadable_text else ''}"
    )


def check_drift(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Report models that were changed outside Podium."""
    try:
        survey = survey_models(backend, clock())
    except LedgerBroken as error:
        return (Finding(DRIFT_CHECK.id, "skipped", DRIFT_CHECK.title, "not run", means=error.what),)
    rows = [
        (model, notice.what, notice.means)
        for model, status in sorted(survey.statuses.items())
        for notice in collect_notices(status, {})
        if notice.severity == "drift"
    ]
    drifted_models, total = list(dict.fromkeys(row[0] for row in rows)), len(survey.statuses)
    if not rows:
        return DRIFT_CHECK.fine_findings(f"{total} of {total}" if total else "none recorded yet")
    return (
        Finding(
            DRIFT_CHECK.id,
            "notice",
            f"{mask_secrets(drifted_models[0])} was changed outside Podium"
            if len(drifted_models) == 1
            else f"{len(drifted_models)} models were changed outside Podium",
            f"{total - len(drifted_models)} of {total}",
            ("Model", "What", "What it means"),
            evidence_rows(rows),
            "The record contains no reason for the change.",
            "Open the model and accept the change with a reason, or revert it.",
        ),
    )


LEDGER_CHECK = Check("intact", "Ledger intact", "Is the record of every model intact?", check_ledger, is_quick=True)
DRIFT_CHECK = Check("agrees", "Registry matches ledger", "Does the registry match the record?", check_drift, is_quick=True)
CHECKS = (LEDGER_CHECK, DRIFT_CHECK)
