"""Which runs a registered version was made from, and which versions somebody uses now: one answer for every deletion. Reads only.

Used means: it stands in Production or Staging by the registry or by the record, or an alias leads to it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.errors import NotFound
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.state.holdings import Holding, recorded_holdings
from lib.ledger.state.replay import BookState
from lib.registry.reader import read_all_book_states, read_all_snapshots
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot
from lib.runs.table.types import Run

_LOGGED = re.compile(r"(?:^models:/|/models/)(m-[^/]+)(?:/|$)")
"""A logged model in the source of a version: its address, or the folder it lies in."""
_RUN = re.compile(r"(?:^runs:/+([^/]+)|/([0-9a-f]{32})/artifacts)(?:/|$)")
"""A run in the source of a version: its address, or the folder of its artifacts."""


@dataclass(frozen=True)
class VersionUse:
    """A registered version that came from a run. `holdings` are the stages it held or holds, by the record.

    `inside` says that its files lie among the run's own artifacts: they would be lost if the run were ever removed for good.
    """

    model: str
    version: str
    stage: str
    aliases: tuple[str, ...] = ()
    holdings: tuple[Holding, ...] = ()
    is_stored_in_run: bool = False

    @property
    def is_in_use(self) -> bool:
        """Does it hold a stage by the registry or by the record, or does an alias lead to it?"""
        return self.stage in SLOTS.values() or bool(self.aliases) or bool(self._held)

    @property
    def label(self) -> str:
        """What is used and how: "forest v3 in Production", "forest v3 as @canary", "forest v3 in Production by the record"."""
        aliases = ", ".join(f"@{alias}" for alias in self.aliases)
        how = f"as {aliases}" if aliases else f"in {self._held[0]} by the record" if self._held else "and not used"
        return f"{self.model} v{self.version} {f'in {self.stage}' if self.stage in SLOTS.values() else how}"

    @property
    def _held(self) -> list[str]:
        return [SLOTS[one.slot] for one in self.holdings if one.until is None]


def find_version_uses(run: Run, snapshots: Sequence[RegistrySnapshot], states: Mapping[str, BookState]) -> tuple[VersionUse, ...]:
    """The versions that came from a run, by model and number: those that name it, and those made of its files or of its models."""
    return tuple(
        _use(seen, version, states.get(seen.model), inside=_lies_in(version, run))
        for seen in snapshots
        for version in seen.versions.values()
        if run.run_id in _runs(version) or _models(version) & set(run.model_ids) or _lies_in(version, run)
    )


def find_runs_in_use(backend: Backend) -> dict[str, str]:
    """Run id → what people call the used versions that came from it: "forest v3 in Production, forest v2 as @canary"."""
    models = read_all_snapshots(backend)
    records = read_all_book_states(backend, models)
    found: dict[str, list[str]] = {}
    for seen in models:
        for version in seen.versions.values():
            use = _use(seen, version, records.get(seen.model), inside=False)
            for run_id in sorted(_sources(backend, version)) if use.is_in_use else ():
                found.setdefault(run_id, []).append(use.label)
    return {run_id: ", ".join(texts) for run_id, texts in found.items()}


def _use(seen: RegistrySnapshot, version: VersionSnapshot, record: BookState | None, *, inside: bool) -> VersionUse:
    held = recorded_holdings(record.book.entries) if record else ()
    return VersionUse(
        model=seen.model,
        version=version.number,
        stage=version.stage,
        aliases=tuple(sorted(alias for alias, number in seen.aliases.items() if number == version.number)),
        holdings=tuple(one for one in held if one.version == version.number),
        is_stored_in_run=inside,
    )


def _sources(backend: Backend, version: VersionSnapshot) -> set[str]:
    """The runs that a version names, and those that logged its model; a model that is gone has no run to protect."""
    makers = set[str]()
    for model_id in _models(version):
        try:
            with translate_errors(f"Model {model_id}"):
                makers.add(client(backend).get_logged_model(model_id).source_run_id or "")
        except NotFound:
            continue
    return (_runs(version) | makers) - {""}


def _runs(version: VersionSnapshot) -> set[str]:
    named = _RUN.search(version.source)
    return {version.run_id, (named[1] or named[2]) if named else ""} - {""}


def _models(version: VersionSnapshot) -> set[str]:
    named = _LOGGED.search(version.source)
    return {version.model_id, named[1] if named else ""} - {""}


def _lies_in(version: VersionSnapshot, of: Run) -> bool:
    """Do its files lie among the run's own artifacts?"""
    folder = of.artifact_uri.rstrip("/")
    return version.source.startswith(f"runs:/{of.run_id}/") or (bool(folder) and version.source.startswith(f"{folder}/"))
