"""A long book stands in several runs, its volumes. Here they are followed from the first to the last, and a volume's end is made. Pure.

The last entry of a finished volume is a VOLUME: it names the next run and carries what the book added up to. The carry is never
decided by; `misfits` compares it with what the entries before it add up to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lib.ledger.chain.hash_chain import Finding, Reading, decode
from lib.ledger.entry.types import Body, Carry, Volume
from lib.ledger.entry.vocabulary import PODIUM
from lib.ledger.state.replay import State, fold, fold_on

PLACES = 1_000
"""Places of a volume before the next one begins."""


@dataclass(frozen=True)
class Sheet:
    """The parameters of one run of a book, and whether that run is active."""

    params: Mapping[str, str]
    active: bool = True


Fetch = Callable[[str], Sheet | None]
"""From a run id to its sheet; None when there is no such run."""
Read = Callable[[Mapping[str, str], str, Reading | None], Reading]
"""What `decode` does, which may be saved where nothing has changed."""


@dataclass(frozen=True)
class Followed:
    """A book read to its end. `finished` is its reading up to the last finished volume, None while the first one is open."""

    reading: Reading
    finished: Reading | None
    deleted: tuple[str, ...] = ()


def follow(fetch: Fetch, book: str, finished: Reading | None = None, read: Read = decode) -> Followed | None:
    """Read a book through all its volumes, or only those after `finished`; None when its first run is not there.

    Never raises by itself: a volume that is missing, or named twice, becomes a finding that stops the writing. What was finished is
    read anew when the volume after it is missing: the database may have been put back to an earlier day.
    """
    reading, deleted, known = finished, list[str](), finished
    run_id = finished.next if finished else book
    while run_id is not None:
        sheet = None if reading and run_id in {part.run_id for part in reading.parts} else fetch(run_id)
        if sheet is None and known:
            return follow(fetch, book, None, read)
        if sheet is None:
            return Followed(_broken(reading, run_id), finished, tuple(deleted)) if reading else None
        deleted += [] if sheet.active else [run_id]
        reading = read(sheet.params, run_id, reading)
        run_id = reading.next
        finished = reading if run_id else finished
    return Followed(reading, finished, tuple(deleted)) if reading else None


def is_full(reading: Reading) -> bool:
    """Must the next entry go into another volume?"""
    return bool(reading.parts) and reading.head - reading.parts[-1].first + 1 >= PLACES


def ending(state: State, cause: Body, run_id: str) -> Volume:
    """The entry that ends a volume: the book goes on in the run `run_id`. `cause` is the entry that found the volume full."""
    return Volume(
        model=cause.model,
        recorded_at=cause.recorded_at,
        by=PODIUM,
        backend=cause.backend,
        next=run_id,
        carry=carry(state),
    )


def carry(state: State) -> Carry:
    """What a book adds up to at its head."""
    want = state.wanted()
    return Carry(
        created=state.created,
        now=dict(state.now),
        wanted={slot: one.holders for slot, one in want.items()},
        named=tuple(slot for slot, one in want.items() if one.named),
        open=tuple(entry.id for entry in state.open),
        known=tuple(sorted(state.known)),
        registered=tuple(sorted(state.registered)),
        gone=tuple(sorted(state.gone)),
    )


def misfits(reading: Reading) -> tuple[Finding, ...]:
    """The volumes that carry something else than the entries before them add up to."""
    found, state = list[Finding](), fold(Reading((), reading.chains[:1], ()))
    for n, entry in enumerate(reading.entries):
        if isinstance(entry.body, Volume):
            state = fold_on(state, replace(reading, entries=reading.entries[:n]))
            if carry(state) != entry.body.carry:
                found.append(Finding(entry.place, "carry differs", _CARRY))
    return tuple(found)


def _broken(reading: Reading | None, run_id: str) -> Reading:
    assert reading is not None
    told = "volume named twice" if run_id in {part.run_id for part in reading.parts} else "volume missing"
    means = f"The book goes on in run {run_id[:8]}…, {_TWICE if told == 'volume named twice' else _MISSING}"
    return replace(reading, findings=(*reading.findings, Finding(reading.head, told, means, stops=True)))


_CARRY = "What this volume carries on is not what its entries add up to. Nothing is decided by it; somebody wrote it by hand."
_MISSING = "which is not there. It was removed for good, and what it held is lost unless it was exported."
_TWICE = "which is one of its earlier volumes: somebody wrote this entry by hand."
