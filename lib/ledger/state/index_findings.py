"""Findings in the index of the ledger: names that no book explains, and two books for one life. Pure.

Anyone with write access to the ledger can add parameters to the index, but cannot remove any. They change no answer (`book_lookup`);
here they are reported. A name for a model that no longer exists cannot be distinguished from a genuine record of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.ledger.chain.book_findings import stray_parameter_findings
from lib.ledger.chain.hash_chain import LedgerFinding
from lib.ledger.entry.types import Opened
from lib.ledger.state.book_lookup import (
    BOOK_PARAM_PREFIX,
    RUN_ID,
    ModelIncarnation,
    incarnation_keys,
    name_key,
)
from lib.ledger.state.replay import BookState
from lib.text import clean_text, join_words

NamedLives = frozenset[tuple[str, str]]
"""The lives covered by a book: each name it ever had with the creation time of that model, empty if no entry has it."""
SEAL_PARAM = "index"
_MAX_NAMES_LISTED, _MAX_NAME_LENGTH = 3, 48


def named_lives(state: BookState, name: str) -> NamedLives:
    """The lives of a book by its entries; without entries, the model `name` it was created for."""
    lives, created_at = set[tuple[str, str]](), ""
    for entry in state.book.entries:
        created_at = (entry.body.created or "") if isinstance(entry.body, Opened) else created_at
        lives.add((entry.body.model, created_at))
    return frozenset(life for life in lives if life[0]) if lives else frozenset([(name, "")])


def find_index_strays(
    index_params: Mapping[str, str], lives_by_book: Mapping[str, NamedLives], living_models: Iterable[ModelIncarnation]
) -> tuple[LedgerFinding, ...]:
    """Additions to the index that no record explains. `lives_by_book` holds the existing books by run id.

    A named run that does not exist is left to `verify`: it may have been permanently removed.
    """
    models_by_name = defaultdict[str, list[ModelIncarnation]](list)
    models_by_time = defaultdict[str, list[ModelIncarnation]](list)
    for model in living_models:
        models_by_name[model.model].append(model)
        models_by_time[model.created_at or ""].append(model)
    explained_keys = {
        book_id: _explained_keys(lives, models_by_time if any(time for _, time in lives) else models_by_name)
        for book_id, lives in lives_by_book.items()
    }
    findings, other_names = list[LedgerFinding](), list[str]()
    for name, value in sorted(index_params.items()):
        if not name.startswith(BOOK_PARAM_PREFIX):
            other_names += [name] if name != SEAL_PARAM else []
        elif not RUN_ID.fullmatch(value):
            findings.append(_stray_name(name, "The index names something as a book that is not a run."))
        elif value in explained_keys and name not in explained_keys[value]:
            findings.append(_stray_name(name, f"The index names book {value[:8]}… under a name this book never had."))
    parameter_findings = stray_parameter_findings(other_names, "index")
    findings += [replace(finding, subject=f"{INDEX_EXPERIMENT} parameters") for finding in parameter_findings]
    return (*findings, *_rival_findings(lives_by_book))


def _explained_keys(lives: NamedLives, models: Mapping[str, Iterable[ModelIncarnation]]) -> frozenset[str]:
    """The index parameters that may name a book: those of its lives, and of the existing models it covers.

    `models` are by creation time, or by name for a book without any, because it was created for one of these.
    """
    texts = {time for _, time in lives if time} or {name for name, _ in lives}
    known_lives = lives | {(model.model, str(model.created_at)) for text in texts for model in models.get(text, ())}
    return frozenset(key for model, created_at in known_lives for key in (name_key(model), *incarnation_keys(model, created_at)))


def _stray_name(name: str, problem: str) -> LedgerFinding:
    return LedgerFinding(0, "stray name", f"{problem} This name was added by hand. No record depends on it.", subject=name)


def _rival_findings(lives_by_book: Mapping[str, NamedLives]) -> list[LedgerFinding]:
    """Findings for lives covered by several books."""
    books_by_life = defaultdict[tuple[str, str], list[str]](list)
    for book_id, lives in sorted(lives_by_book.items()):
        for model, created_at in lives:
            if created_at:
                books_by_life[model, created_at].append(book_id)
    return [
        LedgerFinding(
            0,
            "rival books",
            f"{len(rivals)} books cover {clean_text(model)[:_MAX_NAME_LENGTH]}, created on {clean_text(created_at)}: "
            f"{join_words([f'{book_id[:8]}…' for book_id in rivals[:_MAX_NAMES_LISTED]])}. The one named by its tag counts, else "
            "the one the index named first. The other was written by hand.",
            subject=f"{model} {created_at}",
        )
        for (model, created_at), rivals in sorted(books_by_life.items())
        if len(rivals) > 1
    ]
