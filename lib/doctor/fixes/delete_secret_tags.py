"""Fix for secrets logged as tags: delete the tags. Parameters can only be deleted with their run."""

from contextlib import suppress
from typing import TYPE_CHECKING

from lib.backends.client_snippet import client_snippet
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.sqlite_store import require_writable
from lib.doctor import fix_ids
from lib.doctor.checks.secrets import TAG, find_secret_matches
from lib.doctor.completed_steps import report_completed_steps
from lib.doctor.report import run_label
from lib.doctor.run_cache import clear_run_cache, read_active_runs
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Fix, FixContext, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, NotFound

if TYPE_CHECKING:
    from lib.runs.table.types import RunTable


def _preview(context: FixContext, _: FixOffer) -> FixPreview:
    table, tags = _find_secret_tags(context)
    calls = [f"client.delete_tag({run_id!r}, {name!r})" for run_id, name in tags]
    return FixPreview(
        "Delete the tags that seem to contain a secret",
        (
            *(f"{run_label(table, run_id)} loses its tag {mask_secrets(name)}." for run_id, name in tags),
            "Copies of the database may still contain them, so revoke the secret anyway.",
        ),
        (Snippet(client_snippet(context.backend.address, map(mask_secrets, calls))),),
    )


def _delete_tags(context: FixContext, _: FixOffer, progress: ProgressCallback) -> FixResult:
    require_writable(context.backend)
    table, tags = _find_secret_tags(context)
    deleted_tags = list[str]()
    with report_completed_steps("Deleted", deleted_tags):
        for run_id, name in tags:
            progress(f"Deleting a tag from {run_label(table, run_id)}.")
            with suppress(NotFound), translate_errors(f"Run {run_id}"):  # deleted since by another user
                client(context.backend).delete_tag(run_id, name)
            deleted_tags.append(f"tag {mask_secrets(name)} of {run_label(table, run_id)}")
    clear_run_cache()
    if remaining_tags := [
        match for match in find_secret_matches(read_active_runs(context.backend, context.clock)) if match[1] == TAG
    ]:
        raise ActionRefused(
            f"{len(remaining_tags)} tags still exist.",
            next="They may have been set again by another user or program. Check again.",
        )
    return FixResult("Tags deleted", tuple((run_label(table, run_id), f"no tag {mask_secrets(name)}") for run_id, name in tags))


def _find_secret_tags(context: FixContext) -> tuple["RunTable", list[tuple[str, str]]]:
    """Return the tags that currently contain a secret. Raises ActionRefused if there are none."""
    clear_run_cache()
    active_runs = read_active_runs(context.backend, context.clock)
    tags = [(run_id, name) for run_id, source, name, _ in find_secret_matches(active_runs) if source == TAG]
    if not tags:
        raise ActionRefused("No tag seems to contain a secret any longer.", next="Check again.")
    return active_runs.table, tags


FIXES = (
    Fix(
        fix_ids.DELETE_SECRET_TAGS,
        "Delete these tags",
        "Tags can be deleted, parameters cannot. Takes a second.",
        _preview,
        _delete_tags,
    ),
)
