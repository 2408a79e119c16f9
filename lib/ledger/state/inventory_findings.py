"""Findings in an inventory that no index explains: a second index, an unindexed book, a copy, a tag without a record. Pure.

Each is a sign that a record was replaced, hidden or copied, so no new index or book begins while there is one. Remains of a lost race are
not findings: their runs have no seal and no entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.backends.reserved_names import INDEX_EXPERIMENT, INDEX_TAG, LEDGER_EXPERIMENT
from lib.ledger.chain.hash_chain import DecodedBook, LedgerFinding
from lib.ledger.state.ledger_inventory import FIRST_PLACE, SEAL_PARAM, LedgerInventory, LedgerRun, LedgerTag
from lib.text import clean_text, format_count

_MAX_BOOKS_LISTED = 5


@dataclass(frozen=True)
class InventoryFinding(LedgerFinding):
    """A finding about a complete ledger; `model` is the registered model with the tag concerned, empty if there is none."""

    model: str = ""


def judge_inventory(inventory: LedgerInventory) -> tuple[InventoryFinding, ...]:
    """Everything that no index explains, most severe first; empty if all is well."""
    return (*_index_findings(inventory), *_run_findings(inventory), *_experiment_findings(inventory), *_tag_findings(inventory))


def _index_findings(inventory: LedgerInventory) -> list[InventoryFinding]:
    findings, sealed_indexes = list[InventoryFinding](), inventory.sealed_indexes
    if inventory.index_problem:
        findings.append(InventoryFinding(0, "index changed", inventory.index_problem, subject=INDEX_EXPERIMENT))
    elif sealed_indexes and not inventory.index_id:
        means = _misplaced_index_text(inventory, sealed_indexes[0])
        findings.append(InventoryFinding(0, "index changed", means, subject=sealed_indexes[0].run_id))
    named_index = inventory.runs.get(inventory.index_id) or next(iter(sealed_indexes), None)
    return findings + [
        InventoryFinding(0, "two indexes", _two_indexes_text(inventory, named_index, index), subject=index.run_id)
        for index in sealed_indexes
        if named_index and index.run_id != named_index.run_id
    ]


def _misplaced_index_text(inventory: LedgerInventory, index: LedgerRun) -> str:
    """The text for an index that names and tags no longer lead to: where it is, and how to restore the link."""
    home, namesakes = index.experiment, [e for e in inventory.experiments if e.name == LEDGER_EXPERIMENT]
    fixes = [] if home.is_active else [f"restore {home.label}"]
    if not namesakes:
        fixes.append(f"rename {home.label} back to {LEDGER_EXPERIMENT}")
    elif namesakes[0].experiment_id != home.experiment_id:
        fixes.append(f"set tag {INDEX_TAG} of {namesakes[0].label}, which is a different one, to {index.run_id}")
    elections = [e for e in inventory.experiments if e.index_tag == index.run_id and e.experiment_id != home.experiment_id]
    fixes.append(
        f"rename {elections[0].label} back to {INDEX_EXPERIMENT}"
        if elections
        else f"create an experiment {INDEX_EXPERIMENT} with tag {INDEX_TAG} = {index.run_id}"
    )
    return (
        f"An index exists, run {index.run_id} in {home.label}, but no experiment {INDEX_EXPERIMENT} names it: experiments were renamed or "
        f"removed. It names {_books_text(inventory, index)}. To restore it, {', then '.join(fixes)}."
    )


def _two_indexes_text(inventory: LedgerInventory, named_index: LedgerRun, other_index: LedgerRun) -> str:
    notes = ["named by the tags"] if named_index.run_id == inventory.index_id else []
    notes += [] if named_index.is_sealed else ["without a seal of its own"]
    named_text = f"run {named_index.run_id}" + (f" ({', '.join(notes)})" if notes else "")
    begun_texts = [
        f"Run {index.run_id[:8]}…{'' if index.is_active else ' (deleted)'} in {index.experiment.label} was created "
        f"{f'{index.started_at} by its own account' if index.started_at else 'at an unknown time'} and names {_books_text(inventory, index)}."
        for index in (named_index, other_index)
    ]
    return (
        f"Two indexes {'are sealed' if named_index.is_sealed else 'exist'}: {named_text} and run {other_index.run_id}, which "
        f"{INDEX_EXPERIMENT} does not name. "
        f"{' '.join(begun_texts)} The record was replaced, or someone tried to. Open both runs in MLflow and compare their books. If the "
        f"second one is the record, set tag {INDEX_TAG} of {LEDGER_EXPERIMENT} and of {INDEX_EXPERIMENT} to it."
    )


def _books_text(inventory: LedgerInventory, index: LedgerRun) -> str:
    """The books named by an index, with the number of entries of those that were found."""
    runs = [run for book_id in sorted(index.book_ids) if (run := inventory.runs.get(book_id))]
    texts = [
        f"that of {_model_text(run)} with {_entries_text(book)}"
        for run in runs[:_MAX_BOOKS_LISTED]
        if (book := inventory.read_book(run.run_id))
    ]
    return (
        f"{format_count(len(index.book_ids), 'book')}{': ' if texts else ''}{', '.join(texts)}{', …' * (len(runs) > len(texts))}"
    )


def _run_findings(inventory: LedgerInventory) -> list[InventoryFinding]:
    runs = [run for run_id, run in sorted(inventory.runs.items()) if run_id not in inventory.book_ids and not run.is_sealed]
    books = {run.run_id: book for run in runs if FIRST_PLACE in run.params and (book := inventory.read_book(run.run_id))}
    index_id_by_book = {book_id: index.run_id for index in inventory.sealed_indexes for book_id in index.book_ids}
    findings = [
        _book_finding(run, books[run.run_id], index_id_by_book.get(run.run_id, ""))
        for run in runs
        if run.run_id in books and books[run.run_id].entries
    ]
    copies = [run for run in runs if run.is_active and (_is_copied_index(run) or _is_copied_book(run, books))]
    original_ids = _original_ids(inventory, copies) if copies else {}
    findings += [_copy_finding(run, original_ids.get(run.params.get(FIRST_PLACE, ""), "")) for run in copies]
    volumes = {run.run_id: run for run in runs if FIRST_PLACE not in run.params and run.holds_entries}
    return findings + [_volume_finding(volumes[run_id]) for run_id in sorted(_unexplained_volume_ids(inventory, volumes, books))]


def _unexplained_volume_ids(
    inventory: LedgerInventory, volumes: Mapping[str, LedgerRun], books: Mapping[str, DecodedBook]
) -> set[str]:
    """The volumes in which no book continues. Books are decoded until all volumes are explained, those of the same models first."""
    unexplained_ids = set(volumes) - {volume.run_id for book in books.values() for volume in book.volumes}
    models = {run.model for run in volumes.values()}
    named_runs = [run for book_id in sorted(inventory.book_ids) if (run := inventory.runs.get(book_id))]
    for run in sorted(named_runs, key=lambda run: run.model not in models):
        if not unexplained_ids:
            break
        if book := inventory.read_book(run.run_id):
            unexplained_ids -= {volume.run_id for volume in book.volumes}
    return unexplained_ids


def _book_finding(run: LedgerRun, book: DecodedBook, index_id: str) -> InventoryFinding:
    """A book not named by the valid index. `index_id` is another index that names it, if any."""
    named_text = f"only index {index_id[:8]}… names it" if index_id else "no index names it"
    means = (
        f"Run {run.run_id}{'' if run.is_active else ' (deleted)'} in {run.experiment.label} is a book of {_model_text(run)} with "
        f"{_entries_text(book)}, head {book.head}:{book.chain[:8]}…, and {named_text}. Either the index that named it is gone, or "
        "this book was written by hand."
    )
    what = "book of another index" if index_id else "book without an index"
    return InventoryFinding(0, what, means, subject=run.run_id)


def _original_ids(inventory: LedgerInventory, copies: Sequence[LedgerRun]) -> dict[str, str]:
    """First place → the run it was written for, if that run exists here."""
    copy_ids = {run.run_id for run in copies}
    originals = [run for run in inventory.runs.values() if FIRST_PLACE in run.params and run.run_id not in copy_ids]
    return {run.params[FIRST_PLACE]: run.run_id for run in originals}


def _copy_finding(run: LedgerRun, original_book_id: str) -> InventoryFinding:
    what = "an index" if _is_copied_index(run) else "a book"
    original_id = run.params[SEAL_PARAM] if _is_copied_index(run) else original_book_id
    means = (
        f"Run {run.run_id} in {run.experiment.label} has the parameters of {what} that belong to "
        f"{f'run {clean_text(original_id)[:40]}' if original_id else 'another run'}: this is a copy, not the record. "
        "Delete the copy to resolve this finding."
    )
    return InventoryFinding(0, "copy", means, subject=run.run_id)


def _volume_finding(run: LedgerRun) -> InventoryFinding:
    means = (
        f"Run {run.run_id} in {run.experiment.label} has the places {int(run.places[0])} to {int(run.places[-1])} of a book of "
        f"{_model_text(run)}, but no book continues in it: the runs before it are gone, or it is a copy."
    )
    return InventoryFinding(0, "volume without a book", means, subject=run.run_id)


def _experiment_findings(inventory: LedgerInventory) -> list[InventoryFinding]:
    """Experiments tagged with a missing index. If the index itself is in doubt, only that is reported."""
    if inventory.index_problem:
        return []
    known_ids = {inventory.index_id, *(index.run_id for index in inventory.sealed_indexes)}
    return [
        InventoryFinding(
            0,
            "tag without a record",
            f"Tag {INDEX_TAG} of {experiment.label} names run {clean_text(experiment.index_tag)[:40]} as the index, but there is no "
            "such index here: it was permanently removed, or the tag was written by hand. If the tag is wrong, delete it.",
            subject=experiment.index_tag,
        )
        for experiment in inventory.experiments
        if experiment.index_tag and experiment.index_tag not in known_ids
    ]


def _tag_findings(inventory: LedgerInventory) -> list[InventoryFinding]:
    return [
        InventoryFinding(0, "tag without a record", _tag_text(inventory, tag), subject=tag.book_id, model=tag.model)
        for tag in inventory.unexplained_tags
    ]


def _tag_text(inventory: LedgerInventory, tag: LedgerTag) -> str:
    run, lookup, name = inventory.runs.get(tag.book_id), inventory.lookups.get(tag.book_id), clean_text(tag.book_id)[:40]
    if run:
        target_text = f"run {name} in {run.experiment.label}, which the index of this ledger does not name"
    else:
        target_text = {
            "missing": f"run {name}, which the index of this ledger does not name and which does not exist",
            "refused": f"run {name}, which the index of this ledger does not name and which is missing or not readable here",
            "ordinary": f"run {name}, which is not a book",
        }.get(str(lookup), f"{name}, which the index of this ledger does not name")
    return (
        f"The {tag.label} leads to {target_text}. If it was copied, delete its tag {tag.name}. If not, it was written by hand, or the "
        "record it led to was moved or removed: find out who did it."
    )


def _is_copied_index(run: LedgerRun) -> bool:
    return SEAL_PARAM in run.params and not run.is_sealed and bool(run.book_ids)


def _is_copied_book(run: LedgerRun, books: dict[str, DecodedBook]) -> bool:
    """Does it hold entries that do not continue from its own run id?"""
    return run.run_id in books and not books[run.run_id].entries and run.holds_entries


def _entries_text(book: DecodedBook) -> str:
    return format_count(len(book.entries), "entry", "entries")


def _model_text(run: LedgerRun) -> str:
    return clean_text(run.model)[:80] or "a model without a name"
