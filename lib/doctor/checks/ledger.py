"""Whether the ledger is intact and the registry matches it: the answers of `verify` and `drift`, among the other checks.

What is found is settled on the Models page or by the command line, with a reason; so there is no cure here.
"""

from collections.abc import Sequence

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.doctor.report import evidence_rows
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Check, Clock, Finding, ProgressCallback
from lib.errors import LedgerBroken
from lib.registry.ledger_search import NO_RECORD_TEXT, describe_absence, describe_unreadable
from lib.registry.model_survey import survey_models
from lib.registry.notices import collect_notices
from lib.registry.verify import BookVerification, verify_all
from lib.text import format_count


def check_ledger(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Search the store for records, recompute every book, and compare it with the heads noted on versions."""
    verdicts = verify_all(backend)
    rows = [
        (verdict.model, str(finding.position), finding.what, finding.means)
        for verdict in verdicts
        for finding in verdict.findings
    ]
    if not rows:
        return LEDGER_CHECK.fine_findings(_summary_text(backend, verdicts))
    models = {row[0] for row in rows} - {INDEX_EXPERIMENT}
    if not models:
        title, summary = "The ledger holds what no index explains", format_count(len(rows), "finding")
        means = "A record may have been replaced, moved or copied. No new record begins before that is settled."
    else:
        title = "The record of a model is not whole" if len(models) == 1 else "The records of models are not whole"
        summary = f"{len(models)} of {sum(verdict.model != INDEX_EXPERIMENT for verdict in verdicts)} books"
        means = "What these books say cannot be trusted from there on, and Podium does not write to them."
    return (
        Finding(
            LEDGER_CHECK.id,
            "problem",
            title,
            summary,
            ("Model", "Place", "What", "What it means"),
            evidence_rows(rows),
            means,
            "Look at it with verify on the Audit page, and compare with a head that was noted elsewhere.",
        ),
    )


def _summary_text(backend: Backend, verdicts: Sequence[BookVerification]) -> str:
    """How much was checked, and what could not be."""
    if not verdicts:
        absence_text = describe_absence(backend)
        return "none yet" if absence_text == NO_RECORD_TEXT else absence_text
    unreadable_text = describe_unreadable(backend)
    return (
        f"{sum(len(verdict.book.entries) for verdict in verdicts):,} entries{f'. {unreadable_text}' if unreadable_text else ''}"
    )


def check_drift(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Which models were moved behind the record's back."""
    try:
        survey = survey_models(backend, clock())
    except LedgerBroken as error:
        return (Finding(DRIFT_CHECK.id, "skipped", DRIFT_CHECK.title, "not asked", means=error.what),)
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
            f"{mask_secrets(drifted_models[0])} was moved outside Podium"
            if len(drifted_models) == 1
            else f"{len(drifted_models)} models were moved outside Podium",
            f"{total - len(drifted_models)} of {total}",
            ("Model", "What", "What it means"),
            evidence_rows(rows),
            "The record has no reason for it.",
            "Open the model: let the move stand with a reason, or put the version back.",
        ),
    )


LEDGER_CHECK = Check("intact", "Ledger intact", "Is the record of every model whole?", check_ledger, is_quick=True)
DRIFT_CHECK = Check(
    "agrees", "Registry matches ledger", "Does the registry stand as the record says?", check_drift, is_quick=True
)
CHECKS = (LEDGER_CHECK, DRIFT_CHECK)
