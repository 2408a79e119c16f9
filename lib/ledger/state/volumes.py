"""A long book stands in several runs, its volumes. Here they are followed from the first to the last, and a volume's end is made. Pure.

The last entry of a finished volume is a VOLUME: it names the next run and carries what the book added up to. The carry is never
decided by; `misfits` compares it with what the entries before it add up to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lib.ledger.chain.hash_chain import DecodedBook, LedgerFinding, decode_volume
from lib.ledger.entry.types import Body, Carry, Volume
from lib.ledger.entry.vocabulary import PODIUM_ACTOR
from lib.ledger.state.replay import BookState, replay, replay_from

VOLUME_CAPACITY = 1_000
"""Places of a volume before the next one begins."""


@dataclass(frozen=True)
class VolumeParams:
    """The parameters of one run of a book, and whether that run is active."""

    params: Mapping[str, str]
    is_active: bool = True


VolumeFetcher = Callable[[str], VolumeParams | None]
"""From a run id to its sheet; None when there is no such run."""
VolumeDecoder = Callable[[Mapping[str, str], str, DecodedBook | None], DecodedBook]
"""What `decode` does, which may be saved where nothing has changed."""


@dataclass(frozen=True)
class BookVolumes:
    """A book read to its end. `finished` is its reading up to the last finished volume, None while the first one is open."""

    book: DecodedBook
    finished_volumes: DecodedBook | None
    deleted_run_ids: tuple[str, ...] = ()


def read_volumes(
    fetch: VolumeFetcher, book_id: str, finished_volumes: DecodedBook | None = None, decoder: VolumeDecoder = decode_volume
) -> BookVolumes | None:
    """Read a book through all its volumes, or only those after `finished`; None when its first run is not there.

    Never raises by itself: a volume that is missing, or named twice, becomes a finding that stops the writing. What was finished is
    read anew when the volume after it is missing: the database may have been put back to an earlier day.
    """
    reading, deleted, known = finished_volumes, list[str](), finished_volumes
    run_id = finished_volumes.next_run_id if finished_volumes else book_id
    while run_id is not None:
        sheet = None if reading and run_id in {part.run_id for part in reading.volumes} else fetch(run_id)
        if sheet is None and known:
            return read_volumes(fetch, book_id, None, decoder)
        if sheet is None:
            return BookVolumes(_broken(reading, run_id), finished_volumes, tuple(deleted)) if reading else None
        deleted += [] if sheet.is_active else [run_id]
        reading = decoder(sheet.params, run_id, reading)
        run_id = reading.next_run_id
        finished_volumes = reading if run_id else finished_volumes
    return BookVolumes(reading, finished_volumes, tuple(deleted)) if reading else None


def is_volume_full(book: DecodedBook) -> bool:
    """Must the next entry go into another volume?"""
    return bool(book.volumes) and book.head - book.volumes[-1].first_position + 1 >= VOLUME_CAPACITY


def make_volume_end(state: BookState, cause: Body, run_id: str) -> Volume:
    """The entry that ends a volume: the book goes on in the run `run_id`. `cause` is the entry that found the volume full."""
    return Volume(
        model=cause.model,
        recorded_at=cause.recorded_at,
        by=PODIUM_ACTOR,
        backend=cause.backend,
        next=run_id,
        carry=make_carry(state),
    )


def make_carry(state: BookState) -> Carry:
    """What a book adds up to at its head."""
    want = state.desired_holders()
    return Carry(
        created=state.model_created_at,
        now=dict(state.observed_slots),
        wanted={slot: one.holders for slot, one in want.items()},
        named=tuple(slot for slot, one in want.items() if one.is_managed),
        open=tuple(entry.id for entry in state.open_intents),
        known=tuple(sorted(state.known_versions)),
        registered=tuple(sorted(state.registered_versions)),
        gone=tuple(sorted(state.deleted_versions)),
    )


def carry_findings(book: DecodedBook) -> tuple[LedgerFinding, ...]:
    """The volumes that carry something else than the entries before them add up to."""
    found, state = list[LedgerFinding](), replay(DecodedBook((), book.chains[:1], ()))
    for n, entry in enumerate(book.entries):
        if isinstance(entry.body, Volume):
            state = replay_from(state, replace(book, entries=book.entries[:n]))
            if make_carry(state) != entry.body.carry:
                found.append(LedgerFinding(entry.position, "carry differs", _CARRY))
    return tuple(found)


def _broken(reading: DecodedBook | None, run_id: str) -> DecodedBook:
    assert reading is not None
    told = "volume named twice" if run_id in {part.run_id for part in reading.volumes} else "volume missing"
    means = f"The book goes on in run {run_id[:8]}…, {_TWICE if told == 'volume named twice' else _MISSING}"
    return replace(reading, findings=(*reading.findings, LedgerFinding(reading.head, told, means, blocks_writing=True)))


_CARRY = "What this volume carries on is not what its entries add up to. Nothing is decided by it; somebody wrote it by hand."
_MISSING = "which is not there. It was removed for good, and what it held is lost unless it was exported."
_TWICE = "which is one of its earlier volumes: somebody wrote this entry by hand."
