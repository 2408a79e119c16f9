"""The volumes of a long book, each in its own run: reading them in order, and creating the end of a volume. Pure.

The last entry of a finished volume is a VOLUME: it names the next run and carries the state of the book. No decision depends on the carry;
`carry_findings` compares it with the state computed from the entries before it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.hash_chain import DecodedBook, LedgerFinding
from lib.ledger.entry.types import Body, Carry, Volume
from lib.ledger.entry.vocabulary import PODIUM_ACTOR
from lib.ledger.state.replay import BookState, replay, replay_from

VOLUME_CAPACITY = 1_000
"""The number of places in a volume before the next one begins."""


@dataclass(frozen=True)
class VolumeParams:
    """The parameters of one run of a book, and whether that run is active."""

    params: Mapping[str, str]
    is_active: bool = True


VolumeFetcher = Callable[[str], VolumeParams | None]
"""From a run id to its parameters; None if there is no such run."""
VolumeDecoder = Callable[[Mapping[str, str], str, DecodedBook | None, frozenset[str]], DecodedBook]
"""The interface of `decode_volume`, for cached variants."""


@dataclass(frozen=True)
class BookVolumes:
    """A completely read book. `finished_volumes` is the book up to its last finished volume, None while the first one is open."""

    book: DecodedBook
    finished_volumes: DecodedBook | None
    deleted_run_ids: tuple[str, ...] = ()


def read_volumes(
    fetch: VolumeFetcher, book_id: str, finished_volumes: DecodedBook | None = None, decoder: VolumeDecoder = decode_volume
) -> BookVolumes | None:
    """Read all volumes of a book, or only those after `finished_volumes`. Returns None if its first run is missing.

    Never raises itself: a volume that is missing or named twice becomes a finding that blocks writing, and the book continues in the same
    run. Finished volumes are read again if the next volume is missing, because the database may have been restored to an earlier state.
    """
    if finished_volumes is None:
        return _read_all_volumes(fetch, book_id, decoder)
    book, run_id, deleted_run_ids = finished_volumes, finished_volumes.next_run_id, list[str]()
    while run_id is not None:
        if (volume := fetch(run_id)) is None:
            return _read_all_volumes(fetch, book_id, decoder)
        deleted_run_ids += [] if volume.is_active else [run_id]
        book = decoder(volume.params, run_id, book, frozenset())
        run_id = book.next_run_id
        finished_volumes = book if run_id else finished_volumes
    return BookVolumes(book, finished_volumes, tuple(deleted_run_ids))


def _read_all_volumes(fetch: VolumeFetcher, book_id: str, decoder: VolumeDecoder) -> BookVolumes | None:
    if (volume := fetch(book_id)) is None:
        return None
    deleted_run_ids = [] if volume.is_active else [book_id]
    book_before, run_id, missing_ids = None, book_id, frozenset[str]()
    book, finished_volumes = decoder(volume.params, run_id, None, missing_ids), None
    while book.next_run_id is not None:
        if (next_volume := fetch(book.next_run_id)) is None:
            missing_ids |= {book.next_run_id}
        else:
            book_before, finished_volumes, run_id, volume = book, book, book.next_run_id, next_volume
            deleted_run_ids += [] if volume.is_active else [run_id]
        book = decoder(volume.params, run_id, book_before, missing_ids)
    return BookVolumes(book, finished_volumes, tuple(deleted_run_ids))


def is_volume_full(book: DecodedBook) -> bool:
    """Does the next entry need another volume?"""
    return bool(book.volumes) and book.head - book.volumes[-1].first_position + 1 >= VOLUME_CAPACITY


def make_volume_end(state: BookState, cause: Body, run_id: str) -> Volume:
    """The entry that ends a volume: the book continues in the run `run_id`. `cause` is the entry that no longer fitted."""
    return Volume(
        model=cause.model,
        recorded_at=cause.recorded_at,
        by=PODIUM_ACTOR,
        backend=cause.backend,
        next=run_id,
        carry=make_carry(state),
    )


def make_carry(state: BookState) -> Carry:
    """The state of a book at its head, as carried by a VOLUME entry."""
    desired = state.desired_holders()
    return Carry(
        created=state.model_created_at,
        now=dict(state.observed_slots),
        wanted={slot: holder.holders for slot, holder in desired.items()},
        named=tuple(slot for slot, holder in desired.items() if holder.is_managed),
        open=tuple(entry.id for entry in state.open_intents),
        known=tuple(sorted(state.known_versions)),
        registered=tuple(sorted(state.registered_versions)),
        gone=tuple(sorted(state.deleted_versions)),
    )


def carry_findings(book: DecodedBook) -> tuple[LedgerFinding, ...]:
    """Findings for volumes whose carry differs from the state of the entries before them."""
    findings, state = list[LedgerFinding](), replay(DecodedBook((), book.chains[:1], ()))
    for n, entry in enumerate(book.entries):
        if isinstance(entry.body, Volume):
            state = replay_from(state, replace(book, entries=book.entries[:n]))
            if make_carry(state) != entry.body.carry:
                findings.append(LedgerFinding(entry.position, "carry differs", _CARRY))
    return tuple(findings)


_CARRY = "The state carried by this volume differs from its entries. No decision depends on it, but it was written by hand."
