"""Everything of Podium in a store, wherever it is: runs, experiments and tags. Plain values; `storage.inventory_reader` fills them.

The valid index is found by names and tags, and names the books. Everything else is found by its content, because anyone with write access
can change names and tags, but not a seal (parameter `index` = own run id) or the first place of a book.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from lib.backends.reserved_names import HEAD_TAG
from lib.ledger.chain.anchor_text import parse_head
from lib.ledger.chain.hash_chain import DecodedBook, param_key
from lib.ledger.state.book_lookup import book_ids
from lib.ledger.state.volumes import VolumeParams, read_volumes
from lib.text import clean_text

SEAL_PARAM = "index"
FIRST_PLACE = param_key(1)
RunLookup = Literal["ordinary", "missing", "refused"]
"""What is known about a run named only by a tag: it has nothing of Podium, is missing, or is not readable with this account."""
_PLACE = re.compile(r"\d{6}", re.ASCII)


@dataclass(frozen=True)
class LedgerExperiment:
    """An experiment. `index_tag` is the run id in the tag that names the index."""

    experiment_id: str
    name: str
    is_active: bool = True
    index_tag: str = ""

    @property
    def label(self) -> str:
        """The label for users: "experiment old (number 7, deleted)"."""
        return f"experiment {clean_text(self.name)[:80]} (number {self.experiment_id}{'' if self.is_active else ', deleted'})"


@dataclass(frozen=True)
class LedgerRun:
    """A run with a seal, with entries, or with the tag of a book. `model` is the name in its tag."""

    run_id: str
    experiment: LedgerExperiment
    params: Mapping[str, str]
    is_active: bool = True
    model: str = ""
    started_at: str = ""

    @property
    def is_sealed(self) -> bool:
        """Is it an index with its own seal?"""
        return self.params.get(SEAL_PARAM) == self.run_id

    @cached_property
    def book_ids(self) -> frozenset[str]:
        """The run ids of the books it names."""
        return book_ids(self.params)

    @property
    def places(self) -> tuple[str, ...]:
        """The parameters that are places of a book, sorted."""
        return tuple(sorted(name for name in self.params if _PLACE.fullmatch(name)))

    @property
    def holds_entries(self) -> bool:
        """Does any of its places have the form of an entry?"""
        return any([len(part) for part in self.params[place].split(" ", 3)[:3]] == [26, 64, 64] for place in self.places)


@dataclass(frozen=True)
class LedgerTag:
    """A tag that leads to a book: on a registered model, or on one of its versions."""

    model: str
    name: str
    value: str
    version: str = ""

    @property
    def book_id(self) -> str:
        """The run id it names; empty if there is none."""
        if self.name != HEAD_TAG:
            return self.value
        head = parse_head(self.value)
        return head.book_id if head else self.value

    @property
    def label(self) -> str:
        """The label for users: "tag podium.head of version 3"."""
        return f"tag {self.name} of {f'version {clean_text(self.version)[:20]}' if self.version else 'the model'}"


@dataclass(frozen=True)
class LedgerInventory:
    """Everything of Podium that this account may read. `index_id` is the index by names and tags; empty if there is none.

    `experiments` are those with a reserved name, and those with the tag that names the index. `index_problem` says why the index cannot
    be trusted, as a sentence. `lookups` covers the runs named only by tags.
    """

    runs: Mapping[str, LedgerRun] = field(default_factory=dict)
    experiments: tuple[LedgerExperiment, ...] = ()
    tags: tuple[LedgerTag, ...] = ()
    index_id: str = ""
    index_params: Mapping[str, str] = field(default_factory=dict)
    index_problem: str = ""
    lookups: Mapping[str, RunLookup] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Is there nothing of Podium at all?"""
        return not (self.runs or self.experiments or self.tags)

    @cached_property
    def sealed_indexes(self) -> tuple[LedgerRun, ...]:
        """Every index with its own seal: the valid one first, then by their claimed creation time."""
        runs = (run for run in self.runs.values() if run.is_sealed)
        return tuple(sorted(runs, key=lambda run: (run.run_id != self.index_id, run.started_at, run.run_id)))

    @cached_property
    def book_ids(self) -> frozenset[str]:
        """The valid books: those named by the index, or by any sealed index if the index cannot be trusted."""
        if self.index_id and not self.index_problem:
            return book_ids(self.index_params)
        return frozenset(book_id for run in self.sealed_indexes for book_id in run.book_ids)

    @cached_property
    def unexplained_tags(self) -> tuple[LedgerTag, ...]:
        """The tags that do not lead to a valid book. A head without a run id, from an early Podium, belongs to its model's own book."""
        return tuple(tag for tag in self.tags if tag.book_id and tag.book_id not in self.book_ids)

    def read_book(self, book_id: str) -> DecodedBook | None:
        """A book from the runs that were found; None if its first run is missing."""
        if book_id not in self._books:
            volumes = read_volumes(self._volume_params, book_id)
            self._books[book_id] = volumes.book if volumes else None
        return self._books[book_id]

    @cached_property
    def _books(self) -> dict[str, DecodedBook | None]:
        """The books decoded so far."""
        return {}

    def _volume_params(self, run_id: str) -> VolumeParams | None:
        run = self.runs.get(run_id)
        return VolumeParams(run.params, run.is_active) if run else None
