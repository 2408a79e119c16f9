"""The table of fixes: what a finding may offer, how each is previewed, and how it is applied and verified.

A fix is previewed from the current state; applying it reads that state again and refuses when it has changed.
"""

from lib.backends.call_deadline import single_wait
from lib.doctor.fixes import (
    delete_secret_tags,
    deleted_items,
    end_stale_runs,
    map_folder,
    migrate_file_store,
    new_experiment,
    new_store,
    set_tracking_uri,
    start_server,
    upgrade_database,
)
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback
from lib.errors import ActionRefused

FIXES: tuple[Fix, ...] = (
    *upgrade_database.FIXES,
    *migrate_file_store.FIXES,
    *end_stale_runs.FIXES,
    *deleted_items.FIXES,
    *delete_secret_tags.FIXES,
    *new_experiment.FIXES,
    *start_server.FIXES,
    *set_tracking_uri.FIXES,
    *new_store.FIXES,
    *map_folder.FIXES,
)
SHARED_PODIUM_MESSAGE = "This Podium is shared, so no cure starts a program or reaches a folder of its machine."
_FIXES_BY_ID = {fix.id: fix for fix in FIXES}


def find_fix(offer: FixOffer) -> Fix | None:
    """The fix that a finding offers; None when this Podium has none with that id."""
    return _FIXES_BY_ID.get(offer.fix_id)


def fix_inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """The inputs that a fix needs before it can be previewed. Raises PodiumError when it cannot be applied here."""
    return _require_fix(context, offer).inputs(context, offer)


def preview_fix(context: FixContext, offer: FixOffer) -> FixPreview:
    """What a fix would change now. Changes nothing. Raises PodiumError when it cannot be applied with these arguments."""
    return _require_fix(context, offer).preview(context, offer)


@single_wait()
def apply_fix(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Apply a fix and verify it. Raises PodiumError when it did not work, ActionRefused for one that only a person can apply."""
    apply = _require_fix(context, offer).apply
    if apply is None:
        raise ActionRefused("This cure is carried out in a shell, not by Podium.", next="Copy the line and run it there.")
    return apply(context, offer, progress)


def _require_fix(context: FixContext, offer: FixOffer) -> Fix:
    fix = find_fix(offer)
    if fix is None:
        raise ActionRefused(f"There is no cure called {offer.fix_id}.", next="Check again.")
    if context.is_shared and fix.needs_machine_access:
        raise ActionRefused(SHARED_PODIUM_MESSAGE, next="Its operator can do it with a Podium of their own on this backend.")
    return fix
