"""Rollback: return an earlier holder to Production if it still exists with its model files."""

from lib.errors import ActionRefused
from lib.ledger.state.holdings import recorded_holdings
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer
from lib.registry.lineage import has_model_files
from lib.registry.model_status import ModelStatus, explain_recorded
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import MoveResult, move_version
from lib.registry.reader import read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.snapshot import require_version


def rollback_target(writer: Writer, status: ModelStatus) -> str | None:
    """The last *other* holder of Production that still exists with its model files; None if there is none."""
    current_holders = status.snapshot.slot_states["production"].holders
    candidates = dict.fromkeys(reversed(_production_history(status.state)))
    versions = status.snapshot.versions
    existing = (
        number
        for number in candidates
        if number not in current_holders and number in versions and versions[number].registration == "READY"
    )
    return next((number for number in existing if has_model_files(writer.backend, status.snapshot.model, number)), None)


def roll_back(writer: Writer, model: str, to_version: str | None, decision: Decision) -> MoveResult:
    """Return an earlier holder to Production, by default the last other one that still exists with its model files.

    Raises ActionRefused if there is none, or if `to_version` was never in Production or its files are gone.
    """
    if to_version:
        require_version(read_snapshot(writer.backend, model), to_version)
    status = sync_model_status(writer, model)
    with explain_recorded(status):
        target = _require_target(writer, status, to_version)
    return move_version(writer, MoveRequest(model, target, "Production", "roll_back"), decision)


def _require_target(writer: Writer, status: ModelStatus, to_version: str | None) -> str:
    """The target version of a rollback. Raises the same errors as `roll_back`."""
    model, target = status.snapshot.model, to_version or rollback_target(writer, status)
    if target is None:
        raise ActionRefused(f"No earlier version of {model} can return to Production.", next="Promote another version instead.")
    require_version(status.snapshot, target)
    if target not in _production_history(status.state):
        raise ActionRefused(f"Version {target} of {model} was never in Production.", next="Promote it instead.")
    if not has_model_files(writer.backend, model, target):
        raise ActionRefused(
            f"The model files of version {target} are gone.", next="Choose another version, or restore the files."
        )
    return target


def _production_history(state: BookState) -> list[str]:
    """The versions that held Production by the record, oldest first, once per holding."""
    holdings = recorded_holdings(state.current_life_entries)
    return [holding.version for holding in holdings if holding.slot == "production" and holding.version]
