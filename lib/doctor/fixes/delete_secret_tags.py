"""The fix for secrets that were logged as tags: delete these tags. A parameter goes only with its run."""

from typing import TYPE_CHECKING

from lib.backends.mlflow_client import client, translate_errors
from lib.backends.sqlite_store import require_writable
from lib.doctor import fix_ids
from lib.doctor.checks.secrets import TAG, find_secret_matches
from lib.doctor.evidence import run_label
from lib.doctor.run_cache import clear_run_cache, read_active_runs
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Fix, FixContext, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused

if TYPE_CHECKING:
    from lib.runs.table.types import RunTable


def _preview(room: FixContext, _: FixOffer) -> FixPreview:
    table, tags = _tags(room)
    code = "\n".join(f"client.delete_tag({run!r}, {name!r})" for run, name in tags)
    return FixPreview(
        "Delete the tags that seem to hold a secret",
        (
            *(f"{run_label(table, run)} loses its tag {mask_secrets(name)}." for run, name in tags),
            "Copies of the database may still hold them: revoke the secret all the same.",
        ),
        (Snippet(f"client = MlflowClient(tracking_uri={room.backend.uri!r})\n{mask_secrets(code)}"),),
    )


def _delete(room: FixContext, _: FixOffer, told: ProgressCallback) -> FixResult:
    require_writable(room.backend)
    table, tags = _tags(room)
    for run, name in tags:
        told(f"Deleting a tag of {run_label(table, run)}.")
        with translate_errors(f"Run {run}"):
            client(room.backend).delete_tag(run, name)
    clear_run_cache()
    if left := [hit for hit in find_secret_matches(read_active_runs(room.backend, room.clock)) if hit[1] == TAG]:
        raise ActionRefused(f"{len(left)} tags are still there.", next="Somebody may have set them again. Check again.")
    return FixResult("The tags are gone", tuple((run_label(table, run), f"no tag {mask_secrets(name)}") for run, name in tags))


def _tags(room: FixContext) -> tuple["RunTable", list[tuple[str, str]]]:
    """The tags that hold a secret now. Raises Refused when there is none any more."""
    clear_run_cache()
    found = read_active_runs(room.backend, room.clock)
    tags = [(run, name) for run, where, name, _ in find_secret_matches(found) if where == TAG]
    if not tags:
        raise ActionRefused("No tag seems to hold a secret any more.", next="Check again.")
    return found.table, tags


FIXES = (
    Fix(
        fix_ids.DELETE_SECRET_TAGS,
        "Delete these tags",
        "Parameters cannot be deleted, tags can. Takes a second.",
        _preview,
        _delete,
    ),
)
