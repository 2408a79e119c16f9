"""The table of cures: what a finding may offer, how each is previewed, and how it is carried out and verified.

A cure is previewed from the state of this moment; carrying it out looks again and refuses when that state has changed.
"""

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
    """The treatment that a finding offers; None when this Podium has none of that id."""
    return _FIXES_BY_ID.get(offer.fix_id)


def fix_inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """What a cure must be told before it can be previewed. Raises PodiumError when it cannot be carried out here."""
    return _require_fix(context, offer).inputs(context, offer)


def preview_fix(context: FixContext, offer: FixOffer) -> FixPreview:
    """What a cure would change now. Changes nothing. Raises PodiumError when it cannot be carried out as it is asked for."""
    return _require_fix(context, offer).preview(context, offer)


def apply_fix(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Carry a cure out and verify it. Raises PodiumError when it did not work, Refused for one that only a person can carry out."""
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
