"""Whether the ledger is intact and the registry matches it: the answers of `verify` and `drift`, among the other checks.

What is found is settled on the Models page or by the command line, with a reason; so there is no cure here.
"""

from lib.backends.backend import Backend
from lib.doctor.report import evidence_rows
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Check, Clock, Finding, ProgressCallback
from lib.errors import LedgerBroken
from lib.registry.model_survey import survey_models
from lib.registry.notices import collect_notices
from lib.registry.verify import verify_all


def check_ledger(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Recompute every book and compare it with the heads noted on versions."""
    verdicts = verify_all(backend)
    entries = sum(len(verdict.book.entries) for verdict in verdicts)
    rows = [
        (verdict.model, str(finding.position), finding.what, finding.means)
        for verdict in verdicts
        for finding in verdict.findings
    ]
    if not rows:
        return LEDGER_CHECK.fine_findings(f"{entries:,} entries" if verdicts else "none yet")
    return (
        Finding(
            LEDGER_CHECK.id,
            "problem",
            "The record of a model is not whole" if len({row[0] for row in rows}) == 1 else "The records of models are not whole",
            f"{len({row[0] for row in rows})} of {len(verdicts)} books",
            ("Model", "Place", "What", "What it means"),
            evidence_rows(rows),
            "What these books say cannot be trusted from there on, and Podium does not write to them.",
            "Look at it with verify on the Audit page, and compare with a head that was noted elsewhere.",
        ),
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
