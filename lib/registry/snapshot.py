"""One registered model in the registry at one moment. Pure values, filled by `reader`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lib.errors import ActionRefused, NotFound
from lib.ledger.chain.anchor_text import Head, parse_head
from lib.ledger.chain.hash_chain import Anchor, Entry
from lib.ledger.entry.types import Decided, Identity, SlotState
from lib.ledger.entry.vocabulary import SLOTS, Slot


@dataclass(frozen=True)
class VersionSnapshot:
    """One version in the registry. Times are the store's, as timestamps; `head` is the text of its head tag.

    `registration` is MLflow's status of the registration, such as READY.
    `has_explicit_stage`: its stage is stored as such. On a server without stages, an alias alone may imply it.
    """

    number: str
    stage: str
    created_at: str
    updated_at: str
    run_id: str = ""
    description: str = ""
    source: str = ""
    model_id: str = ""
    head: str = ""
    registration: str = "READY"
    has_explicit_stage: bool = True

    @property
    def identity(self) -> Identity:
        return Identity(created=self.created_at, run_id=self.run_id)


@dataclass(frozen=True)
class RegistrySnapshot:
    """A registered model at one moment; `created_at` is None if it does not exist. `tagged_book_id` is the run id in its tag.

    On a server without stages, they are stored as a tag of each version. On one without aliases, the stage alone determines the holder.
    """

    model: str
    created_at: str | None = None
    description: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, VersionSnapshot] = field(default_factory=dict)
    tagged_book_id: str = ""
    has_stages: bool = True
    has_aliases: bool = True

    @property
    def slot_states(self) -> dict[Slot, SlotState]:
        """The state of each slot: its alias and the versions in its stage."""
        return {slot: SlotState(alias=self._alias_target(slot), stage=self._versions_in(stage)) for slot, stage in SLOTS.items()}

    def _alias_target(self, slot: Slot) -> str | None:
        """The version an alias points to; without aliases, the only version in the stage."""
        if self.has_aliases:
            return self.aliases.get(slot)
        numbers = self._versions_in(SLOTS[slot])
        return numbers[0] if len(numbers) == 1 else None

    def anchors(self, book_id: str) -> tuple[Anchor, ...]:
        """The heads of this book tagged on the versions. A copied version carries the head of its original book."""
        return tuple(head.anchor for head in self._heads().values() if head.book_id in ("", book_id))

    def versions_of_other_books(self, known_books: Collection[str]) -> tuple[str, ...]:
        """Versions tagged with the head of an unknown book."""
        return tuple(number for number, head in self._heads().items() if head.book_id and head.book_id not in known_books)

    @property
    def head_book_ids(self) -> tuple[str, ...]:
        """The books named by the heads on the versions."""
        return tuple(dict.fromkeys(head.book_id for head in self._heads().values() if head.book_id))

    def _heads(self) -> dict[str, Head]:
        return {version.number: head for version in self.versions.values() if (head := parse_head(version.head))}

    def is_possible(self, intent: Entry) -> bool:
        """Does the version of this intent still exist, and is it the same one? Not required to accept a deletion."""
        body = intent.body
        if not isinstance(body, Decided):
            return False
        if (version := self.versions.get(body.version)) is None:
            return body.kind == "adopt" and body.to not in SLOTS.values()
        return (version.created_at, version.run_id) == (body.identity.created, body.identity.run_id)

    def other_aliases(self, number: str) -> tuple[str, ...]:
        """Aliases of a version that Podium does not keep in step, sorted."""
        return tuple(sorted(alias for alias, version in self.aliases.items() if version == number and alias not in SLOTS))

    def _versions_in(self, stage: str) -> tuple[str, ...]:
        return tuple(sorted((v.number for v in self.versions.values() if v.stage == stage), key=version_sort_key))


def version_sort_key(number: str) -> tuple[int, str]:
    """Sort key for version numbers: 2 before 10."""
    return (int(number), "") if number.isdigit() else (0, number)


def require_version(snapshot: RegistrySnapshot, number: str) -> VersionSnapshot:
    """A version of a model. Raises NotFound listing the existing versions."""
    if snapshot.created_at is None:
        raise NotFound(f"There is no registered model {snapshot.model}.", next="Check the model name.")
    if number not in snapshot.versions:
        numbers = ", ".join(snapshot.versions) or "none yet"
        raise NotFound(f"{snapshot.model} has no version {number}.", next=f"Existing versions: {numbers}.")
    return snapshot.versions[number]


def require_ready(model: str, version: VersionSnapshot) -> None:
    """Raise ActionRefused for a version whose registration is not complete: there is nothing to load."""
    if version.registration == "READY":
        return
    is_pending = version.registration == "PENDING_REGISTRATION"
    raise ActionRefused(
        f"Version {version.number} of {model} is still being registered."
        if is_pending
        else f"The registration of version {version.number} of {model} failed ({version.registration}).",
        next="Wait until its files are available, then try again."
        if is_pending
        else "Register the model again as a new version.",
    )
