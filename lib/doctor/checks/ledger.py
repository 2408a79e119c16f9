"""Whether the record is whole and the registry stands as it says: the answers of `verify` and `drift`, among the other checks.

What is found is settled on the Models page or by the command line, with a reason; so there is no cure here.
"""

from lib.backends.backend import Backend
from lib.doctor.checks.secret_detection import without_secrets
from lib.doctor.run_cache import shown
from lib.doctor.types import Check, Clock, Finding, Told
from lib.errors import LedgerBroken
from lib.registry.model_survey import survey
from lib.registry.notices import notices
from lib.registry.verify import verify_all


def intact(backend: Backend, _: Clock, __: Told) -> tuple[Finding, ...]:
    """Recompute every book and compare it with the heads noted on versions."""
    verdicts = verify_all(backend)
    entries = sum(len(one.reading.entries) for one in verdicts)
    ill = [(one.model, str(found.place), found.what, found.means) for one in verdicts for found in one.findings]
    if not ill:
        return INTACT.fine(f"{entries:,} entries" if verdicts else "none yet")
    return (
        Finding(
            INTACT.id,
            "problem",
            "The record of a model is not whole" if len({row[0] for row in ill}) == 1 else "The records of models are not whole",
            f"{len({row[0] for row in ill})} of {len(verdicts)} books",
            ("Model", "Place", "What", "What it means"),
            shown(ill),
            "What these books say cannot be trusted from there on, and Podium does not write to them.",
            "Look at it with verify on the Audit page, and compare with a head that was noted elsewhere.",
        ),
    )


def agrees(backend: Backend, _: Clock, __: Told) -> tuple[Finding, ...]:
    """Which models were moved behind the record's back."""
    try:
        found = survey(backend)
    except LedgerBroken as error:
        return (Finding(AGREES.id, "skipped", AGREES.title, "not asked", means=error.what),)
    rows = [
        (model, one.what, one.means)
        for model, look in sorted(found.looks.items())
        for one in notices(look, {})
        if one.weight == "drift"
    ]
    ill, total = list(dict.fromkeys(row[0] for row in rows)), len(found.looks)
    if not rows:
        return AGREES.fine(f"{total} of {total}" if total else "none recorded yet")
    return (
        Finding(
            AGREES.id,
            "notice",
            f"{without_secrets(ill[0])} was moved outside Podium"
            if len(ill) == 1
            else f"{len(ill)} models were moved outside Podium",
            f"{total - len(ill)} of {total}",
            ("Model", "What", "What it means"),
            shown(rows),
            "The record has no reason for it.",
            "Open the model: let the move stand with a reason, or put the version back.",
        ),
    )


INTACT = Check("intact", "Ledger intact", "Is the record of every model whole?", intact, quick=True)
AGREES = Check("agrees", "Registry matches ledger", "Does the registry stand as the record says?", agrees, quick=True)
CHECKS = (INTACT, AGREES)
