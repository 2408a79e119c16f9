"""The source runs of registered versions, and which versions are in use; the basis for every deletion. Read-only.

A version is in use if it is in Production or Staging by the registry or the record, or if an alias points to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.backends.backend import Backend
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.state.holdings import Holding, recorded_holdings
from lib.ledger.state.replay import BookState
from lib.registry.reader import read_all_book_states, read_all_snapshots
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot
from lib.registry.version_sources import named_run_ids, source_model_ids, source_run_ids
from lib.runs.table.types import Run


@dataclass(frozen=True)
class VersionUse:
    """A registered version that came from a run. `holdings` are the stages it held or holds by the record.

    `is_stored_in_run`: its files are among the run's artifacts and would be lost if the run were permanently removed.
    """

    model: str
    version: str
    stage: str
    aliases: tuple[str, ...] = ()
    holdings: tuple[Holding, ...] = ()
    is_stored_in_run: bool = False

    @property
    def is_in_use(self) -> bool:
        """Does it hold a stage by the registry or by the record, or does an alias point to it?"""
        return self.stage in SLOTS.values() or bool(self.aliases) or bool(self._held_stages)

    @property
    def label(self) -> str:
        """The version and its use: "forest v3 in Production", "forest v3 as @canary", "forest v3 in Production by the record"."""
        aliases = ", ".join(f"@{alias}" for alias in self.aliases)
        how = f"as {aliases}" if aliases else f"in {self._held_stages[0]} by the record" if self._held_stages else "and not used"
        return f"{self.model} v{self.version} {f'in {self.stage}' if self.stage in SLOTS.values() else how}"

    @property
    def _held_stages(self) -> list[str]:
        return [SLOTS[holding.slot] for holding in self.holdings if holding.until is None]


def find_version_uses(run: Run, snapshots: Sequence[RegistrySnapshot], states: Mapping[str, BookState]) -> tuple[VersionUse, ...]:
    """The versions that came from a run: those that name it, and those created from its files or models."""
    return tuple(
        _version_use(snapshot, version, states.get(snapshot.model), is_stored_in_run=_is_stored_in_run(version, run))
        for snapshot in snapshots
        for version in snapshot.versions.values()
        if run.run_id in named_run_ids(version)
        or source_model_ids(version) & set(run.model_ids)
        or _is_stored_in_run(version, run)
    )


def find_runs_in_use(backend: Backend) -> dict[str, str]:
    """Run id → labels of the versions in use that came from it: "forest v3 in Production, forest v2 as @canary"."""
    snapshots = read_all_snapshots(backend)
    states = read_all_book_states(backend, snapshots)
    labels_by_run: dict[str, list[str]] = {}
    for snapshot in snapshots:
        for version in snapshot.versions.values():
            use = _version_use(snapshot, version, states.get(snapshot.model), is_stored_in_run=False)
            for run_id in sorted(source_run_ids(backend, version)) if use.is_in_use else ():
                labels_by_run.setdefault(run_id, []).append(use.label)
    return {run_id: ", ".join(labels) for run_id, labels in labels_by_run.items()}


def _version_use(
    snapshot: RegistrySnapshot, version: VersionSnapshot, state: BookState | None, *, is_stored_in_run: bool
) -> VersionUse:
    holdings = recorded_holdings(state.book.entries) if state else ()
    return VersionUse(
        model=snapshot.model,
        version=version.number,
        stage=version.stage,
        aliases=tuple(sorted(alias for alias, number in snapshot.aliases.items() if number == version.number)),
        holdings=tuple(holding for holding in holdings if holding.version == version.number),
        is_stored_in_run=is_stored_in_run,
    )


def _is_stored_in_run(version: VersionSnapshot, run: Run) -> bool:
    """Are the version's files among the run's artifacts?"""
    folder = run.artifact_uri.rstrip("/")
    return version.source.startswith(f"runs:/{run.run_id}/") or (bool(folder) and version.source.startswith(f"{folder}/"))
