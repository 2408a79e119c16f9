"""A long book stands in several runs, its volumes: here they are read from the first to the last, and a volume's end is made. Pure.

The last entry of a finished volume is a VOLUME: it names the next run and carries what the book added up to. The carry is never
decided by; `carry_findings` compares it with what the entries before it add up to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.hash_chain import DecodedBook, LedgerFinding
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
"""From a run id to its parameters; None when there is no such run."""
VolumeDecoder = Callable[[Mapping[str, str], str, DecodedBook | None], DecodedBook]
"""What `decode_volume` does, which may be cached."""


@dataclass(frozen=True)
class BookVolumes:
    """A book read to its end. `finished_volumes` is the book up to its last finished volume, None while the first one is open."""

    book: DecodedBook
    finished_volumes: DecodedBook | None
    deleted_run_ids: tuple[str, ...] = ()


def read_volumes(
    fetch: VolumeFetcher, book_id: str, finished_volumes: DecodedBook | None = None, decoder: VolumeDecoder = decode_volume
) -> BookVolumes | None:
    """Read a book through all its volumes, or only those after `finished_volumes`; None when its first run is not there.

    Never raises by itself: a volume that is missing, or named twice, becomes a finding that blocks writing. Finished volumes are
    read again when the volume after them is missing: the database may have been put back to an earlier day.
    """
    book, deleted_run_ids, known_volumes = finished_volumes, list[str](), finished_volumes
    run_id = finished_volumes.next_run_id if finished_volumes else book_id
    while run_id is not None:
        volume = None if book and run_id in {volume_ref.run_id for volume_ref in book.volumes} else fetch(run_id)
        if volume is None and known_volumes:
            return read_volumes(fetch, book_id, None, decoder)
        if volume is None:
            return BookVolumes(_with_broken_end(book, run_id), finished_volumes, tuple(deleted_run_ids)) if book else None
        deleted_run_ids += [] if volume.is_active else [run_id]
        book = decoder(volume.params, run_id, book)
        run_id = book.next_run_id
        finished_volumes = book if run_id else finished_volumes
    return BookVolumes(book, finished_volumes, tuple(deleted_run_ids)) if book else None


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
    """The volumes that carry something else than the entries before them add up to."""
    findings, state = list[LedgerFinding](), replay(DecodedBook((), book.chains[:1], ()))
    for n, entry in enumerate(book.entries):
        if isinstance(entry.body, Volume):
            state = replay_from(state, replace(book, entries=book.entries[:n]))
            if make_carry(state) != entry.body.carry:
                findings.append(LedgerFinding(entry.position, "carry differs", _CARRY))
    return tuple(findings)


def _with_broken_end(book: DecodedBook | None, run_id: str) -> DecodedBook:
    assert book is not None
    problem = "volume named twice" if run_id in {volume_ref.run_id for volume_ref in book.volumes} else "volume missing"
    means = f"The book goes on in run {run_id[:8]}…, {_TWICE_MEANS if problem == 'volume named twice' else _MISSING_MEANS}"
    return replace(book, findings=(*book.findings, LedgerFinding(book.head, problem, means, blocks_writing=True)))


_CARRY = "What this volume carries on is not what its entries add up to. Nothing is decided by it; somebody wrote it by hand."
_MISSING_MEANS = (
    "which is not there. Either it was removed for good, and what it held is lost unless it was exported, or somebody wrote this entry "
    "by hand."
)
_TWICE_MEANS = "which is one of its earlier volumes: somebody wrote this entry by hand."
