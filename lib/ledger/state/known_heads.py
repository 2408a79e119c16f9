"""Compares the heads of books as this Podium read them before with the present store. Pure.

A book only grows. So one that is shorter than before, has another chain where its head was, or lost its model to another book was changed
in the database, or replaced. Only later entries of the book itself, or a settlement since then, can explain that.
`storage.head_memory` stores the heads.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from lib.errors import RecordInDoubt
from lib.ledger.chain.hash_chain import DecodedBook
from lib.ledger.chain.signatures import NO_KEYS, TrustedKeys
from lib.ledger.entry.schema_2_types import HeadRef, Settlement
from lib.ledger.state.book_lookup import book_lives
from lib.ledger.state.replay import BookState
from lib.ledger.state.settlements import read_settlements
from lib.text import clean_text

HeadProblem = Literal["book is shorter", "chain differs", "another book", "book gone", "another store"]
Replacements = Mapping[str, frozenset[str]]
"""Run id of a remembered book → the ids of the trusted entries that put another head in its place."""


@dataclass(frozen=True)
class KnownHead:
    """The head of a book as last read, at the time `at`. `model` is empty for a book without a model.

    `settlement_ids` are the entries known at that time that replaced a head of this book; they explain no later change.
    """

    model: str
    book_id: str
    position: int
    chain: str
    at: str
    settlement_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class KnownStore:
    """The memory of a store: its index, and the head of each book by run id; both empty if nothing is remembered."""

    index_id: str = ""
    heads: Mapping[str, KnownHead] = field(default_factory=dict)


@dataclass(frozen=True)
class HeadAlarm:
    """A remembered head that the store no longer has. `present_head` is the head of the book now in its place, if any."""

    known: KnownHead
    what: HeadProblem
    means: str
    present_head: HeadRef | None = None


@dataclass(frozen=True)
class ReplacedHead:
    """A remembered head that no longer counts, and the entries that replaced it."""

    known: KnownHead
    settlement_ids: frozenset[str]


@dataclass(frozen=True)
class LivingModel:
    """An existing registered model: its creation time, and the run id of its book, empty if it has none."""

    created_at: str
    book_id: str


@dataclass(frozen=True)
class PresentBooks:
    """The present store: its indexed books, and the existing models by name. `refused_ids` are not readable with this account."""

    states: Mapping[str, BookState]
    living_models: Mapping[str, LivingModel] = field(default_factory=dict)
    refused_ids: frozenset[str] = frozenset()
    replacements: Replacements = field(default_factory=dict)

    def find_head(self, model: str) -> HeadRef | None:
        """The head of the present book of a model; None if it has none."""
        living_model = self.living_models.get(model)
        state = self.states.get(living_model.book_id) if living_model else None
        return head_ref(living_model.book_id, state.book) if living_model and state else None


def make_known_head(model: str, book_id: str, book: DecodedBook, at: str) -> KnownHead:
    """The head of a book to remember, as read at this time."""
    return KnownHead(model, book_id, book.head, book.chain, at)


def head_ref(book_id: str, book: DecodedBook) -> HeadRef:
    """The head of a book in the format of an entry."""
    return HeadRef(book=book_id, place=book.head, chain=book.chain)


def read_replacements(states: Iterable[BookState], read_keys: Callable[[], TrustedKeys]) -> dict[str, frozenset[str]]:
    """The replaced heads according to trusted entries of all books. Keys are only read if a book has settlements."""
    replacements = dict[str, frozenset[str]]()
    books = [state.book for state in states if any(isinstance(entry.body, Settlement) for entry in state.book.entries)]
    keys = read_keys() if books else NO_KEYS
    for book in books:
        for book_id, entry_ids in read_settlements(book, keys).replacements.items():
            replacements[book_id] = replacements.get(book_id, frozenset()) | entry_ids
    return replacements


def alarm_error(alarm: HeadAlarm) -> RecordInDoubt:
    """The error for a decision about a model whose record is not the one seen before."""
    if alarm.what == "another store":
        next_step = "If this is intended, confirm it once with settle --reason …, or on any page."
    else:
        next_step = (
            f"Compare it with a backup. If this is intended, run settle {clean_text(alarm.known.model) or 'MODEL'} --reason …"
        )
    return RecordInDoubt(
        f"This record is not the one seen before: {alarm.what}. {alarm.means}",
        means="No decision is accepted until an authorized person has reviewed this.",
        next=next_step,
    )


def judge_known_head(known: KnownHead, book: DecodedBook, replacements: Replacements) -> HeadAlarm | None:
    """Check that a book continues from its remembered head. None if it does, or if the break was settled since then."""
    if replacements.get(known.book_id, frozenset()) - known.settlement_ids:
        return None
    if book.head < known.position:
        means = (
            f"On {_day(known)} this book had {known.position} places, now it has {book.head}: its end was removed in the database, or "
            "an earlier copy of the database was restored."
        )
        return HeadAlarm(known, "book is shorter", means, head_ref(known.book_id, book))
    if book.chains[known.position] != known.chain:
        means = (
            f"Up to place {known.position} this book differs from {_day(known)}: earlier entries were changed, removed or inserted "
            "in the database."
        )
        return HeadAlarm(known, "chain differs", means, head_ref(known.book_id, book))
    return None


def judge_known_heads(known_heads: Mapping[str, KnownHead], present: PresentBooks) -> tuple[HeadAlarm, ...]:
    """Every remembered head that the store no longer has, without an explanation; sorted by model and book."""
    alarms = [
        alarm
        for known in known_heads.values()
        if not present.replacements.get(known.book_id, frozenset()) - known.settlement_ids
        and (alarm := _judge_presence(known, known_heads, present))
    ]
    return tuple(sorted(alarms, key=lambda alarm: (alarm.known.model, alarm.known.book_id)))


def merge_known_store(
    known: KnownStore, heads: Iterable[tuple[KnownHead, DecodedBook]], replacements: Replacements
) -> tuple[KnownStore, tuple[ReplacedHead, ...]]:
    """The memory after reading these heads, each with its book, and the remembered heads that no longer count.

    The memory only grows: a head that does not continue the remembered one leaves it unchanged, unless a new settlement explains it. Such a
    settlement also ends the memory of a book that was not read this time.
    """
    known_heads, replaced_heads = dict(known.heads), list[ReplacedHead]()
    read_heads = {head.book_id: (head, book) for head, book in heads}
    for book_id, head in known.heads.items():
        new_ids = replacements.get(book_id, frozenset()) - head.settlement_ids
        is_continued = book_id in read_heads and _continues(head, read_heads[book_id][1])
        if new_ids and not is_continued:
            replaced_heads.append(ReplacedHead(head, new_ids))
            del known_heads[book_id]
    for book_id, (head, book) in read_heads.items():
        remembered_head = known_heads.get(book_id)
        if remembered_head and not _continues(remembered_head, book):
            continue
        settlement_ids = head.settlement_ids | replacements.get(book_id, frozenset())
        if remembered_head:
            settlement_ids |= remembered_head.settlement_ids
        new_head = replace(head, settlement_ids=settlement_ids)
        if remembered_head is None or replace(new_head, at=remembered_head.at) != remembered_head:
            known_heads[book_id] = new_head
    return replace(known, heads=known_heads), tuple(replaced_heads)


def _continues(known: KnownHead, book: DecodedBook) -> bool:
    return book.head >= known.position and book.chains[known.position] == known.chain


def _judge_presence(known: KnownHead, known_heads: Mapping[str, KnownHead], present: PresentBooks) -> HeadAlarm | None:
    """Check in order: does the model still have this book, does the book exist, does it continue?"""
    model_name, state = clean_text(known.model)[:80], present.states.get(known.book_id)
    living_model = present.living_models.get(known.model) if known.model else None
    if living_model and living_model.book_id != known.book_id and not _gave_its_name_up(known, known_heads, present):
        means = (
            f"On {_day(known)} the record of {model_name} was book {known.book_id[:8]}…, with {known.position} places. Now "
            f"{f'it is book {living_model.book_id[:8]}…' if living_model.book_id else 'it has no book'}, and nothing in the first "
            "one explains this."
        )
        return HeadAlarm(known, "another book", means, present.find_head(known.model))
    if known.book_id in present.refused_ids:
        return None
    if state is None:
        means = (
            f"On {_day(known)} book {known.book_id[:8]}… of {model_name or 'a model without a name'} had {known.position} places. Now "
            "the index of this ledger does not name it, or the store no longer has it."
        )
        return HeadAlarm(known, "book gone", means, present.find_head(known.model))
    return judge_known_head(known, state.book, present.replacements)


def _gave_its_name_up(known: KnownHead, known_heads: Mapping[str, KnownHead], present: PresentBooks) -> bool:
    """Does the name now belong to another model than the one this book covers? Never if it is the model of the book itself."""
    state, living_model = present.states.get(known.book_id), present.living_models[known.model]
    if state is None or living_model.created_at in book_lives(state).created_times:
        return False
    has_other_owner = any(model.book_id == known.book_id for model in present.living_models.values())
    newcomer = known_heads.get(living_model.book_id)
    return (
        has_other_owner or state.model_name not in ("", known.model) or bool(newcomer and newcomer.model not in ("", known.model))
    )


def _day(known: KnownHead) -> str:
    """The day of a timestamp."""
    return known.at[:10]
