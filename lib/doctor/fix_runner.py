"""Finds, previews, applies and verifies the fixes that findings offer.

A fix is previewed from the current state; applying it rereads that state and refuses if it has changed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from filelock import FileLock, Timeout

from lib.backends.app_files import make_private_folder
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
from lib.errors import ActionRefused, NotWritable

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
SHARED_PODIUM_MESSAGE = "This Podium is shared, so fixes cannot start programs or access folders on its machine."
_FIXES_BY_ID = {fix.id: fix for fix in FIXES}


def find_fix(offer: FixOffer) -> Fix | None:
    """Return the offered fix, or None if this Podium has no fix with that id."""
    return _FIXES_BY_ID.get(offer.fix_id)


def fix_inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """Return the inputs a fix needs before its preview. Raises PodiumError if it cannot be applied here."""
    return _require_fix(context, offer).inputs(context, offer)


def preview_fix(context: FixContext, offer: FixOffer) -> FixPreview:
    """Return what a fix would change now, without changing it. Raises PodiumError if it cannot be applied with these arguments."""
    return _require_fix(context, offer).preview(context, offer)


@single_wait()
def apply_fix(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Apply and verify a fix. Raises PodiumError if it fails, ActionRefused if it can only be applied manually or another is running."""
    apply = _require_fix(context, offer).apply
    if apply is None:
        raise ActionRefused("This fix is applied in a shell, not by Podium.", next="Copy the command and run it there.")
    with _single_fix(context):
        return apply(context, offer, progress)


@contextmanager
def _single_fix(context: FixContext) -> Iterator[None]:
    """Let only one fix at a time change a backend. Raises ActionRefused while another user or process applies one."""
    folder = context.podium_home / "fixes"
    try:
        make_private_folder(folder)
        lock = FileLock(folder / f"{sha256(context.backend.uri.encode()).hexdigest()[:16]}.lock", timeout=0, mode=0o600)
        lock.acquire()
    except Timeout as error:
        raise ActionRefused(
            "Another fix is being applied to this backend.", next="Wait until it has finished, then check again."
        ) from error
    except OSError as error:
        raise NotWritable(f"{folder} cannot be written ({error.strerror}).", next="Set PODIUM_HOME to another folder.") from error
    try:
        yield
    finally:
        lock.release()


def _require_fix(context: FixContext, offer: FixOffer) -> Fix:
    fix = find_fix(offer)
    if fix is None:
        raise ActionRefused(f"Unknown fix {offer.fix_id}.", next="Check again.")
    if context.is_shared and fix.needs_machine_access:
        raise ActionRefused(SHARED_PODIUM_MESSAGE, next="The operator can apply it from a private Podium on this backend.")
    return fix
