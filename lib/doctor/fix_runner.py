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
FIXES_BY_ID = {one.id: one for one in FIXES}


def find_fix(offer: FixOffer) -> Fix | None:
    """The treatment that a finding offers; None when this Podium has none of that id."""
    return FIXES_BY_ID.get(offer.fix_id)


def fix_inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """What a cure must be told before it can be previewed. Raises PodiumError when it cannot be carried out here."""
    return _known(context, offer).inputs(context, offer)


def preview_fix(context: FixContext, offer: FixOffer) -> FixPreview:
    """What a cure would change now. Changes nothing. Raises PodiumError when it cannot be carried out as it is asked for."""
    return _known(context, offer).preview(context, offer)


def apply_fix(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Carry a cure out and verify it. Raises PodiumError when it did not work, Refused for one that only a person can carry out."""
    deed = _known(context, offer).apply
    if deed is None:
        raise ActionRefused("This cure is carried out in a shell, not by Podium.", next="Copy the line and run it there.")
    return deed(context, offer, progress)


def _known(room: FixContext, call: FixOffer) -> Fix:
    found = find_fix(call)
    if found is None:
        raise ActionRefused(f"There is no cure called {call.fix_id}.", next="Check again.")
    if room.is_shared and found.needs_machine_access:
        raise ActionRefused(SHARED_PODIUM_MESSAGE, next="Its operator can do it with a Podium of their own on this backend.")
    return found
